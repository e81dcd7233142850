package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// mixture is several records, each with revisions that name other orders, other bodies under their ids, and all of it sent again under other
// epochs.
func mixture() []eventlog.Recorded {
	var all []eventlog.Recorded
	for n := range 6 {
		of := func(revision, order string, quantity int) *docklinev1.Event {
			e := pick("dc-east", order, fmt.Sprint("k", n), quantity)
			e.SourceRevision, e.Id = revision, fmt.Sprintf("revision-%d-%s", n, revision)
			return e
		}
		at := uint64(100 * n)
		all = append(all, recorded(of("1", "SO1", 1), 2, at+1), recorded(of("1", "SO2", 2), 1, at+1), recorded(of("1", "SO1", 1), 3, at+1),
			recorded(of("2", fmt.Sprint("SO", 2+n%3), 1), 1, at+2), recorded(of("2", fmt.Sprint("SO", 2+n%3), 1), 3, at+2), recorded(of("3", "SO4", 1), 2, at+3),
			recorded(of("3", "SO4", 1), 1, at+3), recorded(of("4", "SO5", 1), 1, at+4), recorded(of("4", "SO6", 9), 3, at+4))
	}
	return all
}

func (w *world) allFacts() string {
	byKey := w.byKey()
	var keys []string
	for key := range byKey {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(key + "\n" + byKey[key])
	}
	return b.String()
}

// Four collectors that take overlapping parts of all this at the same time, in any order, come to the same facts as one that takes all of it at
// once, and to the same counts of distinct bodies.
func TestCollectorsTogetherComeToTheSame(t *testing.T) {
	d := testenv.Postgres(t)
	w := newWorld(t, d)
	w.append(mixture()...)
	want, bodies := w.allFacts(), w.count(`SELECT count(*) FROM event`)
	w.wipe()
	for round := range testenv.Count("ingest.permutations") / 12 {
		w := newWorld(t, d)
		var together sync.WaitGroup
		for c := range 4 {
			together.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(c)))
				all := mixture()
				r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				for part := range slices.Chunk(all, 1+r.IntN(12)) {
					if err := d.Write(t.Context(), func(tx *db.Tx) error {
						fresh := make([]eventlog.Recorded, len(part))
						for i, a := range part {
							fresh[i] = a
							fresh[i].Event = proto.Clone(a.Event).(*docklinev1.Event)
						}
						_, err := w.log.Append(context.WithoutCancel(t.Context()), tx, fresh)
						return err
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		together.Wait()
		if got := w.allFacts(); got != want {
			t.Fatalf("round %d: %s", round, difference(got, want))
		}
		w.expect("bodies", bodies, `SELECT count(*) FROM event`)
		w.expect("events whose place is not that of their identity", 0, `SELECT count(*) FROM event e JOIN event_identity i ON i.log_id = e.log_id
			WHERE i.epoch_ordinal <> e.epoch_ordinal OR i.seq <> e.seq OR e.variant <> 0`)
		w.expect("facts of bodies that are not in force", 0, `SELECT count(*) FROM fact f JOIN event e ON e.log_id = f.log_id WHERE e.variant <> 0`)
		w.wipe()
	}
}

// difference is the lines that only one of two texts has, each with the last line before it that is not indented.
func difference(got, want string) string {
	under := func(text string) (lines []string) {
		head := ""
		for line := range strings.Lines(text) {
			if line[0] != ' ' {
				head = strings.TrimSpace(line)
			}
			lines = append(lines, head+": "+strings.TrimSpace(line))
		}
		return lines
	}
	var b strings.Builder
	g, w := under(got), under(want)
	for _, line := range g {
		if !slices.Contains(w, line) {
			b.WriteString("\n+ " + line)
		}
	}
	for _, line := range w {
		if !slices.Contains(g, line) {
			b.WriteString("\n- " + line)
		}
	}
	return b.String()
}
