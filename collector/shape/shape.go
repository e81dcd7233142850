// Package shape looks once a day how the systems' records are made, and tells when that is otherwise than it was: a field that is gone, a new one
// that must be given, a status that nobody knows. Somebody may see to it before postings are refused or facts are misread.
package shape

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// Code is the code of the exception.
const Code = "shape_changed"

const (
	// every is how often a system is asked; again is how long one is left alone that did not answer.
	every = 24 * time.Hour
	again = time.Hour
	// lookEvery is how often it is seen whose turn it is.
	lookEvery = time.Minute
)

// Target is a system.
type Target struct {
	Tenant, Name string
	Connector    connector.Connector
	Timeout      time.Duration
}

// Report makes it a case that changes are there, or closes it with none.
type Report func(ctx context.Context, tx *db.Tx, tenant, target string, since time.Time, changes []connector.Change) error

// Watch looks at the systems in turn. Several may run on one database: each look is one of theirs.
type Watch struct {
	DB      *db.DB
	Targets []*Target
	Report  Report
	Now     func() time.Time
	Log     *slog.Logger
}

// State is what is known of a system.
type State struct {
	Tenant string `json:"tenant"`
	Target string `json:"target"`
	// Accepted is what is taken as right, Seen what was last told; both nil before the first look and where the system does not tell.
	Accepted   connector.Shape    `json:"-"`
	Seen       connector.Shape    `json:"-"`
	AcceptedAt time.Time          `json:"accepted_at,omitzero"`
	AcceptedBy string             `json:"accepted_by,omitempty"`
	SeenAt     time.Time          `json:"seen_at,omitzero"`
	Fields     int                `json:"fields"`
	Changes    []connector.Change `json:"changes"`
}

// Run looks until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	var never db.Signal
	return db.Poll(ctx, &never, lookEvery, w.Log, "shape", w.Step)
}

// Step looks at every system whose turn it is.
func (w *Watch) Step(ctx context.Context) (more bool, err error) {
	var faults []error
	for _, t := range w.Targets {
		mine, err := w.claim(ctx, t)
		if err == nil && mine {
			err = w.Look(ctx, t)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", t.Name, err))
		}
	}
	return false, errors.Join(faults...)
}

// claim takes the turn, where there is one: until it is claimed again nobody else looks.
func (w *Watch) claim(ctx context.Context, t *Target) (mine bool, err error) {
	var looked int64
	known := true
	now := w.Now()
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		var seen int64
		err := tx.QueryRow(ctx, `SELECT looked_at, seen_at FROM target_shape WHERE tenant = ? AND target = ?`, t.Tenant, t.Name).Scan(&looked, &seen)
		if known = !errors.Is(err, sql.ErrNoRows); err != nil && known {
			return err
		}
		wait := every
		if seen < looked { // the last one had no answer
			wait = again
		}
		mine = !known || !now.Before(time.UnixMicro(looked).Add(wait))
		return nil
	})
	if err != nil || !mine {
		return false, err
	}
	err = w.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if !known {
			mine, err = begin(ctx, tx, t, now)
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE target_shape SET looked_at = ? WHERE tenant = ? AND target = ? AND looked_at = ?`, now.UnixMicro(), t.Tenant, t.Name, looked)
		mine = n == 1
		return err
	})
	return mine && err == nil, err
}

// begin makes the row of a system that nobody has looked at, and says whether it is new.
func begin(ctx context.Context, tx *db.Tx, t *Target, now time.Time) (bool, error) {
	rows, err := tx.InsertAbsent(ctx, db.Insert{Table: "target_shape", Columns: []string{"tenant", "target", "accepted", "accepted_at", "accepted_by", "seen", "seen_at", "looked_at"},
		Rows: [][]any{{t.Tenant, t.Name, "", 0, "", "", 0, now.UnixMicro()}}, Conflict: []string{"tenant", "target"}, Returning: []string{"target"}})
	return len(rows) == 1, err
}

// Look asks a system now, and tells what is otherwise. The first answer is taken as right.
func (w *Watch) Look(ctx context.Context, t *Target) error {
	asking, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	shape, err := connector.ShapeOf(asking, t.Connector)
	if err != nil {
		return err
	}
	return w.DB.Write(ctx, func(tx *db.Tx) error {
		now := w.Now()
		if _, err := begin(ctx, tx, t, now); err != nil {
			return err
		}
		s, err := Read(ctx, tx, t.Tenant, t.Name)
		if err != nil {
			return err
		}
		seen, err := textOf(shape)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE target_shape SET seen = ?, seen_at = ?, looked_at = ? WHERE tenant = ? AND target = ?`, seen, now.UnixMicro(), now.UnixMicro(), t.Tenant, t.Name); err != nil {
			return err
		}
		if len(shape) == 0 { // it does not tell, or not today: what is not known is no change
			return nil
		}
		if len(s.Accepted) == 0 {
			return accept(ctx, tx, t.Tenant, t.Name, seen, "dockline", now)
		}
		return w.Report(ctx, tx, t.Tenant, t.Name, s.AcceptedAt, shape.Since(s.Accepted))
	})
}

// Accept takes what was last seen as right, and closes the case. The caller records who did it.
func Accept(ctx context.Context, tx *db.Tx, report Report, tenant, target, by string, now time.Time) (State, error) {
	s, err := Read(ctx, tx, tenant, target)
	if err != nil {
		return s, err
	}
	if len(s.Seen) == 0 {
		return s, fmt.Errorf("%s has not told how its records are made: there is nothing to accept", target)
	}
	seen, err := textOf(s.Seen)
	if err != nil {
		return s, err
	}
	if err := accept(ctx, tx, tenant, target, seen, by, now); err != nil {
		return s, err
	}
	return s, report(ctx, tx, tenant, target, now, nil)
}

func accept(ctx context.Context, tx *db.Tx, tenant, target, seen, by string, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE target_shape SET accepted = ?, accepted_at = ?, accepted_by = ? WHERE tenant = ? AND target = ?`, seen, now.UnixMicro(), by, tenant, target)
	return err
}

// Read is what is known of a system; nothing is known of one that nobody has looked at.
func Read(ctx context.Context, tx *db.Tx, tenant, target string) (State, error) {
	s := State{Tenant: tenant, Target: target, Changes: []connector.Change{}}
	var accepted, seen string
	var acceptedAt, seenAt int64
	err := tx.QueryRow(ctx, `SELECT accepted, accepted_at, accepted_by, seen, seen_at FROM target_shape WHERE tenant = ? AND target = ?`, tenant, target).Scan(&accepted, &acceptedAt, &s.AcceptedBy, &seen, &seenAt)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	for text, into := range map[*string]*connector.Shape{&accepted: &s.Accepted, &seen: &s.Seen} {
		if *text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(*text), into); err != nil {
			return s, fmt.Errorf("shape of %s: %w", target, err)
		}
	}
	if acceptedAt > 0 {
		s.AcceptedAt = time.UnixMicro(acceptedAt).UTC()
	}
	if seenAt > 0 {
		s.SeenAt = time.UnixMicro(seenAt).UTC()
	}
	s.Fields = len(s.Seen)
	if len(s.Seen) > 0 && len(s.Accepted) > 0 {
		s.Changes = append(s.Changes, s.Seen.Since(s.Accepted)...)
	}
	return s, nil
}

func textOf(s connector.Shape) (string, error) {
	if len(s) == 0 {
		return "", nil
	}
	text, err := json.Marshal(s)
	return string(text), err
}
