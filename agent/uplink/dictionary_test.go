package uplink_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/proto/wire"
)

// A collector of before knows no dictionary, and may be the next one on the same site's line.
func TestOnlyACollectorThatKnowsADictionaryGetsPacksMadeWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		_, l := start(t, uplink.Config{Journal: store{j}}, c)
		captured := 0
		sentWith := func(what string, known []uint32, want uint32) {
			t.Helper()
			c.set(func() { c.dictionaries = known })
			l.connect()
			pass(time.Second)
			before := len(c.envelopes())
			capture(t, j, captured+1, 1)
			captured++
			pass(time.Second)
			all := c.envelopes()
			if len(all) <= before {
				t.Fatalf("%s: nothing was sent", what)
			}
			pack := all[len(all)-1].Pack
			var header zstd.Header
			if err := header.Decode(pack); err != nil || header.DictionaryID != want {
				t.Errorf("%s: the pack names dictionary %d (%v), want %d", what, header.DictionaryID, err, want)
			}
			if events, err := wire.OpenPack(pack, 0); err != nil || len(events) != 1 {
				t.Errorf("%s: %d events, %v", what, len(events), err)
			}
			l.cut()
			pass(time.Second)
		}
		best := wire.CommonDictionary(wire.Dictionaries())
		sentWith("a collector of before", nil, 0)
		sentWith("one like this", wire.Dictionaries(), best)
		sentWith("a newer one", append(wire.Dictionaries(), 65000), best)
		sentWith("one with others", []uint32{65000}, 0)
	})
}
