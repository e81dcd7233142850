package master_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/downlink"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/master"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

const (
	tenant = "acme"
	items  = docklinev1.MasterKind_MASTER_KIND_ITEM
)

// world is a feed, and sites that keep what they are sent as an agent does.
type world struct {
	t     *testing.T
	db    *db.DB
	feed  *master.Feed
	now   time.Time
	sites map[string]*site
	// lose drops what is sent.
	lose bool
}

// site is one site's store; lists are the lists that came.
type site struct {
	*downlink.Store
	session, incarnation string
	lists                []*docklinev1.MasterList
}

func newWorld(t *testing.T, d *db.DB, names ...string) *world {
	w := &world{t: t, db: d, now: time.Unix(1_800_000_000, 0).UTC(), sites: map[string]*site{}}
	w.feed = &master.Feed{DB: d, Holder: "test", Publish: w.publish, Now: func() time.Time { return w.now }, FirstLength: 10, ListLength: 10, Share: 1, OfflineAfter: 24 * 365 * time.Hour}
	incarnation, err := d.Incarnation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		store, err := downlink.Open(t.TempDir()+"/inbox.db", downlink.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		if err := store.SetIncarnation(incarnation); err != nil {
			t.Fatal(err)
		}
		w.sites[name] = &site{Store: store, session: "s1", incarnation: incarnation}
	}
	return w
}

func (w *world) publish(_ context.Context, m wire.Message) error {
	topic, err := wire.ParseTopic(m.Topic)
	if err != nil || topic.Name != wire.Master || topic.Tenant != tenant {
		w.t.Errorf("message on %s, %v", m.Topic, err)
	}
	list := &docklinev1.MasterList{}
	if err := proto.Unmarshal(m.Payload, list); err != nil {
		return err
	}
	s := w.sites[topic.Site]
	s.lists = append(s.lists, list)
	if w.lose {
		return nil
	}
	return s.PutMaster(list)
}

// beat is a heartbeat of each site, as ingest stores it.
func (w *world) beat() {
	w.t.Helper()
	w.now = w.now.Add(10 * time.Millisecond)
	for name, s := range w.sites {
		raw, err := proto.Marshal(&docklinev1.Heartbeat{Session: s.session, Incarnation: s.incarnation, MasterThrough: s.MasterThrough()})
		if err != nil {
			w.t.Fatal(err)
		}
		w.write(func(tx *db.Tx) error {
			return tx.Upsert(w.t.Context(), db.Insert{Table: "presence", Columns: []string{"tenant", "site", "session", "online", "connected_at", "seen_at", "heartbeat"},
				Rows:     [][]any{{tenant, name, s.session, int64(1), int64(1), w.now.UnixMicro(), raw}},
				Conflict: []string{"tenant", "site"}, Update: []string{"session", "online", "seen_at", "heartbeat"}})
		})
	}
}

func (w *world) write(f func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// step lets the sites speak, and sends what follows.
func (w *world) step(want int) {
	w.t.Helper()
	w.beat()
	n, err := w.feed.Step(w.t.Context())
	if err != nil || n != want {
		w.t.Fatalf("%d lists, %v; want %d", n, err, want)
	}
}

// drain steps until nothing more is sent.
func (w *world) drain() {
	w.t.Helper()
	for range 10_000 {
		w.beat()
		n, err := w.feed.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	w.t.Fatal("it never ends")
}

// put makes records known and returns how many changed.
func (w *world) put(source string, whole bool, records ...*docklinev1.MasterRecord) int {
	w.t.Helper()
	var done master.Done
	w.write(func(tx *db.Tx) (err error) {
		done, err = (master.Put{Tenant: tenant, Source: source, Kind: items, Records: records, Whole: whole}).Do(w.t.Context(), tx, w.now)
		return err
	})
	return done.Changed
}

// knows holds what a site knows of items against names; "" is one that it must not know.
func (w *world) knows(site string, names map[string]string) {
	w.t.Helper()
	for code, want := range names {
		r, _ := w.sites[site].Master(items, code)
		if r.GetName() != want || (r == nil) != (want == "") {
			w.t.Errorf("%s knows %s as %q; want %q", site, code, r.GetName(), want)
		}
	}
}

func item(code, name string, sites ...string) *docklinev1.MasterRecord {
	return &docklinev1.MasterRecord{Code: code, Name: name, Detail: &docklinev1.MasterDetail{Unit: "each", Sites: sites}}
}
