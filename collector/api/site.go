package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Impact is what waits for a site. Amounts are decimal with two digits behind the point.
type Impact struct {
	Orders int     `json:"orders"`
	Values []Value `json:"values"`
	// Overdue are past the moment that was promised, DueSoon are promised within four hours; NextDue is the next such moment.
	Overdue int        `json:"overdue"`
	DueSoon int        `json:"due_soon"`
	NextDue *time.Time `json:"next_due,omitempty"`
}

// Value is an amount of money.
type Value struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

func impactOf(i *fleet.Impact) Impact {
	out := Impact{Orders: i.Orders, Values: []Value{}, Overdue: i.Overdue, DueSoon: i.DueSoon, NextDue: when(i.Due)}
	for _, v := range i.Values {
		out.Values = append(out.Values, Value(v))
	}
	return out
}

// Gap is a run of events of a site of which the centre does not have Missing. Cause is "lost" or "unreadable".
type Gap struct {
	Epoch    string     `json:"epoch"`
	First    uint64     `json:"first_seq"`
	Last     uint64     `json:"last_seq"`
	Missing  uint64     `json:"missing"`
	Cause    string     `json:"cause"`
	OpenedAt *time.Time `json:"opened_at"`
}

// SiteDetail answers GET /api/v1/sites/{id}?hours=N: the site with its history of so many hours (24), its last days and its open cases.
type SiteDetail struct {
	Site
	Gaps       []Gap       `json:"gaps"`
	History    []Spell     `json:"history"`
	Days       []Day       `json:"days"`
	Exceptions []Exception `json:"exceptions"`
}

// Spell is a stretch of a site's history: up, troubled (online, and something was wrong), down, or unknown.
type Spell struct {
	From  *time.Time       `json:"from"`
	To    *time.Time       `json:"to"`
	State fleet.SpellState `json:"state"`
	// Codes of what was wrong.
	Codes []string `json:"codes,omitempty"`
}

// Days answers GET /api/v1/days?site=ID&date=D: the daily close, the newest day first.
type Days struct {
	Days []Day `json:"days"`
}

// Day is the account of one site and day, by when the site's host recorded the events, UTC.
type Day struct {
	Tenant string `json:"tenant"`
	Site   string `json:"site"`
	Date   string `json:"date"`
	// State is open, waiting, closed or difference; Reason says why, Remedy what to do.
	State  fleet.DayState `json:"state"`
	Reason string         `json:"reason"`
	Remedy string         `json:"remedy,omitempty"`
	// Captured is what the site's journal accepted, Refused the dead letters among it; Logged is what the event log has of the day. Again
	// were captured a second time, Lost are declared lost. Unexplained is Captured without Logged, Again and Lost, 0 unless the state is
	// difference, and Accepted what of it a person has accepted.
	Captured    int64 `json:"captured"`
	Refused     int64 `json:"refused"`
	Logged      int64 `json:"logged"`
	Again       int64 `json:"captured_again"`
	Lost        int64 `json:"declared_lost"`
	Unexplained int64 `json:"unexplained"`
	Accepted    int64 `json:"accepted_difference,omitempty"`
	// Of the logged ones: Unfolded are not folded yet, Pending are on their way into a system, Parked are with a person, Settled are
	// confirmed or need no document.
	Unfolded  int64      `json:"unfolded"`
	Pending   int64      `json:"pending"`
	Parked    int64      `json:"parked"`
	Settled   int64      `json:"settled"`
	CheckedAt *time.Time `json:"checked_at,omitempty"`
	ClosedAt  *time.Time `json:"closed_at,omitempty"`
}

// DaysOf are days as the API shows them.
func DaysOf(days []*fleet.Day) []Day {
	return each(days, func(d *fleet.Day) Day {
		return Day{Tenant: d.Tenant, Site: d.Site, Date: d.Date, State: d.State, Reason: d.Reason, Remedy: d.Remedy, Captured: d.Captured, Refused: d.Refused, Logged: d.Logged,
			Again: d.Again, Lost: d.Lost, Unexplained: d.Unexplained, Accepted: d.Accepted, Unfolded: d.Unfolded, Pending: d.Pending, Parked: d.Parked, Settled: d.Settled(),
			CheckedAt: when(d.CheckedAt), ClosedAt: when(d.ClosedAt)}
	})
}

// detailDays is how many days of the daily close come with a site.
const detailDays = 14

// SiteDetailOf reads all of one site. The site must have been found by f.
func SiteDetailOf(ctx context.Context, f *fleet.Fleet, s *fleet.Site, now time.Time, history time.Duration) (*SiteDetail, error) {
	if err := f.AddImpact(ctx, []*fleet.Site{s}); err != nil {
		return nil, err
	}
	points, err := f.History(ctx, s.Tenant, s.ID, now.Add(-history))
	if err != nil {
		return nil, err
	}
	days, err := f.Days(ctx, s.Tenant, s.ID, "")
	if err != nil {
		return nil, err
	}
	d := &SiteDetail{Site: SiteOf(s), Gaps: []Gap{}, History: []Spell{}, Days: DaysOf(days[:min(len(days), detailDays)])}
	for _, g := range s.Gaps {
		d.Gaps = append(d.Gaps, Gap{g.Epoch, g.First, g.Last, g.Missing, g.Cause, when(g.OpenedAt)})
	}
	for _, spell := range fleet.Spells(points, now.Add(-history), now) {
		d.History = append(d.History, Spell{when(spell.From), when(spell.To), spell.State, spell.Marks})
	}
	err = f.DB.Read(ctx, func(tx *db.Tx) error {
		open, err := exception.List(ctx, tx, s.Tenant, exception.Filter{Unresolved: true, Site: s.ID})
		d.Exceptions = eachOf(open, ExceptionOf)
		return err
	})
	return d, err
}

func (s *server) site(q *request) (any, error) {
	hours, err := q.number("hours")
	if err != nil {
		return nil, err
	}
	if hours == 0 {
		hours = 24
	}
	found, err := s.fleet.Site(q.Context(), q.tenant, q.PathValue("id"))
	if errors.Is(err, fleet.ErrNoSite) {
		return nil, &Problem{Status: http.StatusNotFound, Detail: err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return SiteDetailOf(q.Context(), s.fleet, found, s.now(), min(time.Duration(hours), 24*31)*time.Hour)
}

func (s *server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *server) days(q *request) (any, error) {
	found, err := s.fleet.Days(q.Context(), q.tenant, q.query.Get("site"), q.query.Get("date"))
	return Days{Days: DaysOf(found)}, err
}

// devices are those of all plugins as the site last told, with their plugin.
func devicesOf(h *docklinev1.Heartbeat) []Device {
	all := []Device{}
	for _, p := range h.GetPlugins() {
		for _, d := range p.GetDevices() {
			one := Device{Plugin: p.GetId(), ID: d.GetId(), Kind: d.GetKind(), Reachable: d.GetReachable(), Text: d.GetText(), BatteryPercent: d.BatteryPercent}
			if d.GetLastSeenAt().IsValid() {
				one.LastSeenAt = when(d.GetLastSeenAt().AsTime())
			}
			all = append(all, one)
		}
	}
	return all
}

// Device is one thing that a plugin of a site talks to: a scanner, the WMS, a folder.
type Device struct {
	Plugin     string     `json:"plugin"`
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	Reachable  bool       `json:"reachable"`
	LastSeenAt *time.Time `json:"last_seen_at,omitempty"`
	// BatteryPercent is absent where the device has none, or does not tell.
	BatteryPercent *uint32 `json:"battery_percent,omitempty"`
	Text           string  `json:"text,omitempty"`
}

// Plugin is one plugin of a site as the site last told of it.
type Plugin struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	// State is starting, running, restarting, quarantined or stopped.
	State       string     `json:"state"`
	LastEventAt *time.Time `json:"last_event_at,omitempty"`
	Restarts    uint32     `json:"restarts"`
	// MemoryBytes and CPUPercent (of one core) are what its process takes; totals count since its agent started.
	MemoryBytes   uint64  `json:"memory_bytes"`
	CPUPercent    float64 `json:"cpu_percent"`
	AcceptedTotal uint64  `json:"accepted_total"`
	RefusedTotal  uint64  `json:"refused_total"`
	Text          string  `json:"text,omitempty"`
}

func pluginsOf(h *docklinev1.Heartbeat) []Plugin {
	all := []Plugin{}
	for _, p := range h.GetPlugins() {
		one := Plugin{ID: p.GetId(), Name: p.GetName(), Version: p.GetVersion(), State: p.GetState(), Restarts: p.GetRestarts(), MemoryBytes: p.GetMemoryBytes(),
			CPUPercent: p.GetCpuPercent(), AcceptedTotal: p.GetAcceptedTotal(), RefusedTotal: p.GetRefusedTotal(), Text: p.GetText()}
		if p.GetLastEventAt().IsValid() {
			one.LastEventAt = when(p.GetLastEventAt().AsTime())
		}
		all = append(all, one)
	}
	return all
}
