// Package deadletter is what people do about records that were refused: they look at what came, write a correction, have it taken in the place of
// the record, or discard it. The record itself is kept whole, whatever becomes of it.
package deadletter

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// State is where a dead letter stands.
type State string

const (
	// Open: nobody has settled it.
	Open State = "open"
	// Requeued: an event was entered in its place.
	Requeued State = "requeued"
	// Discarded: a person said that it is to have no effect.
	Discarded State = "discarded"
)

// Letter is one record that was refused.
type Letter struct {
	Tenant string
	// Key is its fold key, EventID the newest event that tells of it.
	Key, EventID string
	Site, Source string
	// Code says what is wrong, Order the order that it named, "" where it named none.
	Code, Order string
	Class       docklinev1.FaultClass
	// Since is when it happened.
	Since time.Time
	State State
	// By, Reason and CorrectedBy are of its settlement.
	By, Reason, CorrectedBy string
	// Edits is how many corrections people have written.
	Edits int64
}

// Filter limits a list; an empty field is no limit.
type Filter struct {
	State                     State
	Site, Source, Code, Order string
	// Before lists those that happened before.
	Before time.Time
	// After lists those behind a key, for the next page; Limit is 100 where it is 0.
	After string
	Limit int
}

// ErrAbsent is returned where there is no dead letter of an id; ErrSettled where it is settled already.
var (
	ErrAbsent = errors.New("no such dead letter")
	// ErrIncorrect: the correction is not one that could be taken.
	ErrIncorrect = errors.New("it cannot be taken")
	ErrSettled   = errors.New("is settled already")
)

const defaultLimit = 100

const selected = `SELECT l.tenant, l.fold_key, l.event_id, l.site, l.source, l.code, l.order_number, l.class, l.since, l.state, l.settled_by, l.reason, l.corrected_by,
	(SELECT COUNT(*) FROM dead_letter_edit d WHERE d.tenant = l.tenant AND d.event_id = l.event_id) FROM dead_letter l WHERE `

// List returns dead letters of a tenant in the order of their keys.
func List(ctx context.Context, tx *db.Tx, tenant string, f Filter) ([]Letter, error) {
	where, args := []string{"l.tenant = ?"}, []any{tenant}
	limit := func(condition string, value any) { where, args = append(where, condition), append(args, value) }
	for _, c := range []struct{ column, value string }{{"state", string(f.State)}, {"site", f.Site}, {"source", f.Source}, {"code", f.Code}, {"order_number", f.Order}} {
		if c.value != "" {
			limit("l."+c.column+" = ?", c.value)
		}
	}
	if !f.Before.IsZero() {
		limit("l.since < ?", f.Before.UnixMicro())
	}
	if f.After != "" {
		limit("l.fold_key > ?", f.After)
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	return list(ctx, tx, strings.Join(where, " AND ")+` ORDER BY l.fold_key LIMIT ?`, append(args, f.Limit)...)
}

// Get finds one by the id of its event, or by the beginning of it.
func Get(ctx context.Context, tx *db.Tx, tenant, id string) (*Letter, error) {
	if id == "" || strings.ContainsAny(id, "%_") {
		return nil, fmt.Errorf("dead letter %q: %w", id, ErrAbsent)
	}
	found, err := list(ctx, tx, `l.tenant = ? AND l.event_id LIKE ? ORDER BY l.event_id LIMIT 2`, tenant, id+"%")
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, fmt.Errorf("dead letter %s: %w", id, ErrAbsent)
	case len(found) > 1 && found[0].EventID != id:
		return nil, fmt.Errorf("dead letter %s: several begin so; give more of its id", id)
	}
	return &found[0], nil
}

func list(ctx context.Context, tx *db.Tx, tail string, args ...any) ([]Letter, error) {
	rows, err := tx.Query(ctx, selected+tail, args...)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	defer rows.Close()
	var found []Letter
	for rows.Next() {
		var l Letter
		var since int64
		if err := rows.Scan(&l.Tenant, &l.Key, &l.EventID, &l.Site, &l.Source, &l.Code, &l.Order, &l.Class, &since, &l.State, &l.By, &l.Reason, &l.CorrectedBy, &l.Edits); err != nil {
			return nil, err
		}
		l.Since = time.UnixMicro(since).UTC()
		found = append(found, l)
	}
	return found, rows.Err()
}

// Count is how many of a site are open with one code, and how old the oldest is.
type Count struct {
	Tenant, Site, Code string
	Class              docklinev1.FaultClass
	Open               int64
	Oldest             time.Time
}

// Counts are those of all tenants, or of one, for metrics and alerts.
func Counts(ctx context.Context, tx *db.Tx, tenant string) ([]Count, error) {
	rows, err := tx.Query(ctx, `SELECT tenant, site, code, class, COUNT(*), MIN(since) FROM dead_letter WHERE state = ? AND (tenant = ? OR ? = '')
		GROUP BY tenant, site, code, class ORDER BY tenant, site, code, class`, Open, tenant, tenant)
	if err != nil {
		return nil, fmt.Errorf("count dead letters: %w", err)
	}
	defer rows.Close()
	var found []Count
	for rows.Next() {
		var c Count
		var oldest int64
		if err := rows.Scan(&c.Tenant, &c.Site, &c.Code, &c.Class, &c.Open, &oldest); err != nil {
			return nil, err
		}
		c.Oldest = time.UnixMicro(oldest).UTC()
		found = append(found, c)
	}
	return found, rows.Err()
}

// Edit is a correction that a person wrote.
type Edit struct {
	Version int64
	Event   []byte
	// Difference is one line for each field that it changed.
	Difference string
	By, Reason string
	At         time.Time
}

// Edits are the corrections of a dead letter, the newest last.
func Edits(ctx context.Context, tx *db.Tx, tenant, id string) ([]Edit, error) {
	rows, err := tx.Query(ctx, `SELECT version, body, difference, person, reason, at FROM dead_letter_edit WHERE tenant = ? AND event_id = ? ORDER BY version`, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("corrections: %w", err)
	}
	defer rows.Close()
	var found []Edit
	for rows.Next() {
		var e Edit
		var at int64
		if err := rows.Scan(&e.Version, &e.Event, &e.Difference, &e.By, &e.Reason, &at); err != nil {
			return nil, err
		}
		e.At = time.UnixMicro(at).UTC()
		found = append(found, e)
	}
	return found, rows.Err()
}

// Envelopes says how many envelopes of a tenant arrived whole and could not be read, by site.
func Envelopes(ctx context.Context, tx *db.Tx, tenant string) (map[string]int64, error) {
	rows, err := tx.Query(ctx, `SELECT site, COUNT(*) FROM gap WHERE tenant = ? AND cause = 'unreadable' AND closed_at = 0 GROUP BY site`, tenant)
	if err != nil {
		return nil, fmt.Errorf("unreadable envelopes: %w", err)
	}
	defer rows.Close()
	found := make(map[string]int64)
	for rows.Next() {
		var site string
		var n sql.NullInt64
		if err := rows.Scan(&site, &n); err != nil {
			return nil, err
		}
		found[site] = n.Int64
	}
	return found, rows.Err()
}
