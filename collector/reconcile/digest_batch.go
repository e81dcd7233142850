package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
)

// digested are the kinds of keys that have a digest when their facts are very many.
var digested = []string{state.KindOrder}

// span is which facts of a key are new: those with log ids from first to last. 0: any may be another than it was; -1: none is.
type span struct{ first, last int64 }

var (
	anyFact = span{}
	noFact  = span{first: -1}
)

// with is a span that has another one in it too.
func (s span) with(other span) span {
	switch {
	case s.first == 0 || other.first == 0:
		return anyFact
	case s.first < 0:
		return other
	case other.first < 0:
		return s
	}
	return span{min(s.first, other.first), max(s.last, other.last)}
}

// spans is what several marks say of one key.
type spans []span

// one is a span that has all of them in it.
func (s spans) one() span {
	all := noFact
	for _, told := range s {
		all = all.with(told)
	}
	return all
}

func (w *Worker) largeFrom() int { return cmp.Or(w.LargeFrom, defaultLargeFrom) }

// digests tells whether orders of very many facts have digests.
func (w *Worker) digests() bool { return w.DigestFrom >= 0 }

func (w *Worker) digestFrom() int { return cmp.Or(w.DigestFrom, defaultDigestFrom) }

// openDigests reads which of some locked keys have a digest, and leaves out those that are folded apart at this moment: they have been set
// apart since it was last looked.
func (b *batch) openDigests(ctx context.Context, keys []foldKey) ([]foldKey, error) {
	if !b.worker.digests() {
		return keys, nil
	}
	var err error
	if b.digests, err = readDigests(ctx, b.tx, keys); err != nil || len(b.digests) == 0 {
		return keys, err
	}
	var asked [][]any
	for key := range b.digests {
		asked = append(asked, []any{key.tenant, key.key})
	}
	rows, err := b.tx.Lookup(ctx, db.Lookup{Table: "large_key", Columns: []string{"tenant", "fold_key", "since"}, Key: byKey, Rows: asked})
	if err != nil {
		return nil, err
	}
	waiting := make(map[foldKey]bool)
	for _, row := range rows {
		if row[2].(int64) > 0 {
			waiting[keyOf(row)] = true
			delete(b.digests, keyOf(row))
		}
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key foldKey) bool { return waiting[key] }), nil
}

// catchUp brings the digests of keys up to what their marks say, and reads all facts of those keys of which the digest is no good. It returns the keys that
// are to be folded here: what takes long is set apart.
func (b *batch) catchUp(ctx context.Context, keys []foldKey) ([]foldKey, error) {
	var rest, whole []foldKey
	for _, key := range keys {
		d := b.digests[key]
		if d == nil {
			rest = append(rest, key)
			continue
		}
		verdict, err := b.bringUp(ctx, d)
		if err != nil {
			return nil, err
		}
		switch {
		case verdict == upToDate:
			b.facts[key] = d.apart
			rest = append(rest, key)
		case verdict == tooMuch:
			delete(b.digests, key)
			b.setApart(key, b.told[key].one())
		case d.count() <= int64(b.worker.largeFrom()):
			heavy, err := b.heavy(ctx, key)
			if err != nil {
				return nil, err
			}
			if heavy {
				delete(b.digests, key)
				b.setApart(key, anyFact)
				continue
			}
			for gone := false; !gone; {
				if gone, err = d.drop(ctx, b.tx); err != nil {
					return nil, err
				}
			}
			delete(b.digests, key)
			whole, rest = append(whole, key), append(rest, key)
		default:
			delete(b.digests, key)
			b.setApart(key, anyFact)
		}
	}
	return rest, b.loadFacts(ctx, rowsOf(whole))
}

// What bringing a digest up to date came to.
const (
	upToDate = iota
	noGood   // it must be made anew
	tooMuch  // it is good, but takes longer than a batch may
)

// bringUp brings a digest up to date.
func (b *batch) bringUp(ctx context.Context, d *digest) (verdict int, err error) {
	most := b.worker.largeFrom()
	told, had := b.told[d.foldKey], b.states[d.foldKey]
	if !d.ready {
		return tooMuch, nil // whoever made it did not come to an end
	}
	few, err := d.load(ctx, b.tx, most)
	switch {
	case err != nil:
		return noGood, err
	case told.one() == anyFact || had == nil || had.factCount != d.folded || d.short:
		if !few {
			b.told[d.foldKey] = spans{anyFact}
			return tooMuch, nil
		}
		return noGood, nil
	case !few:
		return tooMuch, nil
	}
	var news []factRow
	for _, s := range told {
		if s == noFact {
			continue
		}
		rows, whole, err := d.news(ctx, b.tx, s, most)
		if news = append(news, rows...); err != nil || !whole || len(news) > most {
			return tooMuch, err
		}
	}
	slices.SortFunc(news, func(x, y factRow) int { return cmp.Compare(x.logID, y.logID) })
	news = slices.CompactFunc(news, func(x, y factRow) bool { return x.logID == y.logID })
	if err := d.take(ctx, b.tx, news); err != nil {
		return noGood, err
	}
	if d.short {
		return noGood, nil
	}
	return upToDate, nil
}

// news reads the facts of a span that the digest does not have; whole is false where the span has more facts than most. Where the digest has some that
// are no more, it is no good (short).
func (d *digest) news(ctx context.Context, tx *db.Tx, told span, most int) (news []factRow, whole bool, err error) {
	rows, err := tx.Query(ctx, `SELECT f.log_id, f.epoch_ordinal, f.seq, f.body, CASE WHEN m.part IS NULL THEN 0 ELSE 1 END FROM fact f LEFT JOIN digest_fact m ON m.digest = ? AND m.log_id = f.log_id
		WHERE f.tenant = ? AND f.fold_key = ? AND f.log_id >= ? AND f.log_id <= ? ORDER BY f.log_id LIMIT ?`, d.id, d.tenant, d.key, told.first, told.last, most+1)
	if err != nil {
		return nil, false, fmt.Errorf("new facts: %w", err)
	}
	defer rows.Close()
	known, n, bytes := int64(0), 0, 0
	for rows.Next() {
		var row factRow
		var member int64
		if err := rows.Scan(&row.logID, &row.ordinal, &row.seq, &row.body, &member); err != nil {
			return nil, false, err
		}
		if n++; member == 0 {
			news = append(news, row)
			if bytes += len(row.body); bytes > 2*heavyBytes {
				return nil, false, nil
			}
		}
		known += member
	}
	if err := rows.Err(); err != nil || n > most {
		return nil, false, err
	}
	rows.Close()
	var members int64
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM digest_fact WHERE digest = ? AND log_id >= ? AND log_id <= ?`, d.id, told.first, told.last).Scan(&members)
	d.short = d.short || members != known
	return news, true, err
}

// readWhole reads all facts of a key whose decision asks for each; where they are too many for a batch, the key is set apart and ok is false.
func (b *batch) readWhole(ctx context.Context, key foldKey) (ok bool, err error) {
	heavy, err := b.heavy(ctx, key)
	if err != nil {
		return false, err
	}
	if heavy {
		b.setApart(key, noFact)
		return false, nil
	}
	if err := b.loadFacts(ctx, rowsOf([]foldKey{key})); err != nil {
		return false, err
	}
	b.decoded[key] = b.decodeKey(key, nil)
	return true, nil
}

// keepDigest notes that the state of a key was folded from what its digest has now, and makes one for a key that has got very many facts.
func (b *batch) keepDigest(ctx context.Context, v *view) error {
	d := b.digests[v.foldKey]
	if d == nil && (!v.alike || !b.worker.digests() || v.own <= b.worker.digestFrom()) {
		return nil
	}
	if d == nil {
		waits, err := b.tx.Lookup(ctx, db.Lookup{Table: "large_key", Columns: []string{"since"}, Key: byKey, Rows: rowsOf([]foldKey{v.foldKey}), Where: "t.since > 0"})
		if err != nil || len(waits) > 0 {
			return err
		}
		d = &digest{foldKey: v.foldKey, ready: true}
		if err := d.create(ctx, b.tx); err != nil {
			return err
		}
		if err := d.take(ctx, b.tx, b.facts[v.foldKey]); err != nil {
			return err
		}
		if b.digests == nil {
			b.digests = make(map[foldKey]*digest)
		}
		b.digests[v.foldKey] = d
	}
	d.folded = d.count()
	return nil
}

// setApart has a key folded by RunLarge.
func (b *batch) setApart(key foldKey, told span) {
	if b.parked == nil {
		b.parked = make(map[foldKey]span)
	}
	b.parked[key] = told
}

// writeDigests writes the digests, and which keys are set apart.
func (b *batch) writeDigests(ctx context.Context) error {
	for _, key := range slices.SortedFunc(maps.Keys(b.digests), compareKeys) {
		d := b.digests[key]
		if err := d.save(ctx, b.tx); err != nil {
			return fmt.Errorf("digest of %s: %w", key.key, err)
		}
		if err := d.saveHead(ctx, b.tx); err != nil {
			return fmt.Errorf("digest of %s: %w", key.key, err)
		}
	}
	return parkKeys(ctx, b.tx, b.parked, b.now)
}
