package agent

import (
	"path/filepath"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// facts asks every part how it is.
func (a *Agent) facts() health.Facts {
	s, line := a.journal.Stats(), a.uplink.Stats()
	f := health.Facts{Now: now(), Started: a.began, Connected: line.Connected, Greeted: line.Connected && line.Greeted, LastAckAt: line.LastAckAt,
		AgentVersion: wire.Version, CollectorVersion: line.CollectorVersion, Line: a.lineFacts(line),
		Counts: health.Counts{Sent: line.Sent, Resent: line.Resent, Acks: line.Acks, Connections: line.Line.Connections}}
	a.mu.Lock()
	if f.Connected != a.connected {
		a.connected, a.lineChanged = f.Connected, f.Now
	}
	f.LineChanged = a.lineChanged
	a.mu.Unlock()
	f.ClockAhead, f.ClockKnown = clockAhead(line, f.Now)
	a.machine(&f)
	a.journalFacts(&f, s)
	if open, err := a.inbox.Open(); err == nil { // what cannot be read is logged where it was stored
		f.Open = health.Open(open)
	}
	f.Master = health.Master(a.inbox.MasterState())
	f.Plugins, f.Reported = a.host.Health(), append(a.host.Conditions(), a.refusedCondition()...)
	return f
}

func (a *Agent) lineFacts(line uplink.Stats) health.Line {
	return health.Line{Broker: hostOf(a.config.MQTT.URL), Reason: line.Line.LastError, TakenOverAt: line.Line.TakenOverAt, NextAttempt: line.Line.NextAttempt,
		ShortLinks: line.Line.ShortLinks, Denied: line.Denied, TooLarge: line.TooLarge, TooLargeText: line.TooLargeText}
}

func (a *Agent) journalFacts(f *health.Facts, s journal.Stats) {
	f.JournalBytes, f.JournalLimit, f.JournalFull, f.Waiting, f.OldestAt = s.Bytes, s.LimitBytes, s.Full, int64(s.Events), s.OldestAt
	if aside, err := filepath.Glob(filepath.Join(a.config.Path("journal"), "*.damaged*")); err == nil {
		f.JournalAside = len(aside)
	}
	free := s.LimitBytes - s.ReserveBytes - s.Bytes
	if f.DiskKnown {
		free = min(free, int64(min(f.DiskFree, 1<<62)))
	}
	f.DaysUntilFull = a.outlook.DaysUntilFull(f.Now, health.Room{Free: free, Held: s.Held, Bytes: s.Bytes, Captured: s.CapturedTotal})
}

// clockAhead is by how much the clock here is ahead of the collector's: as measured with the last greeting, and by how much the time of
// day has gone another way than time itself since then.
func clockAhead(line uplink.Stats, at time.Time) (time.Duration, bool) {
	if line.LastGreetedAt.IsZero() {
		return 0, false
	}
	stepped := at.Round(0).Sub(line.LastGreetedAt.Round(0)) - at.Sub(line.LastGreetedAt)
	return stepped - line.ClockOffset, true
}

// Heartbeat says how the site is; the uplink adds who it is and what is stored.
func (a *Agent) Heartbeat() *docklinev1.Heartbeat {
	f, s := a.facts(), a.journal.Stats()
	h := &docklinev1.Heartbeat{
		DiskFreeBytes: f.DiskFree, JournalEvents: s.Events, JournalBytes: uint64(s.Bytes), JournalLimitBytes: uint64(s.LimitBytes), CapturedTotal: s.CapturedTotal,
		Epoch: s.Epoch, LastSeq: s.LastSeq, Cursors: s.Cursors, Days: s.Days, Plugins: f.Plugins, Conditions: a.board.Evaluate(f),
		DaysUntilFull: f.DaysUntilFull, RefusedEvents: f.Open.Refused + f.Open.Exceptions,
		Machine: a.machineIs, Config: a.settings.state(),
	}
	if a.renewal != nil {
		h.Certificate = a.renewal.State()
	}
	if !s.OldestAt.IsZero() {
		h.OldestEventAt = timestamppb.New(s.OldestAt)
	}
	if oldest := earliest(s.OldestAt, f.Open.OldestAt); !oldest.IsZero() {
		h.OldestUnconfirmedAt = timestamppb.New(oldest)
	}
	if f.ClockKnown {
		ahead := f.ClockAhead.Seconds()
		h.ClockAheadSeconds = &ahead
	}
	return h
}

// report is the heartbeat with the identity that the uplink would add, for people on this machine.
func (a *Agent) report() *docklinev1.Heartbeat {
	h := a.Heartbeat()
	h.Tenant, h.Site, h.AgentVersion, h.SentAt = a.config.Site.Tenant, a.config.Site.ID, wire.Version, timestamppb.New(now())
	h.Online = a.uplink.Stats().Connected
	h.Incarnation, h.CommandsThrough, h.ReceiptsThrough = a.inbox.Through()
	h.MasterThrough = a.inbox.MasterThrough()
	return h
}

// earliest is the earlier of two times, the one that there is where the other is zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
