package statetest

import (
	"slices"
	"time"

	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// FoldStock folds one bucket from the facts of every movement, together with its own, without a ledger. Movements within uncertainty of a
// count, where movement numbers do not tell, make it a case for a recount.
func FoldStock(b state.Bucket, facts []state.Fact, m state.Mapping, openedBy string, uncertainty time.Duration) state.StockFold {
	byKey, here := make(map[string][]state.Fact), make(map[string]bool)
	for _, fact := range facts {
		here[fact.Event.GetId()] = true
		for _, touch := range state.Keys(fact.Event, m) {
			if kind, _, err := event.ParseKey(touch.Key); err == nil && kind == state.KindMovement {
				byKey[touch.Key] = append(byKey[touch.Key], fact)
			}
		}
	}
	var rows []*docklinev1.LedgerRow
	for key, of := range byKey {
		rows = append(rows, state.FoldMovement(key, of, m, here[state.FirstScan(key)]).State.GetRows()...)
	}
	return state.FoldBucket(b, facts, m, state.Surroundings{Book: BookOf(b, rows, uncertainty), OpenedBy: openedBy})
}

// BookOf is the book of a bucket from rows of the ledger, in memory.
func BookOf(b state.Bucket, rows []*docklinev1.LedgerRow, uncertainty time.Duration) state.Book {
	return &book{key: b.Key(), rows: rows, uncertainty: uncertainty}
}

type book struct {
	key         string
	rows        []*docklinev1.LedgerRow
	uncertainty time.Duration
}

func (b *book) Moved() int64 { return b.sum(func(state.Moment) bool { return true }) }

func (b *book) Through(at state.Moment) int64 {
	return b.sum(func(m state.Moment) bool { return m.Compare(at) <= 0 })
}

func (b *book) sum(counts func(state.Moment) bool) (sum int64) {
	for _, row := range b.rows {
		if counts(state.MomentOfRow(row)) {
			sum += state.InAccount(row, b.key)
		}
	}
	return sum
}

func (b *book) Near(at state.Moment) (ids []string) {
	for _, row := range b.rows {
		if state.InAccount(row, b.key) != 0 && state.MomentOfRow(row).Tied(at, b.uncertainty) {
			ids = append(ids, row.GetEventId())
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
