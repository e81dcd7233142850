package ingest_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/ingest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// presenceWorld speaks as dc-east and asks what the centre believes.
type presenceWorld struct {
	*world
	t *testing.T
}

func (w *presenceWorld) born(session string, sent time.Time) {
	w.t.Helper()
	w.send(message(w.t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: session, SentAt: timestamppb.New(sent)}))
}

func (w *presenceWorld) beat(session string, number uint64, sent time.Time, change ...func(*docklinev1.Heartbeat)) {
	w.t.Helper()
	h := &docklinev1.Heartbeat{Tenant: tenant, Site: "dc-east", Session: session, Online: true, Number: number, SentAt: timestamppb.New(sent), JournalEvents: number}
	for _, f := range change {
		f(h)
	}
	w.send(message(w.t, "dc-east", wire.Status, h))
}

func (w *presenceWorld) will(session string) {
	w.t.Helper()
	w.send(message(w.t, "dc-east", wire.Status, &docklinev1.Heartbeat{Tenant: tenant, Site: "dc-east", Session: session}))
}

func (w *presenceWorld) believes(when, session string, online bool, number uint64) {
	w.t.Helper()
	var gotSession string
	var gotOnline, gotNumber int64
	err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT session, online, beat FROM presence WHERE site = 'dc-east'`).Scan(&gotSession, &gotOnline, &gotNumber)
	})
	if err != nil {
		w.t.Fatalf("%s: %v", when, err)
	}
	if gotSession != session || (gotOnline != 0) != online || gotNumber != int64(number) {
		w.t.Errorf("%s: session %s online %d heartbeat %d, want %s %v %d", when, gotSession, gotOnline, gotNumber, session, online, number)
	}
}

func (w *presenceWorld) pass(d time.Duration) time.Time {
	w.now = w.now.Add(d)
	return w.now
}

// Whatever crosses on the way, the newest session and its newest word count.
//
// Shows: E16
func TestLateWordsFlipNothing(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &presenceWorld{newWorld(t, d), t}
		first := w.pass(time.Second)
		w.born("s1", first)
		w.beat("s1", 1, first)
		w.beat("s1", 3, w.pass(2*time.Second))
		w.beat("s1", 2, w.now.Add(-time.Second))
		w.believes("a heartbeat that was overtaken", "s1", true, 3)
		w.born("s2", w.pass(5*time.Second))
		w.believes("a new birth", "s2", true, 0)
		w.beat("s1", 4, first.Add(3*time.Second))
		w.believes("a late heartbeat of the old session", "s2", true, 0)
		w.will("s1")
		w.believes("its late will", "s2", true, 0)
		w.born("s1", first)
		w.believes("its late birth", "s2", true, 0)
		w.beat("s2", 1, w.pass(time.Second))
		w.beat("s0", 9, first.Add(-time.Minute))
		w.believes("a heartbeat of a session that was never seen, from before", "s2", true, 1)
		w.will("s2")
		w.believes("the will of this session", "s2", false, 1)
		w.beat("s2", 2, w.now.Add(-time.Second))
		w.believes("a heartbeat behind the will", "s2", false, 1)
		w.born("s2", w.now)
		w.believes("the birth again, behind the will", "s2", false, 1)
		w.beat("s3", 1, w.pass(time.Second))
		w.believes("a new session by its first heartbeat", "s3", true, 1)
		w.will("s2")
		w.believes("the will of the one before, again", "s3", true, 1)
	})
}

// A site is believed over what was concluded of it: its clock went back while nobody listened, or its session was taken for the older one.
func TestASiteThatSpeaksIsNotHidden(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &presenceWorld{newWorld(t, d), t}
		w.born("s1", w.pass(time.Second))
		w.beat("s1", 1, w.now)
		back := w.pass(30 * time.Second).Add(-48 * time.Hour)
		w.beat("s2", 1, back)
		w.believes("a clock that went back, and a birth that nobody heard", "s2", true, 1)
		w.born("s3", w.pass(time.Second).Add(-72*time.Hour))
		w.believes("the clock went back again, with a birth", "s3", true, 0)
		w.beat("s3", 1, w.now.Add(-72*time.Hour))
		w.beat("s2", 2, w.pass(25*time.Second).Add(-48*time.Hour))
		w.believes("the session that was followed speaks on, and the newer one does not", "s2", true, 2)
		w.will("s3")
		w.believes("the will of the other", "s2", true, 2)
		w.beat("s2", 3, w.pass(time.Second).Add(-48*time.Hour))
		w.believes("and on", "s2", true, 3)
	})
}

// A collector that starts anew knows what the one before knew.
func TestPresenceSurvivesTheCollector(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &presenceWorld{newWorld(t, d), t}
		w.born("s1", w.pass(time.Second))
		w.born("s2", w.pass(time.Second))
		w.beat("s2", 7, w.now)
		var err error
		if w.ingest, err = ingest.New(t.Context(), w.config); err != nil {
			t.Fatal(err)
		}
		w.beat("s1", 9, w.pass(time.Second).Add(-10*time.Second))
		w.beat("s2", 6, w.now)
		w.will("s1")
		w.believes("late words at a new collector", "s2", true, 7)
	})
}

// The history has a point where something changed and one for each interval, and nothing between.
func TestHistoryIsThinned(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &presenceWorld{newWorld(t, d), t}
		ill := func(h *docklinev1.Heartbeat) {
			h.Conditions = []*docklinev1.Condition{{Code: "disk_low", Severity: docklinev1.Severity_SEVERITY_WARNING}}
			h.Plugins = []*docklinev1.PluginHealth{{Id: "wms", State: "quarantined"}}
		}
		n := uint64(0)
		for range 60 {
			n++
			w.beat("s1", n, w.pass(10*time.Second))
		}
		w.expect("points of ten quiet minutes", 2, `SELECT count(*) FROM site_point`)
		w.beat("s1", n+1, w.pass(10*time.Second), ill)
		w.beat("s1", n+2, w.pass(10*time.Second), ill)
		w.expect("points of what is wrong", 1, `SELECT count(*) FROM site_point WHERE severity = 2 AND mark = 'disk_low plugin_quarantined:wms'`)
		w.will("s1")
		w.pass(time.Second)
		w.will("s1")
		w.expect("points of its end", 1, `SELECT count(*) FROM site_point WHERE online = 0 AND mark = 'gone'`)
		w.beat("s2", 1, w.pass(time.Second))
		w.expect("points in all", 5, `SELECT count(*) FROM site_point`)
	})
}
