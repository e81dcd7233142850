package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
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
		ownership.Dockline: "order.released shipment.over_shipped exception.opened agent.health policy.activated milestone.changed exception.decided record.settled",
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

// Who owns something is answered with the line that says so, and with the team that must act and the line that names it; a place goes first.
//
// Shows: S17, S18
func TestExplainOwner(t *testing.T) {
	p := load(t, map[string]string{"targets.yaml": "targets:\n  - {name: erp, role: system_of_record}\n  - {name: tms, role: carrier}\n",
		"ownership.yaml": "ownership:\n  - kinds: [order.*]\n    owners: [system_of_record]\n  - fields: [order.promised_at]\n    owners: [crm, system_of_record]\nsites:\n  dc-east:\n    - fields: [order.promised_at]\n      owners: [carrier]\n",
		"owners.yaml":    "classes:\n  technical: {team: it}\n  data: {team: data}\n  process: {team: ops}\nroles: {system_of_record: order-desk, crm: accounts}\nsystems: {tms: transport}\ncodes:\n  not_owner: {class: process}\n"})
	for _, c := range []struct{ site, about, want string }{
		{"", "order.promised_at", "owner crm ownership.yaml:4 (ownership[1]); decided by the rule of its field ownership.yaml:4 (ownership[1]); may state it too [system_of_record] ownership.yaml:4 (ownership[1]); team accounts owners.yaml:5 (roles.crm)"},
		{"dc-east", "order.promised_at", "owner carrier ownership.yaml:8 (sites.dc-east[0]); decided by the rule of its field ownership.yaml:8 (sites.dc-east[0]); team transport owners.yaml:6 (systems.tms)"},
		{"", "order.submitted>accepted", "owner system_of_record ownership.yaml:2 (ownership[0]); decided by the rule of its kind ownership.yaml:2 (ownership[0]); team order-desk owners.yaml:5 (roles.system_of_record)"},
		{"", "pick.short", "owner anybody ownership.yaml ()"},
	} {
		var got []string
		for _, a := range p.Explain(policy.Question{Scope: policy.Scope{Site: c.site}, About: c.about}) {
			for _, s := range a.Said {
				got = append(got, fmt.Sprintf("%s %v %s", s.Key, s.Value, s.Rule))
			}
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s at %q:\n%s\nwant\n%s", c.about, c.site, text, c.want)
		}
	}
	for about, want := range map[string]string{"order.promised_at": "accounts", "order.site": "order-desk", "pick.short": "ops"} {
		if got := p.OwnerAbout(policy.Scope{}, "not_owner", docklinev1.FaultClass_FAULT_CLASS_PROCESS, about).Team; got != want {
			t.Errorf("a case about %s goes to %s, want %s", about, got, want)
		}
	}
}

// The boundaries that ship: money, items and the structure of orders are the system of record's, opportunities and accounts the CRM's, what is done at a dock the
// site's, what is under way the carrier's, and what is worked out Dockline's own. Each has a team.
//
// Shows: S18
func TestBoundariesThatShip(t *testing.T) {
	p := policy.Default()
	for owner, abouts := range map[ownership.Role]string{
		ownership.SystemOfRecord: "order.promised_at order.lines.quantity order.lines.unit_price order.ship_to order.price_list_version order.verdicts order.submitted>accepted order.submitted>rejected order.accepted>held order.cancel_requested>cancelled " +
			"customer.credit customer.tax customer.terms customer.legal_name item.gtin item.unit_conversion price_list.version stock.book_quantity stock.value invoice.total credit_memo.total refund.amount backorder.promised_at invoice.new>posted " +
			"return.requested>authorised return.disposed>credited shipment.delivered>closed",
		ownership.CRM:      "customer.contacts customer.opportunity customer.account_team quote.number order.new>quoted order.accepted>cancel_requested",
		ownership.Site:     "pick.short pack.lines.quantity shipment.lines.lot shipment.lines.serials shipment.tracking shipment.loaded>departed shipment.planned>picking stock.on_hand count.planned>counted return.lines.condition return.inspected>disposed allocation.lines.quantity order.new>submitted",
		ownership.Carrier:  "transport.eta transport.milestone delivery.signer shipment.departed>in_transit shipment.out_for_delivery>delivered",
		ownership.Dockline: "order.accepted>released stock.available_to_promise posting.state exception.state milestone.clock",
	} {
		for about := range strings.FieldsSeq(abouts) {
			answer, ok := p.Ownership.About(about)
			if !ok || answer.Owner() != owner {
				t.Errorf("%s is owned by %q, want %s", about, answer.Owner(), owner)
			}
			if team, _ := p.TeamOf(policy.Scope{}, about); team == "" {
				t.Errorf("nobody must act on %s", about)
			}
		}
	}
}

// What is wrong with the registry is named with its line: a field that the schema does not have, a change of status that there is not.
//
// Shows: S16
func TestOwnershipFileIsChecked(t *testing.T) {
	_, err := policy.Load(folder(map[string]string{"ownership.yaml": "ownership:\n  - fields: [order.colour]\n    owners: [crm]\n  - transitions: [\"order.accepted>lost\"]\n    owners: [crm]\n  - kinds: [order.*]\n    fields: [order.site]\n    owners: [crm]\nsites:\n  dc-east:\n    - kinds: [parcel.*]\n      owners: [site]\n",
		"owners.yaml": "classes:\n  technical: {team: it}\n  data: {team: data}\n  process: {team: ops}\nroles: {wms: x}\nsystems: {sap: y}\ncodes:\n  not_owner: {about: order.colour}\n"}))
	for _, want := range []string{"ownership.yaml:2: ownership[0]", "order has number, customer,", "ownership.yaml:4: ownership[1]", "order has order.new>quoted,", "ownership.yaml:6: ownership[2]", "ownership.yaml:11: sites.dc-east[0]",
		"owners.yaml:5: roles.wms", "owners.yaml:6: systems.sap", "owners.yaml:8: codes.not_owner.about"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
