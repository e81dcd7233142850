package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Key is a fold key of a tenant, for those outside.
type Key struct {
	Tenant, Key string
}

// FactRow is a fact as its row should be; Body is nil where there should be none.
type FactRow struct {
	LogID, Ordinal, Seq int64
	Body                []byte
}

// Refolded is what folding a key anew, beside what there is, came to.
type Refolded struct {
	Key
	// Facts is how many were folded.
	Facts int
	// Pending: something that was told is not folded yet, so nothing can be said.
	Pending bool
	// Stored and Hash are the hashes of the state that there is and of the one folded anew.
	Stored, Hash string
	// Unreadable: the body of the state cannot be read, so that it must go before the key can be folded.
	Unreadable bool
	// Differences say how what there is differs, for people; none where it does not.
	Differences []string
}

// Keys names up to most fold keys behind one, in their order: those that have facts or a state.
func Keys(ctx context.Context, d *db.DB, after Key, most int) ([]Key, error) {
	var found []Key
	err := d.Read(ctx, func(tx *db.Tx) error {
		found = nil
		for _, query := range []string{`SELECT tenant, fold_key FROM state`, `SELECT DISTINCT tenant, fold_key FROM fact`} {
			rows, err := tx.Query(ctx, query+` WHERE (tenant, fold_key) > (?, ?) ORDER BY tenant, fold_key LIMIT ?`, after.Tenant, after.Key, most)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var key Key
				if err := rows.Scan(&key.Tenant, &key.Key); err != nil {
					return err
				}
				found = append(found, key)
			}
			if err := rows.Err(); err != nil {
				return err
			}
			rows.Close()
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("fold keys: %w", err)
	}
	slices.SortFunc(found, func(a, b Key) int { return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Key, b.Key)) })
	found = slices.Compact(found)
	return found[:min(most, len(found))], nil
}

// Mark has keys folded again. Of those that are unreadable the state goes first.
func Mark(ctx context.Context, tx *db.Tx, keys, unreadable []Key) error {
	for _, key := range unreadable {
		if err := tx.Lock(ctx, foldKey{key.Tenant, key.Key}.lock()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM state WHERE tenant = ? AND fold_key = ?`, key.Tenant, key.Key); err != nil {
			return err
		}
	}
	marks := db.Insert{Table: "dirty", Columns: []string{"tenant", "fold_key"}}
	for _, key := range keys {
		marks.Rows = append(marks.Rows, []any{key.Tenant, key.Key})
	}
	return tx.InsertAll(ctx, marks)
}

// Compare folds keys anew and compares what follows with what there is. It only reads: a page of keys in one transaction, and a key of very
// many facts as StepLarge reads it. corrections replace facts of a key, by the number of their event.
func (w *Worker) Compare(ctx context.Context, keys []Key, corrections map[Key][]FactRow) ([]Refolded, error) {
	all := make([]foldKey, len(keys))
	for i, key := range keys {
		all[i] = foldKey{key.Tenant, key.Key}
	}
	var found []Refolded
	var large []foldKey
	err := w.DB.Read(ctx, func(tx *db.Tx) error {
		found, large = nil, nil
		rest, apart, err := w.apart(ctx, tx, all, false)
		if err != nil {
			return err
		}
		large = apart
		found, err = w.comparePages(ctx, tx, rest, refolding{corrections: corrections})
		return err
	})
	for i := 0; i < len(large) && err == nil; i++ {
		var one Refolded
		one, err = w.compareLarge(ctx, large[i], refolding{})
		found = append(found, one)
	}
	if err != nil {
		return nil, fmt.Errorf("compare states: %w", err)
	}
	slices.SortFunc(found, func(a, b Refolded) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Key.Key, b.Key.Key))
	})
	return found, nil
}

// refolding is how keys are folded anew: with which facts, under which policy (nil: that of each key), and who is told what came of it.
type refolding struct {
	corrections map[Key][]FactRow
	under       *policy.Policy
	told        func(v *view, out *outcome, stored []posting.Entry) error
}

// comparePages compares keys a portion at a time: each takes no more memory than a batch does.
func (w *Worker) comparePages(ctx context.Context, tx *db.Tx, portions [][]foldKey, how refolding) (found []Refolded, err error) {
	for _, keys := range portions {
		part, err := w.comparePage(ctx, tx, keys, how)
		if err != nil {
			return nil, err
		}
		found = append(found, part...)
	}
	return found, nil
}

func (w *Worker) comparePage(ctx context.Context, tx *db.Tx, keys []foldKey, how refolding) ([]Refolded, error) {
	archived, err := archivedAmong(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(slices.Clone(keys), func(key foldKey) bool { return archived[key] != 0 })
	b := &batch{worker: w, tx: tx, now: w.now(), large: true, under: how.under} // large: it only reads
	if err := b.loadLinks(ctx, keys); err != nil {
		return nil, err
	}
	all, rows := b.withLinked(keys), rowsOf(keys)
	if err := b.loadFacts(ctx, rowsOf(all)); err != nil {
		return nil, err
	}
	for _, part := range []func(context.Context, [][]any) error{b.loadStates, b.loadReasons, b.loadWaits} {
		if err := part(ctx, rows); err != nil {
			return nil, err
		}
	}
	for _, part := range []func(context.Context, []foldKey) error{b.loadExceptions, b.loadCommands, b.knowOpenings, b.loadClocks} {
		if err := part(ctx, keys); err != nil {
			return nil, err
		}
	}
	b.streams = make(map[siteKey][]streamRow)
	for _, key := range all {
		b.facts[key] = corrected(b.facts[key], how.corrections[Key{key.tenant, key.key}])
	}
	b.decode(keys)
	for _, part := range []func(context.Context, []foldKey) error{b.loadScans, b.sumAccounts} {
		if err := part(ctx, keys); err != nil {
			return nil, err
		}
	}
	pending, err := pendingOf(ctx, tx, keys, w.now().UnixMicro())
	if err != nil {
		return nil, err
	}
	var found []Refolded
	for _, key := range keys {
		r := Refolded{Key: Key{key.tenant, key.key}, Facts: len(b.facts[key]), Pending: pending[key]}
		if !r.Pending {
			if err := b.compare(ctx, key, &r, how); err != nil {
				return nil, err
			}
			if how.told == nil {
				differs, err := b.digestDiffers(ctx, key)
				if r.Differences = append(r.Differences, differs...); err != nil {
					return nil, err
				}
			}
		}
		found = append(found, r)
	}
	return found, nil
}

func corrected(rows []factRow, corrections []FactRow) []factRow {
	for _, c := range corrections {
		rows = slices.DeleteFunc(rows, func(r factRow) bool { return r.logID == c.LogID })
		if c.Body != nil {
			rows = append(rows, factRow{c.LogID, c.Ordinal, c.Seq, c.Body})
		}
	}
	return rows
}

// knowOpenings reads what opened the sites of stock keys, so that no fold waits for one that is written at this moment.
func (b *batch) knowOpenings(ctx context.Context, keys []foldKey) error {
	for _, key := range keys {
		bucket, err := state.ParseBucket(key.key)
		if err != nil {
			continue
		}
		at := siteKey{key.tenant, bucket.Site}
		if _, known := b.openings[at]; known {
			continue
		}
		v := &view{foldKey: key, ctx: ctx, batch: b, now: b.now}
		id, err := v.openingThere(bucket.Site)
		if err != nil {
			return err
		}
		b.opened(at, id)
	}
	return nil
}

func (v *view) openingThere(site string) (id string, err error) {
	defer func() {
		if fault, ok := recover().(viewFault); ok {
			err = fault.err
		}
	}()
	return v.storedOpening(site), nil
}

// sumAccounts adds up the rows of the ledger for the buckets among keys, rather than believe what is kept of their accounts.
func (b *batch) sumAccounts(ctx context.Context, keys []foldKey) error {
	b.accounts = make(map[foldKey]*account)
	for _, key := range keys {
		if !isStock(key.key) {
			continue
		}
		b.open(key.tenant, key.key)
		v := &view{foldKey: key, ctx: ctx, batch: b}
		var err error
		if b.accounts[key].moved, err = v.movedAfter(key, state.Moment{At: time.UnixMicro(math.MinInt64)}); err != nil {
			return err
		}
	}
	return nil
}

// pendingOf are the keys of which something is not folded yet. One that looks again within firstLook was folded beside what it looks for: that may
// have come in the meantime.
func pendingOf(ctx context.Context, tx *db.Tx, keys []foldKey, now int64) (map[foldKey]bool, error) {
	pending, soon := make(map[foldKey]bool), now+firstLook.Microseconds()
	for table, column := range map[string]string{"dirty": "due_at", "large_key": "since"} {
		rows, err := tx.Lookup(ctx, db.Lookup{Table: table, Columns: []string{"tenant", "fold_key", column}, Key: byKey, Rows: rowsOf(keys)})
		if err != nil {
			return nil, fmt.Errorf("what is not folded yet: %w", err)
		}
		for _, row := range rows {
			at := row[2].(int64)
			if table == "dirty" && at <= soon || table == "large_key" && at > 0 {
				pending[keyOf(row)] = true
			}
		}
	}
	return pending, nil
}

// compareLarge reads the facts of a key page by page, so it asks afterwards whether more was told meanwhile.
func (w *Worker) compareLarge(ctx context.Context, key foldKey, how refolding) (r Refolded, err error) {
	r.Key = Key{key.tenant, key.key}
	facts, err := w.factsOf(ctx, key)
	if err != nil {
		return r, err
	}
	r.Facts = int(facts.size.Facts)
	check, err := w.readDigestCheck(ctx, key)
	if err != nil {
		return r, err
	}
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		r.Differences = nil
		pending, err := pendingOf(ctx, tx, []foldKey{key}, w.now().UnixMicro())
		if r.Pending = pending[key]; err != nil || r.Pending {
			return err
		}
		var there int // what was told while the pages were read may be folded already
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM fact WHERE tenant = ? AND fold_key = ?`, key.tenant, key.key).Scan(&there); err != nil {
			return err
		}
		if r.Pending = there != r.Facts || check != nil && int64(there) != check.facts; r.Pending {
			return nil
		}
		b := &batch{worker: w, tx: tx, now: w.now(), large: true, factCount: r.Facts, under: how.under}
		if err := b.loadLarge(ctx, key); err != nil {
			return err
		}
		if err := b.knowOpenings(ctx, []foldKey{key}); err != nil {
			return err
		}
		b.decoded = map[foldKey]decoded{key: {facts: facts.facts, size: facts.size}}
		if err := b.compare(ctx, key, &r, how); err != nil || check == nil || how.told != nil {
			return err
		}
		differs, err := check.end(ctx, tx, b.folded(key))
		r.Differences = append(r.Differences, differs...)
		return err
	})
	return r, err
}

// compare folds one key and notes how what there is differs.
func (b *batch) compare(ctx context.Context, key foldKey, r *Refolded, how refolding) error {
	differ := func(format string, args ...any) { r.Differences = append(r.Differences, fmt.Sprintf(format, args...)) }
	v, err := b.view(ctx, key)
	if err != nil {
		differ("%v", err)
		return nil
	}
	v.own = r.Facts
	stored, err := posting.Of(ctx, b.tx, key.tenant, key.key)
	if err != nil {
		return err
	}
	v.stored = make(map[posting.Ref]posting.Entry)
	for _, e := range stored {
		v.stored[e.Ref] = e
	}
	out, err := v.decide()
	if err != nil {
		if r.Unreadable = isUnreadable(v); r.Unreadable {
			err = errors.New("the body of its state cannot be read")
		}
		differ("it cannot be folded: %v", err)
		return nil
	}
	if how.told != nil {
		return how.told(v, out, stored)
	}
	compareState(v, out, r, differ)
	if out.frozen {
		return nil
	}
	comparePostings(out, stored, differ)
	if !maps.Equal(b.reasons[key], out.reasons) {
		differ("why events lead to no document reads otherwise")
	}
	if hasClocks(key.key) {
		r.Differences = append(r.Differences, b.clocks.Differences(key.milestone(), out.clocks)...)
	}
	if len(out.links) > 0 {
		differ("of %d links it reads otherwise whether they hold", len(out.links))
	}
	return nil
}

// isUnreadable tells whether the body of a bucket's state, which its fold looks at, cannot be read.
func isUnreadable(v *view) bool {
	if v.had == nil || !isLedger(v.key) {
		return false
	}
	return proto.Unmarshal(v.had.body, &docklinev1.StockState{}) != nil
}

func compareState(v *view, out *outcome, r *Refolded, differ func(string, ...any)) {
	if out.state == nil {
		if v.had != nil {
			differ("there is a state, and nothing says so")
		}
		return
	}
	hash, err := state.Hash(out.state)
	if err != nil {
		differ("%v", err)
		return
	}
	r.Hash = hash
	if v.had == nil {
		differ("there is no state")
		return
	}
	r.Stored = v.had.hash
	is := out.state.ProtoReflect().New().Interface()
	told := ""
	err = proto.Unmarshal(v.had.body, is)
	r.Unreadable = err != nil
	if err == nil {
		told, _ = state.Hash(is) // "" differs from every hash
	}
	switch {
	case r.Stored != hash:
		differ("the state is another: %s", fieldsOf(is, out.state))
	case told != hash:
		differ("the state is not what its hash says: %s", fieldsOf(is, out.state))
	}
	for _, column := range []struct{ name, is, should string }{{"status", v.had.status, out.status}, {"site", v.had.site, out.site}, {"customer", v.had.customer, out.customer}} {
		if column.is != column.should {
			differ("%s is %q, should be %q", column.name, column.is, column.should)
		}
	}
	if facts := int64(r.Facts); v.had.factCount != facts {
		differ("it was folded from %d facts, there are %d", v.had.factCount, facts)
	}
}

// fieldsOf names the fields of two states that differ.
func fieldsOf(is, should proto.Message) string {
	var names []string
	fields := should.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !is.ProtoReflect().Get(f).Equal(should.ProtoReflect().Get(f)) {
			names = append(names, string(f.Name()))
		}
	}
	if len(names) == 0 {
		return "nothing but its form"
	}
	return strings.Join(names, ", ")
}

// comparePostings holds the postings that there are against those wanted. While something that may still come is waited for, one that is
// not wanted now may have been wanted before.
func comparePostings(out *outcome, stored []posting.Entry, differ func(string, ...any)) {
	have := make(map[posting.Ref]posting.Entry, len(stored))
	for _, e := range stored {
		have[e.Ref] = e
	}
	wanted := make(map[posting.Ref]bool)
	for _, d := range out.postings {
		wanted[d.Ref()] = true
		e, ok := have[d.Ref()]
		nothing := d.Kind == connector.StockAdjustment && d.Document.GetStockAdjustment().GetDelta() == "0"
		switch {
		case nothing, e.Waived:
		case !ok, e.State == posting.Superseded:
			differ("posting %s is wanted and not there", d.Ref())
		case !proto.Equal(e.Document, d.Document):
			differ("posting %s is another: %s", d.Ref(), posting.Difference(e.Document, d.Document))
		}
	}
	for _, e := range stored {
		if e.Wanted && e.State != posting.Superseded && !wanted[e.Ref] && e.Follows == "" && len(out.waits) == 0 {
			differ("posting %s is there and not wanted", e.Ref)
		}
	}
}
