package reconcile_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// An invoice is told twice under one id, at two times. Whichever comes first, the shipment that it closes was closed when the one in force says.
func TestAShipmentFollowsTheInvoiceInForce(t *testing.T) {
	closed := func(invoices ...*docklinev1.Event) string {
		w := newWorld(t, testenv.SQLite(t), nil)
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), Shipment(20, "S1", L("SO1", "1", "SKU-1", "5")))
		for _, e := range invoices {
			w.tell(e)
		}
		var body []byte
		err := w.d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT body FROM state WHERE fold_key = ?`, event.ShipmentKey(Site, "S1")).Scan(&body)
		})
		s := &docklinev1.ShipmentState{}
		if err != nil || proto.Unmarshal(body, s) != nil {
			t.Fatal(err)
		}
		for _, step := range s.GetSteps() {
			if step.GetStatus() == "closed" {
				return step.GetAt().AsTime().String()
			}
		}
		t.Fatalf("the shipment is %s, not closed", s.GetStatus())
		return ""
	}
	first := Invoice("INV-1", "SO1", "S1")
	second := proto.CloneOf(first)
	first.OccurredAt, second.OccurredAt = At(100), At(200)
	if a, b := closed(first, second), closed(second, first); a != b {
		t.Errorf("closed at %s, and at %s where the other is told first", a, b)
	}
}
