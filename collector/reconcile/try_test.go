package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const tolerant = "over_ship_tolerance: '50'\nover_ship: hold\n"

// tried prints what was tried, one change a line.
func tried(list []reconcile.Tried) string {
	var b strings.Builder
	for _, t := range list {
		if t.Pending {
			fmt.Fprintf(&b, "%s: pending\n", t.Key)
		}
		if t.Fault != "" {
			fmt.Fprintf(&b, "%s: %s\n", t.Key, t.Fault)
		}
		if t.Was != t.Status {
			fmt.Fprintf(&b, "%s: %s -> %s\n", t.Key, t.Was, t.Status)
		}
		for _, p := range t.Postings {
			fmt.Fprintf(&b, "%s: %s %s/%s/%s %s %s\n", t.Key, p.Change, p.Target, p.Kind, p.Key, p.State, p.Text)
		}
		for _, e := range t.Exceptions {
			fmt.Fprintf(&b, "%s: %s %s [%s] %s\n", t.Key, e.Change, e.Code, e.Subject, e.Text)
		}
	}
	return b.String()
}

// TestTryOnHistory folds orders under a policy that was never in force, and leaves everything as it is; moved to it, they become just so.
//
// Shows: A21
func TestTryOnHistory(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		for _, order := range []string{"SO1", "SO2"} {
			w.tell(Accepted(order, "1", L("", "1", "A", "5")), Pick(10, "p"+order, In(L(order, "1", "A", "6"), "B-01", "")), Shipment(30, "S"+order, L(order, "1", "A", "6")))
		}
		w.hear(Accepted("SO3", "1", L("", "1", "A", "5")))
		everything := func() string {
			return w.all() + w.rows(`SELECT fold_key, hash, policy_version, changed_at FROM state ORDER BY fold_key`) + w.rows(`SELECT fold_key FROM dirty ORDER BY fold_key`)
		}
		before := everything()
		other := w.policy(map[string]string{"limits.yaml": tolerant, "routing.yaml": "routes:\n  - {kind: goods_issue, role: system_of_record}\n",
			"owners.yaml": "classes:\n  technical: {team: it}\n  data: {team: md}\n  process: {team: ops}\n"})
		keys := []string{"order/SO2", "order/SO1", "order/SO1", "order/SO3", "order/none"}
		try := func(p *policy.Policy) string {
			list, err := w.worker.Try(t.Context(), Tenant, keys, p)
			if err != nil {
				t.Fatal(err)
			}
			return tried(list)
		}
		if got := try(nil); got != "order/SO3: pending\n" {
			t.Errorf("under the policy of each key: %s", got)
		}
		want := ""
		for _, order := range []string{"SO1", "SO2"} {
			want += strings.ReplaceAll("order/N: gone crm/crm_status/N ready \norder/N: new erp/goods_issue/N/SN  \norder/N: closed over_shipped [dc-east SN] \n", "N", order)
		}
		if got := try(other); got != want+"order/SO3: pending\n" {
			t.Errorf("under the other: %s\nwant %s", got, want)
		}
		if after := everything(); after != before {
			t.Errorf("trying wrote something:\n%s", difference(before, after))
		}

		if _, err := w.worker.Try(t.Context(), "nobody", keys, other); err != nil {
			t.Error(err)
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := reconcile.Move(t.Context(), tx, Tenant, []string{"order/SO1"}, other.Version)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "never in force") {
			t.Errorf("moved to a version that was never in force: %v", err)
		}
		w.activate(map[string]string{"limits.yaml": tolerant, "routing.yaml": "routes:\n  - {kind: goods_issue, role: system_of_record}\n",
			"owners.yaml": "classes:\n  technical: {team: it}\n  data: {team: md}\n  process: {team: ops}\n"})
		if got := w.rows(`SELECT natural_key FROM posting WHERE kind = 'goods_issue'`); got != "" {
			t.Errorf("the activation alone has moved what was folded: %s", got)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			n, err := reconcile.Move(t.Context(), tx, Tenant, []string{"order/SO1", "order/none"}, other.Version)
			if n != 1 {
				t.Errorf("moved %d keys", n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if got := w.rows(`SELECT natural_key, policy_version FROM posting WHERE kind = 'goods_issue'`); got != "SO1/SSO1 | "+other.Version+"\n" {
			t.Errorf("goods issues after the move: %s", got)
		}
		if got := w.rows(`SELECT order_number FROM exception WHERE state = 'open'`); got != "SO2\n" {
			t.Errorf("open exceptions of %s", got)
		}
		if list, err := w.worker.Try(t.Context(), Tenant, []string{"order/SO1"}, other); err != nil || tried(list) != "" {
			t.Errorf("after the move: %v, %s", err, tried(list))
		}
	})
}

// TestDifferBetweenTwoPolicies holds two versions against each other, whatever is kept.
func TestDifferBetweenTwoPolicies(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		w.tell(Accepted("SO1", "1", L("", "1", "A", "5")), Pick(10, "p1", In(L("SO1", "1", "A", "6"), "B-01", "")), Shipment(30, "S1", L("SO1", "1", "A", "6")))
		w.worker.LargeFrom = 3
		none := w.policy(map[string]string{"routing.yaml": "routes: []\n"})
		fails := w.policy(map[string]string{"routing.yaml": "routes:\n  - {kind: crm_status, role: crm, when: 'order.lines[7].ordered > 0'}\n"})
		for _, c := range []struct {
			before, after *policy.Policy
			want          string
		}{
			{none, none, ""},
			{none, policy.Default(), "order/SO1: new crm/crm_status/SO1"},
			{policy.Default(), none, "order/SO1: gone crm/crm_status/SO1"},
			{policy.Default(), w.policy(map[string]string{"limits.yaml": tolerant}), "order/SO1: new erp/goods_issue/SO1/S1"},
			{none, fails, "cannot be folded"},
			{fails, none, "cannot be folded"},
			{fails, fails, ""},
		} {
			list, err := w.worker.Differ(t.Context(), Tenant, []string{"order/SO1"}, c.before, c.after)
			if err != nil {
				t.Fatal(err)
			}
			if got := tried(list); !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("%s to %s: %q, want %q", c.before.Version, c.after.Version, got, c.want)
			}
		}
		if w.rows(`SELECT COUNT(*) FROM event WHERE kind = ?`, docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED) != "1\n" {
			t.Error("comparing activates nothing")
		}
	})
}
