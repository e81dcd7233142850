// Package once_test shows that each event and each document is there once, whatever happens on the way.
package once_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
)

// open builds the programs and starts a world; what its programs said is shown where the test fails.
func open(t *testing.T, c world.Config) *world.World {
	t.Helper()
	var err error
	if c.Dir, err = os.MkdirTemp("", "dockline-once-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(c.Dir)
		}
	})
	c.Bin = c.Dir
	if err := world.Build(t.Context(), c.Bin, nil); err != nil {
		t.Fatal(err)
	}
	w, err := world.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// settle waits until all agree and fails with what does not.
func settle(t *testing.T, w *world.World, limit time.Duration) *world.Report {
	t.Helper()
	r, err := w.Settle(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if !r.OK {
		t.Errorf("%d mismatches, the first: %q\ncollector: %s", len(r.Mismatches), r.Mismatches[:min(10, len(r.Mismatches))], w.Collector.LogTail())
	}
	return r
}

// TestExactlyOnce/a_quiet_day is the line whole: releases go down, files come up, documents are posted and read back. The other
// days let agents, the line, the collector and the ERP fail meanwhile; in the end event log, ERP and CRM agree with the ledgers that
// the docks wrote first: no event lost, each document once, quantities right.
//
// Shows: S47, S52, A19
func TestExactlyOnce(t *testing.T) {
	t.Run("a quiet day", func(t *testing.T) {
		w := open(t, world.Config{Seed: 1})
		orders(t, w, 20)
		r := settle(t, w, 90*time.Second)
		if r.EventsLogged == 0 || r.Postings["confirmed"] == 0 {
			t.Error("nothing happened")
		}
		if partials := ordersInTwoShipments(t, w); partials == 0 {
			t.Error("no order left in two shipments: the day does not show partial ones")
		}
	})
	t.Run("agents killed, line cut, ERP failing", func(t *testing.T) {
		w := open(t, world.Config{Seed: 2, MovementsPerSecond: 8})
		w.ERP.Faults().Set(sandbox.Faults{Rate: 0.1, Modes: []sandbox.Mode{sandbox.ErrorBefore, sandbox.LostAnswer, sandbox.Busy}})
		orders(t, w, 30)
		for i := range testenv.Count("once.agent-kills") {
			site := w.Sites[[]string{"dc-east", "dc-west"}[i%2]]
			produced(t, w, (i+1)*6)
			site.Agent.Kill()
			site.Line.Cut(i%5 == 4)
			if err := site.Agent.Start(); err != nil {
				t.Fatal(err)
			}
		}
		for _, site := range w.Sites {
			site.Line.Cut(false)
		}
		settle(t, w, 150*time.Second)
	})
	t.Run("collector killed", func(t *testing.T) {
		w := open(t, world.Config{Seed: 3, MovementsPerSecond: 10})
		w.ERP.Faults().Set(sandbox.Faults{Latency: 30 * time.Millisecond})
		orders(t, w, 20)
		for i := range 4 {
			produced(t, w, (i+1)*20)
			w.Collector.Kill()
			if err := w.Collector.Start(); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, w, 150*time.Second)
	})
}

func orders(t *testing.T, w *world.World, n int) {
	t.Helper()
	if _, err := w.Orders(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// produced waits until the docks have written down so many movements, or are idle: then there is nothing left to disturb.
func produced(t *testing.T, w *world.World, n int) {
	t.Helper()
	last, quiet := 0, time.Now()
	for time.Since(quiet) < 5*time.Second {
		ledgers, err := w.Ledgers()
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, records := range ledgers {
			for _, r := range records {
				if r.Movement != nil {
					count++
				}
			}
		}
		if count >= n {
			return
		}
		if count != last {
			last, quiet = count, time.Now()
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func ordersInTwoShipments(t *testing.T, w *world.World) int {
	t.Helper()
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	issues, several := map[string]int{}, 0
	for _, issue := range truth.Issues {
		if issues[issue.Order]++; issues[issue.Order] == 2 {
			several++
		}
	}
	return several
}

// TestOnPostgreSQL is a day of the same programs on a PostgreSQL, told by nothing but a URL.
//
// Shows: A20
func TestOnPostgreSQL(t *testing.T) {
	w := open(t, world.Config{Seed: 5, Database: testenv.PostgreSQL(t)})
	orders(t, w, 10)
	if r := settle(t, w, 120*time.Second); r.Postings["confirmed"] == 0 {
		t.Error("nothing was posted")
	}
}

// TestCompareCanFail removes, doubles and changes one document at a time: each time the comparison names it.
func TestCompareCanFail(t *testing.T) {
	w := open(t, world.Config{Seed: 4, Sites: []string{"dc-west"}})
	orders(t, w, 12)
	settle(t, w, 60*time.Second)
	ledgers, err := w.Ledgers()
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*world.Truth) string{
		"an issue removed": func(x *world.Truth) string {
			gone := x.Issues[0].ExternalReference
			x.Issues = x.Issues[1:]
			return gone
		},
		"an issue doubled": func(x *world.Truth) string {
			x.Issues = append(x.Issues, x.Issues[0])
			return x.Issues[0].ExternalReference
		},
		"a quantity changed": func(x *world.Truth) string {
			x.Issues[0].Lines[0].Quantity = x.Issues[0].Lines[0].Quantity.Add(decimal.NewFromInt(1))
			return x.Issues[0].Number
		},
		"an invoice removed": func(x *world.Truth) string {
			number := x.Invoices[0].GoodsIssue
			x.Invoices = x.Invoices[1:]
			return number
		},
		"an invoice of nothing": func(x *world.Truth) string {
			x.Invoices = append(x.Invoices, erp.Invoice{Number: "INV-of-nothing", GoodsIssue: "none"})
			return "INV-of-nothing"
		},
		"an invoice with another reference": func(x *world.Truth) string {
			x.Invoices[0].ExternalReference = "another"
			return x.Invoices[0].Number
		},
		"a remainder closed": func(x *world.Truth) string {
			l := &x.Orders[0].Lines[0]
			l.Open = l.Open.Sub(decimal.NewFromInt(1))
			return "order " + x.Orders[0].Number + " line " + l.Line + " has " + l.Open.String() + " open"
		},
		"a document begun": func(x *world.Truth) string {
			x.Unfinished = append(x.Unfinished, "shipment SH-1 is still picked")
			return "SH-1"
		},
		"stock changed": func(x *world.Truth) string {
			x.Stock["dc-west"][0].Quantity = x.Stock["dc-west"][0].Quantity.Add(decimal.NewFromInt(1))
			return x.Stock["dc-west"][0].Item
		},
		"a status changed": func(x *world.Truth) string {
			x.CRMOrders[0].Status = "accepted too"
			return x.CRMOrders[0].Number
		},
	} {
		truth, err := w.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if found := world.Compare(ledgers, truth, w.OpeningStock()); len(found) > 0 {
			t.Fatalf("before anything was spoilt: %q", found)
		}
		want := spoil(&truth)
		found := world.Compare(ledgers, truth, w.OpeningStock())
		if !slices.ContainsFunc(found, func(m string) bool { return strings.Contains(m, want) }) {
			t.Errorf("%s: %q does not name %s", name, found, want)
		}
	}
}

// TestBadInputIsFoundByAPerson drops a file whose lines are wrong in four ways into the folder of a site at work. The file comes back
// with a text that names file, line and column, each line is an exception at the centre, and the day goes on.
func TestBadInputIsFoundByAPerson(t *testing.T) {
	w := open(t, world.Config{Seed: 6, Sites: []string{world.FileSite}})
	orders(t, w, 6)
	outbound := w.Sites[world.FileSite].Outbound
	text := "pick_id;order;line;sku;qty;uom;lot;from_bin;lpn;picked_at;movement;operator;short_qty;ordered_qty;reason\r\n" +
		"BAD-1;SO100001;10;SKU-1001;-4;each;;A-01-01;;24.11.2026 10:00:00.000000;;op-01;;;\r\n" +
		"BAD-2;SO100001;10;SKU-1001;many;each;;A-01-01;;24.11.2026 10:00:00.000000;;op-01;;;\r\n" +
		"BAD-3;SO100001;10;SKU-1001;4;each;;A-01-01;;yesterday;;op-01;;;\r\n" +
		"BAD-4;SO100001;10\r\n"
	if err := os.WriteFile(filepath.Join(outbound, "picks-bad.csv.tmp"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(outbound, "picks-bad.csv.tmp"), filepath.Join(outbound, "picks-bad.csv")); err != nil {
		t.Fatal(err)
	}
	settle(t, w, 90*time.Second)
	deadline := time.Now().Add(30 * time.Second)
	var open []world.Exception
	for len(open) < 4 && time.Now().Before(deadline) {
		all, err := w.Exceptions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		open = slices.DeleteFunc(all, func(e world.Exception) bool { return !strings.Contains(e.Text, "picks-bad.csv") })
	}
	if len(open) != 4 {
		t.Fatalf("%d exceptions name the file, want 4: %+v", len(open), open)
	}
	for _, e := range open {
		if e.Class != "data" || e.Team == "" {
			t.Errorf("exception %d: class %q, team %q", e.Number, e.Class, e.Team)
		}
	}
	said, err := filepath.Glob(filepath.Join(outbound, "error", "picks-bad.csv*.txt"))
	if err != nil || len(said) != 1 {
		t.Fatalf("texts beside the refused file: %v, %v", said, err)
	}
	words, err := os.ReadFile(said[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"picks-bad.csv", "qty", "picked_at", "line 2", "line 5"} {
		if !strings.Contains(strings.ToLower(string(words)), want) {
			t.Errorf("the text does not say %q:\n%s", want, words)
		}
	}
}
