package exception

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Note is something that was said or done about an exception, by a person or by itself.
type Note struct {
	At time.Time `json:"at"`
	// Kind is comment, act, escalated, reopened or snooze_ended.
	Kind string `json:"kind"`
	// Person is "" where nobody did it.
	Person string `json:"person,omitempty"`
	Text   string `json:"text"`
}

// Kinds of notes.
const (
	NoteComment     = "comment"
	NoteAct         = "act"
	NoteEscalated   = "escalated"
	NoteReopened    = "reopened"
	NoteSnoozeEnded = "snooze_ended"
)

// note appends to what was said about an exception.
func note(ctx context.Context, tx *db.Tx, e *Exception, n Note) error {
	_, err := tx.Exec(ctx, `INSERT INTO exception_note (tenant, number, at, kind, person, text) VALUES (?, ?, ?, ?, ?, ?)`,
		e.Tenant, e.Number, n.At.UnixMicro(), n.Kind, storable(n.Person), storable(n.Text))
	if err != nil {
		return fmt.Errorf("note on exception %d: %w", e.Number, err)
	}
	return nil
}

// Notes returns what was said and done about an exception, the oldest first.
func Notes(ctx context.Context, tx *db.Tx, tenant string, number uint64) ([]Note, error) {
	rows, err := tx.Query(ctx, `SELECT at, kind, person, text FROM exception_note WHERE tenant = ? AND number = ? ORDER BY id`, tenant, number)
	if err != nil {
		return nil, fmt.Errorf("notes on exception %d: %w", number, err)
	}
	defer rows.Close()
	var found []Note
	for rows.Next() {
		var n Note
		var at int64
		if err := rows.Scan(&at, &n.Kind, &n.Person, &n.Text); err != nil {
			return nil, err
		}
		n.At = fromMicros(at)
		found = append(found, n)
	}
	return found, rows.Err()
}
