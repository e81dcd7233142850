package reconcile_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/reconcile"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// pickedPortions is a life of very many picks in the portions in which it arrives.
func pickedPortions(seed uint64) (portions [][]*docklinev1.Event) {
	random := rand.New(rand.NewPCG(seed, 41))
	for events := PickedLife(random); len(events) > 0; {
		n := 1 + random.IntN(min(12, len(events)))
		portions = append(portions, events[:n])
		events = events[n:]
	}
	return portions
}

// TestADigestComesToTheSame: an order that is folded from its digest leaves byte for byte what one leaves that is folded from all of its facts,
// in a batch and apart, and after every portion its digest is what its facts say.
//
// Shows: S59
func TestADigestComesToTheSame(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		digests, groups, apart := 0, 0, 0
		for seed := range 4 * days(d) {
			var tables [3]string
			for i, how := range []struct{ from, large int }{{-1, 0}, {3, 0}, {3, 9}} {
				w := newWorld(t, again(t, d), nil)
				w.worker.DigestFrom, w.worker.LargeFrom, w.worker.Page = how.from, how.large, 4
				w.live(pickedPortions(seed))
				w.digestsAgree(seed)
				tables[i] = w.tables(false)
				if how.from > 0 {
					digests += strings.Count(w.rows(`SELECT fold_key FROM digest WHERE ready = 1`), "\n")
					groups += strings.Count(w.rows(`SELECT log_id FROM digest_fact WHERE part > 0`), "\n")
				}
				if how.large > 0 {
					apart += strings.Count(w.rows(`SELECT fold_key FROM large_key`), "\n")
				}
			}
			for i, name := range []string{1: "in a batch", 2: "apart"} {
				if i > 0 && tables[i] != tables[0] {
					t.Fatalf("seed %d: a digest %s (+) leaves something else than all facts (-):\n%s", seed, name, difference(tables[0], tables[i]))
				}
			}
		}
		if digests == 0 || groups < 5*digests || apart == 0 {
			t.Errorf("%d digests with %d facts in groups, %d keys apart", digests, groups, apart)
		}
		testenv.Figure(t, "lives", int(4*days(d)), "digests", digests, "facts in groups", groups, "keys folded apart", apart)
	})
}

// digestsAgree folds every order anew, as the nightly check does, and holds its digest against its facts.
func (w *world) digestsAgree(seed uint64) {
	w.t.Helper()
	keys, err := reconcile.Keys(w.t.Context(), w.d, reconcile.Key{}, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	found, err := w.worker.Compare(w.t.Context(), keys, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range found {
		if len(r.Differences) > 0 {
			w.t.Fatalf("seed %d: %s: %v", seed, r.Key.Key, r.Differences)
		}
	}
}
