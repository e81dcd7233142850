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
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// A record's versions that name different orders are told to each of these orders, whole where they touch it and without a payload where
// they do not, in whatever order they arrive; a record that never changed its order costs no fact more.
func TestVersionsOfARecordAreToldToEveryKey(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		revised := func(revision, order string) *docklinev1.Event {
			e := pick("dc-east", order, "k1", 1)
			e.SourceRevision, e.Id = revision, "revision-"+revision
			return e
		}
		arrivals := []*docklinev1.Event{revised("1", "SO1"), revised("2", "SO2"), revised("3", "SO2"), pick("dc-east", "SO1", "k2", 1), pick("dc-west", "SO3", "k1", 1)}
		want := "SO1 k2 whole\nSO1 revision-1 whole\nSO1 revision-2 elsewhere\nSO1 revision-3 elsewhere\n" +
			"SO2 revision-1 elsewhere\nSO2 revision-2 whole\nSO2 revision-3 whole\nSO3 k1 whole\n"
		for n := range testenv.Count("ingest.permutations") {
			w := newWorld(t, d)
			random := rand.New(rand.NewPCG(2, uint64(n)))
			random.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
			var events []eventlog.Recorded
			for i, e := range arrivals {
				events = append(events, recorded(proto.Clone(e).(*docklinev1.Event), 1, uint64(i+1)))
			}
			for len(events) > 0 {
				step := 1 + random.IntN(len(events))
				w.append(events[:step]...)
				events = events[step:]
			}
			if got := w.facts(); got != want {
				t.Fatalf("facts are\n%swant\n%s", got, want)
			}
			w.expect("keys to fold", 3, `SELECT COUNT(DISTINCT fold_key) FROM dirty`)
			w.wipe()
		}
	})
}

// facts lists every fact: its order, its event and whether it holds the event or says that it is elsewhere.
func (w *world) facts() string {
	w.t.Helper()
	var lines []string
	err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(w.t.Context(), `SELECT fold_key, body FROM fact`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			var body []byte
			if err := rows.Scan(&key, &body); err != nil {
				return err
			}
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(body, e); err != nil {
				return err
			}
			name, how := e.GetSourceKey(), "whole"
			if strings.HasPrefix(e.GetId(), "revision-") {
				name = e.GetId()
			}
			if event.IsElsewhere(e) {
				how = "elsewhere"
			}
			lines = append(lines, fmt.Sprintf("%s %s %s\n", strings.TrimPrefix(key, "order/"), name, how))
		}
		return rows.Err()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// Two collectors that take two revisions of one record at the same time, each to another order, tell both orders of both: the one that is
// later waits for the other and sees its revision.
func TestTwoCollectorsTakeRevisionsOfOneRecord(t *testing.T) {
	d := testenv.Postgres(t) // SQLite has one writer
	w := newWorld(t, d)
	revised := func(revision, order string) *docklinev1.Event {
		e := pick("dc-east", order, "k1", 1)
		e.SourceRevision, e.Id = revision, "revision-"+revision
		return e
	}
	w.append(recorded(revised("1", "SO1"), 1, 1))
	done := make(chan error, 1)
	begin := sync.OnceFunc(func() { // once, however often the transaction runs
		done <- d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := w.log.Append(t.Context(), tx, []eventlog.Recorded{recorded(revised("3", "SO3"), 1, 3)})
			return err
		})
	})
	var ended bool
	w.write(func(ctx context.Context, tx *db.Tx) error {
		if _, err := w.log.Append(ctx, tx, []eventlog.Recorded{recorded(revised("2", "SO2"), 1, 2)}); err != nil {
			return err
		}
		go begin()
		// It ends, or waits for a lock of this transaction.
		eventually(t, "the other collector has gone as far as it can", func() bool {
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
	want := "SO1 revision-1 whole\nSO1 revision-2 elsewhere\nSO1 revision-3 elsewhere\nSO2 revision-1 elsewhere\nSO2 revision-2 whole\nSO2 revision-3 elsewhere\n" +
		"SO3 revision-1 elsewhere\nSO3 revision-2 elsewhere\nSO3 revision-3 whole\n"
	if got := w.facts(); got != want {
		t.Errorf("facts are\n%swant\n%s", got, want)
	}
}
