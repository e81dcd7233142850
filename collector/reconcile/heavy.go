package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

const (
	// heavyBytes is how large the facts of a key, or of all keys of a batch, may be to be folded in one transaction that writes: some thirty thousand
	// lines of the shortest kind, for which it is held for less than a second. What is larger is folded apart, or with the next batch.
	heavyBytes = 1 << 20
	// defaultMostLines is beyond how many lines a key is not folded. One takes 1.5 kB while its key is folded.
	defaultMostLines = 100_000
	codeTooLarge     = "too_many_lines"
)

func (w *Worker) mostLines() int64 { return int64(cmp.Or(w.MostLines, defaultMostLines)) }

// foldedApart tells keys that are folded apart when they are large. An opening lists the buckets of its site under a lock, and movements and buckets
// write the ledger: only a transaction that writes may do so. They have few facts.
func foldedApart(key string) bool {
	return !isStock(key) && !strings.HasPrefix(key, state.KindOpening+"/") && !strings.HasPrefix(key, state.KindMovement+"/")
}

// load is how much is to be read of one key.
type load struct{ facts, bytes int64 }

// weigh says how much is to be read of keys: their own facts, and those that come through links.
func (w *Worker) weigh(ctx context.Context, tx *db.Tx, keys []foldKey) (own, linked map[foldKey]load, err error) {
	if own, err = loads(ctx, tx, keys, `SELECT tenant, fold_key, COUNT(*), SUM(LENGTH(body)) FROM fact WHERE (tenant, fold_key) IN `, ` GROUP BY tenant, fold_key`); err != nil {
		return nil, nil, fmt.Errorf("count facts: %w", err)
	}
	linked, err = loads(ctx, tx, ofKinds(keys, wholes), `SELECT l.tenant, l.part_of, COUNT(*), SUM(LENGTH(f.body)) FROM (SELECT DISTINCT tenant, part_of, link_key FROM link WHERE (tenant, part_of) IN `,
		`) AS l JOIN fact f ON f.tenant = l.tenant AND f.fold_key = l.link_key GROUP BY l.tenant, l.part_of`)
	if err != nil {
		return nil, nil, fmt.Errorf("count facts of what is linked: %w", err)
	}
	return own, linked, nil
}

func loads(ctx context.Context, tx *db.Tx, keys []foldKey, head, tail string) (map[foldKey]load, error) {
	found := make(map[foldKey]load, len(keys))
	if len(keys) == 0 {
		return found, nil
	}
	args := make([]any, 0, 2*len(keys))
	for _, key := range keys {
		args = append(args, key.tenant, key.key)
	}
	rows, err := tx.Query(ctx, head+db.Tuples(len(keys), 2)+tail, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key foldKey
		var of load
		if err := rows.Scan(&key.tenant, &key.key, &of.facts, &of.bytes); err != nil {
			return nil, err
		}
		found[key] = of
	}
	return found, rows.Err()
}

// heavy tells whether one key is too large to be folded in a batch.
func (b *batch) heavy(ctx context.Context, key foldKey) (bool, error) {
	own, linked, err := b.worker.weigh(ctx, b.tx, []foldKey{key})
	return b.worker.tooMuch(own[key]) || b.worker.tooMuch(linked[key]), err
}

func (w *Worker) tooMuch(of load) bool {
	return of.facts > int64(w.largeFrom()) || of.bytes > heavyBytes
}

// portions divides keys so that what is read of each portion is not heavy; a key is always taken whole.
func portions(keys []foldKey, bytes map[foldKey]int64) (list [][]foldKey) {
	sum := int64(0)
	for _, key := range keys {
		if sum += bytes[key]; len(list) == 0 || sum > heavyBytes {
			list, sum = append(list, nil), bytes[key]
		}
		list[len(list)-1] = append(list[len(list)-1], key)
	}
	return list
}

// tooLarge is what follows from a key of which more lines were told than are folded: nothing, and a person is told. What was decided before stays.
func (v *view) tooLarge(kind string, parts []string) {
	o := &v.outcome
	o.frozen = true
	if v.had != nil {
		o.status, o.site, o.customer = v.had.status, v.had.site, v.had.customer
	}
	order := ""
	if kind == state.KindOrder {
		order = parts[0]
		o.state, o.status, o.site, o.customer = state.TooLargeOrder(v.tenant, order, &v.size), state.TooLarge, v.size.Site(), ""
	}
	v.raise(exception.Desired{Code: codeTooLarge, Class: data, Subject: v.key, Order: order, Site: v.size.Site(),
		Title: fmt.Sprintf("%s has more than %d lines", v.key, v.batch.worker.mostLines()),
		Text: fmt.Sprintf("%s in %s were told of %s. More than %d lines of one are not worked off (folding.most_lines in collector.yaml). Everything that was told is kept and what was decided before stays, but nothing new follows: no document, no command. If these lines do not belong together, find the source that gives one number to different things and have it use others: what it tells under those is worked off; what this number stands for is settled by hand in the system of record. If they do belong together, raise folding.most_lines on every collector, for about 1.5 kB of memory a line, and start them again: it is then worked off by itself.",
			event.Several(v.size.OwnLines, "line"), event.Several(v.size.Facts, "event"), v.key, v.batch.worker.mostLines())})
}
