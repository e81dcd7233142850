package downlink

import (
	"bytes"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// pruneAtOnce bounds how many old receipts one commit forgets.
const pruneAtOnce = 1000

// PutReceipts returns nil when the list is durable. Of one event the highest version of an incarnation counts. A list that begins behind what is
// held is ignored whole.
func (s *Store) PutReceipts(list *docklinev1.ReceiptList) error {
	err := s.update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		through := readNumber(meta.Get(keyReceipts))
		if list.Previous > through {
			return nil
		}
		kept := readNumber(meta.Get(keyKept))
		for _, r := range list.Receipts {
			if r.Position != 0 && r.Position <= through {
				continue
			}
			through = max(through, r.Position)
			fresh, err := s.putReceipt(tx, r)
			if err != nil {
				return fmt.Errorf("receipt of %s: %w", r.EventId, err)
			}
			kept += fresh
		}
		if err := meta.Put(keyReceipts, number(through)); err != nil {
			return err
		}
		kept, err := s.prune(tx, kept)
		if err != nil {
			return err
		}
		return meta.Put(keyKept, number(kept))
	})
	if err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	s.counting.Lock()
	s.counted = nil
	s.counting.Unlock()
	return nil
}

type storedReceipt struct {
	at      time.Time
	place   uint64
	receipt *docklinev1.EventReceipt
}

func readReceipt(value []byte) (storedReceipt, error) {
	body, err := openRecord(value)
	if err != nil || len(body) < 16 {
		return storedReceipt{}, errDamaged
	}
	r := storedReceipt{at: time.UnixMicro(int64(readNumber(body[:8]))), place: readNumber(body[8:16]), receipt: &docklinev1.EventReceipt{}}
	if err := proto.Unmarshal(body[16:], r.receipt); err != nil {
		return storedReceipt{}, errDamaged
	}
	return r, nil
}

func subjectKey(subject string, place uint64) []byte {
	return append(append([]byte(subject), 0), number(place)...)
}

func (s *Store) putReceipt(tx *bbolt.Tx, r *docklinev1.EventReceipt) (fresh uint64, err error) {
	if r.EventId == "" || len(r.EventId) > maxKey || len(r.Subject) > maxKey {
		s.o.Log.Error("downlink: a receipt without a usable event id is left out", "event", r.EventId, "position", r.Position)
		return 0, nil
	}
	fresh = 1
	if value := tx.Bucket(bucketReceipts).Get([]byte(r.EventId)); value != nil {
		fresh = 0
		known, err := readReceipt(value)
		earlier := err == nil && known.place <= readNumber(tx.Bucket(bucketMeta).Get(keyBegan)) // a database that was put back counts anew
		if err == nil && !earlier && known.receipt.Version >= r.Version {
			return 0, nil
		}
		if err == nil {
			if err := unindex(tx, known); err != nil {
				return 0, err
			}
		}
	}
	place, err := tx.Bucket(bucketOrder).NextSequence()
	if err != nil {
		return 0, err
	}
	now := s.o.Now()
	if err := putOpen(tx, storedReceipt{now, place, r}); err != nil {
		return 0, err
	}
	value, err := makeRecord(append(number(uint64(now.UnixMicro())), number(place)...), r)
	if err != nil {
		return 0, err
	}
	if err := tx.Bucket(bucketReceipts).Put([]byte(r.EventId), value); err != nil {
		return 0, err
	}
	if err := tx.Bucket(bucketOrder).Put(number(place), []byte(r.EventId)); err != nil {
		return 0, err
	}
	return fresh, tx.Bucket(bucketSubjects).Put(subjectKey(r.Subject, place), []byte(r.EventId))
}

func unindex(tx *bbolt.Tx, r storedReceipt) error {
	if err := tx.Bucket(bucketOrder).Delete(number(r.place)); err != nil {
		return err
	}
	if err := tx.Bucket(bucketOpen).Delete(r.openKey()); err != nil {
		return err
	}
	return tx.Bucket(bucketSubjects).Delete(subjectKey(r.receipt.Subject, r.place))
}

// prune forgets the oldest receipts beyond number and age.
func (s *Store) prune(tx *bbolt.Tx, kept uint64) (uint64, error) {
	limit := s.o.Now().Add(-s.o.KeepReceipts)
	for range pruneAtOnce {
		place, id := tx.Bucket(bucketOrder).Cursor().First()
		if place == nil {
			return kept, nil
		}
		id = append([]byte(nil), id...)
		r, err := readReceipt(tx.Bucket(bucketReceipts).Get(id))
		if err == nil && kept <= uint64(s.o.MaxReceipts) && r.at.After(limit) {
			return kept, nil
		}
		if err != nil {
			// It can't be read any more; its place is known all the same.
			err = tx.Bucket(bucketOrder).Delete(append([]byte(nil), place...))
		} else {
			err = unindex(tx, r)
		}
		if err != nil {
			return kept, err
		}
		if err := tx.Bucket(bucketReceipts).Delete(id); err != nil {
			return kept, err
		}
		kept -= min(kept, 1)
	}
	return kept, nil
}

// Filter chooses receipts.
type Filter struct {
	// Subject is an order, shipment or count number; empty takes all.
	Subject string
	// Levels, if any, are those that are wanted.
	Levels []docklinev1.ReceiptLevel
	// Limit is how many at most (1000).
	Limit int
}

// Receipts are what is known of events, newest first.
func (s *Store) Receipts(f Filter) ([]*docklinev1.EventReceipt, error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	var found []*docklinev1.EventReceipt
	err := s.view(func(tx *bbolt.Tx) error {
		bucket, prefix, after := tx.Bucket(bucketOrder), []byte(nil), bytes.Repeat([]byte{0xff}, 9)
		if f.Subject != "" {
			bucket, prefix = tx.Bucket(bucketSubjects), append([]byte(f.Subject), 0)
			after = append([]byte(f.Subject), 1)
		}
		cursor := bucket.Cursor()
		key, _ := cursor.Seek(after)
		var id []byte
		if key == nil {
			key, id = cursor.Last()
		} else {
			key, id = cursor.Prev()
		}
		for ; key != nil && bytes.HasPrefix(key, prefix) && len(found) < f.Limit; key, id = cursor.Prev() {
			r, err := readReceipt(tx.Bucket(bucketReceipts).Get(id))
			if err != nil {
				s.o.Log.Error("downlink: receipt", "event", string(id), "err", err)
				continue
			}
			if f.wants(r.receipt) {
				found = append(found, r.receipt)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: receipts: %w", err)
	}
	return found, nil
}

func (f Filter) wants(r *docklinev1.EventReceipt) bool {
	for _, level := range f.Levels {
		if r.Level == level {
			return true
		}
	}
	return len(f.Levels) == 0
}

// Stats says what the inbox holds.
type Stats struct {
	// Waiting commands are not carried out; Untold results are not in the journal.
	Waiting, Untold int
	// Receipts kept.
	Receipts uint64
}

// Stats of this moment.
func (s *Store) Stats() (Stats, error) {
	var st Stats
	err := s.view(func(tx *bbolt.Tx) error {
		st.Waiting = tx.Bucket(bucketWaiting).Stats().KeyN
		st.Untold = tx.Bucket(bucketResults).Stats().KeyN
		st.Receipts = readNumber(tx.Bucket(bucketMeta).Get(keyKept))
		return nil
	})
	return st, err
}
