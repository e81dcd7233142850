package downlink

import (
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// OpenStats says of how many events the last receipt leaves something to be done.
type OpenStats struct {
	// Logged events are at the centre and not yet in the system of record; Refused and Exceptions wait for a person.
	Logged, Refused, Exceptions uint64
	// OldestAt is when the oldest of them all happened, and of a record that could not be read, when its receipt came; zero where there is none.
	OldestAt time.Time
	// Held are those of Logged whose posting met a fault and is tried again; HeldText is that of one of them, HeldSince when its receipt came.
	Held      uint64
	HeldText  string
	HeldSince time.Time
}

// heldFlag beside the level marks a logged event whose receipt says what it waits for.
const heldFlag = 0x80

// isOpen says whether something is still to be done after a receipt of this level.
func isOpen(level docklinev1.ReceiptLevel) bool {
	switch level {
	case docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED, docklinev1.ReceiptLevel_RECEIPT_LEVEL_REFUSED, docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION:
		return true
	}
	return false
}

// happened is when the event was; of a centre that does not say, when its receipt came.
func (r storedReceipt) happened() time.Time {
	if r.receipt.GetOccurredAt().IsValid() {
		return r.receipt.GetOccurredAt().AsTime()
	}
	return r.at
}

func (r storedReceipt) openKey() []byte {
	return append(number(uint64(max(r.happened().UnixMicro(), 0))), number(r.place)...)
}

func putOpen(tx *bbolt.Tx, r storedReceipt) error {
	if !isOpen(r.receipt.GetLevel()) {
		return nil
	}
	level := byte(r.receipt.GetLevel())
	if r.receipt.GetLevel() == docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED && r.receipt.GetText() != "" {
		level |= heldFlag
	}
	return tx.Bucket(bucketOpen).Put(r.openKey(), append([]byte{level}, r.receipt.GetEventId()...))
}

// indexOpen makes the index of an inbox that was written without it.
func indexOpen(tx *bbolt.Tx) error {
	return tx.Bucket(bucketReceipts).ForEach(func(_, value []byte) error {
		r, err := readReceipt(value)
		if err != nil {
			return nil // it is told of when somebody reads it
		}
		return putOpen(tx, r)
	})
}

// EachOpen calls f with the receipts of what is not done with, what happened first first, until it says false. It is one read transaction:
// f must not dwell.
func (s *Store) EachOpen(f func(r *docklinev1.EventReceipt, happened time.Time) bool) error {
	err := s.view(func(tx *bbolt.Tx) error {
		receipts, cursor := tx.Bucket(bucketReceipts), tx.Bucket(bucketOpen).Cursor()
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			if len(value) < 2 {
				continue
			}
			r, err := readReceipt(receipts.Get(value[1:]))
			if err != nil {
				s.o.Log.Error("downlink: receipt", "event", string(value[1:]), "err", err)
				continue
			}
			if !f(r.receipt, r.happened()) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("inbox: open receipts: %w", err)
	}
	return nil
}

// openSince is when what a row of the index names happened. A record that could not be read often says no time that holds, and its source then gives
// one that is the same whenever it tells it, of long ago: such a record waits since its receipt came. dated says that no later row is older.
func openSince(tx *bbolt.Tx, key, id []byte) (at time.Time, dated bool) {
	r, err := readReceipt(tx.Bucket(bucketReceipts).Get(id))
	if err == nil && r.receipt.GetEventKind() == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED {
		return r.at.UTC(), false
	}
	return time.UnixMicro(int64(readNumber(key[:8]))).UTC(), true
}

// Open counts the receipts of what is not done with. It reads only where some have come since it was asked last.
func (s *Store) Open() (OpenStats, error) {
	s.counting.Lock()
	defer s.counting.Unlock()
	if s.counted != nil {
		return *s.counted, nil
	}
	var st OpenStats
	err := s.view(func(tx *bbolt.Tx) error {
		cursor, dated := tx.Bucket(bucketOpen).Cursor(), false
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			if len(key) != 16 || len(value) < 2 {
				continue
			}
			if !dated {
				var at time.Time
				at, dated = openSince(tx, key, value[1:])
				if st.OldestAt.IsZero() || at.Before(st.OldestAt) {
					st.OldestAt = at
				}
			}
			if value[0]&heldFlag != 0 {
				st.held(tx, value[1:])
			}
			switch docklinev1.ReceiptLevel(value[0] &^ heldFlag) {
			case docklinev1.ReceiptLevel_RECEIPT_LEVEL_REFUSED:
				st.Refused++
			case docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION:
				st.Exceptions++
			default:
				st.Logged++
			}
		}
		return nil
	})
	if err != nil {
		return OpenStats{}, fmt.Errorf("inbox: count open receipts: %w", err)
	}
	s.counted = &st
	return st, nil
}

func (st *OpenStats) held(tx *bbolt.Tx, event []byte) {
	if st.Held++; st.HeldText != "" {
		return
	}
	if r, err := readReceipt(tx.Bucket(bucketReceipts).Get(event)); err == nil {
		st.HeldText, st.HeldSince = r.receipt.GetText(), r.at.UTC()
	}
}
