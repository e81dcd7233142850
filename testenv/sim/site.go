package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/downlink"
	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// site is one warehouse: its floor, what its systems have written down, and its agent with its disk.
type site struct {
	world *world
	name  string
	dir   string
	// skew is by how much its clock is ahead.
	skew time.Duration
	ids  io.Reader

	opening []day.StockRow
	dock    *day.Dock
	sources []*source
	// truth is every movement as it really was, late the corrections that are yet to be written down.
	truth []day.Movement
	late  []*docklinev1.Event
	// bad counts the lines that cannot be read, strange are the cartons for orders that nobody knows.
	bad     int
	strange []*docklinev1.Event

	// What follows is the agent: gone with a crash, but for what is on the disk.
	opened    int
	journal   *journal.Journal
	recovered bool
	inbox     *downlink.Store
	loop      *downlink.Loop
	hand      *uplink.Hand
	line      line
	// disk says that writes work; nobody has been answered while a journal is opened.
	disk bool

	// accepted are the events that a source was told are safe.
	accepted map[string]*docklinev1.Event

	// lossy says that its disk was lost, spoiled or put back, or the centre's database without which it keeps nothing.
	lossy bool
	// snapshot is the folder of a copy of its disk, "" for none; verdicts are of journal files that were spoiled.
	snapshot string
	verdicts map[string]error
	// asked is when a person had its sources read again after a loss.
	asked time.Time
}

// source is a table of a site's systems that a plugin reads, and how far it has; or, without a stream, what people scan, who go on when
// they are answered, and whom nobody can ask again.
type source struct {
	name    string
	stream  string
	records []*docklinev1.Event
	told    int
	toldAt  time.Time
}

func (w *world) newSite(name string, stock []day.StockRow) (*site, error) {
	s := &site{world: w, name: name, dir: filepath.Join(w.dir, name), ids: ids(w.config.Seed, name), accepted: map[string]*docklinev1.Event{}, opening: stock,
		sources: []*source{{name: "wms", stream: "dock"}, {name: "scan"}}, verdicts: map[string]error{}}
	if w.r.IntN(2) == 0 {
		s.sources[1].stream = "terminals" // its scanners keep what they scan
	}
	if w.weather.skew > 0 {
		s.skew = time.Duration(w.r.IntN(2*w.weather.skew)-w.weather.skew) * time.Second
	}
	c := day.DefaultConfig()
	c.Site, c.Seed, c.Stock, c.ShortPercent, c.CountPercent = name, w.config.Seed, stock, 12, 20
	s.dock = day.NewDock(c)
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, err
	}
	return s, s.open()
}

func (s *site) now() time.Time { return s.world.now.Add(s.skew) }

func (s *site) journalDir() string { return filepath.Join(s.dir, "journal-"+strconv.Itoa(s.opened)) }

// open starts the agent on what is on the disk. Older files of the journal are taken up later, as after any unclean stop.
func (s *site) open() (err error) {
	w := s.world
	s.journal, err = journal.Open(s.journalDir(), journal.Options{Tenant: tenant, Site: s.name, KeepAcknowledged: w.keep,
		RotateBytes: w.rotate, InOrder: true, Check: func(_ context.Context, path string) error { return s.verdicts[path] }, Now: s.now, Random: s.ids, Fault: s.fault})
	if err != nil {
		return fmt.Errorf("journal of %s: %w", s.name, err)
	}
	if s.inbox, err = downlink.Open(s.inboxPath(), downlink.Options{Now: s.now}); err != nil {
		return err
	}
	s.loop = &downlink.Loop{Tenant: tenant, Site: s.name, Store: s.inbox, Sink: s, Now: s.now, Record: func(ctx context.Context, e *docklinev1.Event) error {
		if fault := event.Validate(e); fault != nil {
			return fault
		}
		return s.append(ctx, journal.Entry{Plugin: downlink.Source, Events: []*docklinev1.Event{e}})
	}}
	s.hand = uplink.New(uplink.Config{Tenant: tenant, Site: s.name, Version: "sim", Journal: agent.UplinkJournal{Journal: s.journal}, Heartbeat: s.heartbeat, Positions: s.inbox.Through,
		OnHelloReply: s.greeted, OnCommands: s.inbox.PutCommands, OnReceipts: s.inbox.PutReceipts, OnMaster: s.inbox.PutMaster, MasterThrough: s.inbox.MasterThrough,
		Window: 8, Now: s.now, Random: s.ids}).ByHand()
	s.recovered, s.disk = false, true
	s.line = line{session: s.line.session, retryAt: w.now.Add(time.Duration(w.r.IntN(3000)) * time.Millisecond)}
	return nil
}

// recover takes up what the last agent left, and lets sources begin where the journal says.
func (s *site) recover(ctx context.Context) error {
	s.world.trace.add(s.world.now, "%s: recover", s.name)
	s.disk = false
	defer func() { s.disk = true }()
	if err := s.journal.Recover(ctx); err != nil {
		return fmt.Errorf("recover %s: %w", s.name, err)
	}
	s.recovered = true
	return s.rewind(ctx)
}

// rewind has every source that can be read again begin at its cursor. A person who was answered scans nothing twice.
func (s *site) rewind(ctx context.Context) error {
	for _, from := range s.sources {
		if from.stream == "" {
			continue
		}
		cursor, err := s.journal.Cursor(ctx, from.name)
		if err != nil {
			return err
		}
		from.told = 0
		if len(cursor) > 0 {
			if from.told, err = strconv.Atoi(string(cursor)); err != nil {
				return err
			}
		}
	}
	return nil
}

// crash ends the agent as a power cut does: every write is synced, so what is on the disk now is what stays; memory is gone. An orderly
// stop writes more, and to another folder.
func (s *site) crash() error {
	was := s.journalDir()
	return s.reborn("the agent crashes", func(to string) error { return copyJournal(was, to) }, func() error { return nil })
}

// reborn ends the agent and starts it again in another folder: leave puts into it what there is of the journal, inbox changes what there is
// of the inbox.
func (s *site) reborn(why string, leave func(to string) error, inbox func() error) error {
	s.world.trace.add(s.world.now, "%s: %s", s.name, why)
	s.cut("crash")
	was := s.journalDir()
	s.opened++
	if err := leave(s.journalDir()); err != nil {
		return err
	}
	if err := s.close(); err != nil {
		return err
	}
	if err := os.RemoveAll(was); err != nil {
		return err
	}
	if err := inbox(); err != nil {
		return err
	}
	return s.open()
}

func (s *site) close() error {
	s.disk = false
	return errors.Join(s.journal.Close(), s.inbox.Close())
}

// fault is the disk: full, failing, or failing in the very act of syncing.
func (s *site) fault(op string, synced bool) error {
	w := s.world
	if !s.disk || !w.chance(w.weather.disk) {
		return nil
	}
	if synced {
		if !w.chance(0.2) {
			return nil
		}
		w.fault(diskFailsSyncing)
		w.trace.add(w.now, "%s: %s is written, and its sync fails", s.name, op)
		return syscall.EIO
	}
	w.fault(diskFull)
	w.trace.add(w.now, "%s: %s finds the disk full", s.name, op)
	return syscall.ENOSPC
}

// append makes an entry durable, or not; only what was answered counts as accepted.
func (s *site) append(ctx context.Context, e journal.Entry) error {
	err := s.journal.Append(ctx, e)
	outcome := "accepted"
	if err != nil {
		outcome = "refused: " + err.Error()
	}
	s.world.trace.add(s.world.now, "%s: %s tells %d events to %s: %s", s.name, e.Plugin, len(e.Events), e.Cursor, outcome)
	if err != nil {
		return err
	}
	for _, told := range e.Events {
		s.accepted[told.Id] = told
	}
	return nil
}

// feed lets a source tell its next records, or that there are none.
func (s *site) feed(ctx context.Context, from *source) error {
	w := s.world
	if !s.recovered && from.stream != "" {
		return nil // its cursor is not known yet
	}
	entry := journal.Entry{Plugin: from.name}
	last := min(len(from.records), from.told+1+w.r.IntN(12))
	for _, record := range from.records[from.told:last] {
		entry.Events = append(entry.Events, s.stamp(from.name, record))
	}
	if last == from.told && (from.stream == "" || s.now().Sub(from.toldAt).Abs() < time.Second) {
		return nil
	}
	if from.stream != "" {
		entry.CompleteThrough = s.through(from, last)
		from.toldAt = s.now()
	}
	if last > from.told && from.stream != "" {
		entry.Cursor = strconv.AppendInt(nil, int64(last), 10)
	}
	if err := s.append(ctx, entry); err != nil {
		if s.recovered && w.chance(0.1) {
			return s.rewind(ctx) // the plugin is restarted
		}
		return nil // it is offered again
	}
	from.told = last
	return nil
}

// through is what the source has told everything up to.
func (s *site) through(from *source, told int) []*docklinev1.CompleteThrough {
	if from != s.sources[0] {
		if told < len(from.records) {
			return nil
		}
		return []*docklinev1.CompleteThrough{{Stream: from.stream, Time: timestamppb.New(s.now())}}
	}
	at, movement := s.now(), s.dock.Last()
	if told < len(from.records) {
		at, movement = time.Time{}, 0
		for _, e := range from.records[:told] {
			if e.Movement > movement {
				at, movement = e.OccurredAt.AsTime(), e.Movement
			}
		}
		if movement == 0 {
			return nil
		}
	}
	return []*docklinev1.CompleteThrough{{Stream: from.stream, Time: timestamppb.New(at), Movement: movement, MovesStock: true}}
}

func (s *site) heartbeat() *docklinev1.Heartbeat {
	st := s.journal.Stats()
	h := &docklinev1.Heartbeat{Epoch: st.Epoch, LastSeq: st.LastSeq, Cursors: st.Cursors, JournalEvents: st.Events, Days: st.Days}
	for _, from := range s.sources {
		h.Plugins = append(h.Plugins, &docklinev1.PluginHealth{Id: from.name, State: "running"})
	}
	return h
}

func (s *site) greeted(r *docklinev1.HelloReply) error {
	for _, c := range r.GetCursors() {
		again, err := s.journal.GiveBack(c)
		if err != nil {
			return err
		}
		if again {
			if err := s.rewind(context.Background()); err != nil {
				return err
			}
		}
	}
	return s.inbox.SetIncarnation(r.GetIncarnation())
}
