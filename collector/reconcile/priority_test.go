package reconcile_test

import (
	"slices"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	//lint:ignore ST1001 the words in which tests tell of a day
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

const routesByRule = `default:
  routes:
    - {kind: goods_issue, role: system_of_record}
    - {kind: goods_issue, targets: [erp], when: "document.goods_issue.lines.exists(l, l.item == 'FROZEN')", priority: urgent}
    - {kind: goods_issue, targets: [audit], when: "order.customer == 'C-1001' && order.lines.size() > 1", priority: low}
    - {kind: crm_status, role: crm}
sites:
  dc-west:
    routes:
      - {kind: goods_issue, targets: [audit], priority: high}
`

// Rules over what an order, a document and a site are like choose the targets of a posting, and how far it goes ahead of others there; explain
// names the line that chose each.
// Shows: S29, S74
func TestRulesChooseTargetAndPriority(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, map[string]string{"routing.yaml": routesByRule,
			"targets.yaml": "targets:\n  - {name: erp, role: system_of_record}\n  - {name: audit, role: crm}\n"})
		w.tell(Accepted("SO1", "9", L("", "1", "FROZEN", "5")), Accepted("SO2", "9", L("", "1", "A", "5"), L("", "2", "A", "1")))
		w.tell(Pick(10, "p1", L("SO1", "1", "FROZEN", "5")), Shipment(20, "SH1", L("SO1", "1", "FROZEN", "5")),
			Pick(30, "p2", L("SO2", "1", "A", "5")), Shipment(40, "SH2", L("SO2", "1", "A", "5")))
		w.pass(0)
		got := w.rows(`SELECT natural_key, target, priority FROM posting WHERE kind = 'goods_issue' ORDER BY natural_key, target`)
		if want := "SO1/SH1 | erp | 2\nSO2/SH2 | audit | -1\nSO2/SH2 | erp | 0\n"; got != want {
			t.Errorf("postings:\n%s\nwant\n%s", got, want)
		}
		found, err := w.worker.Explain(t.Context(), Tenant, "order/SO1", nil)
		if err != nil {
			t.Fatal(err)
		}
		var taken []policy.Taken
		for _, r := range found.Routes {
			if r.Kind == "goods_issue" {
				taken = append(taken, r.Taken)
			}
		}
		priority, rule := policy.PriorityOf(taken, "erp")
		if priority != policy.PriorityUrgent || rule.String() != "routing.yaml:4 (default.routes[1])" {
			t.Errorf("erp is told with priority %s by %s", priority, rule)
		}
		if targets := policy.TargetsOf(taken); !slices.Equal(targets, []string{"erp"}) {
			t.Errorf("targets %v", targets)
		}
	})
}
