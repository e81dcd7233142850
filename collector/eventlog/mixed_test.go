package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// Several bodies under one id, in the middle of a record's revisions that name other orders, sent again under other epochs and cut into any
// batches: the facts, and which body counts, do not depend on the order in which they arrive, and each key whose facts changed is marked.
func TestBodiesAndRevisionsTogether(t *testing.T) {
	revised := func(id, order string, quantity int) *docklinev1.Event {
		e := pick("dc-east", order, "k1", quantity)
		e.SourceRevision, e.Id = id, "revision-"+id
		return e
	}
	elsewhere := func(id, order string) *docklinev1.Event { // of another record under an id that is taken
		e := pick("dc-east", order, "k9", 4)
		e.Id = "revision-" + id
		return e
	}
	arrivals := []eventlog.Recorded{
		recorded(revised("1", "SO1", 1), 1, 5), recorded(revised("1", "SO3", 2), 1, 3), recorded(revised("1", "SO1", 1), 3, 1),
		recorded(revised("2", "SO2", 1), 1, 7), recorded(revised("2", "SO2", 1), 2, 1), recorded(revised("2", "SO4", 8), 2, 2),
		recorded(revised("3", "SO1", 3), 1, 9), recorded(elsewhere("3", "SO5"), 1, 8), recorded(elsewhere("4", "SO5"), 1, 10),
		recorded(pick("dc-east", "SO1", "k2", 1), 1, 11),
	}
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		want, first := "", ""
		for n := range testenv.Count("ingest.permutations") {
			order := rand.New(rand.NewPCG(7, uint64(n))).Perm(len(arrivals))
			w := newWorld(t, d)
			var events []eventlog.Recorded
			for _, i := range order {
				a := arrivals[i]
				a.Event = proto.Clone(a.Event).(*docklinev1.Event)
				events = append(events, a)
			}
			for len(events) > 0 {
				step := 1 + order[0]%len(events)
				before := w.byKey()
				w.write(func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, `DELETE FROM dirty`); return err })
				w.append(events[:step]...)
				events = events[step:]
				after := w.byKey()
				for key := range after {
					if before[key] != after[key] && w.count(`SELECT count(*) FROM dirty WHERE fold_key = ?`, key) == 0 {
						t.Errorf("order %v: %s has other facts and no mark", order, key)
					}
				}
				for key := range before {
					if before[key] != after[key] && w.count(`SELECT count(*) FROM dirty WHERE fold_key = ?`, key) == 0 {
						t.Errorf("order %v: %s lost facts and has no mark", order, key)
					}
				}
			}
			got := ""
			byKey := w.byKey()
			for _, key := range slices.Sorted(func(yield func(string) bool) {
				for k := range byKey {
					if !yield(k) {
						return
					}
				}
			}) {
				got += key + "\n" + byKey[key]
			}
			if want == "" {
				want, first = got, fmt.Sprint(order)
			}
			if got != want {
				t.Fatalf("order %v gives\n%s\norder %s gave\n%s", order, got, first, want)
			}
			w.wipe()
		}
	})
}

// byKey is the facts of each key, with the place of each.
func (w *world) byKey() map[string]string {
	w.t.Helper()
	lines := make(map[string][]string)
	if err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(w.t.Context(), `SELECT fold_key, event_id, epoch_ordinal, seq, body FROM fact`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key, id string
			var ordinal, seq int64
			var body []byte
			if err := rows.Scan(&key, &id, &ordinal, &seq, &body); err != nil {
				return err
			}
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(body, e); err != nil {
				return err
			}
			lines[key] = append(lines[key], fmt.Sprintf("  %s at %d/%d: %v %s\n", id, ordinal, seq, e.GetPick() != nil, e.GetSourceKey()))
		}
		return rows.Err()
	}); err != nil {
		w.t.Fatal(err)
	}
	found := make(map[string]string)
	for key, list := range lines {
		slices.Sort(list)
		found[key] = strings.Join(list, "")
	}
	return found
}
