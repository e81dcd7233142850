package wmssql

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// slotWatch looks how much log the server holds for the slot, also while the journal takes nothing and the capture waits. It says so, and may give the
// slot up.
type slotWatch struct {
	f     *follower
	every time.Duration

	mu    sync.Mutex
	db    *sql.DB
	since map[string]time.Time
	gone  string
	// said and seen are what was last known of the slot, and when.
	said []*docklinev1.Condition
	seen time.Time
}

func newSlotWatch(f *follower) *slotWatch {
	return &slotWatch{f: f, every: min(max(5*f.c.setup.Poll, time.Second), 10*time.Second), since: map[string]time.Time{}}
}

// run looks until ctx ends.
func (w *slotWatch) run(ctx context.Context) {
	ticks := time.NewTicker(w.every)
	defer ticks.Stop()
	defer w.close()
	for {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			if w.unknown(err) != nil {
				return // the agent listens no more
			}
			w.close() // the password may be another by now; that the database is away is said elsewhere
			if isCode(err, "57P01") || isCode(err, "57P03") {
				w.cut() // a server that shuts down waits until the line has confirmed everything, which a slow journal may not do for hours
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// cut ends the line; the capture begins another when it comes to it.
func (w *slotWatch) cut() {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if w.f.line != nil {
		w.f.line.cut()
	}
}

func (w *slotWatch) close() {
	if w.db != nil {
		_ = w.db.Close() // nothing is lost with it
		w.db = nil
	}
}

func (w *slotWatch) look(ctx context.Context) (err error) {
	limited, cancel := w.f.c.limited(ctx)
	defer cancel()
	if w.db == nil {
		if w.db, err = w.f.c.setup.open(false); err != nil {
			return err
		}
		w.db.SetMaxOpenConns(1)
	}
	s, err := slotOf(limited, w.db, w.f.set.Slot)
	if err != nil {
		return err
	}
	if over := s.there && s.held > int64(w.f.set.MostLag); over && w.f.set.Over == overGiveUp {
		if w.giveUp(limited, s) {
			s = slotState{unbounded: s.unbounded}
		}
	}
	return w.say(s)
}

// unknown says that the server cannot be asked: what it said of the slot before holds no longer. What a person is to do about the slot stays said.
func (w *slotWatch) unknown(err error) error {
	d := &docklinev1.DeviceHealth{Id: "slot " + w.f.set.Slot, Kind: "replication_slot",
		Text: "the server cannot be asked for the slot (" + cause(err) + "); it is asked again all the time, and until it answers nothing comes from it"}
	if !w.seen.IsZero() {
		d.LastSeenAt = timestamppb.New(w.seen)
	}
	return w.f.c.board.slot(w.said, d)
}

// giveUp ends the line and drops the slot, so that the server may free its disk; what was not told is found by reading the tables again.
func (w *slotWatch) giveUp(ctx context.Context, s slotState) bool {
	w.cut()
	for ctx.Err() == nil {
		_, err := w.db.ExecContext(ctx, dropQuery, w.f.set.Slot)
		if err == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.gone = fmt.Sprintf("the server held %s of log for it, more than most_lag, and it was given up", size(s.held))
			w.f.c.log.Warn("the slot was given up", "slot", w.f.set.Slot, "held", s.held)
			return true
		}
		if !isCode(err, "55006") {
			return false
		}
		select { // its process ends in a moment
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}

// gaveUp says why the slot was given up, once.
func (w *slotWatch) gaveUp() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	gone := w.gone
	w.gone = ""
	return gone
}

// say tells a person how the slot is.
func (w *slotWatch) say(s slotState) error {
	set, now := w.f.set, w.f.c.now()
	d := &docklinev1.DeviceHealth{Id: "slot " + set.Slot, Kind: "replication_slot", Reachable: s.there && s.active != 0 && !s.lost, LastSeenAt: timestamppb.New(now),
		Text: fmt.Sprintf("%s of the log are not yet durable here; the server holds %s for the slot (most_lag is %s)", size(s.lag), size(s.held), size(int64(set.MostLag)))}
	if !d.Reachable {
		d.Text = "nobody follows the slot now: it is being made, its tables are being read, the line to it is opened again (within a minute), or what stands beside this must be put right first; " + d.Text
	}
	var out []*docklinev1.Condition
	since := map[string]time.Time{}
	add := func(code, title string, severity docklinev1.Severity, text string) {
		if since[code] = w.since[code]; since[code].IsZero() {
			since[code] = now
		}
		out = append(out, &docklinev1.Condition{Code: code, Title: title, Severity: severity, Text: text, Since: timestamppb.New(since[code])})
	}
	if s.there && s.held > int64(set.MostLag) {
		add("slot_lag", "The slot holds too much log", docklinev1.Severity_SEVERITY_ERROR,
			fmt.Sprintf("The database server holds %s of its log for slot %s, more than most_lag (%s), and its disk fills. Let the agent take what waits (is its journal full?), and end transactions that stay open. To free the disk at once let an administrator run: SELECT pg_drop_replication_slot(%s); the tables are then read again.",
				size(s.held), set.Slot, size(int64(set.MostLag)), literal(set.Slot)))
	}
	if s.unbounded {
		add("slot_unbounded", "Nothing bounds the slot", docklinev1.Severity_SEVERITY_WARNING,
			"While this agent is off, the database server keeps its log for slot "+set.Slot+" until the disk is full. Let an administrator run: ALTER SYSTEM SET max_slot_wal_keep_size = '20GB' (what the disk can spare) and SELECT pg_reload_conf(); if the slot is lost by that, the tables are read again.")
	}
	w.since, w.said, w.seen = since, out, now
	return w.f.c.board.slot(out, d)
}

// size writes bytes for a person.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// board holds what two sides say of the plugin's health, and tells it whole.
type board struct {
	stream interface {
		Report(...*docklinev1.Condition) error
		Devices(...*docklinev1.DeviceHealth) error
	}
	mu                  sync.Mutex
	database, ofSlot    []*docklinev1.Condition
	devices, slotDevice []*docklinev1.DeviceHealth
}

// conditions tells those of the database.
func (b *board) conditions(conditions []*docklinev1.Condition) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.database = conditions
	return b.report()
}

func (b *board) report() error {
	return b.stream.Report(append(append([]*docklinev1.Condition(nil), b.database...), b.ofSlot...)...)
}

// device tells the database as a device.
func (b *board) device(devices []*docklinev1.DeviceHealth) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.devices = devices
	return b.tellDevices()
}

func (b *board) tellDevices() error {
	return b.stream.Devices(append(append([]*docklinev1.DeviceHealth(nil), b.devices...), b.slotDevice...)...)
}

// slot tells what is known of the slot.
func (b *board) slot(conditions []*docklinev1.Condition, device *docklinev1.DeviceHealth) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ofSlot, b.slotDevice = conditions, []*docklinev1.DeviceHealth{device}
	if err := b.report(); err != nil {
		return err
	}
	return b.tellDevices()
}
