package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// picking is one milestone: picked within four hours of the release, of which the site would have told.
const picking = `default:
  picked: {of: order, start: [accepted], stop: [picked], within: 4h, pause: [held], drop: [cancelled], warn: 1h, wait: 30m, level: pick, target: 95}
`

// at gives an event a time of its own.
func at(e *docklinev1.Event, t time.Time) *docklinev1.Event {
	e = proto.CloneOf(e)
	e.OccurredAt = timestamppb.New(t)
	return e
}

func (w *world) accepted(order string, at time.Time) *docklinev1.Event {
	e := Accepted(order, "1", L("", "1", "A", "2"))
	e.OccurredAt = timestamppb.New(at)
	e.GetOrder().Site = Site
	return e
}

func (w *world) picked(order string, t time.Time) *docklinev1.Event {
	return at(Pick(1, "pick "+order, In(L(order, "1", "A", "2"), "B-01", "")), t)
}

// clocks are those of all keys, times from Morning.
func (w *world) clocks() string {
	w.t.Helper()
	var b strings.Builder
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		b.Reset()
		list, err := milestone.List(w.t.Context(), tx, Tenant, milestone.Filter{All: true})
		for _, e := range list {
			fmt.Fprintf(&b, "%s %s %s", e.Key, e.Name, e.Standing)
			if e.Breached {
				b.WriteString(" breached")
			}
			for _, t := range []struct {
				name string
				at   time.Time
			}{{"due", e.DueAt}, {"reached", e.ReachedAt}, {"paused", e.PausedAt}} {
				if !t.at.IsZero() {
					fmt.Fprintf(&b, " %s %s", t.name, t.at.Sub(Morning))
				}
			}
			b.WriteString("\n")
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

func (w *world) cases() string {
	return w.rows(`SELECT code, subject, state FROM exception WHERE tenant = ? AND origin LIKE 'milestone/%' ORDER BY number`, Tenant)
}

// expect holds clocks and cases against what they should be.
func (w *world) expect(what, clocks, cases string) {
	w.t.Helper()
	if got := w.clocks(); got != clocks {
		w.t.Errorf("%s: clocks\n%swant\n%s", what, got, clocks)
	}
	if got := w.cases(); got != cases {
		w.t.Errorf("%s: cases\n%swant\n%s", what, got, cases)
	}
}

// told says that the site has told everything up to now.
func (w *world) told() { w.stream(w.clock, 0) }

// person tells a clock something, now.
func (w *world) person(key, name, action string, change func(*milestone.Change)) error {
	w.t.Helper()
	c := milestone.Change{Act: milestone.Act{At: w.clock, By: "ana", Name: name, Action: action, Reason: "agreed with the customer"}, Tenant: Tenant, Key: key, Source: policy.Self, Append: w.append}
	if change != nil {
		change(&c)
	}
	err := w.d.Write(w.t.Context(), func(tx *db.Tx) error { return c.Tell(w.t.Context(), tx, w.clock) })
	w.settle()
	return err
}

// agrees holds what is kept against the event log.
func (w *world) agrees(what string) {
	w.t.Helper()
	keys, err := reconcile.Keys(w.t.Context(), w.d, reconcile.Key{}, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	found, err := w.worker.Compare(w.t.Context(), keys, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range found {
		if len(f.Differences) > 0 || f.Pending {
			w.t.Errorf("%s: %s: pending %t, differs: %v", what, f.Key.Key, f.Pending, f.Differences)
		}
	}
}

// TestMilestones runs the clocks of orders on a clock that the test moves.
//
// Shows: S40, A6, S12, S56
func TestMilestones(t *testing.T) {
	for _, c := range []struct {
		name  string
		files string
		test  func(t *testing.T, w *world)
	}{
		{"start, warning, due, breach, and reached late", picking, testLate},
		{"reached in time and told late", picking, testToldLate},
		{"a site that is silent is waited for, and not for ever", picking, testSilent},
		{"held orders wait", picking, testHeld},
		{"a pause that is told afterwards counts from when it was", picking, testHeldAfterwards},
		{"a promise that is moved", "default:\n  promised: {of: order, start: [accepted], stop: [delivered], by: promised_at, lead: 1h, forecast: eta, code: promise_missed}\n", testPromise},
		{"a void takes back that it left", "default:\n  shipped: {of: order, start: [picked], stop: [shipped], within: 2h, drop: [cancelled], code: confirmation_overdue}\n", testVoid},
		{"a cancelled order has no clock to miss", picking, testCancelled},
		{"a person's words", picking, testPerson},
		{"rules by customer, site and region", "default:\n  picked: {of: order, start: [accepted], stop: [picked], within: 4h}\nsites:\n  dc-east: {picked: {within: 3h}}\ncustomers:\n  C-1001: {picked: {within: 2h}}\n", testScopes},
		{"several collectors and a restart", picking, testCollectors},
		{"a policy that changes keeps running clocks", picking, testPolicyChanges},
		{"service levels", picking, testLevels},
		{"signals of any name start and stop", "default:\n  loaded: {of: order, start: [\"signal:truck_called\"], stop: [\"signal:truck_here\", shipped], within: 1h}\n  any: {of: order, start: [accepted], stop: [closed], within: 9999h}\n", testSignals},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				w := newWorld(t, d, map[string]string{"milestones.yaml": c.files})
				c.test(t, w)
				w.agrees("at the end")
			})
		})
	}
}

func testLate(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning))
	w.expect("accepted", "order/SO1 picked running due 4h0m0s\n", "")
	w.pass(2 * time.Hour) // it is 11 o'clock
	w.told()
	w.expect("an hour before", "order/SO1 picked running due 4h0m0s\n", "milestone_due_soon | picked | open\n")
	w.pass(time.Hour)
	w.expect("due, and the site has told until an hour ago", "order/SO1 picked running due 4h0m0s\n", "milestone_due_soon | picked | resolved\n")
	w.told()
	w.expect("breached", "order/SO1 picked running breached due 4h0m0s\n", "milestone_due_soon | picked | resolved\nmilestone_missed | picked | open\n")
	text := w.rows(`SELECT title, text, team, order_number, site, value FROM exception WHERE code = 'milestone_missed'`)
	for _, part := range []string{"Order SO1 is not picked: it was due 2026-11-24 12:00 UTC", "of customer C-1001", "Look at site dc-east", "operations | SO1 | dc-east"} {
		if !strings.Contains(text, part) {
			t.Errorf("the case does not say %q: %s", part, text)
		}
	}
	w.tell(w.picked("SO1", Morning.Add(5*time.Hour)))
	w.expect("reached", "order/SO1 picked late due 4h0m0s reached 5h0m0s\n", "milestone_due_soon | picked | resolved\nmilestone_missed | picked | resolved\n")
}

func testToldLate(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning))
	w.pass(5 * time.Hour)
	w.told()
	w.expect("breached", "order/SO1 picked running breached due 4h0m0s\n", "milestone_missed | picked | open\n")
	w.tell(w.picked("SO1", Morning.Add(3*time.Hour))) // from a device that was away
	w.expect("it was in time", "order/SO1 picked met due 4h0m0s reached 3h0m0s\n", "milestone_missed | picked | resolved\n")
	w.tell(w.accepted("SO1", Morning.Add(-2*time.Hour)))
}

func testSilent(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning))
	w.stream(Morning.Add(time.Hour), 0)
	w.pass(3*time.Hour + 20*time.Minute)
	w.expect("waited for", "order/SO1 picked running due 4h0m0s\n", "")
	if got := w.rows(`SELECT site FROM stream_wait WHERE fold_key = 'order/SO1'`); got != "dc-east\n" {
		t.Errorf("waits for %q", got)
	}
	w.pass(10 * time.Minute)
	w.expect("long enough", "order/SO1 picked running breached due 4h0m0s\n", "milestone_missed | picked | open\n")
	if got := w.rows(`SELECT site FROM stream_wait WHERE fold_key = 'order/SO1'`); got != "" {
		t.Errorf("waits still for %q", got)
	}
}

func testHeld(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning), at(Held(0, "SO1", "CREDIT"), Morning.Add(time.Hour)))
	w.expect("held", "order/SO1 picked paused paused 1h0m0s\n", "")
	w.pass(48 * time.Hour)
	w.told()
	w.expect("still held", "order/SO1 picked paused paused 1h0m0s\n", "")
	w.tell(at(HoldReleased(0, "SO1", "CREDIT"), Morning.Add(49*time.Hour)))
	w.expect("three hours are left", "order/SO1 picked running due 52h0m0s\n", "")
	w.tell(at(Held(0, "SO1", "ADDRESS"), Morning.Add(50*time.Hour)), w.picked("SO1", Morning.Add(51*time.Hour)))
	w.expect("picked while it was held", "order/SO1 picked met due 53h0m0s reached 51h0m0s\n", "")
}

func testHeldAfterwards(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning), w.picked("SO1", Morning.Add(6*time.Hour)))
	w.expect("late", "order/SO1 picked late due 4h0m0s reached 6h0m0s\n", "")
	w.tell(at(HoldReleased(0, "SO1", "CREDIT"), Morning.Add(4*time.Hour)))
	w.tell(at(Held(0, "SO1", "CREDIT"), Morning.Add(time.Hour)))
	w.expect("it was held for three of the hours", "order/SO1 picked met due 7h0m0s reached 6h0m0s\n", "")
}

func testPromise(t *testing.T, w *world) {
	accepted := w.accepted("SO1", Morning)
	accepted.GetOrder().PromisedAt = timestamppb.New(Morning.Add(24 * time.Hour))
	w.tell(accepted)
	w.expect("an hour before the promise", "order/SO1 promised running due 23h0m0s\n", "")
	moved := proto.CloneOf(accepted)
	moved.Id, moved.Kind, moved.SourceRevision = "moved", docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED, "2"
	moved.GetOrder().PromisedAt = timestamppb.New(Morning.Add(30 * time.Hour))
	w.tell(moved)
	w.expect("the promise was moved", "order/SO1 promised running due 29h0m0s\n", "")
	ship := Departed(3600, "S1", "", []string{"T1"}, L("SO1", "1", "A", "2"))
	ship.GetShipment().Tracking = "T1"
	w.tell(ship)
	eta := Delayed(4000, "eta", "T1")
	eta.GetTransport().Eta = timestamppb.New(Morning.Add(40 * time.Hour))
	w.tell(eta)
	w.expect("the carrier expects it later", "order/SO1 promised running due 29h0m0s\n", "promise_missed | promised | open\n")
	if got := w.rows(`SELECT title FROM exception WHERE code = 'promise_missed'`); got != "Order SO1 will not be promised by 2026-11-25 13:00 UTC\n" {
		t.Errorf("told as %q", got)
	}
	sooner := Delayed(5000, "eta2", "T1")
	sooner.GetTransport().Eta = timestamppb.New(Morning.Add(28 * time.Hour))
	w.tell(sooner)
	w.expect("and sooner again", "order/SO1 promised running due 29h0m0s\n", "promise_missed | promised | resolved\n")
	w.tell(at(Delivery(0, "T1"), Morning.Add(28*time.Hour)))
	w.expect("delivered", "order/SO1 promised met due 29h0m0s reached 28h0m0s\n", "promise_missed | promised | resolved\n")
}

func testVoid(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning), w.picked("SO1", Morning.Add(time.Hour)))
	w.tell(at(Shipment(0, "S1", L("SO1", "1", "A", "2")), Morning.Add(2*time.Hour)))
	w.expect("left", "order/SO1 shipped met due 3h0m0s reached 2h0m0s\n", "")
	w.tell(at(Voided(0, "S1"), Morning.Add(150*time.Minute)))
	w.expect("it did not leave", "order/SO1 shipped running due 3h0m0s\n", "")
	w.pass(3 * time.Hour)
	w.told()
	w.expect("nobody told that it left", "order/SO1 shipped running breached due 3h0m0s\n", "confirmation_overdue | shipped | open\n")
	w.tell(at(Shipment(0, "S2", L("SO1", "1", "A", "2")), Morning.Add(170*time.Minute)))
	w.expect("left with another", "order/SO1 shipped met due 3h0m0s reached 2h50m0s\n", "confirmation_overdue | shipped | resolved\n")
}

func testCancelled(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning))
	w.pass(10 * time.Hour)
	w.told()
	w.tell(at(CancelledOrder("SO1", "2"), Morning.Add(10*time.Hour)))
	w.expect("cancelled", "order/SO1 picked dropped due 4h0m0s reached 10h0m0s\n", "milestone_missed | picked | resolved\n")
}

func testPerson(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning))
	w.pass(6 * time.Hour) // 15:00
	w.told()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.person("order/SO1", "packed", milestone.Reset, nil); err == nil || !strings.Contains(err.Error(), "it has picked") {
		t.Errorf("a clock that there is not was reset: %v", err)
	}
	must(w.person("order/SO1", "picked", milestone.Reset, nil))
	w.expect("begun anew", "order/SO1 picked running due 11h0m0s\n", "milestone_missed | picked | resolved\n")
	must(w.person("order/SO1", "picked", milestone.Extend, func(c *milestone.Change) { c.For = 2 * time.Hour }))
	w.expect("two hours more", "order/SO1 picked running due 13h0m0s\n", "milestone_missed | picked | resolved\n")
	w.pass(time.Hour)
	must(w.person("order/SO1", "picked", milestone.Pause, nil))
	w.expect("paused", "order/SO1 picked paused paused 8h0m0s\n", "milestone_missed | picked | resolved\n")
	if err := w.person("order/SO1", "picked", milestone.Pause, nil); err == nil || !strings.Contains(err.Error(), "waits already") {
		t.Errorf("paused twice: %v", err)
	}
	w.pass(24 * time.Hour)
	must(w.person("order/SO1", "picked", milestone.Resume, nil))
	w.expect("goes on", "order/SO1 picked running due 37h0m0s\n", "milestone_missed | picked | resolved\n")
	must(w.person("order/SO1", "picked", milestone.Extend, func(c *milestone.Change) { c.Until = Morning.Add(40 * time.Hour) }))
	w.expect("until a moment", "order/SO1 picked running due 40h0m0s\n", "milestone_missed | picked | resolved\n")
	w.pass(time.Hour)
	must(w.person("order/SO1", "picked", milestone.Signal, nil))
	w.expect("a person says that it is done", "order/SO1 picked met due 40h0m0s reached 33h0m0s\n", "milestone_missed | picked | resolved\n")
	if err := w.person("order/SO1", "picked", milestone.Stop, nil); err == nil || !strings.Contains(err.Error(), "only reset") {
		t.Errorf("stopped after its end: %v", err)
	}
	w.pass(time.Hour)
	must(w.person("order/SO1", "picked", milestone.Reset, nil))
	must(w.person("order/SO1", "picked", milestone.Stop, func(c *milestone.Change) { c.At = c.At.Add(time.Minute) }))
	w.expect("stopped", "order/SO1 picked stopped due 38h0m0s reached 34h1m0s\n", "milestone_missed | picked | resolved\n")
	if got := w.rows(`SELECT COUNT(*) FROM audit WHERE action LIKE 'milestone.%' AND person = 'ana' AND reason <> ''`); got != "8\n" {
		t.Errorf("%s acts are in the audit", got)
	}
	if err := w.person("order/SO1", "picked", milestone.Reset, func(c *milestone.Change) { c.Reason = " " }); err == nil {
		t.Error("a reset without a reason was taken")
	}
}

func testScopes(t *testing.T, w *world) {
	other := w.accepted("SO2", Morning)
	other.GetOrder().Customer = "C-2"
	far := w.accepted("SO3", Morning)
	far.GetOrder().Customer, far.GetOrder().Site = "C-2", "dc-west"
	w.tell(w.accepted("SO1", Morning), other, far)
	w.expect("by customer, site, default", "order/SO1 picked running due 2h0m0s\norder/SO2 picked running due 3h0m0s\norder/SO3 picked running due 4h0m0s\n", "")
}

func testCollectors(t *testing.T, w *world) {
	var orders []*docklinev1.Event
	for i := range 20 {
		orders = append(orders, w.accepted(fmt.Sprintf("SO%02d", i), Morning))
	}
	w.tell(orders...)
	w.told()
	// Another collector, which knows nothing but the database, and the first one after a restart: each takes what it finds due.
	now := func() time.Time { return w.clock }
	workers := []*reconcile.Worker{{DB: w.d, Policy: w.worker.Policy, Now: now, Append: w.append, Batch: 3}, {DB: w.d, Policy: w.worker.Policy, Now: now, Append: w.append, Batch: 2}}
	w.clock = Morning.Add(5 * time.Hour)
	w.exec(`UPDATE stream SET through_at = ?`, w.clock.UnixMicro())
	for n := 1; n > 0; {
		n = 0
		for _, worker := range workers {
			did, err := worker.Step(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n += did
		}
	}
	if got := w.rows(`SELECT COUNT(*), MIN(breached) FROM milestone`) + w.rows(`SELECT COUNT(*) FROM exception WHERE code = 'milestone_missed' AND state = 'open'`); got != "20 | 1\n20\n" {
		t.Errorf("breached: %s", got)
	}
}

func testPolicyChanges(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning))
	w.pass(time.Hour)
	p := w.policy(map[string]string{"milestones.yaml": strings.ReplaceAll(picking, "4h", "90m")})
	if err := reconcile.Activate(t.Context(), w.d, Tenant, p, w.append, w.clock); err != nil {
		t.Fatal(err)
	}
	w.use(p)
	w.tell(w.accepted("SO2", Morning.Add(time.Hour)), at(Held(0, "SO1", "CREDIT"), Morning.Add(time.Hour)), at(HoldReleased(0, "SO1", "CREDIT"), Morning.Add(2*time.Hour)))
	w.expect("each under its version", "order/SO1 picked running due 5h0m0s\norder/SO2 picked running due 2h30m0s\n", "milestone_due_soon | picked | open\n")
	err := w.d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := reconcile.Move(t.Context(), tx, Tenant, []string{"order/SO1"}, p.Version)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.expect("moved", "order/SO1 picked running due 2h30m0s\norder/SO2 picked running due 2h30m0s\n", strings.Repeat("milestone_due_soon | picked | open\n", 2))
}

func testSignals(t *testing.T, w *world) {
	w.tell(w.accepted("SO1", Morning))
	if err := w.person("order/SO1", "truck_called", milestone.Signal, nil); err != nil {
		t.Fatal(err)
	}
	w.expect("called", "order/SO1 any running due 9999h0m0s\norder/SO1 loaded running due 2h0m0s\n", "")
	w.pass(30 * time.Minute)
	if err := w.person("order/SO1", "truck_here", milestone.Signal, nil); err != nil {
		t.Fatal(err)
	}
	w.expect("here", "order/SO1 any running due 9999h0m0s\norder/SO1 loaded met due 2h0m0s reached 1h30m0s\n", "")
}

func testLevels(t *testing.T, w *world) {
	for i, c := range []struct {
		customer string
		at       time.Duration // when it was picked, 0 for not
	}{{"C-1", time.Hour}, {"C-1", 2 * time.Hour}, {"C-1", 5 * time.Hour}, {"C-2", 0}, {"C-2", 4 * time.Hour}} {
		number := fmt.Sprintf("SO%d", i)
		e := w.accepted(number, Morning)
		e.GetOrder().Customer = c.customer
		w.tell(e)
		if c.at > 0 {
			w.tell(w.picked(number, Morning.Add(c.at)))
		}
	}
	w.pass(24 * time.Hour)
	w.told()
	w.tell(w.accepted("SO9", w.clock))
	report := func(f milestone.ReportFilter) string {
		var b strings.Builder
		err := w.d.Read(t.Context(), func(tx *db.Tx) error {
			b.Reset()
			list, err := milestone.Report(t.Context(), tx, Tenant, f)
			for _, l := range list {
				percent, _ := l.Percent()
				fmt.Fprintf(&b, "%s: %d met, %d missed (%d overdue), %d run, %.0f%% of %g\n", strings.Join(l.Group, " "), l.Met, l.Missed, l.Overdue, l.Running, percent, l.Target)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := report(milestone.ReportFilter{By: []string{"customer"}}); got != "C-1: 2 met, 1 missed (0 overdue), 0 run, 67% of 95\nC-1001: 0 met, 0 missed (0 overdue), 1 run, 0% of 95\nC-2: 1 met, 1 missed (1 overdue), 0 run, 50% of 95\n" {
		t.Errorf("by customer:\n%s", got)
	}
	if got := report(milestone.ReportFilter{By: []string{"day", "milestone", "site"}}); got != "2026-11-24 picked dc-east: 3 met, 2 missed (1 overdue), 0 run, 60% of 95\n2026-11-25 picked dc-east: 0 met, 0 missed (0 overdue), 1 run, 0% of 95\n" {
		t.Errorf("by day:\n%s", got)
	}
	if got := report(milestone.ReportFilter{To: Morning.Add(12 * time.Hour)}); got != ": 3 met, 2 missed (1 overdue), 0 run, 60% of 95\n" {
		t.Errorf("of the first day:\n%s", got)
	}
	if got := report(milestone.ReportFilter{From: Morning.Add(240 * time.Hour)}); got != "" {
		t.Errorf("of a day without any: %s", got)
	}
}
