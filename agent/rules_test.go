package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/rule"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func TestFaultsOfRulesAreNamed(t *testing.T) {
	r := DefaultConfig().Rules
	r.DoubleScan = []DoubleScanRule{{"pack.confirmed", 10 * time.Second}, {"pack.confirmed", time.Hour}, {"order.accepted", time.Minute}, {"packing", time.Minute}}
	r.Unknown.Bin = "shout"
	var got []string
	r.validate(func(key, _ string, _ ...any) { got = append(got, key) })
	want := []string{"rules.double_scan[1].step", "rules.double_scan[1].within", "rules.double_scan[2].step", "rules.double_scan[3].step", "rules.unknown.bin"}
	if !slices.Equal(got, want) {
		t.Errorf("faults at %v, want %v", got, want)
	}
	DefaultConfig().Rules.validate(func(key, format string, _ ...any) { t.Errorf("the default: %s: %s", key, format) })
}

// The centre may set rules: what it says of steps takes the place of the site's list, what it says of one kind of code leaves the others.
func TestTheCentreMaySetRules(t *testing.T) {
	own := DefaultConfig()
	own.Site = SiteConfig{Tenant: "acme", ID: "dc"}
	own.MQTT.URL, own.MQTT.CA, own.MQTT.Certificate, own.MQTT.Key = "mqtt://broker:1883", "", "", ""
	own.Rules.DoubleScan = []DoubleScanRule{{"pick.confirmed", 5 * time.Second}}
	over, _, err := own.with("rules:\n  double_scan: [{step: pack.confirmed, within: 20s}]\n  unknown: {item: refuse}\n")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(over.Rules.DoubleScan, []DoubleScanRule{{"pack.confirmed", 20 * time.Second}}) || over.Rules.Unknown.Item != rule.Refuse || over.Rules.Unknown.Unit != rule.Warn {
		t.Errorf("rules %+v", over.Rules)
	}
	if own.Rules.DoubleScan[0].Step != "pick.confirmed" || sameButSections(own, over) {
		t.Error("the site's own are changed, or the change is not seen")
	}
	if _, _, err := own.with("rules:\n  double_scan:\n    - {step: pack.confirmed, within: 1ms}\n"); err == nil || !strings.Contains(err.Error(), "the centre's configuration:3") {
		t.Errorf("a fault: %v", err)
	}
}

func TestAnswersOfMasterDataAreRememberedUntilItChanges(t *testing.T) {
	asked, known := 0, false
	m := &masterData{look: func(docklinev1.MasterKind, string) bool { asked++; return known }}
	for range 3 {
		if m.known(docklinev1.MasterKind_MASTER_KIND_ITEM, "A") {
			t.Error("known too early")
		}
	}
	known = true
	m.forget()
	if !m.known(docklinev1.MasterKind_MASTER_KIND_ITEM, "A") || asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}
