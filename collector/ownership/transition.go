package ownership

import (
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Transition is a change of status that a fact of some kinds makes.
type Transition struct {
	// Object, From and To as in its name: order.submitted>accepted.
	Object, From, To string
	kinds            []docklinev1.EventKind
	// words are those of its facts that make this change, where facts of one kind make several.
	words []string
}

// Name is what ownership.yaml calls it.
func (t *Transition) Name() string { return t.Object + "." + t.From + ">" + t.To }

// makes tells whether a fact of a kind with a word makes this change.
func (t *Transition) makes(kind docklinev1.EventKind, word string) bool {
	return slices.Contains(t.kinds, kind) && (t.words == nil || slices.Contains(t.words, word))
}

func change(name, kinds string, words ...string) Transition {
	object, change, _ := strings.Cut(name, ".")
	from, to, _ := strings.Cut(change, ">")
	t := Transition{Object: object, From: from, To: to, words: words}
	for kind := range strings.FieldsSeq(kinds) {
		number, ok := event.ParseKind(kind)
		if !ok {
			panic("ownership: no kind " + kind)
		}
		t.kinds = append(t.kinds, number)
	}
	return t
}

// transitions are all changes of status that a fact makes; "new" is before there is anything.
var transitions = []Transition{
	change("order.new>quoted", "quote.approved"),
	change("order.new>submitted", "order.submitted"),
	change("order.submitted>accepted", "order.accepted"),
	change("order.submitted>rejected", "order.rejected"),
	change("order.accepted>held", "order.held"),
	change("order.held>accepted", "order.hold_released"),
	change("order.accepted>released", "order.released"),
	change("order.accepted>cancel_requested", "order.cancel_requested"),
	change("order.cancel_requested>cancelled", "order.cancelled"),
	change("order.cancel_requested>cancel_refused", "order.cancel_refused"),
	change("order.accepted>backordered", "backorder.created"),
	change("order.backordered>released", "backorder.released"),
	change("order.shipped>closed", "invoice.posted"),
	change("order.closed>reopened", "invoice.voided"),
	change("shipment.planned>picking", "pick.confirmed pick.short pick.substituted"),
	change("shipment.picking>packed", "pack.confirmed"),
	change("shipment.packed>picking", "pack.reopened"),
	change("shipment.packed>staged", "load.staged"),
	change("shipment.staged>loaded", "load.loaded trailer.sealed"),
	change("shipment.loaded>departed", "shipment.departed"),
	change("shipment.departed>voided", "shipment.voided"),
	change("shipment.departed>in_transit", "transport.milestone", "booked", "picked_up", "departed", "arrived", "customs", "delivery_attempted"),
	change("shipment.in_transit>out_for_delivery", "transport.milestone", "out_for_delivery"),
	change("shipment.in_transit>delayed", "transport.delayed transport.milestone", "delayed"),
	change("shipment.out_for_delivery>delivered", "delivery.proved transport.milestone", "delivered"),
	change("shipment.in_transit>refused", "transport.refused transport.milestone", "refused"),
	change("shipment.in_transit>lost", "transport.lost transport.milestone", "lost"),
	change("shipment.in_transit>damaged", "transport.damaged transport.milestone", "damaged"),
	change("shipment.in_transit>returned_to_sender", "transport.milestone", "returning", "returned_to_sender"),
	change("shipment.delivered>closed", "invoice.posted"),
	change("return.new>requested", "return.requested"),
	change("return.requested>authorised", "return.authorised"),
	change("return.requested>denied", "return.denied"),
	change("return.authorised>cancelled", "return.cancelled"),
	change("return.in_transit>received", "return.received"),
	change("return.received>inspected", "return.inspected"),
	change("return.inspected>disposed", "return.disposed"),
	change("return.disposed>credited", "credit_memo.posted"),
	change("stock.available>allocated", "inventory.allocated"),
	change("stock.allocated>available", "inventory.deallocated"),
	change("stock.available>status_changed", "stock.status_changed"),
	change("stock.available>damaged", "stock.damaged"),
	change("stock.available>scrapped", "stock.scrapped"),
	change("stock.available>adjusted", "stock.adjusted"),
	change("count.planned>counted", "count.observed"),
	change("count.counted>recount", "count.approved", "recount"),
	change("count.counted>approved", "count.approved", "approve"),
	change("count.counted>rejected", "count.approved", "reject"),
	change("inbound.new>advised", "inbound.advised"),
	change("inbound.advised>arrived", "receipt.arrived"),
	change("inbound.arrived>received", "receipt.received"),
	change("invoice.new>posted", "invoice.posted"),
	change("invoice.posted>voided", "invoice.voided"),
	change("credit_memo.new>posted", "credit_memo.posted"),
}

// Transitions are all changes of status that a rule can name.
func Transitions() []Transition { return slices.Clone(transitions) }

// Word is what tells apart facts of one kind that make different changes, as far as the fact itself says it: what was decided of a count.
// Of a carrier's milestone it is its meaning, which package state knows.
func Word(e *docklinev1.Event) string { return e.GetCountApproval().GetDecision() }

// namesTransition tells whether a pattern names a change of status: either side of it may be "*".
func namesTransition(pattern string, t *Transition) bool {
	object, change, ok := strings.Cut(pattern, ".")
	from, to, both := strings.Cut(change, ">")
	return ok && both && object == t.Object && (from == "*" || from == t.From) && (to == "*" || to == t.To)
}

// transition is the rule of a change of status, -1 where none names it.
func (r *Registry) transition(t *Transition) int {
	return slices.IndexFunc(r.rules, func(rule Rule) bool {
		return slices.ContainsFunc(rule.Transitions, func(pattern string) bool { return namesTransition(pattern, t) })
	})
}
