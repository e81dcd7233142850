package reconcile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// bringUpLarge makes the digest of a key that is folded apart, or brings it up to date, each page of facts in a transaction of its own. ready
// is false where the key has none: it has too few facts, or is no order.
func (w *Worker) bringUpLarge(ctx context.Context, t *largeTurn) (ready bool, err error) {
	if !w.digests() || len(ofKinds([]foldKey{t.foldKey}, digested)) == 0 {
		return false, nil
	}
	d, isNew, err := w.openLarge(ctx, t)
	if err != nil || d == nil {
		return false, err
	}
	for !d.ready {
		if d, err = w.page(ctx, t, d, span{d.through + 1, mostLogID}); err != nil || d.short {
			return false, err
		}
	}
	if isNew || t.told.first <= 0 {
		return true, nil
	}
	for next := t.told; next.first <= next.last; next.first = d.through + 1 {
		if d, err = w.page(ctx, t, d, next); err != nil || d.short {
			return false, err
		}
	}
	return true, nil
}

// mostLogID is beyond every event.
const mostLogID = 1<<63 - 1

// openLarge reads the digest of a key. One that is no good is dropped, in portions; where there is none a new one is begun, if the key has many facts.
func (w *Worker) openLarge(ctx context.Context, t *largeTurn) (d *digest, isNew bool, err error) {
	for {
		var good bool
		err := w.DB.Write(ctx, func(tx *db.Tx) error {
			d, isNew, good = nil, false, true
			if err := tx.Lock(ctx, t.lock()); err != nil {
				return err
			}
			if err := t.renew(ctx, tx, w.now()); err != nil {
				return err
			}
			found, err := readDigests(ctx, tx, []foldKey{t.foldKey})
			if err != nil {
				return err
			}
			if d = found[t.foldKey]; d == nil {
				isNew = true
				d, err = w.begin(ctx, tx, t.foldKey)
				return err
			}
			if good, err = d.good(ctx, tx, t.told); err != nil || good {
				return err
			}
			d.ready, d.through = false, dropped
			if err := d.saveHead(ctx, tx); err != nil {
				return err
			}
			_, err = d.drop(ctx, tx)
			return err
		})
		if err != nil || good {
			return d, isNew, err
		}
	}
}

// dropped is how far a digest has come that is about to be deleted.
const dropped = -1

// good reads the groups of a digest and tells whether it can be brought up to date. One that is still made goes on, unless facts may have become others.
func (d *digest) good(ctx context.Context, tx *db.Tx, told span) (bool, error) {
	if d.through == dropped || told == anyFact {
		return false, nil
	}
	var facts int64
	err := tx.QueryRow(ctx, `SELECT fact_count FROM state WHERE tenant = ? AND fold_key = ?`, d.tenant, d.key).Scan(&facts)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if d.ready && (err != nil || facts != d.folded) {
		return false, nil
	}
	if err := d.loadGroups(ctx, tx); err != nil {
		return false, err
	}
	if err := d.loadNames(ctx, tx); err != nil {
		return false, err
	}
	return !d.short, nil
}

// begin begins the digest of a key that has many facts.
func (w *Worker) begin(ctx context.Context, tx *db.Tx, key foldKey) (*digest, error) {
	var facts int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT 1 AS one FROM fact WHERE tenant = ? AND fold_key = ? LIMIT ?) AS found`, key.tenant, key.key, w.digestFrom()+1).Scan(&facts); err != nil {
		return nil, err
	}
	if facts <= w.digestFrom() {
		return nil, nil
	}
	d := &digest{foldKey: key}
	return d, d.create(ctx, tx)
}

// page brings in the first facts of a span, and notes how far that is: the whole span, where there are no more. A digest that is still made
// is ready then; one that turns out to be no good is made anew with the next turn.
func (w *Worker) page(ctx context.Context, t *largeTurn, d *digest, told span) (*digest, error) {
	var next *digest
	read := 0
	err := w.DB.Write(ctx, func(tx *db.Tx) error {
		next = d.copy()
		if err := tx.Lock(ctx, t.lock()); err != nil {
			return err
		}
		if err := t.renew(ctx, tx, w.now()); err != nil {
			return err
		}
		rows, last, err := next.newsPage(ctx, tx, told, w.pageSize())
		if err != nil {
			return err
		}
		read = len(rows)
		if err := next.take(ctx, tx, rows); err != nil {
			return err
		}
		next.apart = nil
		if next.through = last; last == told.last {
			next.ready = true
		}
		if next.short {
			next.ready, next.through = false, dropped
		}
		if err := next.save(ctx, tx); err != nil {
			return fmt.Errorf("digest of %s: %w", d.key, err)
		}
		return next.saveHead(ctx, tx)
	})
	if err == nil && w.Paged != nil && read > 0 {
		w.Paged(read)
	}
	return next, err
}

// newsPage reads the first facts of a span that the digest does not have, and says through which log id that is.
func (d *digest) newsPage(ctx context.Context, tx *db.Tx, told span, page int) (news []factRow, last int64, err error) {
	if last, err = d.pageEnd(ctx, tx, told, page); err != nil {
		return nil, 0, err
	}
	news, _, err = d.news(ctx, tx, span{told.first, last}, page)
	return news, last, err
}

// pageEnd is the log id at which a page of a span ends, which is bounded by facts and by bytes; the end of the span where there are no more.
func (d *digest) pageEnd(ctx context.Context, tx *db.Tx, told span, page int) (last int64, err error) {
	rows, err := tx.Query(ctx, `SELECT log_id, LENGTH(body) FROM fact WHERE tenant = ? AND fold_key = ? AND log_id >= ? AND log_id <= ? ORDER BY log_id LIMIT ?`,
		d.tenant, d.key, told.first, told.last, page)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	last = told.last
	for bytes := 0; bytes < heavyBytes && rows.Next(); {
		var size int
		if err := rows.Scan(&last, &size); err != nil {
			return 0, err
		}
		bytes += size
	}
	return last, rows.Err()
}

// loadNames reads what the facts apart name, without the rest of what is in them: they may be very many.
func (d *digest) loadNames(ctx context.Context, tx *db.Tx) error {
	rows, err := tx.Query(ctx, `SELECT f.body FROM digest_fact m JOIN fact f ON f.tenant = ? AND f.fold_key = ? AND f.log_id = m.log_id WHERE m.digest = ? AND m.part = 0`, d.tenant, d.key, d.id)
	if err != nil {
		return fmt.Errorf("facts apart: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var body sql.RawBytes
		if err := rows.Scan(&body); err != nil {
			return err
		}
		e, err := naming(body)
		if err != nil {
			return &foldError{d.foldKey, fmt.Errorf("a fact cannot be read: %w", err)}
		}
		d.apartCount++
		d.names(e)
	}
	return rows.Err()
}

// naming reads of a fact only by which it names other events.
func naming(body []byte) (*docklinev1.Event, error) {
	var some []byte
	for rest := body; len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if number == doubleOf || number == errorDeclaration {
			some = append(some, rest[:n]...)
		}
		rest = rest[n:]
	}
	e := &docklinev1.Event{}
	return e, proto.Unmarshal(some, e)
}

var (
	eventFields      = (&docklinev1.Event{}).ProtoReflect().Descriptor().Fields()
	doubleOf         = eventFields.ByName("double_of").Number()
	errorDeclaration = eventFields.ByName("error_declaration").Number()
)

// digestedFacts reads what a digest says of a key, and the facts that come through links; ok is false where it has too many facts apart.
func (w *Worker) digestedFacts(ctx context.Context, key foldKey) (g *gathered, ok bool, err error) {
	var facts []state.Fact
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		facts = nil
		found, err := readDigests(ctx, tx, []foldKey{key})
		if err != nil || found[key] == nil {
			ok = false
			return err
		}
		if ok, err = found[key].load(ctx, tx, w.largeFrom()); err != nil || !ok {
			return err
		}
		b := &batch{worker: w}
		b.facts = map[foldKey][]factRow{key: found[key].apart}
		of := b.decodeKey(key, found[key])
		facts = of.facts
		return of.err
	})
	if err != nil || !ok {
		return nil, ok, err
	}
	g = w.gather()
	for _, fact := range facts {
		g.add(fact)
	}
	return g, true, w.linkedFacts(ctx, key, g)
}
