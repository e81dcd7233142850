package master_test

import (
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/master"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Records that are no records are refused by name.
func TestFaultsOfRecords(t *testing.T) {
	for want, r := range map[string]*docklinev1.MasterRecord{
		"no code":      {},
		"256 bytes":    {Code: strings.Repeat("x", 300)},
		"no name":      {Code: "A", Detail: &docklinev1.MasterDetail{Unit: "each", Units: []*docklinev1.MasterUnit{{BaseQuantity: "2"}}}},
		"twice":        {Code: "A", Detail: &docklinev1.MasterDetail{Unit: "each", Units: []*docklinev1.MasterUnit{{Unit: "each", BaseQuantity: "2"}}}},
		"above zero":   {Code: "A", Detail: &docklinev1.MasterDetail{Unit: "each", Units: []*docklinev1.MasterUnit{{Unit: "box", BaseQuantity: "a dozen"}}}},
		"check digit":  {Code: "A", Detail: &docklinev1.MasterDetail{Gtins: []string{"4012345000055"}}},
		"name of a si": {Code: "A", Detail: &docklinev1.MasterDetail{Sites: []string{"a|b"}}},
	} {
		if got := master.Fault(r); !strings.Contains(got, want) {
			t.Errorf("%v: %q; want %q", r, got, want)
		}
	}
	if got := master.Fault(&docklinev1.MasterRecord{Code: "A", Name: "x", Detail: &docklinev1.MasterDetail{Unit: "each"}}); got != "" {
		t.Errorf("a sound record: %q", got)
	}
}
