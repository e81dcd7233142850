// Package tryton_test shows that each event and each document is there once with a real Tryton as the ERP, whatever happens on the way.
package tryton_test

import (
	"fmt"
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
	"github.com/dockline/dockline/testenv/tryton"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// steps are the calls that a day's postings are made of: a shipment's, its invoice's, those of a count with a variance.
var steps = []string{"stock.shipment.out.write", "stock.shipment.out.assign_force", "stock.shipment.out.pick", "stock.shipment.out.pack",
	"stock.shipment.out.done", "account.invoice.write", "account.invoice.post", "stock.inventory.create", "stock.inventory.confirm"}

func TestMain(m *testing.M) { worldtest.Main(m) }

// open starts a world with a Tryton of its own.
func open(t *testing.T, c world.Config) (*world.World, *world.TrytonERP) {
	t.Helper()
	if !testenv.TrytonInstalled() {
		testenv.SkipServer(t, "tryton", "not installed")
	}
	c.ERP = world.Tryton
	w := worldtest.Open(t, c)
	return w, w.ERP.(*world.TrytonERP)
}

// settle waits until all agree, and fails with what does not. The day must have had what it is to show.
func settle(t *testing.T, w *world.World, limit time.Duration) {
	t.Helper()
	worldtest.Settle(t, w, limit)
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(truth.Adjustments) == 0 || len(truth.Invoices) == 0 || len(truth.Issues) <= len(truth.Orders) {
		t.Errorf("a dull day: %d orders, %d shipments, %d invoices, %d variances", len(truth.Orders), len(truth.Issues), len(truth.Invoices), len(truth.Adjustments))
	}
}

// struck waits until every armed strike has met its call.
func struck(t *testing.T, way *tryton.Way) {
	t.Helper()
	worldtest.Until(t, "each call that is to be struck", 4*time.Minute, func() (bool, error) {
		if left := way.Armed(); len(left) > 0 {
			return false, fmt.Errorf("never called: %q", left)
		}
		return true, nil
	})
}

// TestExactlyOnceWithTryton lets days happen with a real Tryton as the ERP. In the end its books, read by its own RPC, agree with the
// ledgers that the docks wrote first: each shipment done with what left, the rest of a partial one open as a back-order, each invoice
// posted, each variance booked, all with Dockline's reference and none twice. What a person then does there behind Dockline's back is named
// by the check.
//
// Shows: S47, A19
func TestExactlyOnceWithTryton(t *testing.T) {
	t.Run("the lost answer", func(t *testing.T) {
		t.Parallel()
		w, real := open(t, world.Config{Seed: 49, Sites: []string{"dc-west"}})
		for _, method := range steps {
			real.Way.Arm(method, 1, tryton.LoseAnswer)
		}
		worldtest.Orders(t, w, 6)
		struck(t, real.Way)
		settle(t, w, 5*time.Minute)
		spoil(t, w, real)
	})
	t.Run("a kill between send and hear", func(t *testing.T) {
		t.Parallel()
		w, real := open(t, world.Config{Seed: 49, Sites: []string{"dc-west"}})
		for _, method := range steps {
			real.Way.Arm(method, 1, tryton.Meanwhile(func() {
				w.Collector.Kill()
				if err := w.Collector.Start(); err != nil {
					t.Error(err)
				}
			}))
		}
		worldtest.Orders(t, w, 6)
		struck(t, real.Way)
		settle(t, w, 5*time.Minute)
		said, err := os.ReadFile(filepath.Join(w.Config.Dir, "logs", "collector.log"))
		if err != nil {
			t.Fatal(err)
		}
		if lost := strings.Count(string(said), "posting was being sent when its sender ended"); lost < len(steps) {
			t.Errorf("%d postings were found on their way, %d kills", lost, len(steps))
		}
	})
	t.Run("one day with every fault", everyFault)
}

// everyFault lets agents and collector be killed and lines be cut while the docks work, and trytond be restarted while it is at a call.
func everyFault(t *testing.T) {
	t.Parallel()
	n := testenv.Count("once.tryton-orders")
	w, real := open(t, world.Config{Seed: 15, MovementsPerSecond: 1.5})
	real.Faults().Next(sandbox.ErrorBefore, sandbox.LostAnswer, sandbox.Busy)
	real.Faults().Set(sandbox.Faults{Rate: 0.1, Modes: []sandbox.Mode{sandbox.ErrorBefore, sandbox.LostAnswer, sandbox.Busy}})
	ordered := make(chan error, 1)
	go func() {
		_, err := w.Orders(t.Context(), n)
		ordered <- err
	}()
	for i := range 4 {
		moved(t, w, 8*(i+1))
		site := w.Sites[[]string{"dc-east", "dc-west"}[i%2]]
		site.Line.Cut(i >= 2)
		site.Agent.Kill()
		if err := site.Agent.Start(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			w.Collector.Kill()
			if err := w.Collector.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if i == 1 {
			if err := <-ordered; err != nil { // nobody makes orders in a Tryton that is down
				t.Fatal(err)
			}
			for _, method := range []string{"stock.shipment.out.pack", "account.invoice.post"} {
				real.Way.Arm(method, 1, tryton.Meanwhile(func() {
					real.Stop()
					if err := real.Start(); err != nil {
						t.Error(err)
					}
				}))
			}
		}
	}
	struck(t, real.Way)
	for _, site := range w.Sites {
		site.Line.Cut(false)
	}
	settle(t, w, 5*time.Minute+time.Duration(n)*10*time.Second)
	met := real.Faults().Counts()
	for _, mode := range []sandbox.Mode{sandbox.ErrorBefore, sandbox.LostAnswer, sandbox.Busy} {
		if met[mode] == 0 {
			t.Errorf("no call met %s: %v", mode, met)
		}
	}
	t.Logf("calls that write, by what they met: %v", met)
}

// moved waits until the docks have written down so many movements.
func moved(t *testing.T, w *world.World, n int) {
	t.Helper()
	worldtest.Until(t, fmt.Sprintf("%d movements", n), 3*time.Minute, func() (bool, error) {
		ledgers, err := w.Ledgers()
		count := 0
		for _, records := range ledgers {
			for _, r := range records {
				if r.Movement != nil {
					count++
				}
			}
		}
		return count >= n, err
	})
}

// spoil books a count that no dock made, takes a shipment's reference away and makes an order that has not been released yet: the check
// names each.
func spoil(t *testing.T, w *world.World, real *world.TrytonERP) {
	t.Helper()
	do := func(method string, params ...any) any {
		t.Helper()
		result, err := real.Do(t.Context(), method, nil, params...)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	line := w.ERP.Master().Stock[slices.IndexFunc(w.ERP.Master().Stock, func(l erp.StockLine) bool { return l.Site == "dc-west" && l.Lot == "" })]
	count := do("stock.inventory.create", []tryton.Object{{"number": "BY-HAND", "location": real.Bins["dc-west"][line.Bin],
		"lines": []any{[]any{"create", []tryton.Object{{"product": real.Products[line.Item]["id"], "quantity": 1}}}}}})
	do("stock.inventory.confirm", count)
	done, err := real.List(t.Context(), "stock.shipment.out", []any{[]any{"state", "=", "done"}}, nil, "reference")
	if err != nil || len(done) == 0 {
		t.Fatal(done, err)
	}
	lost, _, _ := strings.Cut(tryton.Text(done[0]["reference"]), "|")
	do("stock.shipment.out.write", []int64{tryton.ID(done[0]["id"])}, tryton.Object{"reference": ""})
	made, err := w.ERP.Order(t.Context(), erp.NewOrder{Customer: "C-1001", Site: "dc-west", Lines: []erp.NewOrderLine{{Item: line.Item, Quantity: decimal.NewFromInt(1)}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"stock adjustment BY-HAND", "stock dc-west/" + line.Bin + "/" + line.Item, "0 goods issues for shipment " + lost, "order " + made.Number} {
		if !slices.ContainsFunc(r.Mismatches, func(m string) bool { return strings.Contains(m, want) }) {
			t.Errorf("%q does not name %s", r.Mismatches, want)
		}
	}
}
