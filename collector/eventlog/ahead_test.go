package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// In however many steps the inbox is emptied, each of which opens what comes next ahead of its turn: the same is in the log, what comes again
// is counted, and a pack that cannot be opened is set aside once.
func TestStepsOfAnySizeFillTheSame(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		want := ""
		for _, size := range []int{100_000, 20, 60, 1} {
			w := newWorld(t, d)
			w.filler.MaxEvents = size
			w.send(mixed(t)...)
			got := w.fill()
			if got != (eventlog.AppendResult{Logged: 185, Duplicates: 50}) || w.filler.Stats().Unreadable != 1 {
				t.Errorf("steps of %d: %+v, %+v", size, got, w.filler.Stats())
			}
			w.expect("inbox rows that are dead", 1, `SELECT count(*) FROM inbox WHERE state = 1`)
			w.expect("inbox rows", 1, `SELECT count(*) FROM inbox`)
			w.expect("facts", 185, `SELECT count(*) FROM fact`)
			w.expect("receipts of dc-west, the last position", 95, `SELECT max(position) FROM receipt WHERE site = 'dc-west'`)
			contents := w.contents()
			if want == "" {
				want = contents
			}
			if contents != want {
				t.Fatalf("steps of %d give\n%s\nwant\n%s", size, contents, want)
			}
			w.wipe()
			w.write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM list_position`)
				return err
			})
		}
	})
}

// mixed are 47 good envelopes of five picks, ten of which another epoch tells again, and one whose pack cannot be opened, of two sites.
func mixed(t *testing.T) []wire.Message {
	var messages []wire.Message
	for _, site := range []string{"dc-east", "dc-west"} {
		for n := range 19 {
			var list []*docklinev1.Event
			for k := range 5 {
				list = append(list, pick(site, fmt.Sprint("SO", n%4), fmt.Sprint("k", n*5+k), 1))
			}
			if site == "dc-east" && n == 7 {
				env := sealed(t, site, 1, uint64(n*5+1), []byte("x"), []byte("x"), []byte("x"), []byte("x"), []byte("x"))
				env.Pack = []byte("no pack at all")
				env.Crc = wire.CRC(env.Pack)
				messages = append(messages, events(t, env)...)
				continue
			}
			messages = append(messages, events(t, envelope(t, site, 1, uint64(n*5+1), list...))...)
			if n >= 9 && n < 14 {
				messages = append(messages, events(t, envelope(t, site, 2, uint64(n*5+1), list...))...)
			}
		}
	}
	return messages
}

// A step takes no more envelopes than unfold to its bound, those that are most due first; the next steps take the others.
func TestAStepIsBoundedInBytes(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.filler.MaxBytes = 100 << 10
		for n := range 10 {
			e := pick("dc-east", "SO1", fmt.Sprint("k", n), 1)
			e.GetPick().Lines[0].Description = strings.Repeat("x", 20<<10)
			env := envelope(t, "dc-east", 1, uint64(n+1), e)
			env.Urgent = n == 9
			w.send(events(t, env)...)
		}
		first, err := w.filler.Step(t.Context())
		if err != nil || first.Envelopes < 5 || first.Envelopes > 7 {
			t.Fatalf("Step = %+v, %v", first, err)
		}
		w.expect("urgent events after the first step", 1, `SELECT count(*) FROM event WHERE seq = 10`)
		if rest := w.fill(); rest.Logged != 10-first.Logged {
			t.Errorf("%+v after %+v", rest, first)
		}
	})
}

// New events and such as are there come together in any mixture, in Appends large enough for every way of writing them.
func TestNewAmongKnown(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		r := rand.New(rand.NewPCG(3, 1))
		known, next := 0, 0
		for _, part := range []float64{0, 0, 0.01, 0.5, 0.99, 1, 0.02, 0} {
			var list []eventlog.Recorded
			want := eventlog.AppendResult{}
			again := map[int]bool{}
			for range 300 {
				n := next
				if old := r.IntN(max(known, 1)); r.Float64() < part && !again[old] {
					n, again[old] = old, true
					want.Duplicates++
				} else {
					next++
					want.Logged++
				}
				list = append(list, recorded(pick("dc-east", fmt.Sprint("SO", n%9), fmt.Sprint("k", n), 1), 1, uint64(n+1)))
			}
			if got := w.append(list...); got != want {
				t.Fatalf("%v known: %+v, want %+v", part, got, want)
			}
			known = next
		}
		w.expect("identities", int64(known), `SELECT count(*) FROM event_identity i JOIN event e ON e.log_id = i.log_id AND e.id = i.id`)
		w.expect("receipts", int64(known), `SELECT count(*) FROM receipt`)
	})
}
