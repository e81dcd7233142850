package reconcile_test

import (
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// What the ERP, the CRM and the customer call an order is known from their facts, before anything was posted; the same facts give the same names,
// whatever the order in which they come, and a name that is taken back is gone.
// Shows: S41
func TestNamesOfAnOrder(t *testing.T) {
	erp := Accepted("SO1", "1", L("", "1", "A", "5"))
	erp.Documents = []*docklinev1.DocumentReference{{System: "sandbox-erp", Kind: "sales_order", Number: "4711"}, {System: "sandbox-erp", Kind: "order", Number: "SO1"}}
	quote := Quoted(5, "Q-9", "SO1", L("", "1", "A", "5"))
	quote.Source, quote.Custom = CRM, []*docklinev1.CustomField{{Name: "color", Value: "red"}, {Name: "ref.opportunity", Value: "OPP-1"}}
	later := proto.CloneOf(quote)
	later.Id, later.SourceRevision, later.OccurredAt, later.Custom[1].Value = "later", "2", At(60), "OPP-2"
	all := []*docklinev1.Event{erp, quote, later, Pick(10, "p1", L("SO1", "1", "A", "5")), Accepted("SO2", "1", L("", "1", "A", "5"))}
	const want = "SO1 | order | customer | PO-77\nSO1 | opportunity | crm | OPP-2\nSO1 | quote | crm | Q-9\nSO1 | sales_order | system_of_record | 4711\nSO2 | order | customer | PO-77\n"
	for seed := range uint64(4) {
		testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
			w := newWorld(t, d, map[string]string{"targets.yaml": threeSystems})
			events := append([]*docklinev1.Event{}, all...)
			r := rand.New(rand.NewPCG(seed, 41))
			r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			for _, e := range events {
				w.tell(e)
			}
			w.tell(events[0])
			names := func() string {
				return w.rows(`SELECT ours, kind, system, theirs FROM cross_reference WHERE tenant = ? AND fold_key <> '' ORDER BY ours, system = 'system_of_record', system <> 'customer', kind`, Tenant)
			}
			if got := names(); got != want {
				t.Errorf("seed %d: names\n%swant\n%s", seed, got, want)
			}
			changed := Accepted("SO2", "2", L("", "1", "A", "5"))
			changed.GetOrder().CustomerReference = ""
			w.tell(changed)
			if got := names(); got != want[:len(want)-len("SO2 | order | customer | PO-77\n")] {
				t.Errorf("seed %d: the customer took the number back, and the names are\n%s", seed, got)
			}
		})
	}
}
