package reconcile

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// gathered is what was read of a key that is folded apart. Beyond most lines the facts are let go and only counted: so the memory that a key
// takes has a bound, whatever is told of it.
type gathered struct {
	facts []state.Fact
	size  state.Size
	most  int64
	thin  *thinner
}

func (w *Worker) gather() *gathered { return &gathered{most: w.mostLines(), thin: newThinner()} }

func (g *gathered) over() bool { return g.size.Lines > g.most }

func (g *gathered) add(f state.Fact) {
	g.size.Add(f)
	if g.over() {
		g.facts, g.thin = nil, nil
		return
	}
	g.facts = append(g.facts, f)
}

// factsOf reads the facts of a key, page by page.
func (w *Worker) factsOf(ctx context.Context, key foldKey) (*gathered, error) {
	g := w.gather()
	if err := w.pages(ctx, key, "", g); err != nil {
		return nil, err
	}
	return g, w.linkedFacts(ctx, key, g)
}

func (w *Worker) pageSize() int { return cmp.Or(w.Page, defaultPage) }

// linkedFacts adds those facts that come to a key through links.
func (w *Worker) linkedFacts(ctx context.Context, key foldKey, g *gathered) error {
	keys, err := w.linkedTo(ctx, key)
	if err != nil {
		return err
	}
	for _, via := range keys {
		if err := w.pages(ctx, key, via, g); err != nil {
			return err
		}
	}
	return nil
}

// pages adds the facts of a key, or those that come to it through another one.
func (w *Worker) pages(ctx context.Context, key foldKey, via string, g *gathered) error {
	page, read := w.pageSize(), 0
	for last, n := int64(0), page; n == page; {
		// A page is read anew where the database was away for a moment, so what is in it counts when it is over.
		var facts []state.Fact
		next := last
		err := w.DB.Read(ctx, func(tx *db.Tx) error {
			n, facts, next = 0, facts[:0], last
			rows, err := tx.Query(ctx, `SELECT log_id, epoch_ordinal, seq, body FROM fact WHERE tenant = ? AND fold_key = ? AND log_id > ? ORDER BY log_id LIMIT ?`,
				key.tenant, cmp.Or(via, key.key), last, page)
			if err != nil {
				return err
			}
			defer rows.Close()
			bytes := 0
			for rows.Next() {
				var ordinal, seq int64
				var body sql.RawBytes
				if err := rows.Scan(&next, &ordinal, &seq, &body); err != nil {
					return err
				}
				e := &docklinev1.Event{}
				if err := proto.Unmarshal(body, e); err != nil {
					return &foldError{key, fmt.Errorf("a fact cannot be read: %w", err)}
				}
				if g.thin != nil {
					g.thin.event(e)
				}
				facts = appendFact(facts, key, state.Fact{EpochOrdinal: uint64(ordinal), Seq: uint64(seq), Event: e, Via: via})
				n++
				if bytes += len(body); bytes > heavyBytes {
					n = page // there may be more
					return nil
				}
			}
			return rows.Err()
		})
		if err != nil {
			return err
		}
		last = next
		for _, fact := range facts {
			g.add(fact)
		}
		read += len(facts)
		if w.Paged != nil {
			w.Paged(read)
		}
	}
	return nil
}
