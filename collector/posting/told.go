package posting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Told is a posting with all that is needed to hold it against what its target has.
type Told struct {
	Entry
	// Place orders postings: it grows in the order in which they were first wanted.
	Place int64
	// Reference is what the target keeps of it.
	Reference string
	// Settled: the target confirmed what is wanted. Perhaps: it is not, and may have had its effect.
	Settled, Perhaps bool
	// Says is what the target should hold: what it confirmed, or else what is wanted.
	Says *docklinev1.Document
	// Bills is the goods issue that an invoice bills whole, nil for other postings.
	Bills *docklinev1.Document
	// Find is what the connector is given to look for it.
	Find *connector.Posting
	// EventIDs feed it; they are read only of what is not settled.
	EventIDs []string
}

// Which asks for the postings of a target and kind, in their order.
type Which struct {
	Tenant, Target string
	// Kind is "" only with Unsettled.
	Kind connector.Kind
	Site string
	// Since leaves out those that are confirmed and have not moved since then. Unsettled leaves out all that are confirmed. Keys asks for these
	// alone, whenever they moved.
	Since     time.Time
	Unsettled bool
	Keys      []string
	// After is the Place behind which they begin, Limit how many there are at most; default 500.
	After int64
	Limit int
}

// ToldTo returns postings with what their target should hold. Those that were superseded are not among them: they had no effect.
func ToldTo(ctx context.Context, tx *db.Tx, w Which) ([]Told, error) {
	rows, err := w.rows(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("postings of %s: %w", w.Target, err)
	}
	jobs := make([]job, len(rows))
	places := make([]place, len(rows))
	for i, r := range rows {
		jobs[i], places[i] = job{row: r}, r.place()
	}
	if err := tellWhat(ctx, tx, jobs); err != nil {
		return nil, err
	}
	needs, err := needsOfAll(ctx, tx, places)
	if err != nil {
		return nil, err
	}
	out := make([]Told, len(rows))
	for i, r := range rows {
		t := Told{Entry: r.Entry, Place: r.id, Reference: r.reference(), Says: r.Document, Find: jobs[i].posting, Perhaps: r.State != Planned && r.State != Ready && r.State != Rejected}
		if r.State == Confirmed && r.Booked != nil {
			t.Says, t.Settled, t.Perhaps = r.Booked, r.Wanted && (isChain(r) || r.hash == r.confirmedHash), false
		}
		if !t.Settled {
			if t.EventIDs, err = eventsOf(ctx, tx, r.Tenant, r.Ref); err != nil {
				return nil, err
			}
		}
		if bill := r.Document.GetInvoiceTrigger(); bill != nil && len(bill.GetLines()) == 0 {
			if t.Bills, err = billed(ctx, tx, r.Tenant, needs[places[i]]); err != nil {
				return nil, err
			}
		}
		out[i] = t
	}
	return out, nil
}

func (w Which) rows(ctx context.Context, tx *db.Tx) ([]*row, error) {
	if w.Keys != nil {
		return w.keyed(ctx, tx)
	}
	where, args := []string{"tenant = ?", "target = ?", "id > ?", "state <> 'superseded'"}, []any{w.Tenant, w.Target, w.After}
	if w.Kind != "" {
		where, args = append(where, "kind = ?"), append(args, w.Kind)
	}
	if w.Site != "" {
		where, args = append(where, "site = ?"), append(args, w.Site)
	}
	if w.Unsettled {
		where = append(where, "state <> 'confirmed'")
	} else if !w.Since.IsZero() {
		where, args = append(where, "(changed_at >= ? OR state <> 'confirmed')"), append(args, w.Since.UnixMicro())
	}
	if w.Limit == 0 {
		w.Limit = 500
	}
	return collect(tx.Query(ctx, `SELECT `+columns+` FROM posting WHERE `+strings.Join(where, " AND ")+` ORDER BY id LIMIT ?`, append(args, w.Limit)...))
}

// keyed looks for those of some keys; one that has none is left out.
func (w Which) keyed(ctx context.Context, tx *db.Tx) (rows []*row, err error) {
	l := db.Lookup{Table: "posting", Columns: columnNames, Key: keyColumns}
	for _, key := range w.Keys {
		l.Rows = append(l.Rows, []any{key, string(w.Kind), w.Target, w.Tenant})
	}
	found, err := tx.Lookup(ctx, l)
	if err != nil {
		return nil, err
	}
	for _, v := range found {
		r := new(row)
		if err := r.fill(v); err != nil {
			return nil, err
		}
		if r.State != Superseded {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return int(a.id - b.id) })
	return rows, nil
}

// billed is the goods issue among what an invoice needs, nil where there is none.
func billed(ctx context.Context, tx *db.Tx, tenant string, needs []Ref) (*docklinev1.Document, error) {
	for _, need := range needs {
		if need.Kind != connector.GoodsIssue {
			continue
		}
		rows, err := Which{Tenant: tenant, Target: need.Target, Kind: need.Kind, Keys: []string{need.Key}}.rows(ctx, tx)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		if rows[0].Booked != nil {
			return rows[0].Booked, nil
		}
		return rows[0].Document, nil
	}
	return nil, nil
}

// MayTellAgain says whether what was confirmed can be told once more without a second effect, should the target not have it any longer: a status,
// which is restated, and a document that is looked for before it is made. The target's own documents, which are brought on, and the parts of a
// variance are for a person.
func MayTellAgain(kind connector.Kind, style connector.Style) bool {
	return style == connector.Level || style == connector.CreateOnce && kind != connector.StockAdjustment
}

// TellAgain plans a confirmed posting once more: its target was looked at, and does not hold what it confirmed. version is that of the status which
// it shows, 0 for none. It is false where the posting has moved on, or must not be told again; the sender looks for a document before it makes it.
func TellAgain(ctx context.Context, tx *db.Tx, tenant string, ref Ref, version int64, now time.Time) (bool, error) {
	r, err := hold(ctx, tx, tenant, ref)
	if err != nil || r == nil {
		return false, err
	}
	if r.repostable() != nil || !MayTellAgain(r.Kind, r.Style) {
		return false, nil
	}
	return true, r.planAgain(ctx, tx, version, now)
}

// planAgain plans what was confirmed once more. One that was confirmed is looked for before anything is done (Sender.call).
func (r *row) planAgain(ctx context.Context, tx *db.Tx, version int64, now time.Time) error {
	if r.Style == connector.Level {
		r.SourceVersion = max(r.SourceVersion, version) + 1
	}
	micros := now.UnixMicro()
	if err := r.plan(micros); err != nil {
		return err
	}
	if err := r.save(ctx, tx, micros); err != nil {
		return err
	}
	return promote(ctx, tx, micros, `t.tenant = ? AND t.fold_key = ?`, r.Tenant, r.FoldKey)
}

// First is when a target was first to be told anything, zero where it never was.
func First(ctx context.Context, tx *db.Tx, tenant, target string) (time.Time, error) {
	var created int64
	err := tx.QueryRow(ctx, `SELECT created_at FROM posting WHERE tenant = ? AND target = ? ORDER BY id LIMIT 1`, tenant, target).Scan(&created)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return at(created), err
}
