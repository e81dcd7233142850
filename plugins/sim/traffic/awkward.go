package traffic

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// awkward is what goes wrong with an order: it changes what is told of it, or when. Each is named and told of in README.md.
type awkward struct {
	about string
	do    func(s *story)
}

// cases are the awkward ones, in the order in which they are applied.
var cases = map[string]awkward{
	"duplicate": {"an event is told twice, the same", func(s *story) {
		one := s.any()
		s.add(one.At.Add(3*time.Minute), proto.CloneOf(one.Event))
	}},
	"changed_body": {"the same record comes again under its key with another quantity: two bodies of one event", func(s *story) {
		if one := s.first(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED); one != nil {
			other := proto.CloneOf(one.Event)
			other.GetPick().GetLines()[0].Reason = "counted again"
			s.add(one.At.Add(20*time.Minute), other)
		}
	}},
	"correction": {"a pick is corrected: the same key with a higher revision", func(s *story) {
		if one := s.first(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED); one != nil {
			other := proto.CloneOf(one.Event)
			other.SourceRevision = "2"
			other.GetPick().GetLines()[0].Bin = "CORRECTED-01"
			s.add(one.At.Add(30*time.Minute), other)
		}
	}},
	"out_of_order": {"the shipment is told before its picks", func(s *story) {
		if ship := s.first(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED); ship != nil {
			ship.At = s.began
		}
	}},
	"late": {"an event is told most of a day after it happened", func(s *story) { s.any().delay(20 * time.Hour) }},
	"clock_skew": {"a reader's clock is twenty minutes ahead", func(s *story) {
		e := s.any().Event
		e.OccurredAt = timestamppb.New(e.GetOccurredAt().AsTime().Add(20 * time.Minute))
	}},
	"unknown_unit": {"a unit that the mapping does not know", func(s *story) { s.line().Quantity.Unit = "KRT" }},
	"unknown_item": {"an item that the mapping does not know", func(s *story) { s.line().Item = "NOT-IN-MASTER" }},
	"wrong_check_digit": {"a GTIN that was typed with a slip", func(s *story) {
		if l := s.line(); len(l.GetGtin()) == 14 {
			l.Gtin = l.Gtin[:13] + string('0'+(l.Gtin[13]-'0'+1)%10)
		}
	}},
	"over_ship": {"more is shipped than was picked", func(s *story) {
		if ship := s.first(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED); ship != nil {
			ship.Event.GetShipment().GetLines()[0].Quantity.Value = "999"
		}
	}},
	"substitution": {"another item is picked in the place of one", func(s *story) {
		if pick := s.first(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED); pick != nil {
			pick.Event.Kind = docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED
			l := pick.Event.GetPick().GetLines()[0]
			l.OriginalItem, l.OriginalQuantity = l.Item, proto.CloneOf(l.Quantity)
			l.Item, l.Gtin = l.Item+"-ALT", ""
		}
	}},
	"void": {"the shipment is taken back: it never left", func(s *story) {
		if ship := s.first(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED); ship != nil {
			number := ship.Event.GetShipment().GetNumber()
			s.tell(ship.At.Add(15*time.Minute), "void/"+number, number, docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED,
				&docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: number, Reason: "loaded on the wrong truck", DidNotOccur: true}})
		}
	}},
	"void_first": {"the shipment is taken back before it is told", func(s *story) {
		if ship := s.first(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED); ship != nil {
			number := ship.Event.GetShipment().GetNumber()
			s.tell(ship.At.Add(-time.Second), "void/"+number, number, docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED,
				&docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: number, Reason: "wrong address", DidNotOccur: true}})
		}
	}},
	"pack_reopened": {"a closed carton is opened and packed again", func(s *story) {
		if pack := s.first(docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED); pack != nil {
			unit := pack.Event.GetPack().GetHandlingUnit()
			s.tell(pack.At.Add(time.Minute), "reopened/"+unit, s.order, docklinev1.EventKind_EVENT_KIND_PACK_REOPENED,
				&docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: unit, Lines: proto.CloneOf(pack.Event.GetPack()).GetLines()}})
			again := proto.CloneOf(pack.Event)
			again.SourceKey += "/again"
			again.OccurredAt = timestamppb.New(pack.At.Add(2 * time.Minute))
			s.add(pack.At.Add(2*time.Minute), again)
		}
	}},
	"cancel_after_ship": {"the customer cancels when the goods have left", func(s *story) {
		if ship := s.first(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED); ship != nil {
			s.tell(ship.At.Add(10*time.Minute), "cancel/"+s.order, s.order, docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED,
				&docklinev1.Event_CancelRequest{CancelRequest: &docklinev1.CancelRequest{Number: s.order, Reason: "ordered twice", Requester: "customer"}})
		}
	}},
	"proof_before_shipment": {"the delivery is proved before the shipment is told", func(s *story) {
		if ship := s.first(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED); ship != nil {
			number := ship.Event.GetShipment().GetNumber()
			s.tell(s.began.Add(time.Second), "pod/"+number, number, docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED,
				&docklinev1.Event_Delivery{Delivery: &docklinev1.Delivery{Shipment: number, Signer: "J. Moor"}})
		}
	}},
	"blind_return": {"goods come back without a number", func(s *story) {
		l := proto.CloneOf(s.line())
		l.Order, l.OrderLine, l.Bin, l.HandlingUnit, l.Condition = "", "", "", "", "opened"
		key := "RB-" + s.order
		s.tell(s.ended().Add(4*time.Hour), "return/"+key, key, docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED,
			&docklinev1.Event_Return{Return: &docklinev1.Return{Receipt: key, Lines: []*docklinev1.Line{l}}})
	}},
	"count_between": {"a bin is counted in the middle of the work, with a difference", func(s *story) {
		l, number := s.line(), "CC-"+s.order
		s.tell(s.began.Add(4*time.Minute), "count/"+number, number, docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED, &docklinev1.Event_Count{Count: &docklinev1.Count{Number: number, Blind: true,
			Lines: []*docklinev1.Line{{Item: l.Item, Gtin: l.Gtin, Lot: l.Lot, Bin: "A-01-01", Quantity: &docklinev1.Quantity{Value: "7", Unit: s.profile.Unit}}}}})
	}},
	"refused_record": {"a record that the source's own program could not read", func(s *story) {
		key := "raw/" + s.order
		e := s.tell(s.began.Add(time.Minute), key, s.order, docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{
			Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "number_format", Text: "the quantity \"many\" cannot be read as a number", Raw: []byte(s.order + ";many")}})
		e.Origin = "simulated record"
	}},
}

// Cases are the names of the awkward cases, and what each is.
func Cases() (names []string, about map[string]string) {
	about = map[string]string{}
	for name, c := range cases {
		about[name] = c.about
	}
	return slices.Sorted(maps.Keys(cases)), about
}
