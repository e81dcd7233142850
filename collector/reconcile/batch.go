package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// due names the next keys to fold, the longest waiting first. Movements of stock, which have a key for each record and are marked due at 1, do
// not hold up orders and counts, nor these them: either has half of a batch where both wait.
func (w *Worker) due(ctx context.Context, tx *db.Tx) ([]foldKey, error) {
	limit := cmp.Or(w.Batch, defaultBatch)
	w.lying.look(w.now())
	first, err := w.waiting(ctx, tx, `due_at = 0`, limit)
	if err != nil {
		return nil, err
	}
	rest, err := w.waiting(ctx, tx, `due_at > 0 AND due_at <= ?`, limit, w.now().UnixMicro())
	if err != nil {
		return nil, err
	}
	half := max(limit-len(rest), (limit+1)/2)
	keys, seen := make([]foldKey, 0, limit), make(map[foldKey]bool)
	for _, key := range append(first[:min(len(first), half)], rest...) {
		if !seen[key] && len(keys) < limit {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// waiting names distinct keys with marks for which a condition holds.
func (w *Worker) waiting(ctx context.Context, tx *db.Tx, where string, limit int, args ...any) ([]foldKey, error) {
	rows, err := tx.Query(ctx, `SELECT tenant, fold_key, id FROM dirty WHERE `+where+` ORDER BY due_at, id LIMIT ?`, append(args, 4*limit)...)
	if err != nil {
		return nil, fmt.Errorf("due keys: %w", err)
	}
	defer rows.Close()
	var keys, left []foldKey
	seen := make(map[foldKey]bool)
	for rows.Next() {
		var key foldKey
		var mark int64
		if err := rows.Scan(&key.tenant, &key.key, &mark); err != nil {
			return nil, err
		}
		switch {
		case seen[key] || len(keys) >= limit:
		case w.Mine == nil || w.Mine(key.lock()):
			seen[key] = true
			keys = append(keys, key)
		case w.lying.left(mark) && len(left) < limit:
			seen[key] = true
			left = append(left, key)
		}
	}
	if len(keys) == 0 {
		keys = left
	}
	return keys, rows.Err()
}

// batch is one transaction: what it read about its keys, and what it will write.
type batch struct {
	worker *Worker
	tx     *db.Tx
	now    time.Time
	done   Stats
	known
	decoded map[foldKey]decoded
	writes
	books

	// large: it is of one large key, whose facts, factCount of them, are not in the batch; later are events whose receipts are written afterwards.
	large     bool
	factCount int
	later     []string

	// told is which facts of keys are new by their marks; digests are those that keys have, and parked the
	// keys that are to be, with what is new of them.
	told    map[foldKey]spans
	digests map[foldKey]*digest
	parked  map[foldKey]span
	// under is the policy to fold under, only to see what would follow; nil is that of each key.
	under *policy.Policy
	// present is the policy in force, and activated what came in force when, both as far as they were asked for.
	present   *policy.Policy
	activated map[string][]activation
}

// run folds keys. Marks are read before facts: what comes in between leaves a mark of its own.
func (b *batch) run(ctx context.Context, keys []foldKey) error {
	slices.SortFunc(keys, compareKeys)
	locks := make([]string, len(keys))
	for i, key := range keys {
		locks[i] = key.lock()
	}
	if err := b.tx.LockAll(ctx, locks); err != nil {
		return err
	}
	keys, err := b.openDigests(ctx, keys)
	if err != nil {
		return err
	}
	claimed, err := b.claim(ctx, keys)
	if err != nil || len(claimed) == 0 {
		return err
	}
	fold, err := b.leaveArchived(ctx, slices.Clone(claimed))
	if err != nil {
		return err
	}
	marked, err := b.load(ctx, fold)
	if err != nil {
		return err
	}
	b.decode(marked)
	if err := b.loadScans(ctx, marked); err != nil {
		return err
	}
	if err := b.each(ctx, marked); err != nil {
		return err
	}
	if err := b.writeWishes(ctx); err != nil {
		if len(claimed) == 1 {
			return &foldError{claimed[0], err} // of several the culprit is found one by one
		}
		return err
	}
	b.done.Folded = int64(len(claimed))
	return b.write(ctx)
}

// each folds keys: those of buckets after all others, on top of what the movements among these have moved.
func (b *batch) each(ctx context.Context, keys []foldKey) error {
	b.inBatch = make(map[foldKey]bool, len(keys))
	var stock []foldKey
	for _, key := range keys {
		b.inBatch[key] = true
		if isStock(key.key) {
			stock = append(stock, key)
		} else if err := b.one(ctx, key); err != nil {
			return err
		}
	}
	if err := b.openBooks(ctx, stock); err != nil {
		return err
	}
	for _, key := range stock {
		if err := b.one(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// claim takes the marks of keys, also those that are not due yet: the fold asks anew for what it still waits for. It returns the
// keys that have any.
func (b *batch) claim(ctx context.Context, keys []foldKey) ([]foldKey, error) {
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "dirty", Columns: []string{"id", "tenant", "fold_key", "first_fact", "last_fact"}, Key: byKey, Rows: rowsOf(keys), Claim: true})
	if err != nil {
		return nil, fmt.Errorf("claim marks: %w", err)
	}
	marked := make(map[foldKey]bool)
	b.told = make(map[foldKey]spans)
	for _, row := range found {
		key := keyOf(row[1:])
		b.marks = append(b.marks, row[0].(int64))
		marked[key] = true
		b.told[key] = append(b.told[key], span{row[3].(int64), row[4].(int64)})
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key foldKey) bool { return !marked[key] }), nil
}

// one folds one key and notes what is to be written.
func (b *batch) one(ctx context.Context, key foldKey) error {
	v, err := b.view(ctx, key)
	if err != nil {
		return err
	}
	out, err := v.decide()
	if err == nil && v.whole {
		ok, err := b.readWhole(ctx, key)
		if err != nil || !ok {
			return err
		}
		if v, err = b.view(ctx, key); err != nil {
			return err
		}
		if out, err = v.decide(); err != nil {
			return &foldError{key, err}
		}
	}
	if err == nil && !out.frozen && b.digests[key] != nil && v.count > b.worker.largeFrom() {
		v.tooMany(v.count)
	}
	if err == nil {
		err = b.note(ctx, v, out)
	}
	if err == nil {
		err = b.keepDigest(ctx, v)
	}
	if err != nil {
		return &foldError{key, err}
	}
	return nil
}

// view gathers what the decision about a key may look at.
func (b *batch) view(ctx context.Context, key foldKey) (*view, error) {
	v := &view{foldKey: key, ctx: ctx, batch: b, now: b.now, had: b.states[key]}
	var err error
	if v.policy, err = b.policyOf(ctx, key); err != nil {
		return nil, err
	}
	v.own = len(b.facts[key])
	if d := b.digests[key]; d != nil {
		v.own = int(d.count())
	}
	v.facts, v.size, err = b.decoded[key].facts, b.decoded[key].size, b.decoded[key].err
	return v, err
}

// decoded are the facts of a key, or why they cannot be read.
type decoded struct {
	facts []state.Fact
	size  state.Size
	err   error
}

// decode reads the facts of keys, by all processors: it is as much work as the folds themselves. Its goroutines end before it returns.
func (b *batch) decode(keys []foldKey) {
	list := make([]decoded, len(keys))
	workers := runtime.GOMAXPROCS(0)
	var busy sync.WaitGroup
	for n := range workers {
		busy.Go(func() {
			for i := n; i < len(keys); i += workers {
				list[i] = b.decodeKey(keys[i], b.digests[keys[i]])
			}
		})
	}
	busy.Wait()
	b.decoded = make(map[foldKey]decoded, len(keys))
	for i, key := range keys {
		b.decoded[key] = list[i]
	}
}

// decodeKey reads the facts of a key, where it has a digest those apart with what stands for the others, and those that come to it through links.
func (b *batch) decodeKey(key foldKey, of *digest) decoded {
	rows := b.facts[key]
	d := decoded{facts: make([]state.Fact, 0, len(rows))}
	add := func(via string, rows []factRow) {
		for _, raw := range rows {
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(raw.body, e); err != nil {
				d.err = &foldError{key, fmt.Errorf("a fact cannot be read: %w", err)}
				return
			}
			d.facts = appendFact(d.facts, key, state.Fact{EpochOrdinal: uint64(raw.ordinal), Seq: uint64(raw.seq), Event: e, Via: via})
		}
	}
	add("", rows)
	if of != nil {
		d.facts = of.appendGroups(d.facts)
	}
	for _, via := range linkedKeys(b.links[key]) {
		add(via, b.facts[foldKey{key.tenant, via}])
	}
	if foldedApart(key.key) {
		for _, fact := range d.facts {
			d.size.Add(fact)
		}
	}
	return d
}

// setAside makes an exception of a key that cannot be folded, and has it tried again later, with what was told of it beside its marks.
func (w *Worker) setAside(ctx context.Context, key foldKey, bad *foldError, told span) error {
	if w.Log != nil {
		w.Log.Error("cannot fold", "key", key.key, "err", bad.err)
	}
	desired := exception.Desired{Code: codeFoldFailed, Subject: key.key, Class: technical, Title: "The facts of " + key.key + " cannot be folded",
		Text: fmt.Sprintf("%v. Nothing that follows from its facts is done until this is put right; it is tried again every minute.", bad.err)}.Owned(w.inForce(), key.tenant)
	return w.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, key.lock()); err != nil {
			return err
		}
		b := &batch{worker: w, tx: tx, now: w.now()}
		if _, err := b.claim(ctx, []foldKey{key}); err != nil {
			return err
		}
		if _, err := exception.Sync(ctx, tx, key.tenant, key.failure(), []exception.Desired{desired}, b.now); err != nil {
			return err
		}
		b.mark(key, b.now.Add(retryFailed), b.told[key].one().with(told))
		return b.flushMarks(ctx)
	})
}

const codeFoldFailed = "fold_failed"
