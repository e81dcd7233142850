package reconcile_test

import (
	"time"

	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// short is an order of 10 of which a site finds 6, and ships them.
func short(w *world, order string) {
	w.tell(Accepted(order, "1", L("", "1", "SKU-1", "10")), w.name(ShortPick(10, "p1", Asked(In(L(order, "1", "SKU-1", "6"), "B-01", ""), "10")), "short pick"))
	w.tell(w.name(Shipment(30, "S1", L(order, "1", "SKU-1", "6")), "shipment"))
}

// moreCases are lives of an order that a site could not, or would not, fulfil as it was ordered.
var moreCases = append(cases, []lifeCase{
	{name: "another item picked", policy: map[string]string{"fulfilment.yaml": "items:\n  SKU-1: {substitution: allow}\n"}, live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Substituted(10, "p1", "", In(Instead(L("SO1", "1", "SKU-2", "4"), "SKU-1", "2"), "B-02", "")), "pick of another"))
		w.tell(w.name(Pick(11, "p2", In(L("SO1", "1", "SKU-1", "3"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-2", "4"), L("SO1", "1", "SKU-1", "3")), "shipment"))
		show("shipped before the order was changed")
		w.confirm("order_amend")
		show("amended, and the order has not said so yet")
		changed := Accepted("SO1", "2", L("", "1", "SKU-1", "3"), Instead(L("", "2", "SKU-2", "4"), "SKU-1", "2"))
		changed.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED
		w.tell(Revised(changed, "2"))
		show("the order has the other item")
	}},
	{name: "another item picked without approval", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", Priced(L("", "1", "SKU-1", "5"), "2")), w.name(Revised(Substituted(10, "p1", "", In(Instead(L("SO1", "1", "SKU-2", "5"), "SKU-1", ""), "B-02", "")), "1"), "pick of another"))
		show("not approved")
		w.tell(w.name(Revised(Substituted(10, "p1", "chief of shift", In(Instead(L("SO1", "1", "SKU-2", "5"), "SKU-1", ""), "B-02", "")), "2"), "approved pick"))
		show("approved since")
	}},
	{name: "another item where no system takes an amendment", policy: map[string]string{"fulfilment.yaml": "default: {substitution: allow}\n", "routing.yaml": "routes:\n  - {kind: goods_issue, role: system_of_record}\n"},
		live: func(w *world, show func(string)) {
			w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Substituted(10, "p1", "", In(Instead(L("SO1", "1", "SKU-2", "5"), "SKU-1", ""), "B-02", "")), "pick of another"),
				w.name(Shipment(30, "S1", L("SO1", "1", "SKU-2", "5")), "shipment"))
			show("a person must enter it")
			w.tell(Accepted("SO1", "2", L("", "1", "SKU-1", "0"), L("", "2", "SKU-2", "5")))
			show("entered")
		}},
	{name: "remainder cancelled", policy: map[string]string{"fulfilment.yaml": "customers:\n  C-1001: {remainder: cancel}\nsites:\n  dc-east: {remainder: ask}\n"}, live: func(w *world, show func(string)) {
		short(w, "SO1")
		show("a pick may still be on its way")
		w.stream(Morning.Add(time.Minute), 0)
		show("the site has told everything")
		w.confirm("order_amend")
		w.tell(Accepted("SO1", "2", L("", "1", "SKU-1", "6")))
		show("cancelled")
	}},
	{name: "remainder kept", policy: map[string]string{"fulfilment.yaml": "sites:\n  dc-east: {remainder: keep}\n"}, live: func(w *world, show func(string)) {
		w.stream(Morning.Add(time.Minute), 0)
		short(w, "SO1")
		w.confirm("order_amend")
		w.tell(Backordered(40, "BO1", "backorder", L("SO1", "1", "SKU-1", "4")))
		show("kept under a document")
		w.tell(Unbackordered(50, "BO1"), w.name(Pick(60, "p2", In(L("SO1", "1", "SKU-1", "4"), "B-01", "")), "late pick"), w.name(Shipment(70, "S2", L("SO1", "1", "SKU-1", "4")), "second shipment"))
		show("delivered after all")
	}},
	{name: "remainder split off", policy: map[string]string{"fulfilment.yaml": "default: {remainder: split}\n"}, live: func(w *world, show func(string)) {
		short(w, "SO1")
		w.pass(11 * time.Minute)
		show("the site did not say how far it has told everything, and the time is over")
	}},
	{name: "remainder to be asked about", policy: map[string]string{"fulfilment.yaml": "default: {remainder: ask}\n"}, live: func(w *world, show func(string)) {
		w.stream(Morning.Add(time.Minute), 0)
		short(w, "SO1")
		show("a person decides")
	}},
	{name: "remainder that came before the site was complete", policy: map[string]string{"fulfilment.yaml": "default: {remainder: cancel}\n"}, live: func(w *world, show func(string)) {
		short(w, "SO1")
		w.tell(w.name(Pick(20, "p2", In(L("SO1", "1", "SKU-1", "4"), "B-02", "")), "late pick"))
		w.stream(Morning.Add(time.Minute), 0)
		show("covered")
	}},
	{name: "shipment taken back after its goods issue", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "5")), "shipment"))
		w.confirm("goods_issue")
		w.tell(w.name(Voided(40, "S1"), "void"))
		show("taken back")
		w.tell(w.name(Shipment(50, "S2", L("SO1", "1", "SKU-1", "5")), "second shipment"))
		show("left again")
	}},
	{name: "shipment taken back before it was told", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Voided(40, "S1", L("SO1", "1", "SKU-1", "5")), "void"))
		show("the void")
		w.tell(w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "5")), "shipment"))
		show("both")
	}},
	{name: "order held", live: func(w *world, show func(string)) {
		w.tell(Held(1, "SO1", "credit"), Held(2, "SO1", "address"), Accepted("SO1", "1", L("", "1", "SKU-1", "5")), HoldReleased(3, "SO1", "credit"))
		show("one hold is left")
		w.tell(HoldReleased(4, "SO1", "address"))
		show("released")
	}},
	{name: "order held after its release", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")))
		show("released")
		w.tell(w.name(Held(10, "SO1", "credit"), "hold"))
		show("its site is told to leave it")
		w.tell(w.name(Pick(20, "p1", In(L("SO1", "1", "SKU-1", "2"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "2")), "shipment"))
		show("some left all the same")
		w.tell(w.name(HoldReleased(40, "SO1", "credit"), "release"))
		show("the hold ends")
	}},
	{name: "order held while it is picked", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Pick(5, "p1", In(L("SO1", "1", "SKU-1", "2"), "B-01", "")), "pick"))
		show("picked")
		w.tell(w.name(Held(10, "SO1", "credit"), "hold"))
		show("its site goes on")
	}},
	{name: "credited beyond what left", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), Pick(10, "p1", In(L("SO1", "1", "SKU-1", "4"), "B-01", "")), Shipment(30, "S1", L("SO1", "1", "SKU-1", "4")),
			w.name(Credit(250, "CM1", "SO1", nil, L("SO1", "1", "SKU-1", "3")), "credit"), w.name(Credit(260, "CM2", "SO1", nil, L("SO1", "1", "SKU-1", "2")), "second credit"))
		show("at once")
		w.pass(11 * time.Minute)
		show("no departure is missing")
	}},
	{name: "cancel requested after the pick", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), "pick"), w.name(CancelRequested(20, "SO1"), "request"))
		show("asked")
		w.tell(w.name(CancelRefused(30, "SO1"), "refusal"))
		show("refused")
	}},
	{name: "too much shipped, and only what was ordered is invoiced", policy: map[string]string{"fulfilment.yaml": "customers:\n  C-1001: {over_ship: post, over_ship_tolerance: '20', invoice: ordered}\n"}, live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "6"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "6")), "shipment"))
		show("within the tolerance")
	}},
}...)
