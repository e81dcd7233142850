package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/proto/event"
)

// Every kind of fact has an owner by default, but for those that whoever tells facts may tell of its own.
func TestEveryKindHasItsOwner(t *testing.T) {
	registry := policy.Default().Ownership
	anybody := []string{"record.refused", "stream.gap", "error.declared"}
	for _, kind := range event.Kinds() {
		name := event.KindName(kind)
		if owned := registry.Owners(kind) != nil; owned == slices.Contains(anybody, name) {
			t.Errorf("%s is owned by %v", name, registry.Owners(kind))
		}
	}
	for role, kinds := range map[ownership.Role]string{
		ownership.Site: "pick.substituted pack.reopened load.loaded trailer.sealed shipment.voided inventory.allocated putaway.confirmed stock.moved stock.status_changed " +
			"stock.damaged stock.adjusted stock.scrapped lot.relabelled kit.built stock.repacked receipt.received receipt.discrepancy return.received return.inspected " +
			"return.disposed delivery.proved transport.milestone count.approved inbound.advised backorder.created order.cancel_requested",
		ownership.SystemOfRecord: "order.accepted order.held order.hold_released order.cancel_refused order.cancelled invoice.voided credit_memo.posted return.authorised " +
			"stock.snapshot quote.approved count.approved backorder.released",
		ownership.CRM:      "quote.approved order.submitted order.cancel_requested return.requested",
		ownership.Carrier:  "transport.milestone transport.delayed transport.refused transport.lost transport.damaged delivery.proved",
		ownership.Dockline: "order.released shipment.over_shipped exception.opened agent.health policy.activated milestone.changed record.settled",
	} {
		for name := range strings.FieldsSeq(kinds) {
			if kind, ok := event.ParseKind(name); !ok || !registry.Allows(kind, role) {
				t.Errorf("%s may not tell %s", role, name)
			}
		}
	}
	for role, kinds := range map[ownership.Role]string{
		ownership.Site:           "order.accepted order.held invoice.voided credit_memo.posted return.authorised quote.approved shipment.over_shipped exception.opened order.cancel_refused",
		ownership.SystemOfRecord: "pick.confirmed shipment.departed shipment.voided return.received return.disposed stock.adjusted transport.milestone delivery.proved",
		ownership.CRM:            "order.accepted order.cancelled return.received credit_memo.posted stock.snapshot",
		ownership.Carrier:        "shipment.departed return.received receipt.received invoice.posted",
	} {
		for name := range strings.FieldsSeq(kinds) {
			if kind, ok := event.ParseKind(name); !ok || registry.Allows(kind, role) {
				t.Errorf("%s may tell %s", role, name)
			}
		}
	}
}
