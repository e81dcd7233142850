package ownership_test

import (
	"testing"

	"github.com/dockline/dockline/collector/ownership"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

var rules = ownership.Registry{
	{Kinds: []string{"order.released"}, Owners: []ownership.Role{ownership.Dockline}},
	{Kinds: []string{"order.*", "invoice.*"}, Owners: []ownership.Role{ownership.SystemOfRecord}},
	{Kinds: []string{"pick.*"}, Owners: []ownership.Role{ownership.Site}},
}

func TestAllowsOwnersOnly(t *testing.T) {
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
	} {
		if got := rules.Allows(c.kind, c.role); got != c.want {
			t.Errorf("%s by %s: %t", c.kind, c.role, got)
		}
	}
}

func TestCheckNamesTheRule(t *testing.T) {
	if faults := rules.Check(); len(faults) != 0 {
		t.Errorf("good rules: %v", faults)
	}
	bad := ownership.Registry{
		{Kinds: []string{"parcel.*"}, Owners: []ownership.Role{ownership.Site}},
		{Kinds: []string{"pick.*"}, Owners: []ownership.Role{"wms"}},
		{Kinds: []string{"pick.*"}},
	}
	if faults := bad.Check(); len(faults) != 3 {
		t.Errorf("bad rules: %v", faults)
	}
}
