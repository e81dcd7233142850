package eventlog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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
