package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/receipt"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

const (
	defaultPage = 1000
	// laneRows is how many rows about single events one write transaction of the lane holds.
	laneRows = 1000
	// laneTries is how often a decision is made anew because something that it looked at had changed when it was to be written.
	laneTries = 5
)

// RunLarge folds keys of very many facts until ctx ends, beside Run, which sets them apart.
func (w *Worker) RunLarge(ctx context.Context) error {
	return db.Poll(ctx, &w.wakeLarge, settle/2, w.Log, "fold large keys", func(ctx context.Context) (bool, error) {
		n, err := w.StepLarge(ctx)
		return n > 0, err
	})
}

// StepLarge folds one large key that is due, and returns how many it folded. Facts are read page by page, each page in a transaction of its
// own, and the fold is made while no transaction is open. What is written about single events goes in portions, and the state, with all that
// follows from it, in one short transaction, if what the decision looked at is still so.
func (w *Worker) StepLarge(ctx context.Context) (int, error) {
	t, err := w.turn(ctx)
	if err != nil || t == nil {
		return 0, err
	}
	done, err := w.foldLarge(ctx, t)
	var bad *foldError
	switch {
	case err == nil:
		w.count(done)
	case ctx.Err() != nil || !errors.As(err, &bad):
		w.giveBack(ctx, t)
		return 0, err
	default:
		if err := w.setAside(ctx, t.foldKey, bad, t.told); err != nil {
			return 0, err
		}
		w.count(Stats{Failed: 1})
		err := w.DB.Write(ctx, func(tx *db.Tx) error { return t.end(ctx, tx, w.now()) })
		if err != nil {
			return 0, err
		}
	}
	if w.Done != nil {
		w.Done()
	}
	return 1, nil
}

func (w *Worker) foldLarge(ctx context.Context, t *largeTurn) (Stats, error) {
	ready, err := w.bringUpLarge(ctx, t)
	if err != nil {
		return Stats{}, err
	}
	var facts *gathered
	if ready {
		if facts, ready, err = w.digestedFacts(ctx, t.foldKey); err != nil {
			return Stats{}, err
		}
	}
	if !ready {
		if facts, err = w.factsOf(ctx, t.foldKey); err != nil {
			return Stats{}, err
		}
	}
	for range laneTries {
		d, err := w.decideLarge(ctx, t.foldKey, facts)
		if err != nil {
			return Stats{}, err
		}
		if d.whole { // what follows asks for each
			if facts, err = w.factsOf(ctx, t.foldKey); err != nil {
				return Stats{}, err
			}
			if d, err = w.decideLarge(ctx, t.foldKey, facts); err != nil {
				return Stats{}, err
			}
		}
		if err := w.writeReasons(ctx, t, d); err != nil {
			return Stats{}, err
		}
		done, same, err := w.writeLarge(ctx, t, d)
		if err != nil || same {
			return done, err
		}
	}
	return Stats{}, fmt.Errorf("fold %s of %s: what it depends on changed %d times meanwhile; it is tried again", t.key, t.tenant, laneTries)
}

// decision is what was decided about a large key, and what it looked at.
type decision struct {
	*view
	out    *outcome
	count  int
	stored []posting.Entry
}

// decideLarge decides about a key in a transaction that only reads.
func (w *Worker) decideLarge(ctx context.Context, key foldKey, of *gathered) (*decision, error) {
	var d *decision
	err := w.DB.Read(ctx, func(tx *db.Tx) error {
		b := &batch{worker: w, tx: tx, now: w.now(), large: true}
		if err := b.loadLarge(ctx, key); err != nil {
			return err
		}
		v := &view{foldKey: key, ctx: ctx, batch: b, now: b.now, had: b.states[key], facts: slices.Clone(of.facts), own: int(of.size.Facts), size: of.size, stored: make(map[posting.Ref]posting.Entry)}
		d = &decision{view: v, count: int(of.size.Facts)}
		var err error
		if d.stored, err = posting.Of(ctx, tx, key.tenant, key.key); err != nil {
			return err
		}
		for _, e := range d.stored {
			v.stored[e.Ref] = e
		}
		if v.policy, err = b.policyOf(ctx, key); err != nil {
			return err
		}
		if d.out, err = v.decide(); err != nil {
			return &foldError{key, err}
		}
		if v.whole || d.out.frozen {
			return nil
		}
		if n := countFacts(of.facts); n > w.largeFrom() { // not where a few have very many lines
			v.tooMany(n)
		}
		b.noteReasons(key, d.out.reasons)
		return nil
	})
	return d, err
}

// loadLarge reads what a decision looks at, but for facts and postings.
func (b *batch) loadLarge(ctx context.Context, key foldKey) error {
	if err := b.loadLinks(ctx, []foldKey{key}); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	rows := rowsOf([]foldKey{key})
	for _, part := range []func(context.Context, [][]any) error{b.loadStates, b.loadReasons, b.loadWaits} {
		if err := part(ctx, rows); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	if err := b.loadExceptions(ctx, []foldKey{key}); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if err := b.loadClocks(ctx, []foldKey{key}); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	b.streams = make(map[siteKey][]streamRow)
	return b.loadCommands(ctx, []foldKey{key})
}

// writeReasons writes why events lead to no document, with their receipts, in portions. Should this end half way, the key is still due.
func (w *Worker) writeReasons(ctx context.Context, t *largeTurn, d *decision) error {
	portion := func(old, fresh [][]any) error {
		return w.DB.Write(ctx, func(tx *db.Tx) error {
			if err := tx.Lock(ctx, d.lock()); err != nil {
				return err
			}
			if err := t.renew(ctx, tx, w.now()); err != nil {
				return err
			}
			if err := tx.DeleteAll(ctx, "no_document", reasonKey, old); err != nil {
				return err
			}
			if err := tx.Upsert(ctx, db.Insert{Table: "no_document", Columns: append(slices.Clone(reasonKey), "reason"), Conflict: reasonKey, Update: []string{"reason"}, Rows: fresh}); err != nil {
				return err
			}
			var ids []string
			for _, row := range append(slices.Clone(old), fresh...) {
				ids = append(ids, row[1].(string))
			}
			return receipt.Refresh(ctx, tx, d.tenant, ids, w.inForce().OfRole(ownership.SystemOfRecord), w.now())
		})
	}
	for part := range slices.Chunk(d.batch.oldReasons, laneRows) {
		if err := portion(part, nil); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(d.batch.newReasons, laneRows) {
		if err := portion(nil, part); err != nil {
			return err
		}
	}
	return nil
}

var reasonKey = []string{"tenant", "event_id", "fold_key"}

// writeLarge writes all but the reasons, unless something that the decision looked at is no longer so.
func (w *Worker) writeLarge(ctx context.Context, t *largeTurn, d *decision) (done Stats, same bool, err error) {
	var b *batch
	var rest *posting.Rest
	err = w.DB.Write(ctx, func(tx *db.Tx) error {
		b = &batch{worker: w, tx: tx, now: d.now, large: true}
		same = false
		if err := tx.Lock(ctx, t.lock()); err != nil {
			return err
		}
		var err error
		if same, err = b.stillSo(ctx, d); err != nil || !same {
			return err
		}
		if err := b.claimDue(ctx, t.foldKey); err != nil {
			return err
		}
		b.factCount = d.count
		v := *d.view
		v.batch = b
		if err := b.note(ctx, &v, d.out); err != nil {
			return &foldError{t.foldKey, err}
		}
		if _, err := tx.Exec(ctx, `UPDATE digest SET folded = ? WHERE tenant = ? AND fold_key = ?`, d.count, t.tenant, t.key); err != nil {
			return err
		}
		b.postings.AtMost(laneRows)
		if err := b.writeWishes(ctx); err != nil {
			return &foldError{t.foldKey, err}
		}
		rest = b.postings.Rest()
		b.later = b.takeReceipts(laneRows)
		if err := b.write(ctx); err != nil {
			return err
		}
		if len(b.later) > 0 || rest.Len() > 0 {
			return nil
		}
		return t.end(ctx, tx, w.now())
	})
	if err != nil || !same {
		return Stats{}, same, err
	}
	done = b.done
	done.Folded = 1
	if len(b.later) == 0 && rest.Len() == 0 {
		return done, true, nil
	}
	return done, true, w.writeRest(ctx, t, rest, b.later)
}

// writeRest writes which events feed the postings, and their receipts, in portions.
func (w *Worker) writeRest(ctx context.Context, t *largeTurn, rest *posting.Rest, ids []string) error {
	for rest.Len() > 0 {
		part := rest.Take(laneRows)
		if err := w.DB.Write(ctx, func(tx *db.Tx) error {
			if err := t.renew(ctx, tx, w.now()); err != nil {
				return err
			}
			return part.Write(ctx, tx)
		}); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(ids, laneRows) {
		if err := w.DB.Write(ctx, func(tx *db.Tx) error {
			if err := t.renew(ctx, tx, w.now()); err != nil {
				return err
			}
			return receipt.Refresh(ctx, tx, t.tenant, part, w.inForce().OfRole(ownership.SystemOfRecord), w.now())
		}); err != nil {
			return err
		}
	}
	return w.DB.Write(ctx, func(tx *db.Tx) error { return t.end(ctx, tx, w.now()) })
}

// stillSo loads what is written to and says whether the decision would be made alike.
func (b *batch) stillSo(ctx context.Context, d *decision) (bool, error) {
	key, keys := d.foldKey, []foldKey{d.foldKey}
	rows := rowsOf(keys)
	for _, part := range []func(context.Context, [][]any) error{b.loadStates, b.loadWaits} {
		if err := part(ctx, rows); err != nil {
			return false, fmt.Errorf("load: %w", err)
		}
	}
	for _, part := range []func(context.Context, []foldKey) error{b.loadPostings, b.loadExceptions, b.loadCommands, b.loadClocks} {
		if err := part(ctx, keys); err != nil {
			return false, fmt.Errorf("load: %w", err)
		}
	}
	was := d.batch
	if !reflect.DeepEqual(was.states[key], b.states[key]) || !reflect.DeepEqual(was.commands[key], b.commands[key]) ||
		was.unmapped[key] != b.unmapped[key] || !maps.Equal(was.waits[key], b.waits[key]) {
		return false, nil
	}
	same := slices.EqualFunc(d.stored, b.postings.Of(key.posting()), func(x, y posting.Entry) bool {
		return x.Ref == y.Ref && x.State == y.State && x.ChangedAt.Equal(y.ChangedAt) && x.SourceVersion == y.SourceVersion && proto.Equal(x.Document, y.Document)
	})
	if !same {
		return false, nil
	}
	for site, id := range was.openings {
		v := &view{foldKey: key, ctx: ctx, batch: b, now: b.now}
		now, err := v.openedNow(site.site)
		if err != nil || now != id {
			return false, err
		}
	}
	// The reasons are written already.
	b.reasons = map[foldKey]map[string]string{key: d.out.reasons}
	return true, nil
}

// openedNow is openedBy, in a transaction that may wait for an opening which is folded at this moment.
func (v *view) openedNow(site string) (id string, err error) {
	defer func() {
		if fault, ok := recover().(viewFault); ok {
			err = fault.err
		}
	}()
	return v.openedBy(site), nil
}

// claimDue takes the marks of a large key that are not due: its fold asks anew for what it still waits for. Those that are due, or say that
// facts are new, are of something that came meanwhile.
func (b *batch) claimDue(ctx context.Context, key foldKey) error {
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "dirty", Columns: []string{"id", "due_at", "first_fact"}, Key: byKey, Rows: rowsOf([]foldKey{key}), Claim: true})
	if err != nil {
		return fmt.Errorf("claim marks: %w", err)
	}
	for _, row := range found {
		if row[1].(int64) > b.now.UnixMicro() && row[2].(int64) == noFact.first {
			b.marks = append(b.marks, row[0].(int64))
		}
	}
	return nil
}

// takeReceipts leaves at most n receipts to be written with the rest, and returns the others.
func (b *batch) takeReceipts(n int) (later []string) {
	for _, ids := range b.receipts {
		for id := range ids {
			if len(ids) <= n {
				break
			}
			later = append(later, id)
			delete(ids, id)
		}
	}
	slices.Sort(later)
	return later
}

// tooMany tells people that a key is folded apart. Such a key is mostly a source that uses one number for everything.
func (v *view) tooMany(n int) {
	many := 1
	for many*10 <= n {
		many *= 10
	}
	order := ""
	if kind, parts, err := event.ParseKey(v.key); err == nil && kind == state.KindOrder {
		order = parts[0]
	}
	v.raise(exception.Desired{Code: "very_many_events", Class: data, Subject: v.key, Order: order, Site: v.outcome.site, Customer: v.outcome.customer,
		Title: fmt.Sprintf("%s has more than %d events", v.key, many),
		Text: fmt.Sprintf("More than %d events name %s. It is brought up to date by itself, but apart from all others and only every so often, so what is shown of it may be some minutes behind. If that many are not meant to belong together, look whether a source gives the same number to different things.",
			many, v.key)})
}
