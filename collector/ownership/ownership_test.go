package ownership_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/ownership"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

var rules = ownership.Rules{
	Everywhere: []ownership.Rule{
		{Kinds: []string{"order.released"}, Owners: []ownership.Role{ownership.Dockline}},
		{Kinds: []string{"order.*", "invoice.*"}, Owners: []ownership.Role{ownership.SystemOfRecord}},
		{Kinds: []string{"pick.*", "shipment.*"}, Owners: []ownership.Role{ownership.Site}},
		{Fields: []string{"order.ship_to"}, Owners: []ownership.Role{ownership.CRM}},
		{Fields: []string{"customer.*"}, Owners: []ownership.Role{ownership.SystemOfRecord}, Key: "ownership[4]"},
		{Transitions: []string{"order.*>cancelled"}, Owners: []ownership.Role{ownership.CRM, ownership.SystemOfRecord}},
	},
	Sites: map[string][]ownership.Rule{"dc-east": {{Transitions: []string{"shipment.loaded>departed"}, Owners: []ownership.Role{ownership.Carrier}}}},
}

func TestAllowsOwnersOnly(t *testing.T) {
	registry := rules.In(ownership.Scope{})
	for _, c := range []struct {
		kind docklinev1.EventKind
		role ownership.Role
		want bool
	}{
		{docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, ownership.SystemOfRecord, true},
		{docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, ownership.Site, false},
		{docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, ownership.CRM, false},
		{docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED, ownership.Dockline, true},
		{docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED, ownership.SystemOfRecord, false},
		{docklinev1.EventKind_EVENT_KIND_PICK_SHORT, ownership.Site, true},
		{docklinev1.EventKind_EVENT_KIND_PICK_SHORT, ownership.Stranger, false},
		{docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED, ownership.Stranger, true},
		// By its change of status, whatever the rule of its kind says.
		{docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED, ownership.CRM, true},
		{docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED, ownership.Site, false},
	} {
		if got, _ := registry.May(c.kind, c.role, ""); got != c.want {
			t.Errorf("%v by %s: %t", c.kind, c.role, got)
		}
	}
}

// A place has rules of its own, and they go before those that hold everywhere.
func TestAPlaceGoesFirst(t *testing.T) {
	departed := docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED
	for site, want := range map[string]bool{"": false, "dc-west": false, "dc-east": true} {
		if got, _ := rules.In(ownership.Scope{Site: site}).May(departed, ownership.Carrier, ""); got != want {
			t.Errorf("a carrier's departure at site %q: %t", site, got)
		}
	}
	if ok, denied := rules.In(ownership.Scope{Site: "dc-east"}).May(departed, ownership.Site, ""); ok || denied.About != "shipment.loaded>departed" || denied.Owner() != ownership.Carrier {
		t.Errorf("the site's own departure where the carrier tells it: %t, %+v", ok, denied)
	}
}

// What a role may write in a fact: the fields of others are foreign to who tells the fact, and who does not may still own some.
func TestFieldsOfAFact(t *testing.T) {
	registry := rules.In(ownership.Scope{})
	changed := docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED
	if w := registry.Writing(changed, ownership.SystemOfRecord); !w.Foreign["ship_to"] || w.Foreign["promised_at"] || len(w.Foreign) != 1 {
		t.Errorf("foreign to the system of record: %v", w.Foreign)
	}
	if w := registry.Writing(changed, ownership.CRM); !w.Own["ship_to"] || len(w.Own) != 1 {
		t.Errorf("the CRM's own: %v", w.Own)
	}
	if w := registry.Writing(docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED, ownership.Site); len(w.Foreign) != 0 {
		t.Errorf("an order that is handed in is whoever hands it in's, foreign to him is %v", w.Foreign)
	}
}

// Whoever asks is told the owner and the line; what no rule names goes with the facts that tell of it.
func TestWhoOwnsWhat(t *testing.T) {
	registry := rules.In(ownership.Scope{})
	for about, want := range map[string]string{"order.ship_to": "crm field", "order.promised_at": "system_of_record kind", "order.lines.quantity": "system_of_record kind", "order.lines": "system_of_record kind",
		"customer.credit": "system_of_record field", "customer": "system_of_record field", "order.cancel_requested>cancelled": "crm transition", "order.submitted>accepted": "system_of_record kind",
		"pick.short": "site kind", "shipment.tracking": "site kind", "count.observed": " ", "order.colour": " ", "parcel": " "} {
		answer, ok := registry.About(about)
		if got := string(answer.Owner()) + " " + answer.By; got != want || ok != (want != " ") {
			t.Errorf("%s is owned by %s, want %s", about, got, want)
		}
	}
	if answer, _ := registry.About("customer.tax"); answer.Key != "ownership[4]" {
		t.Errorf("customer.tax stands at %s", answer.Key)
	}
}

func TestCheckNamesTheRule(t *testing.T) {
	if faults := rules.Check(); len(faults) != 0 {
		t.Errorf("good rules: %v", faults)
	}
	site := []ownership.Role{ownership.Site}
	bad := ownership.Rules{Everywhere: []ownership.Rule{
		{Kinds: []string{"parcel.*"}, Owners: site},
		{Kinds: []string{"pick.*"}, Owners: []ownership.Role{"wms"}},
		{Kinds: []string{"pick.*"}},
		{Fields: []string{"order.colour"}, Owners: site},
		{Fields: []string{"parcel.colour"}, Owners: site},
		{Fields: []string{"order"}, Owners: site},
		{Transitions: []string{"order.accepted>lost"}, Owners: site},
		{Transitions: []string{"shipment.departed"}, Owners: site},
		{Kinds: []string{"pick.*"}, Fields: []string{"order.site"}, Owners: site},
		{Kinds: []string{"pick.*"}, Owners: []ownership.Role{ownership.Site, ownership.Site}},
	}, Sites: map[string][]ownership.Rule{"dc-east": {{Owners: site}}}}
	var keys []string
	for _, fault := range bad.Check() {
		keys = append(keys, fault.Key)
	}
	if want := "ownership[0] ownership[1] ownership[2] ownership[3] ownership[4] ownership[5] ownership[6] ownership[7] ownership[8] ownership[9] sites.dc-east[0]"; strings.Join(keys, " ") != want {
		t.Errorf("bad rules: %v", bad.Check())
	}
}

// Every change of status is made by some kind of fact, and none is there twice.
func TestTransitionsAreMade(t *testing.T) {
	var names []string
	for _, c := range ownership.Transitions() {
		if c.From == "" || c.To == "" {
			t.Errorf("%q has no two sides", c.Name())
		}
		names = append(names, c.Name())
	}
	slices.Sort(names)
	if all := len(names); len(slices.Compact(names)) != all {
		t.Error("a change of status is there twice")
	}
}
