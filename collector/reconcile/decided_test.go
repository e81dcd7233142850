package reconcile_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/reconcile"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// decisions prints those about a key, one a line.
func (w *world) decisions(key string) string {
	w.t.Helper()
	var b strings.Builder
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		list, err := reconcile.Decisions(w.t.Context(), tx, Tenant, key)
		for _, d := range list {
			if !json.Valid(d.Inputs) || len(d.Version) != 16 {
				w.t.Errorf("%+v", d)
			}
			fmt.Fprintf(&b, "%s [%s] %s by %s:%d %s%s\n", d.Decision, d.Subject, d.Outcome, d.Rule.File, d.Rule.Line, d.Rule.Key, map[bool]string{true: ", ended"}[!d.Ended.IsZero()])
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.readable(b.String())
}

// TestWhatRulesDecideIsWrittenDown with the line that decided, once, and ended when it is so no longer.
//
// Shows: S30
func TestWhatRulesDecideIsWrittenDown(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, map[string]string{
			"fulfilment.yaml": "default: {remainder: split}\nsites:\n  dc-east: {over_ship: hold}\nitems:\n  A: {substitution: forbid}\ncustomers:\n  C-9:\n    over_ship: post\n    invoice: ordered\n",
			"routing.yaml":    "routes:\n  - {kind: goods_issue, role: system_of_record}\n  - {kind: invoice_trigger, role: system_of_record}\n  - {kind: order_amend, role: system_of_record}\n  - kind: crm_status\n    role: crm\n    when: order.customer == \"C-7\"\n",
		})
		substitute := Pick(10, "p1", In(L("SO1", "1", "B", "2"), "B-01", ""))
		substitute.Kind = docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED
		substitute.GetPick().Lines[0].OriginalItem = "A"
		stranger := Accepted("SO1", "9", L("", "1", "A", "7"))
		stranger.Source, stranger.Id = "somebody", "stranger"
		w.tell(Accepted("SO1", "1", L("", "1", "A", "5")), w.name(substitute, "substitute"), stranger,
			Pick(11, "p2", In(L("SO1", "1", "A", "6"), "B-01", "")), Shipment(30, "S1", L("SO1", "1", "A", "6")))
		got := w.decisions("order/SO1")
		for _, part := range []string{
			"substitution [substitute/0/B] refused by fulfilment.yaml:5 items.A.substitution\n",
			"over_ship [dc-east/S1/1] held by fulfilment.yaml:3 sites.dc-east.over_ship\n",
			"ownership [somebody order sale,SO1 system_of_record] refused in part by ownership.yaml:", "not taken by routing.yaml:5 routes[3]\n",
		} {
			if !strings.Contains(got, part) {
				t.Errorf("no %q in\n%s", part, got)
			}
		}
		// The order now covers what left: nothing is held any longer, and what is as it was is not written again.
		before := strings.Count(got, "\n")
		w.tell(Accepted("SO1", "2", L("", "1", "A", "6")))
		got = w.decisions("order/SO1")
		if !strings.Contains(got, "over_ship [dc-east/S1/1] held by fulfilment.yaml:3 sites.dc-east.over_ship, ended\n") || strings.Count(got, "\n") != before {
			t.Errorf("after the order was changed:\n%s", got)
		}
		// Another customer's rules.
		other := Accepted("SO2", "1", L("", "1", "B", "5"), L("", "2", "B", "4"))
		other.GetOrder().Customer = "C-9"
		w.tell(other, Pick(12, "p3", In(L("SO2", "1", "B", "6"), "B-01", "")), ShortPick(13, "p4", Asked(In(L("SO2", "2", "B", "1"), "B-01", ""), "4")), Shipment(31, "S2", L("SO2", "1", "B", "6"), L("SO2", "2", "B", "1")))
		w.pass(20 * time.Minute)
		got = w.decisions("order/SO2")
		for _, part := range []string{"over_ship [dc-east/S2/1] posted by fulfilment.yaml:8 customers.C-9.over_ship\n", "limited by fulfilment.yaml:9 customers.C-9.invoice\n", "remainder [dc-east/S2] split by fulfilment.yaml:1 default.remainder\n"} {
			if !strings.Contains(got, part) {
				t.Errorf("no %q in\n%s", part, got)
			}
		}
	})
}
