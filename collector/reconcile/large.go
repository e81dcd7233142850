package reconcile

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
)

const (
	// defaultLargeFrom is the number of facts from which a key is folded apart: reading fewer takes no longer than a batch of others.
	defaultLargeFrom = 5000
	// settle is how long a large key gathers what is told before it is folded; one that takes long waits as many times as long as paceBy.
	settle = 2 * time.Second
	paceBy = 5
	// largeLease is how long a fold of a large key may take before another collector takes it for dead.
	largeLease = 5 * time.Minute
)

// apart takes those keys out of keys that are very large, but for those of which a digest is to be read, and divides the others into portions
// of which each is folded in one transaction.
func (w *Worker) apart(ctx context.Context, tx *db.Tx, keys []foldKey, digests bool) (rest [][]foldKey, large []foldKey, err error) {
	isLarge := make(map[foldKey]bool)
	known, err := tx.Lookup(ctx, db.Lookup{Table: "large_key", Columns: []string{"tenant", "fold_key", "since"}, Key: byKey, Rows: rowsOf(keys)})
	if err != nil {
		return nil, nil, fmt.Errorf("large keys: %w", err)
	}
	waiting := make(map[foldKey]bool)
	for _, row := range known {
		isLarge[keyOf(row)], waiting[keyOf(row)] = true, row[2].(int64) > 0
	}
	var few map[foldKey]*digest
	if digests {
		if few, err = readDigests(ctx, tx, keys); err != nil {
			return nil, nil, fmt.Errorf("digests: %w", err)
		}
		for key, d := range few {
			if d.ready && !waiting[key] {
				isLarge[key] = false
			}
		}
	}
	asked := slices.DeleteFunc(slices.Clone(keys), func(key foldKey) bool { return isLarge[key] })
	own, linked, err := w.weigh(ctx, tx, asked)
	if err != nil {
		return nil, nil, err
	}
	bytes := make(map[foldKey]int64, len(asked))
	for _, key := range asked {
		bytes[key] = own[key].bytes + linked[key].bytes
		if few[key] != nil { // its facts are not read
			own[key], bytes[key] = load{}, heavyBytes/8+linked[key].bytes
		}
		isLarge[key] = foldedApart(key.key) && (w.tooMuch(own[key]) || w.tooMuch(linked[key]))
	}
	var small []foldKey
	for _, key := range keys {
		if isLarge[key] {
			large = append(large, key)
		} else {
			small = append(small, key)
		}
	}
	return portions(small, bytes), large, nil
}

// park turns the marks of large keys that are due into one note each for StepLarge, so that a burst of facts is folded once when it has
// settled, and its marks stand in nobody's way.
func (w *Worker) park(ctx context.Context, keys []foldKey) error {
	slices.SortFunc(keys, compareKeys)
	err := w.DB.Write(ctx, func(tx *db.Tx) error {
		now := w.now()
		found, err := tx.Lookup(ctx, db.Lookup{Table: "dirty", Columns: []string{"id", "tenant", "fold_key", "due_at", "first_fact", "last_fact"}, Key: byKey, Rows: rowsOf(keys), Claim: true})
		if err != nil {
			return err
		}
		var marks []int64
		due := make(map[foldKey]span)
		for _, row := range found {
			if key := keyOf(row[1:]); row[3].(int64) <= now.UnixMicro() {
				marks = append(marks, row[0].(int64))
				told, seen := due[key]
				if !seen {
					told = noFact
				}
				due[key] = told.with(span{row[4].(int64), row[5].(int64)})
			}
		}
		if err := parkKeys(ctx, tx, due, now); err != nil {
			return err
		}
		_, err = tx.Delete(ctx, "dirty", "id", marks)
		return err
	})
	if err != nil {
		return fmt.Errorf("set large keys apart: %w", err)
	}
	w.wakeLarge.Set()
	return nil
}

// parkKeys notes keys for StepLarge, each with what is new of it.
func parkKeys(ctx context.Context, tx *db.Tx, keys map[foldKey]span, now time.Time) error {
	for _, key := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		told := keys[key]
		if _, err := tx.Exec(ctx, `INSERT INTO large_key (tenant, fold_key, marks, since, due_at, first_fact, last_fact) VALUES (?, ?, 1, ?, ?, ?, ?)
			ON CONFLICT (tenant, fold_key) DO UPDATE SET marks = large_key.marks + 1,
			since = CASE WHEN large_key.since = 0 THEN excluded.since ELSE large_key.since END,
			due_at = CASE WHEN large_key.due_at = 0 THEN excluded.due_at + ? * large_key.took ELSE large_key.due_at END,
			first_fact = CASE WHEN large_key.first_fact = 0 OR excluded.first_fact = 0 THEN 0 WHEN large_key.first_fact < 0 OR excluded.first_fact > 0 AND excluded.first_fact < large_key.first_fact
				THEN excluded.first_fact ELSE large_key.first_fact END,
			last_fact = CASE WHEN large_key.last_fact > excluded.last_fact THEN large_key.last_fact ELSE excluded.last_fact END`,
			key.tenant, key.key, now.UnixMicro(), now.Add(settle).UnixMicro(), told.first, told.last, paceBy); err != nil {
			return err
		}
	}
	return nil
}

func compareKeys(x, y foldKey) int {
	return cmp.Or(cmp.Compare(x.tenant, y.tenant), cmp.Compare(x.key, y.key))
}

// largeTurn is one fold of a large key.
type largeTurn struct {
	foldKey
	// marks is how much had been told when it began, told what.
	marks int64
	told  span
	began time.Time
}

// turn takes the large key that is due longest, nil for none. Nobody else takes it for the time of the lease.
func (w *Worker) turn(ctx context.Context) (*largeTurn, error) {
	var t *largeTurn
	take := func(tx *db.Tx) error {
		t = nil
		next := &largeTurn{began: w.now()}
		err := tx.QueryRow(ctx, `SELECT tenant, fold_key, marks, first_fact, last_fact FROM large_key WHERE due_at > 0 AND due_at <= ? ORDER BY due_at LIMIT 1`,
			next.began.UnixMicro()).Scan(&next.tenant, &next.key, &next.marks, &next.told.first, &next.told.last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			t = next
		}
		return err
	}
	err := w.DB.Read(ctx, take)
	if err != nil || t == nil {
		return nil, err
	}
	err = w.DB.Write(ctx, func(tx *db.Tx) error {
		if err := take(tx); err != nil || t == nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE large_key SET due_at = ? WHERE tenant = ? AND fold_key = ? AND marks = ? AND due_at <= ?`,
			t.began.Add(largeLease).UnixMicro(), t.tenant, t.key, t.marks, t.began.UnixMicro())
		if n == 0 {
			t = nil // another collector was faster
		}
		return err
	})
	return t, err
}

// renew prolongs the lease within a transaction that writes a portion.
func (t *largeTurn) renew(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE large_key SET due_at = ? WHERE tenant = ? AND fold_key = ?`, now.Add(largeLease).UnixMicro(), t.tenant, t.key)
	return err
}

// giveBack has a turn that came to nothing tried again soon.
func (w *Worker) giveBack(ctx context.Context, t *largeTurn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := w.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE large_key SET due_at = ? WHERE tenant = ? AND fold_key = ?`, w.now().Add(settle).UnixMicro(), t.tenant, t.key)
		return err
	})
	if err != nil && w.Log != nil {
		w.Log.Warn("a key of very many facts is only tried again when its lease is over", "key", t.key, "err", err)
	}
}

// end notes within the fold's last transaction that everything which had been told when the turn began is folded.
func (t *largeTurn) end(ctx context.Context, tx *db.Tx, now time.Time) error {
	took := now.Sub(t.began).Microseconds()
	_, err := tx.Exec(ctx, `UPDATE large_key SET took = ?, due_at = CASE WHEN marks = ? THEN 0 ELSE CAST(? AS BIGINT) END, since = CASE WHEN marks = ? THEN 0 ELSE CAST(? AS BIGINT) END,
		first_fact = CASE WHEN marks = ? THEN -1 ELSE first_fact END, last_fact = CASE WHEN marks = ? THEN 0 ELSE last_fact END
		WHERE tenant = ? AND fold_key = ?`, took, t.marks, now.Add(settle).UnixMicro()+paceBy*took, t.marks, t.began.UnixMicro(), t.marks, t.marks, t.tenant, t.key)
	return err
}
