package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// books is the part of the stock ledger that a batch reads and writes: accounts that it has locked, what these hold, and rows that are not
// written yet.
type books struct {
	accounts map[foldKey]*account
	// inBatch are the keys that the batch folds.
	inBatch map[foldKey]bool
	fresh   []entry
}

// account is what the tables say of one account, and what the batch has made of it.
type account struct {
	foldKey
	kind, site, item string
	moved, balance   int64
	changed          bool
	closings         []*closing
}

// closing is what movements had brought into a bucket by the moment of one of its counts.
type closing struct {
	at    state.Moment
	moved int64
	near  []string
	// uncertainty is for how inexact clocks near was looked up, below zero where it must be done anew.
	uncertainty time.Duration
	stored      bool
	changed     bool
	used        bool
}

// entry is a row on its way into the ledger.
type entry struct {
	tenant, record, policy string
	own                    bool
	row                    *docklinev1.LedgerRow
}

// book notes rows of the ledger.
func (b *books) book(v *view, own bool, rows []*docklinev1.LedgerRow) {
	for _, row := range rows {
		b.fresh = append(b.fresh, entry{v.tenant, v.key, v.policy.Version, own, row})
	}
}

// kept tells whether an account is a bucket that is folded. What is picked is not: it has no bin that could be counted, and every pick touches it.
func kept(account string) bool {
	if !strings.HasPrefix(account, state.KindStock+"/") {
		return false
	}
	b, err := state.ParseBucket(account)
	return err == nil && (b.Bin != "" || b.Status != state.StatusPicked)
}

// openBooks locks every account that the batch writes to, in one order, and brings in what the movements of the batch have moved: the
// buckets of the batch are folded on top of that.
func (b *batch) openBooks(ctx context.Context, stock []foldKey) error {
	b.accounts = make(map[foldKey]*account)
	for _, e := range b.fresh {
		b.open(e.tenant, e.row.GetFrom())
		b.open(e.tenant, e.row.GetTo())
	}
	for _, key := range stock {
		bucket, err := state.ParseBucket(key.key)
		if err != nil {
			return &foldError{key, err}
		}
		b.open(key.tenant, key.key)
		b.open(key.tenant, state.AccountKey(state.AccountAdjustment, bucket.Site, bucket.Item))
	}
	if len(b.accounts) == 0 {
		return nil
	}
	if err := b.loadAccounts(ctx); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return b.bringIn(ctx)
}

func (b *batch) open(tenant, name string) {
	key := foldKey{tenant, name}
	if b.accounts[key] != nil {
		return
	}
	a := &account{foldKey: key}
	if kind, parts, err := event.ParseKey(name); err == nil && kind == state.KindStock {
		a.kind, a.site, a.item = parts[4], parts[0], parts[2]
	} else if err == nil {
		a.kind, a.site, a.item = parts[0], parts[1], parts[2]
	}
	b.accounts[key] = a
}

func (b *batch) loadAccounts(ctx context.Context) error {
	keys := slices.SortedFunc(maps.Keys(b.accounts), compareKeys)
	locks := make([]string, len(keys))
	var counted [][]any
	for i, key := range keys {
		locks[i] = "ledger/" + key.tenant + "/" + key.key
		if kept(key.key) {
			counted = append(counted, []any{key.tenant, key.key})
		}
	}
	if err := b.tx.LockAll(ctx, locks); err != nil {
		return err
	}
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "ledger_account", Columns: []string{"tenant", "account", "moved", "balance"}, Key: byAccount, Rows: rowsOf(keys)})
	if err != nil {
		return err
	}
	for _, row := range found {
		a := b.accounts[keyOf(row)]
		a.moved, a.balance = row[2].(int64), row[3].(int64)
	}
	found, err = b.tx.Lookup(ctx, db.Lookup{Table: "ledger_closing", Columns: append(slices.Clone(closingKey), "moved", "near_ids", "uncertainty"), Key: byAccount, Rows: counted})
	if err != nil {
		return err
	}
	for _, row := range found {
		a := b.accounts[keyOf(row)]
		a.closings = append(a.closings, &closing{at: state.Moment{Source: row[2].(string), Movement: uint64(row[3].(int64)), At: time.UnixMicro(row[4].(int64)).UTC()},
			moved: row[5].(int64), near: strings.Fields(row[6].(string)), uncertainty: time.Duration(row[7].(int64)) * time.Microsecond, stored: true})
	}
	return nil
}

var (
	byAccount  = []string{"tenant", "account"}
	closingKey = []string{"tenant", "account", "source", "movement", "at"}
)

// bringIn writes the rows noted so far, and adds them to their accounts and to the closings that they were before.
func (b *batch) bringIn(ctx context.Context) error {
	rows := b.fresh
	b.fresh = nil
	for _, e := range rows {
		at := state.MomentOfRow(e.row)
		for _, name := range []string{e.row.GetFrom(), e.row.GetTo()} {
			b.accounts[foldKey{e.tenant, name}].add(at, state.InAccount(e.row, name), e.own)
		}
	}
	return b.writeRows(ctx, rows)
}

// add brings a quantity into an account. A movement that happened before a closing, or that the clocks cannot tell from it, opens it again.
func (a *account) add(at state.Moment, quantity int64, own bool) {
	a.changed = true
	a.balance += quantity
	if own {
		return
	}
	a.moved += quantity
	for _, c := range a.closings {
		if at.Compare(c.at) <= 0 {
			c.moved, c.changed = c.moved+quantity, true
		}
		if c.uncertainty >= 0 && at.Tied(c.at, c.uncertainty) {
			c.uncertainty, c.changed = -1, true
		}
	}
}

func (b *batch) writeRows(ctx context.Context, entries []entry) error {
	ids, err := b.tx.NextIDs(ctx, "ledger", "id", len(entries))
	if err != nil {
		return err
	}
	ins := db.Insert{Table: "ledger", Columns: []string{"id", "tenant", "record", "event_id", "item", "from_account", "to_account", "quantity", "occurred_at", "source",
		"movement", "count_number", "own", "from_kept", "to_kept", "policy_version", "written_at"}}
	for i, e := range entries {
		r := e.row
		ins.Rows = append(ins.Rows, []any{ids[i], e.tenant, e.record, r.GetEventId(), r.GetItem(), r.GetFrom(), r.GetTo(), r.GetQuantity(),
			r.GetOccurredAt().AsTime().UnixMicro(), r.GetSource(), int64(r.GetMovement()), r.GetCount(), flag(e.own), flag(kept(r.GetFrom())), flag(kept(r.GetTo())),
			e.policy, b.now.UnixMicro()})
	}
	return b.tx.InsertAll(ctx, ins)
}

func flag(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// closeBooks writes the rows of the buckets themselves, and what the accounts hold now.
func (b *batch) closeBooks(ctx context.Context) error {
	if len(b.accounts) == 0 {
		return nil
	}
	if err := b.bringIn(ctx); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	held := db.Insert{Table: "ledger_account", Columns: []string{"tenant", "account", "kind", "site", "item", "moved", "balance", "changed_at"}, Conflict: byAccount,
		Update: []string{"moved", "balance", "changed_at"}}
	closed := db.Insert{Table: "ledger_closing", Columns: append(slices.Clone(closingKey), "moved", "near_ids", "uncertainty"), Conflict: closingKey,
		Update: []string{"moved", "near_ids", "uncertainty"}}
	var dropped [][]any
	for _, key := range slices.SortedFunc(maps.Keys(b.accounts), compareKeys) {
		a := b.accounts[key]
		if a.changed {
			held.Rows = append(held.Rows, []any{a.tenant, a.key, a.kind, a.site, a.item, a.moved, a.balance, b.now.UnixMicro()})
		}
		for _, c := range a.closings {
			name := []any{a.tenant, a.key, c.at.Source, int64(c.at.Movement), c.at.At.UnixMicro()}
			switch {
			case b.inBatch[key] && !c.used:
				if c.stored {
					dropped = append(dropped, name)
				}
			case c.changed:
				closed.Rows = append(closed.Rows, append(name, c.moved, strings.Join(c.near, " "), c.uncertainty.Microseconds()))
			}
		}
	}
	if err := b.tx.DeleteAll(ctx, "ledger_closing", closingKey, dropped); err != nil {
		return err
	}
	if err := b.tx.Upsert(ctx, closed); err != nil {
		return err
	}
	return b.tx.Upsert(ctx, held)
}

// accountBook is the book of a bucket, from the tables.
type accountBook struct {
	*account
	view        *view
	uncertainty time.Duration
}

// Moved is what all movements have brought.
func (b accountBook) Moved() int64 { return b.moved }

// Through is what they had brought by a moment.
func (b accountBook) Through(at state.Moment) int64 { return b.closing(at).moved }

// Near are those that the clocks cannot tell from a moment.
func (b accountBook) Near(at state.Moment) []string {
	c := b.closing(at)
	if c.uncertainty != b.uncertainty {
		c.near = must(b.view.near(b.foldKey, at, b.uncertainty))
		c.uncertainty, c.changed = b.uncertainty, true
	}
	return c.near
}

// closing finds what had been moved by a moment. Where it was not asked for before, all that came after it is taken from the whole.
func (b accountBook) closing(at state.Moment) *closing {
	i := slices.IndexFunc(b.closings, func(c *closing) bool {
		return c.at.Source == at.Source && c.at.Movement == at.Movement && c.at.At.Equal(at.At)
	})
	if i < 0 {
		after := must(b.view.movedAfter(b.foldKey, at))
		b.closings = append(b.closings, &closing{at: at, moved: b.moved - after, uncertainty: -1, changed: true})
		i = len(b.closings) - 1
	}
	b.closings[i].used = true
	return b.closings[i]
}

// movedAfter adds up what movements brought into a bucket after a moment: those that the moment's source numbered by number, all others by
// time.
func (v *view) movedAfter(key foldKey, at state.Moment) (sum int64, err error) {
	source := ""
	if at.Movement > 0 {
		source = at.Source
	}
	var parts []string
	var args []any
	for _, side := range []struct{ column, kept, sign string }{{"to_account", "to_kept", ""}, {"from_account", "from_kept", "-"}} {
		part := `SELECT COALESCE(SUM(` + side.sign + `quantity), 0) AS n FROM ledger WHERE tenant = ? AND ` + side.column + ` = ? AND ` + side.kept + ` = 1 AND own = 0`
		parts = append(parts, part+` AND occurred_at > ? AND NOT (movement > 0 AND source = ?)`)
		args = append(args, key.tenant, key.key, at.At.UnixMicro(), source)
		if source != "" {
			parts = append(parts, part+` AND source = ? AND movement > 0 AND movement > ?`)
			args = append(args, key.tenant, key.key, source, int64(at.Movement))
		}
	}
	err = v.batch.tx.QueryRow(v.ctx, `SELECT CAST(SUM(n) AS BIGINT) FROM (`+strings.Join(parts, ` UNION ALL `)+`) AS sides`, args...).Scan(&sum)
	if err != nil {
		err = fmt.Errorf("what moved at %s after a count: %w", key.key, err)
	}
	return sum, err
}

// near are the events in force that moved something at a bucket within uncertainty of a moment, and are not numbered by its source.
func (v *view) near(key foldKey, at state.Moment, uncertainty time.Duration) ([]string, error) {
	source := ""
	if at.Movement > 0 {
		source = at.Source
	}
	var parts []string
	var args []any
	for _, side := range []struct{ column, kept, sign string }{{"to_account", "to_kept", ""}, {"from_account", "from_kept", "-"}} {
		parts = append(parts, `SELECT event_id, occurred_at, movement, source, `+side.sign+`quantity AS n FROM ledger WHERE tenant = ? AND `+side.column+` = ? AND `+side.kept+` = 1
			AND own = 0 AND occurred_at >= ? AND occurred_at <= ?`)
		args = append(args, key.tenant, key.key, at.At.Add(-uncertainty).UnixMicro(), at.At.Add(uncertainty).UnixMicro())
	}
	rows, err := v.batch.tx.Query(v.ctx, `SELECT event_id FROM (`+strings.Join(parts, ` UNION ALL `)+`) AS sides WHERE NOT (movement > 0 AND source = ?)
		GROUP BY event_id, occurred_at, movement, source HAVING SUM(n) <> 0 ORDER BY event_id`, append(args, source)...)
	if err != nil {
		return nil, fmt.Errorf("what moved at %s about the time of a count: %w", key.key, err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return slices.Compact(ids), rows.Err()
}
