package collector_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/posting"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// deciding is a centre whose exceptions people decide.
type deciding struct {
	*testing.T
	centre *collector.Centre
	desk   *collector.Desk
	seq    uint64
}

func newDeciding(t *testing.T, fulfilment string, more ...[2]string) *deciding {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"collector.yaml":         "data_dir: " + filepath.ToSlash(dir) + "\npolicy: {folder: policy}\nconnectors:\n  - {name: erp, tenant: " + Tenant + ", kind: http, role: system_of_record, settings: {url: \"http://127.0.0.1:1\", definition: sandbox-erp}}\n",
		"policy/timing.yaml":     "remainder_wait: 1ms\n",
		"policy/routing.yaml":    "routes:\n  - {kind: goods_issue, role: system_of_record}\n  - {kind: order_amend, role: system_of_record}\n",
		"policy/targets.yaml":    "targets:\n  - {name: erp, role: system_of_record}\n",
		"policy/fulfilment.yaml": fulfilment,
	}
	for _, file := range more {
		files[file[0]] = file[1]
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := collector.LoadConfig(filepath.Join(dir, "collector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d := &deciding{T: t}
	if d.centre, err = collector.OpenCentre(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.centre.Close() })
	if d.desk, err = collector.OpenDesk(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.desk.Close() })
	d.write(func(tx *db.Tx) error {
		for _, u := range []people.User{{Name: "ines"}, {Name: "otto", Roles: []string{"clerk"}}} {
			if err := (people.Change{Tenant: Tenant, By: "ines", Now: time.Now()}).Add(t.Context(), tx, u); err != nil {
				return err
			}
		}
		return nil
	})
	return d
}

func (d *deciding) write(f func(tx *db.Tx) error) {
	d.Helper()
	if err := d.centre.DB.Write(d.Context(), f); err != nil {
		d.Fatal(err)
	}
}

// tell takes facts in and folds until nothing is left to fold.
func (d *deciding) tell(events ...*docklinev1.Event) {
	d.Helper()
	d.write(func(tx *db.Tx) error {
		var recorded []eventlog.Recorded
		for _, e := range events {
			r := eventlog.Recorded{Event: e}
			if e.GetSite() != "" {
				d.seq++
				r.Epoch, r.EpochOrdinal, r.Seq = "e1", 1, d.seq
			}
			recorded = append(recorded, r)
		}
		_, err := d.centre.Log.Append(d.Context(), tx, recorded)
		return err
	})
	d.settle()
}

func (d *deciding) settle() {
	d.Helper()
	for {
		n, err := (&eventlog.Sequencer{DB: d.centre.DB, Holder: "test"}).Step(d.Context())
		if err != nil {
			d.Fatal(err)
		}
		more, err := d.centre.Fold(d.Context())
		if err != nil {
			d.Fatal(err)
		}
		if n == 0 && !more {
			return
		}
	}
}

// open is the one exception of a code that is not resolved; nil where there is none.
func (d *deciding) open(code string) (found *exception.Exception) {
	d.Helper()
	if err := d.centre.DB.Read(d.Context(), func(tx *db.Tx) error {
		list, err := exception.List(d.Context(), tx, Tenant, exception.Filter{Code: code, Unresolved: true})
		if len(list) > 1 {
			d.Fatalf("%d exceptions of code %s", len(list), code)
		}
		if len(list) == 1 {
			found = &list[0]
		}
		return err
	}); err != nil {
		d.Fatal(err)
	}
	return found
}

// act does something about the open exception of a code.
func (d *deciding) act(by, code, action string, set map[string]string) error {
	d.Helper()
	e := d.open(code)
	if e == nil {
		d.Fatalf("there is no exception %s", code)
	}
	_, err := d.desk.Act(d.Context(), Tenant, e.Number, action, exception.Acting{By: by, Reason: "agreed with the customer", Set: set, Now: time.Now()})
	if err == nil {
		d.settle()
	}
	return err
}

// postings are those of a kind, by key.
func (d *deciding) postings(kind string) map[string]posting.Entry {
	d.Helper()
	found := make(map[string]posting.Entry)
	if err := d.centre.DB.Read(d.Context(), func(tx *db.Tx) error {
		list, err := posting.List(d.Context(), tx, posting.Filter{Tenant: Tenant, Limit: 100})
		for _, e := range list {
			if string(e.Kind) == kind && e.Wanted {
				found[e.Key] = e
			}
		}
		return err
	}); err != nil {
		d.Fatal(err)
	}
	return found
}

// offered are the actions that can be done now about the open exception of a code.
func (d *deciding) offered(code string) (offers []exception.Offer) {
	d.Helper()
	if err := d.centre.DB.Read(d.Context(), func(tx *db.Tx) error {
		offers = d.desk.Actions.Offers(d.Context(), tx, d.open(code))
		return nil
	}); err != nil {
		d.Fatal(err)
	}
	return slices.DeleteFunc(offers, func(o exception.Offer) bool { return o.Not != "" })
}

// What the policy holds is let go on by who may approve, as a fact, and for what was seen and no more. Shows: A15, S40, S68
func TestAnOverShipmentIsApproved(t *testing.T) {
	d := newDeciding(t, "default: {over_ship: hold}\n")
	d.tell(Accepted("SO1", "1", L("", "1", "BOLT", "5")), Pick(10, "P1", L("SO1", "1", "BOLT", "9")), Shipment(20, "S1", L("SO1", "1", "BOLT", "9")))
	if n := len(d.postings("goods_issue")); n != 0 {
		t.Fatalf("%d goods issues are wanted before anybody approved", n)
	}
	if err := d.act("otto", "over_shipped", "approve", nil); err == nil || !strings.Contains(err.Error(), "exception.approve") {
		t.Errorf("by a clerk: %v", err)
	}
	if err := d.act("ines", "over_shipped", "approve", nil); err != nil {
		t.Fatal(err)
	}
	if issue, ok := d.postings("goods_issue")["SO1/S1"]; !ok || issue.Document.GetGoodsIssue().GetLines()[0].GetQuantity() != "9" || d.open("over_shipped") != nil {
		t.Errorf("approved: %+v, and %+v", d.postings("goods_issue"), d.open("over_shipped"))
	}
	d.tell(Revised(Shipment(20, "S1", L("SO1", "1", "BOLT", "11")), "2"))
	if d.open("over_shipped") == nil {
		t.Error("more than was approved left, and nobody is asked")
	}
	if err := d.centre.DB.Read(t.Context(), func(tx *db.Tx) error {
		acts, err := audit.List(t.Context(), tx, Tenant, audit.Filter{Action: "exception.approve"})
		if len(acts) != 1 || acts[0].By != "ines" || acts[0].Reason != "agreed with the customer" {
			t.Errorf("the trail has %+v", acts)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// Shows: A15, S40
func TestAPickOfAnotherItemIsApproved(t *testing.T) {
	d := newDeciding(t, "default: {substitution: approval}\nitems:\n  NUT: {substitution: forbid}\n")
	d.tell(Accepted("SO1", "1", L("", "1", "BOLT", "5"), L("", "2", "NUT", "5")), Substituted(10, "P1", "", Instead(L("SO1", "1", "BOLT-X", "5"), "BOLT", "5")))
	if err := d.act("ines", "substitution_refused", "approve", nil); err != nil {
		t.Fatal(err)
	}
	if d.open("substitution_refused") != nil || len(d.postings("order_amend")) != 1 {
		t.Errorf("approved: %+v, and %+v", d.postings("order_amend"), d.open("substitution_refused"))
	}
	for _, p := range d.postings("order_amend") {
		if a := p.Document.GetOrderAmendment(); a.GetApproval() != "ines" || a.GetLines()[0].GetSubstitute() != "BOLT-X" {
			t.Errorf("the system of record is told %v", a)
		}
	}
	d.tell(Substituted(12, "P2", "", Instead(L("SO1", "2", "NUT-X", "5"), "NUT", "5")))
	if err := d.act("ines", "substitution_refused", "approve", nil); err == nil || !strings.Contains(err.Error(), "forbids") {
		t.Errorf("what is forbidden: %v", err)
	}
}

// What a site did not find is replaced by an item that the policy names: nothing else is taken. Shows: A15, S40
func TestWhatIsMissingIsReplacedByAnotherItem(t *testing.T) {
	d := newDeciding(t, "items:\n  BOLT: {substitutes: [BOLT-X, BOLT-Y]}\n")
	d.tell(Accepted("SO1", "1", L("", "1", "BOLT", "5"), L("", "2", "NUT", "5")), ShortPick(10, "P1", Asked(L("SO1", "1", "BOLT", "2"), "5")))
	i := slices.IndexFunc(d.offered("short_pick"), func(o exception.Offer) bool { return o.Name == "substitute" })
	if i < 0 || !slices.Equal(d.offered("short_pick")[i].Sets[0].Choices, []string{"BOLT-X", "BOLT-Y"}) {
		t.Fatalf("offered: %+v", d.offered("short_pick"))
	}
	for item, says := range map[string]string{"": "item is missing", "NAIL": "one of BOLT-X, BOLT-Y"} {
		if err := d.act("ines", "short_pick", "substitute", map[string]string{"item": item}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("item %q: %v", item, err)
		}
	}
	if err := d.act("ines", "short_pick", "substitute", map[string]string{"item": "BOLT-X", "quantity": "7"}); err == nil || !strings.Contains(err.Error(), "open") {
		t.Errorf("more than is open: %v", err)
	}
	if err := d.act("ines", "short_pick", "substitute", map[string]string{"item": "BOLT-X", "quantity": "3", "send": "6"}); err != nil {
		t.Fatal(err)
	}
	amendments := d.postings("order_amend")
	if len(amendments) != 1 {
		t.Fatalf("wanted: %+v", amendments)
	}
	for _, p := range amendments {
		line := p.Document.GetOrderAmendment().GetLines()[0]
		if line.GetItem() != "BOLT" || line.GetQuantity() != "3" || line.GetSubstitute() != "BOLT-X" || line.GetSubstituteQuantity() != "6" || p.Document.GetOrderAmendment().GetApproval() != "ines" {
			t.Errorf("the system of record is told %v", p.Document)
		}
	}
}

// Shows: A15, S40
func TestWhatBecomesOfARemainderIsSaid(t *testing.T) {
	for outcome, action := range map[string]string{"keep": "backorder", "cancel": "cancel", "split": "split"} {
		d := newDeciding(t, "default: {remainder: ask}\n")
		d.tell(Accepted("SO1", "1", L("", "1", "BOLT", "5")), ShortPick(10, "P1", Asked(L("SO1", "1", "BOLT", "2"), "5")), Shipment(20, "S1", L("SO1", "1", "BOLT", "2")))
		if d.open("remainder") == nil {
			t.Fatal("nobody is asked what becomes of the rest")
		}
		if err := d.act("ines", "remainder", "approve", map[string]string{"outcome": "burn"}); err == nil || !strings.Contains(err.Error(), "one of keep, cancel, split") {
			t.Errorf("no such outcome: %v", err)
		}
		if err := d.act("ines", "remainder", "approve", map[string]string{"outcome": outcome}); err != nil {
			t.Fatal(err)
		}
		amendment, ok := d.postings("order_amend")["SO1/remainder/S1"]
		if !ok || amendment.Document.GetOrderAmendment().GetAction() != action || d.open("remainder") != nil {
			t.Errorf("%s: %+v", outcome, d.postings("order_amend"))
		}
	}
}
