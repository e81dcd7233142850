package journal

import (
	"fmt"

	"go.etcd.io/bbolt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// bucketUrgent has the keys of packs with an urgent event, without values. A file has it from the first such pack on.
var bucketUrgent = []byte("urgent")

func markUrgent(tx *bbolt.Tx, e *docklinev1.Envelope) error {
	if !e.Urgent {
		return unmarkUrgent(tx, seqKey(e.LastSeq))
	}
	bucket, err := tx.CreateBucketIfNotExists(bucketUrgent)
	if err != nil {
		return err
	}
	return bucket.Put(seqKey(e.LastSeq), nil)
}

func unmarkUrgent(tx *bbolt.Tx, key []byte) error {
	if bucket := tx.Bucket(bucketUrgent); bucket != nil {
		return bucket.Delete(key)
	}
	return nil
}

// Urgent returns up to limit envelopes behind after that hold an urgent event and are not acknowledged, in order over the epochs.
// Events that are not packed yet are left to Next. Damage is left to it too.
func (j *Journal) Urgent(after Position, limit int) ([]*docklinev1.Envelope, error) {
	j.view.RLock()
	defer j.view.RUnlock()
	if len(j.epochs) == 0 {
		return nil, ErrClosed
	}
	ordinal := j.gone[after.Epoch]
	if e := j.find(after.Epoch); e != nil {
		ordinal = e.ordinal()
	}
	var envelopes []*docklinev1.Envelope
	for _, e := range j.epochs {
		from := e.state.acked
		if e.id() == after.Epoch {
			from = max(from, after.Seq)
		}
		if e.ordinal() < ordinal || len(envelopes) >= limit {
			continue
		}
		found, err := e.urgent(from, limit-len(envelopes))
		if err != nil {
			return envelopes, err
		}
		for _, p := range found {
			e.handOut(p.LastSeq)
			envelopes = append(envelopes, p)
		}
	}
	return envelopes, nil
}

// urgent reads up to limit urgent packs that end behind Seq after.
func (e *epoch) urgent(after uint64, limit int) (envelopes []*docklinev1.Envelope, err error) {
	err = guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(bucketUrgent)
			if bucket == nil {
				return nil
			}
			cursor := bucket.Cursor()
			for key, _ := cursor.Seek(seqKey(after + 1)); key != nil && len(envelopes) < limit; key, _ = cursor.Next() {
				p, err := openPack(tx.Bucket(bucketPacks).Get(key))
				if err != nil || p.envelope.LastSeq != keySeq(key) {
					continue // Next comes upon it, and declares it
				}
				envelopes = append(envelopes, p.envelope)
			}
			return nil
		})
	})
	if err != nil {
		err = fmt.Errorf("journal: urgent packs: %w", err)
	}
	return envelopes, err
}
