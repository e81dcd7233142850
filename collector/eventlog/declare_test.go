package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

func declares(id, about string) *docklinev1.Event {
	return &docklinev1.Event{Tenant: tenant, Site: "dc-east", Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED, Id: id, SourceKey: id, SourceRevision: "1", Subject: about,
		OccurredAt: timestamppb.New(began), Payload: &docklinev1.Event_ErrorDeclaration{ErrorDeclaration: &docklinev1.ErrorDeclaration{EventId: about, Reason: "did_not_occur"}}}
}

// declaringKeys is keys, and that of a declaration.
func declaringKeys(e *docklinev1.Event) []eventlog.Touch {
	if d := e.GetErrorDeclaration(); d != nil {
		return []eventlog.Touch{{Key: "declaration/" + d.GetEventId(), Event: e}}
	}
	return keys(e)
}

// A declaration reaches every key of the event it is about, and so does what is declared about it, whatever comes first: also the version of the event's record that
// touches another order, and another body of the event itself. The facts are those that the check of the log expects.
func TestADeclarationReachesEveryKey(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		revised := func(id, revision, order string) *docklinev1.Event {
			e := pick("dc-east", order, "k1", 1)
			e.SourceRevision, e.Id = revision, id
			return e
		}
		arrivals := []eventlog.Recorded{
			recorded(revised("x", "2", "SO2"), 1, 5), recorded(revised("x", "2", "SO4"), 1, 9), // the lower place counts
			recorded(revised("y", "1", "SO1"), 1, 1), recorded(declares("d", "x"), 1, 6), recorded(declares("dd", "d"), 1, 7), recorded(declares("e", "never"), 1, 8),
		}
		want := ""
		for n := range testenv.Count("ingest.permutations") {
			w := newWorld(t, d)
			w.log.Keys = declaringKeys
			random := rand.New(rand.NewPCG(4, uint64(n)))
			list := append([]eventlog.Recorded(nil), arrivals...)
			random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			for len(list) > 0 {
				step := 1 + random.IntN(min(3, len(list)))
				var some []eventlog.Recorded
				for _, r := range list[:step] {
					r.Event = proto.CloneOf(r.Event)
					some = append(some, r)
				}
				w.append(some...)
				list = list[step:]
			}
			got := w.factKeys()
			if want == "" {
				want = got
				for _, part := range []string{"order/SO1 d\n", "order/SO1 dd\n", "order/SO2 d\n", "order/SO2 dd\n", "declaration/x x\n", "declaration/d d\n", "declaration/never e\n"} {
					if !strings.Contains(got, part) {
						t.Errorf("no fact %q in\n%s", part, got)
					}
				}
				if strings.Contains(got, "SO4") {
					t.Errorf("a body that does not count has facts:\n%s", got)
				}
			}
			if got != want {
				t.Fatalf("seed %d: facts are\n%swant\n%s", n, got, want)
			}
			compared, err := w.log.CompareFacts(t.Context(), 0, 100)
			if err != nil || len(compared.Differences) > 0 {
				t.Fatalf("seed %d: the check finds %v (%v)", n, compared.Differences, err)
			}
			w.wipe()
		}
	})
}

// factKeys lists every fact: its key and its event.
func (w *world) factKeys() string {
	w.t.Helper()
	var b strings.Builder
	err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		b.Reset()
		rows, err := tx.Query(w.t.Context(), `SELECT fold_key, event_id FROM fact ORDER BY fold_key, event_id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key, id string
			if err := rows.Scan(&key, &id); err != nil {
				return err
			}
			b.WriteString(key + " " + id + "\n")
		}
		return rows.Err()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

// Two collectors take an event and what declares it an error at the same time: whoever is later waits for the other, and the event's order is told.
func TestTwoCollectorsTakeAnEventAndItsDeclaration(t *testing.T) {
	x := pick("dc-east", "SO1", "k1", 1)
	for name, first := range map[string]*docklinev1.Event{"the event first": x, "the declaration first": declares("d", x.GetId())} {
		t.Run(name, func(t *testing.T) {
			d := testenv.Postgres(t) // SQLite has one writer
			w := newWorld(t, d)
			w.log.Keys = declaringKeys
			second := x
			if first == x {
				second = declares("d", x.GetId())
			}
			done := make(chan error, 1)
			begin := sync.OnceFunc(func() { // once, however often the transaction runs
				done <- d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := w.log.Append(t.Context(), tx, []eventlog.Recorded{recorded(second, 1, 2)})
					return err
				})
			})
			var ended bool
			w.write(func(ctx context.Context, tx *db.Tx) error {
				if _, err := w.log.Append(ctx, tx, []eventlog.Recorded{recorded(first, 1, 1)}); err != nil {
					return err
				}
				go begin()
				eventually(t, "the other collector has gone as far as it can", func() bool { // it ends, or waits for a lock of this transaction
					select {
					case err := <-done:
						if err != nil {
							t.Error(err)
						}
						ended = true
					default:
					}
					return ended || w.count(`SELECT count(*) FROM pg_locks WHERE NOT granted`) > 0
				})
				return nil
			})
			if !ended {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if got := w.factKeys(); !strings.Contains(got, "order/SO1 d\n") {
				t.Errorf("the order is not told:\n%s", got)
			}
		})
	}
}

// One more declaration about an event that very many have declared costs as much as the first; many at once cost a few statements in all, also when the event comes after
// them, or another body of it takes its place.
func TestVeryManyDeclarationsAboutOneEvent(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.log.Keys = declaringKeys
		const many = 300
		costs := func(events ...eventlog.Recorded) int64 {
			t.Helper()
			before := d.Statements()
			w.append(events...)
			return d.Statements() - before
		}
		x := pick("dc-east", "SO1", "x", 1)
		one := func(i int) eventlog.Recorded {
			return recorded(declares(fmt.Sprintf("d%d", i), x.GetId()), 1, uint64(10+i))
		}
		w.append(recorded(x, 1, 5))
		first := costs(one(0))
		var all []eventlog.Recorded
		for i := 1; i < many; i++ {
			all = append(all, one(i))
		}
		if n := costs(all...); n > 10*first {
			t.Errorf("%d declarations at once cost %d statements, one costs %d", many, n, first)
		}
		if last := costs(one(many)); last > first+5 {
			t.Errorf("one more declaration beside %d costs %d statements, the first cost %d", many, last, first)
		}
		w.expect("facts of declarations in the order", many+1, `SELECT count(*) FROM fact WHERE fold_key = 'order/SO1' AND event_id LIKE 'd%'`)

		other := pick("dc-east", "SO2", "x", 1)
		if n := costs(recorded(other, 1, 2)); n > 20*first { // the lower place counts
			t.Errorf("another body of what %d have declared costs %d statements", many, n)
		}
		w.expect("facts of declarations in the other order", many+1, `SELECT count(*) FROM fact WHERE fold_key = 'order/SO2' AND event_id LIKE 'd%'`)
		w.expect("and in the first", 0, `SELECT count(*) FROM fact WHERE fold_key = 'order/SO1'`)

		y := pick("dc-east", "SO3", "y", 1)
		var before []eventlog.Recorded
		for i := range many {
			before = append(before, recorded(declares(fmt.Sprintf("e%d", i), y.GetId()), 2, uint64(10+i)))
		}
		w.append(before...)
		w.expect("declarations that wait", many, `SELECT count(*) FROM declared WHERE waiting = 1`)
		if n := costs(recorded(y, 2, 5)); n > 10*first {
			t.Errorf("an event that %d have declared before it came costs %d statements", many, n)
		}
		w.expect("declarations that wait", 0, `SELECT count(*) FROM declared WHERE waiting = 1`)
		compared, err := w.log.CompareFacts(t.Context(), 0, 10000)
		if err != nil || len(compared.Differences) > 0 {
			t.Errorf("the check finds %v (%v)", compared.Differences, err)
		}
	})
}
