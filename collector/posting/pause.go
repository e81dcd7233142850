package posting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
)

// Pause is a target to which nothing is sent, and of which nothing is asked, because a person said so.
type Pause struct {
	Tenant string    `json:"tenant"`
	Target string    `json:"target"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Say is who does something about postings, and why.
type Say struct{ Tenant, By, Reason string }

// may asks whether the person may act on postings; record keeps what he did.
func (p Say) may(ctx context.Context, tx *db.Tx) error {
	if p.Reason == "" {
		return errors.New("say why: it is kept with what was done")
	}
	return people.Allow(ctx, tx, p.Tenant, p.By, people.PostingAct)
}

func (p Say) record(ctx context.Context, tx *db.Tx, action, object string, detail any, now time.Time) error {
	return audit.Record(ctx, tx, audit.Act{Tenant: p.Tenant, By: p.By, Action: action, Object: object, Reason: p.Reason, Detail: detail}, now)
}

// Hold has nothing sent to a target until Resume. What is under way is settled first.
func Hold(ctx context.Context, tx *db.Tx, p Say, target string, now time.Time) error {
	if err := p.may(ctx, tx); err != nil {
		return err
	}
	if held, err := PauseOf(ctx, tx, target); err != nil || held != nil {
		if held != nil {
			return fmt.Errorf("%s is paused already, by %s since %s: %s", target, held.By, held.At.Format(time.RFC3339), held.Reason)
		}
		return err
	}
	if err := tx.InsertAll(ctx, db.Insert{Table: "posting_pause", Columns: []string{"target", "tenant", "paused_by", "reason", "paused_at"},
		Rows: [][]any{{target, p.Tenant, p.By, p.Reason, now.UnixMicro()}}}); err != nil {
		return fmt.Errorf("pause %s: %w", target, err)
	}
	return p.record(ctx, tx, "posting.pause", target, nil, now)
}

// Resume has a paused target told again.
func Resume(ctx context.Context, tx *db.Tx, p Say, target string, now time.Time) error {
	if err := p.may(ctx, tx); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `DELETE FROM posting_pause WHERE target = ? AND tenant = ?`, target, p.Tenant)
	if err != nil {
		return fmt.Errorf("resume %s: %w", target, err)
	}
	if n == 0 {
		return fmt.Errorf("%s is not paused", target)
	}
	return p.record(ctx, tx, "posting.resume", target, nil, now)
}

// PauseOf is the pause of a target, nil for none.
func PauseOf(ctx context.Context, tx *db.Tx, target string) (*Pause, error) {
	p := &Pause{Target: target}
	var since int64
	err := tx.QueryRow(ctx, `SELECT tenant, paused_by, reason, paused_at FROM posting_pause WHERE target = ?`, target).Scan(&p.Tenant, &p.By, &p.Reason, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pause of %s: %w", target, err)
	}
	p.At = at(since)
	return p, nil
}
