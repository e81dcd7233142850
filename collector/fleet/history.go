package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Point is one of a site's history: where something changed, and once in each five minutes.
type Point struct {
	At     time.Time
	Online bool
	// Backlog is how many events the journal held, OldestAt when the oldest of them was captured; neither is known of a site that is gone.
	Backlog  uint64
	OldestAt time.Time
	Severity docklinev1.Severity
	// Mark names what was wrong, by code; "gone" and "silent" where the site was.
	Mark string
}

// History is the points of a site since a moment, with the last one before it, the oldest first.
func (f *Fleet) History(ctx context.Context, tenant, id string, since time.Time) ([]Point, error) {
	var points []Point
	err := f.DB.Read(ctx, func(tx *db.Tx) error {
		points = nil
		rows, err := tx.Query(ctx, `SELECT at, online, backlog, oldest_at, severity, mark FROM site_point WHERE tenant = ? AND site = ? AND at >=
			coalesce((SELECT max(at) FROM site_point WHERE tenant = ? AND site = ? AND at <= ?), 0) ORDER BY at`, tenant, id, tenant, id, since.UnixMicro())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p Point
			var at, online, backlog, oldest, severity int64
			if err := rows.Scan(&at, &online, &backlog, &oldest, &severity, &p.Mark); err != nil {
				return err
			}
			p.At, p.Online, p.Backlog, p.OldestAt, p.Severity = fromMicros(at), online != 0, uint64(backlog), fromMicros(oldest), docklinev1.Severity(severity)
			points = append(points, p)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", id, err)
	}
	return points, nil
}

// Spell is a stretch of a site's history in which it was in one state.
type Spell struct {
	From, To time.Time
	State    SpellState
	// Marks are what was wrong meanwhile, by code.
	Marks []string
}

// SpellState is how a site was for a while.
type SpellState string

const (
	// SpellUp: it was online and well.
	SpellUp SpellState = "up"
	// SpellTroubled: it was online, and something was wrong.
	SpellTroubled SpellState = "troubled"
	// SpellDown: it was offline.
	SpellDown SpellState = "down"
	// SpellUnknown: nobody listened, or the site was not known yet.
	SpellUnknown SpellState = "unknown"
)

// unheard is after how long without a point a site that was online is not known to have stayed so: points come every five minutes.
const unheard = 12 * time.Minute

// Spells puts points together into stretches from one moment to another.
func Spells(points []Point, from, to time.Time) []Spell {
	spells := []Spell{{From: from, To: to, State: SpellUnknown}}
	change := func(at time.Time, state SpellState, marks []string) {
		last := &spells[len(spells)-1]
		if at.Before(from) {
			at = from
		}
		if last.State == state && strings.Join(last.Marks, " ") == strings.Join(marks, " ") {
			return
		}
		if !at.After(last.From) {
			last.State, last.Marks = state, marks
			return
		}
		last.To = at
		spells = append(spells, Spell{From: at, To: to, State: state, Marks: marks})
	}
	for i, p := range points {
		next := to
		if i+1 < len(points) {
			next = points[i+1].At
		}
		marks := strings.Fields(p.Mark)
		switch {
		case !p.Online:
			change(p.At, SpellDown, nil)
		case p.Severity > info || len(marks) > 0:
			change(p.At, SpellTroubled, marks)
		default:
			change(p.At, SpellUp, nil)
		}
		if p.Online && next.Sub(p.At) > unheard && p.At.Add(unheard).After(from) && p.At.Add(unheard).Before(to) {
			change(p.At.Add(unheard), SpellUnknown, nil)
		}
	}
	return spells
}

// Uptime is the share of the known time in which a site was online, from 0 to 1, and whether any of it is known.
func Uptime(spells []Spell) (share float64, known bool) {
	var up, all time.Duration
	for _, s := range spells {
		if s.State == SpellUnknown {
			continue
		}
		all += s.To.Sub(s.From)
		if s.State != SpellDown {
			up += s.To.Sub(s.From)
		}
	}
	if all == 0 {
		return 0, false
	}
	return up.Seconds() / all.Seconds(), true
}
