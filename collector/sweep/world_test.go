package sweep_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/sweep"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

const tenant = "acme"

// world is a database, an ERP in memory that the stages of a collector tell things, and a clock that only tests move.
type world struct {
	t      *testing.T
	db     *db.DB
	clock  time.Time
	erp    *connectortest.Memory
	stages *collector.Stages
}

func bothDatabases(t *testing.T, run func(w *world)) {
	t.Helper()
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) { run(open(t, d, nil)) })
}

// open starts a collector; wrap makes another connector of the ERP.
func open(t *testing.T, d *db.DB, wrap func(*connectortest.Memory) connector.Connector) *world {
	t.Helper()
	w := &world{t: t, db: d, clock: began}
	d.Now = func() time.Time { return w.clock }
	w.erp = &connectortest.Memory{Settle: time.Second, Now: d.Now}
	var system connector.Connector = w.erp
	if wrap != nil {
		system = wrap(w.erp)
	}
	var err error
	w.stages, err = collector.NewStages(t.Context(), collector.Surroundings{DB: d, Tenant: tenant, Policy: policy.Default(), SweepHeals: true,
		Systems: []collector.SurroundingSystem{{Name: "erp", Role: ownership.SystemOfRecord, Connector: system}}, Up: func() bool { return false },
		Publish: func(context.Context, wire.Message) error { return nil }, Now: d.Now, Random: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	w.write(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO site (tenant, id, created_at) VALUES (?, 'dc-east', 1)`, tenant)
		return err
	})
	return w
}

func (w *world) write(f func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// amended is one change of an order that the ERP is told by a document that is created once; status a status that is restated.
func amended(key, quantity string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.OrderAmendment, Key: key, Site: "dc-east", Style: connector.CreateOnce, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_OrderAmendment{OrderAmendment: &docklinev1.OrderAmendment{Order: "SO1", Site: "dc-east", Action: "cancel",
			Lines: []*docklinev1.OrderAmendmentLine{{OrderLine: "10", Item: "BOLT", Quantity: quantity}}}}}}
}

func receipt(key, quantity string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.ReturnReceipt, Key: key, Site: "dc-east", Style: connector.CreateOnce, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_ReturnReceipt{ReturnReceipt: &docklinev1.GoodsReturned{Number: key, Order: "SO1", Site: "dc-east",
			Lines: []*docklinev1.DocumentLine{{OrderLine: "10", Item: "BOLT", Quantity: quantity}}}}}}
}

func status(order, text string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.OrderStatus, Key: order, Style: connector.Level, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_OrderStatus{OrderStatus: &docklinev1.OrderStatus{Order: order, Customer: "C-1", Status: text}}}}
}

// post has them wanted, each by a fold of its own, and told.
func (w *world) post(all ...posting.Desired) {
	w.t.Helper()
	for _, d := range all {
		w.write(func(tx *db.Tx) error {
			return posting.Put(w.t.Context(), tx, tenant, "test/"+string(d.Kind)+"/"+d.Key, "v1", []posting.Desired{d}, w.clock)
		})
	}
	w.send()
}

// send has the sender work for some minutes.
func (w *world) send() {
	w.t.Helper()
	for range 30 {
		if _, err := w.stages.Senders[0].Step(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.clock = w.clock.Add(10 * time.Second)
	}
}

func (w *world) target() *sweep.Target { return w.stages.SweepTargets()[0] }

// sweep makes a run from beginning to end and reads what it found. The clock goes on by a second with each step.
func (w *world) sweep() *sweep.Report {
	w.t.Helper()
	w.clock = w.clock.Add(time.Second)
	r, err := w.stages.Sweep.Begin(w.t.Context(), w.target(), "", sweep.Asked)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.through(w.stages.Sweep, r)
}

func (w *world) through(s *sweep.Sweep, r *sweep.Run) *sweep.Report {
	w.t.Helper()
	for !r.Done() {
		rest, err := s.Step(w.t.Context(), w.target(), r)
		if err != nil {
			w.t.Fatal(err)
		}
		w.clock = w.clock.Add(time.Second + rest)
	}
	s.End(w.t.Context(), w.target())
	return w.report(r)
}

func (w *world) report(r *sweep.Run) (out *sweep.Report) {
	w.t.Helper()
	w.write(func(tx *db.Tx) (err error) { out, err = sweep.ReportOf(w.t.Context(), tx, r); return err })
	return out
}

// open are the exceptions of the sweep that are open, by code and subject.
func (w *world) open() (out []string) {
	w.t.Helper()
	w.write(func(tx *db.Tx) error {
		found, err := exception.List(w.t.Context(), tx, tenant, exception.Filter{Unresolved: true})
		for _, e := range found {
			if e.Target == "erp" {
				out = append(out, e.Code+" "+e.Subject)
			}
		}
		return err
	})
	return out
}

func keys(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("A%02d", i))
	}
	return out
}
