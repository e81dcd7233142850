package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const (
	delayed   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED
	refused   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED
	lost      = docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST
	damaged   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED
	asked     = docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED
	allowed   = docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED
	cameBack  = docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED
	inspected = docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED
	disposed  = docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED
	advised   = docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED
	atTheDoor = docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED
	received  = docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED
	notAsTold = docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY
)

func by(tracking string) Names { return Names{Tracking: tracking} }

func skuOf(order, quantity string) *docklinev1.Line { return L(order, "1", "SKU-1", quantity) }

// left is an order that was picked and has left as S1, with a tracking number for each parcel.
func (w *world) left(parcels ...string) {
	w.tell(Accepted("SO1", "1", Priced(skuOf("", "10"), "2.5")), w.name(Pick(10, "p1", In(skuOf("SO1", "10"), "B-01", "")), "pick"),
		w.name(Departed(30, "S1", "BOL-1", parcels, skuOf("SO1", "10")), "departure"))
}

// goods are lives of shipments after they have left, of returns and of what suppliers send.
var goods = []struct {
	name string
	live func(w *world, show func(moment string))
}{
	{"shipment delivered after a delay", func(w *world, show func(string)) {
		w.left("T1")
		w.tell(w.name(Load(docklinev1.EventKind_EVENT_KIND_LOAD_LOADED, 20, "l1", "S1"), "loaded"), w.name(Milestone(40, "m1", by("T1"), "picked_up"), "milestone"),
			w.name(Said(delayed, 50, "x1", by("T1"), "closed road."), "delay"))
		show("delayed")
		w.tell(w.name(Proof(90, "d1", by("T1")), "proof"))
		show("delivered")
	}},
	{"one parcel of three lost and found", func(w *world, show func(string)) {
		w.left("T1", "T2", "T3")
		w.tell(w.name(Proof(90, "d1", by("T1")), "proof 1"), w.name(Proof(91, "d3", by("T3")), "proof 3"), w.name(Said(lost, 95, "x2", by("T2"), "not in the trailer"), "lost"))
		show("lost")
		w.tell(w.name(Milestone(99, "m2", by("T2"), "arrived"), "found"), w.name(Proof(120, "d2", by("T2")), "proof 2"))
		show("found and delivered")
	}},
	{"refused and damaged under way", func(w *world, show func(string)) {
		w.left("T1")
		part := Said(damaged, 40, "x1", by("T1"), "wet", skuOf("SO1", "2"))
		part.GetTransport().Claim = "CL-9"
		w.tell(w.name(part, "damaged"), w.name(Said(refused, 50, "x2", by("T1"), "not ordered"), "refused"))
		show("refused")
		w.tell(w.name(Milestone(80, "m1", by("T1"), "returned_to_sender"), "back"))
		show("back")
	}},
	{"proof for a trailer with three orders", func(w *world, show func(string)) {
		for i, order := range []string{"SO1", "SO2", "SO3"} {
			number, second := "S"+string(rune('1'+i)), 10*(i+1)
			w.tell(Accepted(order, "1", skuOf("", "5")), Pick(second, "p"+number, In(skuOf(order, "5"), "B-01", "")), w.name(Departed(second+5, number, "BOL-1", nil, skuOf(order, "5")), "departure "+number))
		}
		w.tell(w.name(Proof(90, "d1", Names{BillOfLading: "BOL-1"}, skuOf("SO1", "5"), Declined(skuOf("SO2", "5"), "2"), skuOf("SO3", "5")), "proof"))
		show("delivered")
	}},
	{"milestone and proof before the departure", func(w *world, show func(string)) {
		w.tell(w.name(Milestone(40, "m1", by("T1"), "picked_up"), "milestone"), w.name(Proof(90, "d1", Names{Shipment: "S1"}), "proof"))
		show("at once")
		w.pass(11 * time.Minute)
		show("after the wait")
		w.left("T1")
		show("the departure is told")
	}},
	{"shipment taken back and delivered", func(w *world, show func(string)) {
		w.left("T1")
		w.tell(w.name(Voided(50, "S1"), "void"))
		show("taken back")
		w.tell(w.name(Milestone(60, "m1", by("T1"), "arrived"), "milestone"))
		show("under way")
		w.tell(w.name(Proof(90, "d1", by("T1")), "proof"))
		show("delivered")
	}},
	{"return inspected and credited", func(w *world, show func(string)) {
		w.left("T1")
		w.tell(w.name(RMA(asked, 100, "R1", "1", "SO1", skuOf("SO1", "5")), "request"), w.name(RMA(allowed, 110, "R1", "1", "SO1", skuOf("SO1", "5")), "authorisation"),
			w.name(Milestone(120, "m1", by("R-R1"), "picked_up"), "milestone"), w.name(Back(cameBack, 200, "b1", "R1", "RC1", skuOf("SO1", "3")), "receipt"))
		show("partly received")
		damage := Seen(skuOf("SO1", "1"), "damaged", "")
		w.tell(w.name(Back(cameBack, 210, "b2", "R1", "RC1", skuOf("SO1", "4")), "second receipt"), w.name(Revised(Back(inspected, 220, "b3", "R1", "RC1", Seen(skuOf("SO1", "6"), "good", ""), damage), "1"), "inspection"))
		show("too much, and damage without a claim")
		w.tell(RMA(allowed, 230, "R1", "2", "SO1", skuOf("SO1", "7")), w.name(Revised(Back(inspected, 220, "b3", "R1", "RC1", Seen(skuOf("SO1", "6"), "good", ""), Seen(skuOf("SO1", "1"), "damaged", "CL-1")), "2"),
			"corrected inspection"), w.name(Back(disposed, 240, "b4", "R1", "RC1", Disposed(skuOf("SO1", "6"), "restock"), Disposed(skuOf("SO1", "1"), "scrap")), "disposition"))
		w.tell(w.name(Credit(250, "CM1", "SO1", []string{"R1"}, skuOf("SO1", "3")), "credit"))
		show("partly credited")
		w.tell(w.name(Credit(260, "CM2", "SO1", []string{"R1"}, skuOf("SO1", "4")), "second credit"))
		show("closed")
	}},
	{"blind return matched", func(w *world, show func(string)) {
		w.tell(w.name(Back(cameBack, 10, "b1", "", "RC9", L("", "", "SKU-1", "2")), "receipt"))
		show("at once")
		w.pass(11 * time.Minute)
		show("after the wait")
		w.tell(w.name(Matching(RMA(allowed, 30, "R1", "1", "SO1", L("SO1", "1", "SKU-1", "2")), "RC9"), "authorisation"))
		show("matched")
	}},
	{"goods received with what is wrong", func(w *world, show func(string)) {
		line := func(number, item, quantity string) *docklinev1.Line { return L("PO7", number, item, quantity) }
		w.tell(w.name(Inbound(advised, 1, "a1", &docklinev1.Inbound{Advice: "ASN1", PurchaseOrder: "PO7", Supplier: "V1", Lines: []*docklinev1.Line{line("1", "SKU-1", "10"), line("2", "SKU-2", "4")}}), "advice"),
			w.name(Inbound(atTheDoor, 10, "t1", &docklinev1.Inbound{Number: "G1", PurchaseOrder: "PO7"}), "arrival"),
			w.name(Inbound(received, 20, "g1", &docklinev1.Inbound{Number: "G1", PurchaseOrder: "PO7", Lines: []*docklinev1.Line{line("1", "SKU-1", "8"), Seen(line("2", "SKU-2", "4"), "damaged", "")}}), "receipt"))
		show("damaged, and not all is there")
		w.pass(25 * time.Hour)
		show("nothing more came")
		short := line("1", "SKU-1", "2")
		short.Reason, short.Claim = "short", "CL-4"
		w.tell(w.name(Inbound(notAsTold, 90, "d1", &docklinev1.Inbound{Number: "G1", PurchaseOrder: "PO7", Lines: []*docklinev1.Line{short}}), "short"),
			w.name(Inbound(received, 95, "g2", &docklinev1.Inbound{Number: "G2", PurchaseOrder: "PO7", Lines: []*docklinev1.Line{line("3", "SKU-9", "1")}}), "second receipt"))
		show("claimed, and another item came")
	}},
}

// TestWhatFollowsFromGoodsUnderWay holds whole decisions about shipments, returns and receipts against golden files on both databases.
//
// Shows: S55
// Shows: S60
func TestWhatFollowsFromGoodsUnderWay(t *testing.T) {
	for _, c := range goods {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				w := newWorld(t, d, nil)
				var b strings.Builder
				c.live(w, func(moment string) { b.WriteString("######## " + moment + "\n" + w.all()) })
				golden(t, c.name, b.String())
			})
		})
	}
}
