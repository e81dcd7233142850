package console

import (
	"context"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// siteData is one site with all that its page shows.
type siteData struct {
	*fleet.Site
	Now        time.Time
	Timeline   *timeline
	Days       []*fleet.Day
	Exceptions []exception.Exception
	Remedies   []remedy
	Window     string
}

// remedy is what a person can do about a loss, as a command to copy.
type remedy struct {
	Title, Why, Command string
}

// windows are the lengths of history that the page offers, the first where none is named.
var windows = []struct {
	name   string
	length time.Duration
}{{"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}}

// siteDays is how many days of the daily close the page of a site shows.
const siteDays = 10

func (s *server) site(q *request) (*content, error) {
	found, err := s.fleet.Site(q.Context(), q.tenant, q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := s.fleet.AddImpact(q.Context(), []*fleet.Site{found}); err != nil {
		return nil, err
	}
	window := windows[0]
	for _, w := range windows {
		if w.name == q.param("history") {
			window = w
		}
	}
	now := s.Now().UTC()
	d := &siteData{Site: found, Now: now, Window: window.name, Remedies: remedies(found)}
	points, err := s.fleet.History(q.Context(), found.Tenant, found.ID, now.Add(-window.length))
	if err != nil {
		return nil, err
	}
	d.Timeline = newTimeline(points, now.Add(-window.length), now)
	if d.Days, err = s.fleet.Days(q.Context(), found.Tenant, found.ID, ""); err != nil {
		return nil, err
	}
	d.Days = d.Days[:min(len(d.Days), siteDays)]
	err = s.read(q, func(ctx context.Context, tx *db.Tx) (err error) {
		d.Exceptions, err = exception.List(ctx, tx, found.Tenant, exception.Filter{Unresolved: true, Site: found.ID, Limit: 20})
		return err
	})
	return &content{"site", name(found), d}, err
}

// Devices are those of all plugins as the site last told, what cannot be reached first.
func (d *siteData) Devices() []*docklinev1.DeviceHealth {
	var all []*docklinev1.DeviceHealth
	for _, p := range d.Heartbeat.GetPlugins() {
		all = append(all, p.GetDevices()...)
	}
	slices.SortStableFunc(all, func(a, b *docklinev1.DeviceHealth) int {
		switch {
		case a.GetReachable() == b.GetReachable():
			return 0
		case b.GetReachable():
			return -1
		}
		return 1
	})
	return all
}

// Windows are the names of the lengths of history.
func (d *siteData) Windows() []string {
	var names []string
	for _, w := range windows {
		names = append(names, w.name)
	}
	return names
}

// remedies are what can be done about the events that a site has lost: read again where a source can, count where none can.
func remedies(s *fleet.Site) []remedy {
	if !slices.ContainsFunc(s.Gaps, func(g fleet.Gap) bool { return g.Cause == "lost" }) {
		return nil
	}
	var all []remedy
	for _, action := range s.LossActions() {
		all = append(all, remedy(action))
	}
	return all
}

type daysData struct {
	Days  []*fleet.Day
	Site  string
	Date  string
	State string
	Dates []string
	Count map[fleet.DayState]int
}

// days is the daily close of all sites: of the newest day that is over, unless another is asked for.
func (s *server) days(q *request) (*content, error) {
	all, err := s.fleet.Days(q.Context(), q.tenant, q.param("site"), "")
	if err != nil {
		return nil, err
	}
	d := &daysData{Site: q.param("site"), Date: q.param("date"), State: q.param("state"), Count: map[fleet.DayState]int{}}
	for _, day := range all {
		if !slices.Contains(d.Dates, day.Date) && len(d.Dates) < 14 {
			d.Dates = append(d.Dates, day.Date)
		}
	}
	if d.Date == "" && d.Site == "" && len(d.Dates) > 0 {
		d.Date = d.Dates[min(1, len(d.Dates)-1)] // today is not over
	}
	for _, day := range all {
		if d.Date != "" && day.Date != d.Date {
			continue
		}
		d.Count[day.State]++
		if d.State == "" || d.State == string(day.State) {
			d.Days = append(d.Days, day)
		}
	}
	weight := map[fleet.DayState]int{fleet.DayDifference: 0, fleet.DayWaiting: 1, fleet.DayOpen: 2, fleet.DayClosed: 3}
	slices.SortStableFunc(d.Days, func(a, b *fleet.Day) int { return weight[a.State] - weight[b.State] })
	d.Days = d.Days[:min(len(d.Days), 500)]
	return &content{"days", "Daily close", d}, nil
}
