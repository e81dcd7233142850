package downlink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

const tenant = "acme"

// world is a downlink and a site that holds what it is sent, in order, as an agent does.
type world struct {
	t    testing.TB
	db   *db.DB
	down *downlink.Downlink
	now  time.Time
	// lose drops what is sent, refuse makes publishing fail.
	lose, refuse bool
	lists        int
	// most is the largest payload that the broker takes, 0 any.
	most int

	commands, receipts uint64
	work               map[string]uint64
	levels             map[string]docklinev1.ReceiptLevel
}

func newWorld(t testing.TB, d *db.DB) *world {
	w := &world{t: t, db: d, now: time.Unix(1_800_000_000, 0), work: make(map[string]uint64), levels: make(map[string]docklinev1.ReceiptLevel)}
	w.down = &downlink.Downlink{DB: d, Holder: "test", Publish: w.publish, Now: func() time.Time { return w.now }, ListLength: 10, InFlight: 2}
	return w
}

// publish is the site: it ignores a list that begins behind what it holds.
func (w *world) publish(_ context.Context, m wire.Message) error {
	if w.refuse {
		return errors.New("no link")
	}
	if w.most > 0 && len(m.Payload) > w.most {
		return wire.ErrTooLarge
	}
	w.lists++
	if w.lose {
		return nil
	}
	switch m.Topic {
	case wire.DownTopic(tenant, "dc-east", wire.Command):
		list := &docklinev1.CommandList{}
		if err := proto.Unmarshal(m.Payload, list); err != nil {
			return err
		}
		if list.Previous > w.commands {
			return nil
		}
		for _, c := range list.Commands {
			w.work[c.Key] = c.Version
			w.commands = max(w.commands, c.Position)
		}
	case wire.DownTopic(tenant, "dc-east", wire.Receipt):
		list := &docklinev1.ReceiptList{}
		if err := proto.Unmarshal(m.Payload, list); err != nil {
			return err
		}
		if list.Previous > w.receipts {
			return nil
		}
		for _, r := range list.Receipts {
			w.levels[r.EventId] = r.Level
			w.receipts = max(w.receipts, r.Position)
		}
	default:
		w.t.Errorf("message on %s", m.Topic)
	}
	return nil
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	err := w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(w.t.Context(), query, args...)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) command(key string, version int) {
	w.t.Helper()
	body, err := proto.Marshal(&docklinev1.Command{Key: key, Tenant: tenant, Site: "dc-east"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`INSERT INTO command (tenant, site, command_key, version, body, body_hash, created_at) VALUES (?, 'dc-east', ?, ?, ?, 'h', 1)
		ON CONFLICT (tenant, site, command_key) DO UPDATE SET version = excluded.version, position = NULL`, tenant, key, version, body)
	w.place()
}

func (w *world) receipt(event string, version int, level docklinev1.ReceiptLevel) {
	w.t.Helper()
	body, err := proto.Marshal(&docklinev1.EventReceipt{EventId: event, Level: level})
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`INSERT INTO receipt (tenant, site, event_id, version, level, body) VALUES (?, 'dc-east', ?, ?, ?, ?)
		ON CONFLICT (tenant, event_id) DO UPDATE SET version = excluded.version, level = excluded.level, body = excluded.body, position = NULL`, tenant, event, version, level, body)
}

func (w *world) place() {
	w.t.Helper()
	if _, err := (&eventlog.Sequencer{DB: w.db, Holder: "test"}).Step(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// beat is the site's heartbeat: what it holds now.
func (w *world) beat(session string, online int) {
	w.exec(`INSERT INTO presence (tenant, site, session, online, connected_at, seen_at, commands_through, receipts_through) VALUES (?, 'dc-east', ?, ?, 1, ?, ?, ?)
		ON CONFLICT (tenant, site) DO UPDATE SET session = excluded.session, online = excluded.online, seen_at = excluded.seen_at,
		commands_through = excluded.commands_through, receipts_through = excluded.receipts_through`,
		tenant, session, online, w.now.UnixMicro(), w.commands, w.receipts)
}

func (w *world) step(want int) {
	w.t.Helper()
	n, err := w.down.Step(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if n != want {
		w.t.Errorf("Step sent %d lists, want %d", n, want)
	}
}

// A site that is offline gets nothing; once it is online it gets everything in order, within the window, once.
func TestASiteGetsWhatItLacks(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for i := range 35 {
			w.receipt(fmt.Sprint("e", i), 1, docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED)
		}
		w.command("release/SO1", 1)
		w.beat("s1", 0)
		w.step(0)
		w.beat("s1", 1)
		w.step(3) // one of commands, two of receipts
		if w.commands != 1 || w.receipts != 20 || w.work["release/SO1"] != 1 {
			t.Errorf("the site holds %d, %d, %v", w.commands, w.receipts, w.work)
		}
		w.step(0)
		w.beat("s1", 1)
		w.step(2)
		w.beat("s1", 1)
		w.step(0)
		if len(w.levels) != 35 || w.receipts != 35 {
			t.Errorf("%d receipts, through %d", len(w.levels), w.receipts)
		}
		// A changed receipt and a newer command come again, at new positions.
		w.receipt("e3", 2, docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED)
		w.command("release/SO1", 2)
		w.step(2)
		if w.levels["e3"] != docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED || w.work["release/SO1"] != 2 {
			t.Errorf("after the change: %v %v", w.levels["e3"], w.work)
		}
		if s := w.down.Stats(); s.Receipts != 36 || s.Commands != 2 {
			t.Errorf("Stats = %+v", s)
		}
	})
}

// What is lost on the way is sent again after a while, and what a failing link does not take is tried again.
func TestALostListIsSentAgain(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for i := range 15 {
			w.receipt(fmt.Sprint("e", i), 1, docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED)
		}
		w.place()
		w.beat("s1", 1)
		w.refuse = true
		if _, err := w.down.Step(t.Context()); err == nil {
			t.Error("Step hid that the link is down")
		}
		w.refuse, w.lose = false, true
		w.step(2)
		w.lose = false
		w.now = w.now.Add(4 * time.Second)
		w.beat("s1", 1)
		w.step(0)
		w.now = w.now.Add(time.Second)
		w.step(2)
		if w.receipts != 15 {
			t.Errorf("the site holds %d", w.receipts)
		}
		// A new session is served at once, whatever was in flight.
		w.lose = true
		w.receipt("new", 1, docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED)
		w.place()
		w.beat("s1", 1)
		w.step(1)
		w.lose = false
		w.beat("s2", 1)
		w.step(1)
		if w.receipts != 16 {
			t.Errorf("the new session holds %d", w.receipts)
		}
	})
}

// A site that was silent for too long is not sent to; a completed command is not sent to a site that begins anew.
func TestWhatIsNotSent(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.command("release/SO1", 1)
		w.command("release/SO2", 1)
		w.exec(`UPDATE command SET outcome = 1 WHERE command_key = 'release/SO1'`)
		w.beat("s1", 1)
		w.now = w.now.Add(21 * time.Second)
		w.step(0)
		w.beat("s1", 1)
		w.step(1)
		if len(w.work) != 1 || w.work["release/SO2"] != 1 {
			t.Errorf("the site was sent %v", w.work)
		}
	})
}

// A broker that takes small packets gets shorter lists; a command that fits into none is ended with a reason, and holds nothing up.
func TestListsFitIntoPackets(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.most = 150
		for n := range 8 {
			w.command(fmt.Sprintf("release/SO%d", n), 1)
		}
		w.command("release/"+strings.Repeat("X", 200), 1)
		w.command("release/SO9", 1)
		for range 20 {
			w.beat("s1", 1)
			if _, err := w.down.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.work) != 9 || w.work["release/SO9"] != 1 {
			t.Errorf("the site was sent %v", w.work)
		}
		found, err := downlink.Commands(t.Context(), d, tenant, "dc-east", "release/"+strings.Repeat("X", 200), 1)
		if err != nil || len(found) != 1 || found[0].State != "refused" || !strings.Contains(found[0].Text, "never sent") {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// Of two collectors one sends; when it has given its lease back the other one does.
func TestOneCollectorSends(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.command("release/SO1", 1)
		w.beat("s1", 1)
		second := &downlink.Downlink{DB: d, Holder: "second", Publish: w.publish, Now: w.down.Now}
		w.lose = true
		w.step(1)
		if n, err := second.Step(t.Context()); n != 0 || err != nil {
			t.Errorf("the second sent %d, %v", n, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.down.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n, err := second.Step(t.Context()); n != 1 || err != nil {
			t.Errorf("after the first has ended the second sent %d, %v", n, err)
		}
	})
}

// A database was put back: what is open is sent once more, under a version that no site can know, and what a person asks for next has a
// higher one still. What is done is left alone.
func TestCommandsOfADatabasePutBack(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		put := func(site, number string) uint64 {
			t.Helper()
			_, version, err := downlink.Submit(t.Context(), d, &docklinev1.Command{Tenant: tenant, Site: site, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: number}}}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return version
		}
		now := time.Now()
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO site (tenant, id, created_at) VALUES (?, ?, ?)`, tenant, "dc-east", now.UnixMicro())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		put("dc-east", "open")
		put("dc-east", "done")
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec(t.Context(), `UPDATE command SET position = CASE WHEN command_key LIKE '%done' THEN 2 ELSE 1 END, outcome = CASE WHEN command_key LIKE '%done' THEN 1 ELSE 0 END`); err != nil {
				return err
			}
			if _, err := tx.NewIncarnation(t.Context(), now); err != nil {
				return err
			}
			return downlink.Restored(t.Context(), tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		sent, err := downlink.Commands(t.Context(), d, tenant, "dc-east", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range sent {
			if open := strings.HasSuffix(c.Key, "open"); open != (c.Version >= uint64(now.UnixMilli())) || open != (c.Position == 0) {
				t.Errorf("%s has version %d and position %d", c.Key, c.Version, c.Position)
			}
		}
		if version := put("dc-east", "done"); version < uint64(now.UnixMilli()) || len(sent) != 2 {
			t.Errorf("of %d commands, the next of a key has version %d", len(sent), version)
		}
	})
}

// A site's answer may be among events that it has lost, and it tells it but once: when the loss is over, what it holds and has not answered is
// asked for once more, once.
func TestWhatMayHaveBeenAnsweredIsAskedAgain(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		exec := func(query string, args ...any) {
			t.Helper()
			if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), query, args...); return err }); err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now()
		exec(`INSERT INTO site (tenant, id, created_at) VALUES (?, ?, ?)`, tenant, "dc-east", now.UnixMicro())
		exec(`INSERT INTO presence (tenant, site, session, online, connected_at, commands_through, receipts_through, seen_at) VALUES (?, ?, 's1', 1, 0, 1, 0, ?)`, tenant, "dc-east", now.UnixMicro())
		for i, number := range []string{"held", "sent"} {
			c := &docklinev1.Command{Tenant: tenant, Site: "dc-east", Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: number}}}
			key, _, err := downlink.Submit(t.Context(), d, c, now)
			if err != nil {
				t.Fatal(err)
			}
			exec(`UPDATE command SET position = ? WHERE command_key = ?`, i+1, key)
		}
		versions := func() (out string) {
			t.Helper()
			now = now.Add(time.Minute)
			if err := downlink.AfterLosses(t.Context(), d, now); err != nil {
				t.Fatal(err)
			}
			sent, err := downlink.Commands(t.Context(), d, tenant, "dc-east", "", 10)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(sent, func(a, b downlink.Sent) int { return strings.Compare(a.Key, b.Key) })
			for _, c := range sent {
				out += fmt.Sprintf("%s@%d/%d ", c.Key, c.Version, c.Position)
			}
			return out
		}
		if got := versions(); got != "cancel/held@1/1 cancel/sent@1/2 " {
			t.Errorf("without a loss: %s", got)
		}
		exec(`INSERT INTO gap (tenant, site, epoch, lo, hi, cause, opened_at, closed_at) VALUES (?, ?, 'e1', 1, 3, 'lost', ?, ?)`, tenant, "dc-east", now.UnixMicro(), now.UnixMicro())
		for range 2 {
			if got := versions(); got != "cancel/held@2/0 cancel/sent@1/2 " {
				t.Errorf("after a loss: %s", got)
			}
		}
	})
}
