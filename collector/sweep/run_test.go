package sweep_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/sweep"
	"github.com/dockline/dockline/testenv"
)

// What was removed, changed and added by hand is one exception each, which closes when a later run finds it gone. What the ERP only holds a copy of is
// told again: a receipt of goods that came back, which is not there, is made once more, after a look. What the ERP is the record of, and what is
// there and differs, is not touched. (That a CRM is told its status again TestSweepSeeded shows.)
//
// Shows: S43
func TestByHandThenHealedByOwnership(t *testing.T) {
	bothDatabases(t, func(w *world) {
		t := w.t
		w.post(receipt("RC1", "2"), receipt("RC2", "2"), amended("AM1", "1"), amended("AM2", "1"), status("SO1", "invoiced"))
		if r := w.sweep(); len(r.Findings) > 0 || r.Matched != 5 {
			t.Fatalf("before anything was changed: %+v", r)
		}
		w.erp.Edit(connector.ReturnReceipt, "RC1", nil)                                 // removed
		w.erp.Edit(connector.ReturnReceipt, "RC2", receipt("RC2", "7").Document)        // changed
		w.erp.Edit(connector.OrderAmendment, "AM1", nil)                                // removed, and the ERP's own to decide
		w.erp.Edit(connector.OrderStatus, "SO1", status("SO1", "cancelled").Document)   // overwritten
		w.erp.Double(&connector.Posting{Kind: connector.OrderAmendment, Key: "by-hand", // made by somebody
			Document: amended("by-hand", "1").Document})
		r := w.sweep()
		want := []string{"sweep_different crm_status SO1", "sweep_different return_receipt RC2", "sweep_extra order_amend by-hand", "sweep_missing order_amend AM1", "sweep_missing return_receipt RC1"}
		open := w.open()
		slices.Sort(open)
		if !slices.Equal(open, want) || r.Unexplained != len(want) || len(r.New) != len(want) || r.Healed != 1 {
			t.Fatalf("open are %v, want %v; %+v", open, want, r)
		}
		w.send()
		if n := w.erp.Effects(connector.ReturnReceipt, "RC1"); n != 1 {
			t.Errorf("RC1 stands %d times in the ERP, want once", n)
		}
		if got := w.erp.Document(connector.OrderStatus, "SO1").GetOrderStatus().GetStatus(); got != "cancelled" {
			t.Errorf("the status that the ERP shows is %q: what it is the record of was overwritten", got)
		}
		if w.erp.Document(connector.OrderAmendment, "AM1") != nil || w.erp.Document(connector.ReturnReceipt, "RC2").GetReturnReceipt().GetLines()[0].GetQuantity() != "7" {
			t.Error("what is the ERP's, or differs, was overwritten")
		}
		r = w.sweep()
		open = w.open()
		slices.Sort(open)
		if still := want[:4]; !slices.Equal(open, still) || len(r.New) > 0 || len(r.StillThere) != 4 || !slices.Equal(r.Gone, []string{"return_receipt RC1"}) {
			t.Errorf("after it was told again: open are %v, want %v; new %v, still there %v, gone %v", open, still, r.New, r.StillThere, r.Gone)
		}
	})
}

// A run that was interrupted goes on where it was, in another process, and comes to the same; meanwhile nobody else can work on the target.
func TestARunGoesOnWhereItWas(t *testing.T) {
	w := open(t, testenv.SQLite(t), nil)
	for _, key := range keys(9) {
		w.post(amended(key, "1"))
	}
	w.erp.Edit(connector.OrderAmendment, "A03", nil)
	w.erp.Edit(connector.OrderAmendment, "A05", amended("A05", "4").Document)
	other := *w.stages.Sweep
	other.Holder = "another"
	whole := w.sweep()
	if whole.Missing != 1 || whole.Different != 1 || whole.Calls == 0 && whole.Matched != 7 {
		t.Fatalf("in one go: %+v", whole)
	}
	steps := 0
	for {
		r, err := w.stages.Sweep.Begin(t.Context(), w.target(), "", sweep.Asked)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Begin(t.Context(), w.target(), "", sweep.Asked); !errors.Is(err, sweep.ErrBusy) {
			t.Fatalf("another process was let in: %v", err)
		}
		if _, err := w.stages.Sweep.Step(t.Context(), w.target(), r); err != nil {
			t.Fatal(err)
		}
		if steps++; r.Done() {
			got := w.report(r)
			if r.Number != whole.Number+1 || !reflect.DeepEqual(got.Findings, whole.Findings) || got.Matched != whole.Matched || len(got.StillThere) != 2 {
				t.Errorf("step by step, each by a process that knows nothing of the one before: %+v, want what came of one go: %+v", got, whole)
			}
			break
		}
	}
	if steps < 20 {
		t.Errorf("only %d steps: nothing was interrupted", steps)
	}
	w.clock = w.clock.Add(2 * time.Minute) // the lease of who was killed is over
	if _, err := other.Begin(t.Context(), w.target(), "", sweep.Asked); err != nil {
		t.Errorf("after the lease: %v", err)
	}
}

// counting makes a request of each call, as real systems do.
type counting struct {
	*connectortest.Memory
	times *[]time.Time
	now   func() time.Time
}

func (c counting) List(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	*c.times = append(*c.times, c.now())
	if err := connector.Pace(ctx); err != nil {
		return connector.ListedPage{}, err
	}
	return c.Memory.List(ctx, l)
}

func (c counting) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	if err := connector.Pace(ctx); err != nil {
		return nil, err
	}
	return c.Memory.Find(ctx, p)
}

// However much there is to read, a run asks for no more in a minute than it may.
func TestARunKeepsToItsBudget(t *testing.T) {
	var times []time.Time
	var w *world
	w = open(t, testenv.SQLite(t), func(m *connectortest.Memory) connector.Connector {
		return counting{m, &times, func() time.Time { return w.clock }}
	})
	for _, key := range keys(30) {
		w.post(amended(key, "1"))
	}
	w.stages.Sweep.PerMinute = 6
	times = nil
	r := w.sweep()
	if r.Matched != 30 || r.Calls < 20 || int(r.Calls) != len(times) {
		t.Fatalf("%d matched, %d requests are counted of %d", r.Matched, r.Calls, len(times))
	}
	for i := range times {
		n := 0
		for _, at := range times[i:] {
			if at.Sub(times[i]) < time.Minute {
				n++
			}
		}
		if n > 2*6 { // a minute that is looked at from its middle holds parts of two
			t.Errorf("%d requests within a minute from %s on", n, times[i])
		}
	}
	if took := times[len(times)-1].Sub(times[0]); took < 3*time.Minute {
		t.Errorf("%d requests took %s: nothing rested", len(times), took)
	}
}

// Of a system that lists nothing every posting is read back, and the run says that nothing else was looked for.
func TestASystemThatListsNothingIsReadBack(t *testing.T) {
	w := open(t, testenv.SQLite(t), func(m *connectortest.Memory) connector.Connector { return connectortest.ListsNothing{Memory: m} })
	for _, key := range keys(45) {
		w.post(amended(key, "1"))
	}
	w.erp.Edit(connector.OrderAmendment, "A03", nil)
	w.erp.Edit(connector.OrderAmendment, "A44", amended("A44", "4").Document)
	w.erp.Double(&connector.Posting{Kind: connector.OrderAmendment, Key: "by-hand", Document: amended("by-hand", "1").Document})
	r := w.sweep()
	if r.Matched != 43 || r.Missing != 1 || r.Different != 1 || r.Extra != 0 || !slices.Contains(r.NotListed, string(connector.OrderAmendment)) {
		t.Errorf("%d matched, %d missing, %d different, %d extra, not listed %v", r.Matched, r.Missing, r.Different, r.Extra, r.NotListed)
	}
}

// What is on its way is explained by that, with its events, and opens no case; a system that does not answer leaves the run where it was.
func TestWhatIsUnderWayIsExplained(t *testing.T) {
	w := open(t, testenv.SQLite(t), nil)
	w.post(amended("A01", "1"))
	down := true
	w.erp.Fail = func(op string, p *connector.Posting) connectortest.Failure {
		switch {
		case op == "create":
			return connectortest.BadProcess
		case op == "list" && down:
			return connectortest.Before
		}
		return connectortest.None
	}
	d := amended("A02", "1")
	d.EventIDs = []string{"ev-7"}
	w.post(d)
	r, err := w.stages.Sweep.Begin(t.Context(), w.target(), "", sweep.Asked)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.stages.Sweep.Step(t.Context(), w.target(), r); err == nil || r.Fault == "" || r.Done() {
		t.Fatalf("the system does not answer: %v, %+v", err, r)
	}
	down = false
	w.clock = w.clock.Add(time.Minute)
	got := w.through(w.stages.Sweep, r)
	if len(got.Findings) != 1 || got.Findings[0].Cause != sweep.Pending || got.Unexplained != 0 || !slices.Equal(got.Findings[0].Because, []string{"erp/order_amend/A02 (events ev-7)"}) {
		t.Errorf("%+v", got.Findings)
	}
	for _, each := range w.open() {
		if each[:6] == "sweep_" {
			t.Errorf("a case is open: %s", each)
		}
	}
	w.write(func(tx *db.Tx) error {
		list, err := sweep.List(t.Context(), tx, tenant, "erp", 10)
		if len(list) != 1 || list[0].Fault != "" || !list[0].Done() {
			t.Errorf("listed are %+v", list)
		}
		return err
	})
}
