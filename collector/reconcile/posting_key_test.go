package reconcile_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// TestAKeyStaysWithWhatItTold: what was posted keeps its key whatever is told later, and so is not posted again under another one: of shipments
// that two sites number alike, of picks of other items within one task, and of adjustments under one number.
func TestAKeyStaysWithWhatItTold(t *testing.T) {
	shipped := func(second int, site, number, revision, quantity string) []*docklinev1.Event {
		pick, ship := Pick(second-1, "p"+site, In(L("SO1", "1", "SKU-1", quantity), "B-01", "")), Shipment(second, number, L("SO1", "1", "SKU-1", quantity))
		pick.Site, ship.Site = site, site
		return []*docklinev1.Event{Keyed(pick, "p"+site), Revised(Keyed(ship, "d"+site), revision)}
	}
	instead := func(second int, key, revision, quantity string) *docklinev1.Event {
		line := In(L("SO1", "1", "SKU-2", quantity), "B-01", "")
		line.OriginalItem = "SKU-1"
		e := Substituted(second, key, "AP-1", line)
		e.GetPick().Task = "T1"
		return Revised(e, revision)
	}
	adjusted := func(second int, key, quantity string) *docklinev1.Event {
		e := Pick(second, key)
		e.Kind = docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED
		e.Payload = &docklinev1.Event_Adjustment{Adjustment: &docklinev1.Adjustment{Number: "ADJ1", Reason: "found", Lines: []*docklinev1.Line{In(L("", "", "SKU-1", quantity), "B-01", "")}}}
		return Keyed(e, key)
	}
	order, earlier := Accepted("SO1", "1", L("", "1", "SKU-1", "10")), instead(20, "p0", "1", "3").GetId()[:12]
	stages := []struct {
		what, kind string
		// told is told one after the other, and what is wanted after each confirmed; want are the quantities then, by part of the key.
		told [][]*docklinev1.Event
		want map[string]string
	}{
		{"the other site's shipment left earlier, and is told later", "goods_issue",
			[][]*docklinev1.Event{shipped(30, "dc-east", "S1", "1", "4"), shipped(20, "dc-west", "S1", "1", "3")},
			map[string]string{"SO1/S1": `"4"`, "SO1/S1/dc-west": `"3"`}},
		{"the first site's shipment had another number", "goods_issue",
			[][]*docklinev1.Event{shipped(20, "dc-east", "S1", "1", "4"), shipped(30, "dc-west", "S1", "1", "3"), shipped(20, "dc-east", "S2", "2", "4")},
			map[string]string{"SO1/S1/dc-west": `"3"`, "SO1/S2": `"4"`}},
		{"an earlier pick of the task is told later", "order_amend",
			[][]*docklinev1.Event{{instead(30, "p1", "1", "4")}, {instead(20, "p0", "1", "3")}},
			map[string]string{"SO1/substitution/T1": `"4"`, "SO1/substitution/T1%20" + earlier: `"3"`}},
		{"a pick of a task is told again, the same", "order_amend",
			[][]*docklinev1.Event{{instead(30, "p1", "1", "4")}, {instead(31, "p1", "2", "4")}, {instead(20, "p0", "1", "3")}},
			map[string]string{"SO1/substitution/T1": `"4"`, "SO1/substitution/T1%20" + earlier: `"3"`}},
		{"two records of one adjustment", "stock_adjust",
			[][]*docklinev1.Event{{adjusted(30, "a1", "-4")}, {adjusted(20, "a2", "-3")}},
			map[string]string{"stock.adjusted/ADJ1/SKU-1//B-01/dc-east/76ac4f93677f": `"-4"`, "stock.adjusted/ADJ1/SKU-1//B-01/dc-east/17cddacb5220": `"-3"`}},
		{"an adjustment under its own key", "stock_adjust",
			[][]*docklinev1.Event{{adjusted(30, "ADJ1", "-4")}, {adjusted(20, "a2", "-3")}},
			map[string]string{"stock.adjusted/ADJ1/SKU-1//B-01/dc-east": `"-4"`, "stock.adjusted/ADJ1/SKU-1//B-01/dc-east/17cddacb5220": `"-3"`}},
	}
	for _, c := range stages {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t, testenv.SQLite(t), nil)
			w.tell(order, Snapshot(0, In(L("", "", "SKU-1", "100"), "B-01", "")))
			for _, events := range c.told {
				w.tell(events...)
				for ref, p := range wantedOf(w, c.kind) {
					if strings.Contains(p, " diverged ") {
						t.Errorf("%s has another content now: %s", ref, p)
					}
				}
				w.confirm(c.kind)
				w.settle()
			}
			got := wantedOf(w, c.kind)
			for ref, p := range got {
				if quantity, ok := c.want[ref]; !ok || !strings.Contains(p, ":"+quantity) {
					t.Errorf("wanted: %s", p)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("%d are wanted, not %d", len(got), len(c.want))
			}
		})
	}
}

// wantedOf are the postings of a kind that are wanted, by their name without target and kind, as a person reads them.
func wantedOf(w *world, kind string) map[string]string {
	wanted := make(map[string]string)
	lines := strings.Split(w.postings(kind), "\n")
	for i, line := range lines {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "erp/"+kind+"/"), " "); ok && strings.Contains(line, " wanted=true") {
			wanted[name] = line + lines[i+1]
		}
	}
	return wanted
}

// TestTheRestOfEachSite: two sites number shipments of one order alike, and both could not bring all; the rest of the second is told as well.
func TestTheRestOfEachSite(t *testing.T) {
	w := newWorld(t, testenv.SQLite(t), map[string]string{"fulfilment.yaml": "default: {remainder: cancel}\n"})
	brings := func(second int, site, line string) {
		pick := ShortPick(second, "p"+line, Asked(In(L("SO1", line, "SKU-"+line, "6"), "B-01", ""), "10"))
		ship := Shipment(second+5, "S1", L("SO1", line, "SKU-"+line, "6"))
		pick.Site, ship.Site = site, site
		w.tell(Keyed(pick, "p"+line), Keyed(ship, "d"+line))
		w.pass(48 * time.Hour)
	}
	w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "10"), L("", "2", "SKU-2", "10")))
	brings(10, "dc-east", "1")
	w.confirm("order_amend")
	w.tell(Accepted("SO1", "2", L("", "1", "SKU-1", "6"), L("", "2", "SKU-2", "10")))
	brings(100, "dc-west", "2")
	got := wantedOf(w, "order_amend")
	first, second := got["SO1/remainder/S1"], got["SO1/remainder/S1/dc-west"]
	if len(got) != 2 || !strings.Contains(first, "confirmed") || !strings.Contains(first, `order_line:"1"`) || !strings.Contains(second, `order_line:"2"`) || !strings.Contains(second, `quantity:"4"`) {
		t.Errorf("%v", got)
	}
}
