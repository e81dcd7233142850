package fleet_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// told is how far the source has told everything, with a heartbeat that names it.
func (w *days) told(through time.Time) {
	w.t.Helper()
	if err := w.journal.Append(w.t.Context(), journal.Entry{Plugin: "wms", CompleteThrough: []*docklinev1.CompleteThrough{{Stream: "picks", Time: timestamppb.New(through)}}}); err != nil {
		w.t.Fatal(err)
	}
	w.beats++
	s := w.journal.Stats()
	w.handle(wire.Status, &docklinev1.Heartbeat{Tenant: tenant, Site: dcWest, Session: "s" + string(rune('0'+w.session)), Online: true, Number: w.beats, SentAt: timestamppb.New(w.now),
		Epoch: s.Epoch, LastSeq: s.LastSeq, Days: s.Days, Cursors: s.Cursors, Plugins: []*docklinev1.PluginHealth{{Id: "wms", State: "running"}}})
}

func (w *days) gaps() (n int) {
	w.t.Helper()
	if err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT count(*) FROM gap WHERE closed_at = 0`).Scan(&n)
	}); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// A loss that the site itself declares proposes to read the source again. When that was done and the source has told everything up to after
// it, the loss closes by itself; not before, and not because the source goes on.
func TestADeclaredLossClosesWhenItWasReadAgain(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDays(t, d, journal.Options{})
		w.hello()
		w.capture(0, 1000)
		w.told(w.now)
		w.journal.Close()
		spoil(t, w.dir)
		w.openJournal()
		w.hello()
		w.deliver()
		w.hello()
		w.deliver()
		w.now = w.now.Add(time.Minute)
		w.told(w.now)
		if w.gaps() != 1 {
			t.Fatalf("%d losses are declared", w.gaps())
		}
		s, err := w.fleet().Site(t.Context(), tenant, dcWest)
		if err != nil {
			t.Fatal(err)
		}
		if actions := s.LossActions(); len(actions) != 2 || !strings.Contains(actions[0].Command, "reread "+dcWest) || !strings.Contains(actions[1].Command, "--accept") {
			t.Errorf("proposed: %+v", actions)
		}
		ask := func() {
			t.Helper()
			if err := w.log.AskedAgain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		w.now = w.now.Add(time.Hour)
		w.told(w.now)
		if w.gaps() != 1 {
			t.Fatal("the loss closed although nobody had anything read again")
		}
		w.exec(`INSERT INTO command (tenant, site, command_key, version, position, body, body_hash, created_at, outcome, completed_at) VALUES (?, ?, 'reread/wms', 1, 1, ?, '', 1, 1, ?)`,
			tenant, dcWest, []byte{1}, w.now.Add(time.Minute).UnixMicro())
		ask()
		w.told(w.now.Add(30 * time.Second))
		if w.gaps() != 1 {
			t.Fatal("the loss closed before the source had told again")
		}
		w.capture(0, 1000)
		w.deliver()
		w.now = w.now.Add(2 * time.Minute)
		w.told(w.now)
		if w.gaps() != 0 {
			t.Error("the loss is open although the source was read again")
		}
	})
}

// Where nobody can tell again a person takes the loss for gone.
func TestALossIsAccepted(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDays(t, d, journal.Options{})
		w.hello()
		w.exec(`INSERT INTO gap (tenant, site, epoch, lo, hi, cause, opened_at) VALUES (?, ?, 'e', 5, 9, 'lost', 1)`, tenant, dcWest)
		w.exec(`INSERT INTO exception (tenant, origin, code, subject, class, severity, state, title, text, team, site, opened_at, changed_at) VALUES (?, ?, 'stream_gap', 's', 1, 3, 'open', '', '', '', ?, 1, 1)`,
			tenant, "gap/"+dcWest+"/e/5", dcWest)
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			return collector.AcceptLoss(t.Context(), tx, tenant, dcWest, "e", 5, time.Now())
		}); err != nil {
			t.Fatal(err)
		}
		var open int
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM exception WHERE state = 'open'`).Scan(&open)
		}); err != nil || w.gaps() != 0 || open != 0 {
			t.Errorf("%d losses and %d cases are open, %v", w.gaps(), open, err)
		}
	})
}
