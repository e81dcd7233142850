// Package policy_test shows what another version of the policy does to what has happened already, and to what people do with it.
package policy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/rebuild"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// shop is a collector's stages over a sandbox ERP, stepped by hand.
type shop struct {
	t      *testing.T
	db     *db.DB
	erp    *erp.Client
	url    string
	stages *collector.Stages
	clock  time.Time
	seq    uint64
}

func newShop(t *testing.T, d *db.DB) *shop {
	t.Helper()
	master := &erp.Master{Customers: []erp.Customer{{Code: "C-1", Name: "Northwind", Currency: "EUR", ShipTo: []string{"Quay 1"}}},
		Items: []erp.Item{{Code: "BOLT", Unit: erp.Each, Price: decimal.NewFromInt(2)}}, Sites: []erp.Site{{Code: Site, Bins: []string{"A-01"}}},
		Stock: []erp.StockLine{{Site: Site, Bin: "A-01", Item: "BOLT", Unit: erp.Each, Quantity: decimal.NewFromInt(1_000_000)}}}
	server, err := erp.New(erp.Config{Dir: t.TempDir(), Master: master})
	if err != nil {
		t.Fatal(err)
	}
	http := sandbox.NewServer("127.0.0.1:0", server)
	if err := http.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.Stop()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &shop{t: t, db: d, erp: erp.NewClient(http.URL(), ""), url: http.URL(), clock: Morning.Add(time.Hour)}
}

// start is a collector that is started with a policy folder.
func (s *shop) start(files map[string]string) {
	s.t.Helper()
	folder := fstest.MapFS{"targets.yaml": {Data: []byte("targets:\n  - {name: erp, role: system_of_record}\n")}}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	p, err := policy.Load(folder)
	if err != nil {
		s.t.Fatal(err)
	}
	system, err := connectorhttp.New(connectorhttp.Config{Name: "erp", URL: s.url, Definition: "sandbox-erp", Rate: connectorhttp.Rate{PerSecond: 100_000, Burst: 1000}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.stages, err = collector.NewStages(s.t.Context(), collector.Surroundings{DB: s.db, Tenant: Tenant, Policy: p,
		Systems: []collector.SurroundingSystem{{Name: "erp", Role: ownership.SystemOfRecord, Connector: system}},
		Publish: func(context.Context, wire.Message) error { return nil }, Up: func() bool { return true }, Now: func() time.Time { return s.clock }})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, sender := range s.stages.Senders {
		sender.Parallel = 16
	}
}

// tell appends what a site tells.
func (s *shop) tell(events ...*docklinev1.Event) {
	s.t.Helper()
	err := s.db.Write(s.t.Context(), func(tx *db.Tx) error {
		var recorded []eventlog.Recorded
		for _, e := range events {
			s.seq++
			recorded = append(recorded, eventlog.Recorded{Event: e, Epoch: "e1", EpochOrdinal: 1, Seq: s.seq})
		}
		_, err := s.stages.Filler.Log.Append(s.t.Context(), tx, recorded)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// settle takes what the ERP tells, folds, and sends, until nothing is left to do.
func (s *shop) settle() {
	s.t.Helper()
	for {
		n := 0
		for _, step := range []func(context.Context) (int, error){s.stages.Intakes[0].Step, s.stages.Worker.Step, s.stages.Senders[0].Step} {
			did, err := step(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			n += did
		}
		if n == 0 {
			return
		}
	}
}

func (s *shop) count(query string, args ...any) (n int) {
	s.t.Helper()
	err := s.db.Read(s.t.Context(), func(tx *db.Tx) error { return tx.QueryRow(s.t.Context(), query, args...).Scan(&n) })
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// documents are what the ERP has: issues, invoices, reversals of either, and all pieces that were issued.
func (s *shop) documents() string {
	s.t.Helper()
	issues, err := s.erp.Issues(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	invoices, err := s.erp.Invoices(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	taken, err := s.erp.IssueReversals(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	unbilled, err := s.erp.InvoiceReversals(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	pieces := decimal.Zero
	for _, issue := range issues {
		for _, l := range issue.Lines {
			pieces = pieces.Add(l.Quantity)
		}
	}
	return fmt.Sprintf("%d issues of %s pieces, %d invoices, %d reversals", len(issues), pieces, len(invoices), len(taken)+len(unbilled))
}

// compared derives everything anew and says how many keys differ.
func (s *shop) compared() int64 {
	s.t.Helper()
	b := s.stages.Rebuild
	r, err := b.Begin(s.t.Context(), rebuild.Check, rebuild.Key{})
	if err != nil {
		s.t.Fatal(err)
	}
	for !r.Done() {
		if err := b.Step(s.t.Context(), r); err != nil {
			s.t.Fatal(err)
		}
	}
	found, err := b.Differences(s.t.Context(), r, 5)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range found {
		s.t.Errorf("%s: %s %s", d.Key.Key, d.What, d.Text)
	}
	if r.Keys == 0 || r.Pending > 0 {
		s.t.Errorf("%d keys compared, %d pending", r.Keys, r.Pending)
	}
	return r.Differing
}

// Boxes are pieces under the first version; under the second one is twelve, a code means another item, and more may leave than was ordered.
var (
	first = map[string]string{"mapping.yaml": "items:\n  - item: BOLT\n    codes: [{code: \"4711\"}]\n"}
	then  = map[string]string{"limits.yaml": "over_ship: post\nover_ship_tolerance: \"50\"\n",
		"mapping.yaml": "items:\n  - item: BOLT\n    units: {BX: \"12\"}\n  - item: NUT\n    codes: [{code: \"4711\"}]\n"}
)

// TestPolicyChangeLeavesHistory closes a thousand orders, changes how codes and units are read, and then late facts of every one of them arrive:
// no document is reversed, changed or made again, and what is derived anew from the log is what there is. An order of afterwards is read anew.
//
// Shows: S28
func TestPolicyChangeLeavesHistory(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		n := testenv.Count("policy.closed-orders")
		s := newShop(t, d)
		s.start(first)
		boxes := func(e *docklinev1.Event) *docklinev1.Event {
			for _, lines := range [][]*docklinev1.Line{e.GetPick().GetLines(), e.GetPack().GetLines(), e.GetShipment().GetLines()} {
				for _, l := range lines {
					l.Quantity.Unit = "BX"
				}
			}
			return e
		}
		orders := make([]string, n)
		for i := range orders {
			o, err := s.erp.ImportOrder(t.Context(), erp.NewOrder{Customer: "C-1", Site: Site, Lines: []erp.NewOrderLine{{Item: "BOLT", Quantity: decimal.NewFromInt(3)}}})
			if err != nil {
				t.Fatal(err)
			}
			orders[i] = o.Number
		}
		s.settle()
		work := func(order string, i int) {
			s.tell(boxes(Pick(10+i, "p"+order, In(L(order, "10", "4711", "3"), "A-01", ""))), boxes(Shipment(20+i, "S"+order, L(order, "10", "4711", "3"))))
		}
		for i, order := range orders {
			work(order, i)
		}
		s.tell(Count(30+n, "CC1", In(L("", "", "4711", "5"), "B-09", "")))
		s.settle()
		closed := `SELECT COUNT(*) FROM state WHERE fold_key LIKE 'order/%' AND status = 'closed'`
		if got := s.count(closed); got != n {
			t.Fatalf("%d of %d orders are closed; %s", got, n, s.documents())
		}
		want := fmt.Sprintf("%d issues of %d pieces, %d invoices, 0 reversals", n, 3*n, n)
		if got := s.documents(); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		before := s.stages.Worker.InForce().Version
		calls, err := s.erp.Calls(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		s.clock = s.clock.Add(time.Hour)
		s.start(then)
		if s.stages.Worker.InForce().Version == before || s.count(`SELECT COUNT(*) FROM policy_activation`) != 2 {
			t.Fatal("no other version is in force")
		}
		for i, order := range orders {
			s.tell(boxes(Pack(15+i, "k"+order, "HU"+order, L(order, "10", "4711", "3"))), boxes(Revised(Pick(10+i, "p"+order, In(L(order, "10", "4711", "3"), "A-01", "")), "2")))
		}
		s.settle()
		s.clock = s.clock.Add(time.Hour)
		s.settle()

		if got := s.documents(); got != want {
			t.Errorf("after late facts: %s, want %s", got, want)
		}
		if got := s.count(closed); got != n {
			t.Errorf("%d of %d orders are closed", got, n)
		}
		if got := s.count(`SELECT COUNT(*) FROM posting WHERE state <> 'confirmed' OR wanted = 0 OR policy_version <> ?`, before); got != 0 {
			t.Errorf("%d postings stand otherwise than before", got)
		}
		if got := s.count(`SELECT COUNT(*) FROM state WHERE fold_key LIKE 'order/%' AND (policy_version <> ? OR fact_count < 5)`, before); got != 0 {
			t.Errorf("%d orders are under another version, or did not get the late facts", got)
		}
		later, err := s.erp.Calls(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range later[len(calls):] {
			if call.Method != "GET" {
				t.Errorf("the ERP was told again: %s %s", call.Method, call.Path)
				break
			}
		}
		if differing := s.compared(); differing != 0 {
			t.Errorf("%d keys would be derived otherwise", differing)
		}

		o, err := s.erp.ImportOrder(t.Context(), erp.NewOrder{Customer: "C-1", Site: Site, Lines: []erp.NewOrderLine{{Item: "BOLT", Quantity: decimal.NewFromInt(36)}}})
		if err != nil {
			t.Fatal(err)
		}
		s.settle()
		s.tell(boxes(Pick(9000, "p"+o.Number, In(L(o.Number, "10", "BOLT", "3"), "A-01", ""))), boxes(Shipment(9001, "S"+o.Number, L(o.Number, "10", "BOLT", "3"))))
		s.settle()
		if got := s.documents(); !strings.HasPrefix(got, fmt.Sprintf("%d issues of %d pieces", n+1, 3*n+36)) {
			t.Errorf("a new order is not read by the new version: %s", got)
		}
		if differing := s.compared(); differing != 0 {
			t.Errorf("at the end %d keys would be derived otherwise", differing)
		}
	})
}
