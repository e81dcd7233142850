package deadletter_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/deadletter"
	. "github.com/dockline/dockline/collector/state/statetest"
)

// A correction that a person writes as path and value is made or refused: what it makes can be kept.
func FuzzSet(f *testing.F) {
	for path, value := range map[string]string{"pick.lines[0].quantity.value": "5", "kind": "pick.short", "pick.lines[1].item": "A", "occurred_at": "2026-03-02T06:00:00Z", "pick.lines[99999999999]": "", "pick..": "x",
		"movement": "-1", "shipment.parcels[0]": "T1", "site_warnings[0]": "x", "content_hash": "//8="} {
		f.Add(path, value)
	}
	f.Fuzz(func(t *testing.T, path, value string) {
		e := Pick(10, "P1", L("SO1", "10", "BOLT", "4"))
		was := proto.CloneOf(e)
		if deadletter.Set(e, path, value) != nil {
			return
		}
		if _, err := proto.Marshal(e); err != nil {
			t.Skip(err) // text that is no UTF-8 is refused when it is checked
		}
		_ = deadletter.Difference(was, e)
	})
}
