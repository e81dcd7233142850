package state

import (
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// BookOf is the book of a bucket from the facts of all movements.
func BookOf(b Bucket, facts []Fact, m Mapping, uncertainty time.Duration) Book {
	book := &factBook{key: b.Key(), uncertainty: uncertainty}
	byKey := make(map[string][]Fact)
	here := make(map[string]bool)
	var keys []string
	for _, fact := range facts {
		here[fact.Event.GetId()] = true
		key := movementKey(fact.Event)
		if key == "" {
			continue
		}
		if byKey[key] == nil {
			keys = append(keys, key)
		}
		byKey[key] = append(byKey[key], fact)
	}
	for _, key := range keys {
		book.rows = append(book.rows, FoldMovement(key, byKey[key], m, here[FirstScan(key)]).State.GetRows()...)
	}
	return book
}

// BookOfRows is the book of a bucket from rows of the ledger.
func BookOfRows(b Bucket, rows []*docklinev1.LedgerRow, uncertainty time.Duration) Book {
	return &factBook{key: b.Key(), rows: rows, uncertainty: uncertainty}
}

// factBook is a book in memory.
type factBook struct {
	key         string
	rows        []*docklinev1.LedgerRow
	uncertainty time.Duration
}

func (b *factBook) Moved() int64 {
	return b.sum(func(Moment) bool { return true })
}

func (b *factBook) Through(at Moment) int64 {
	return b.sum(func(m Moment) bool { return m.Compare(at) <= 0 })
}

func (b *factBook) sum(counts func(Moment) bool) (sum int64) {
	for _, row := range b.rows {
		if counts(MomentOfRow(row)) {
			sum += InAccount(row, b.key)
		}
	}
	return sum
}

func (b *factBook) Near(at Moment) (ids []string) {
	for _, row := range b.rows {
		if InAccount(row, b.key) != 0 && MomentOfRow(row).Tied(at, b.uncertainty) {
			ids = append(ids, row.GetEventId())
		}
	}
	return sortedSet(ids)
}

// InAccount is what a row brings into an account, below zero where it takes away.
func InAccount(row *docklinev1.LedgerRow, account string) int64 {
	switch account {
	case row.GetTo():
		return row.GetQuantity()
	case row.GetFrom():
		return -row.GetQuantity()
	}
	return 0
}
