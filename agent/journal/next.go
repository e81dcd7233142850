package journal

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Position is a place in the journal: behind this Seq of this epoch. The zero Position is behind all that is acknowledged.
type Position struct {
	Epoch string
	Seq   uint64
}

// Next returns up to limit envelopes behind after, in order over the epochs; none if there are none. Tenant, Site and Live are
// for the caller to fill. What is handed out never changes again. Acknowledged packs are left out, except where after is a
// position before them. Damage met on the way is set aside and declared.
func (j *Journal) Next(after Position, limit int) ([]*docklinev1.Envelope, error) {
	for {
		envelopes, bad, err := j.read(after, limit)
		switch {
		case bad != nil:
			if err := j.setAsideLocking(bad, err); err != nil {
				return nil, err
			}
			continue
		case err != nil || len(envelopes) > 0 || limit <= 0:
			return envelopes, err
		}
		sealed, err := j.sealTail()
		if err != nil || !sealed {
			return nil, err
		}
	}
}

// sealTail packs the tail, if there is one; if not, it asks the next commit to pack at once.
func (j *Journal) sealTail() (sealed bool, err error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return false, ErrClosed
	}
	if len(j.newest().tail.events) == 0 {
		j.hungry.Store(true)
		return false, nil
	}
	return true, j.store(nil, true)
}

// read collects packs. With an epoch comes what is wrong with it.
func (j *Journal) read(after Position, limit int) (envelopes []*docklinev1.Envelope, bad *epoch, err error) {
	j.view.RLock()
	defer j.view.RUnlock()
	if len(j.epochs) == 0 {
		return nil, nil, ErrClosed
	}
	ordinal, known := j.gone[after.Epoch], false
	for _, e := range j.epochs {
		if e.id() == after.Epoch {
			ordinal, known = e.ordinal(), true
		}
	}
	for _, e := range j.epochs {
		if e.ordinal() < ordinal {
			continue
		}
		from := e.state.acked
		if known && e.id() == after.Epoch {
			from = after.Seq
		}
		for len(envelopes) < limit && from < e.sealed() {
			packs, _, err := e.scan(from, limit-len(envelopes))
			for _, p := range packs {
				// Packs before an explicit position may be gone; within what is held nothing may be missing.
				if p.envelope.FirstSeq > max(from, e.state.acked)+1 {
					return nil, e, fmt.Errorf("%w: nothing between %d and %d", ErrDamaged, from, p.envelope.FirstSeq)
				}
				from = p.envelope.LastSeq
				e.handOut(from)
				envelopes = append(envelopes, p.envelope)
			}
			if err != nil {
				return nil, e, err
			}
			if len(packs) == 0 {
				return nil, e, fmt.Errorf("%w: nothing behind %d", ErrDamaged, from)
			}
		}
	}
	if e := j.newest(); len(envelopes) > 0 && len(envelopes) < limit && len(e.tail.events) == 0 {
		// The reader has all there is: what comes next need not lie in the tail until it asks again.
		j.hungry.Store(true)
	}
	return envelopes, nil, nil
}

// handOut takes note that the collector may know of seq from now on. Several readers may be here at once.
func (e *epoch) handOut(seq uint64) {
	for have := e.handed.Load(); have < seq && !e.handed.CompareAndSwap(have, seq); have = e.handed.Load() {
	}
}

// scan reads up to limit packs that end behind Seq after, in one short transaction. When it meets damage it returns what
// stands before it, ErrDamaged, and the Seq behind which reading may be tried again.
func (e *epoch) scan(after uint64, limit int) (packs []storedPack, retry uint64, err error) {
	retry = after
	err = guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			cursor := tx.Bucket(bucketPacks).Cursor()
			for key, value := cursor.Seek(seqKey(after + 1)); key != nil && len(packs) < limit; key, value = cursor.Next() {
				retry = max(retry, keySeq(key))
				p, err := openPack(value)
				if err != nil || p.envelope.LastSeq != keySeq(key) || p.envelope.FirstSeq > p.envelope.LastSeq {
					return fmt.Errorf("pack at %d: %w", keySeq(key), ErrDamaged)
				}
				packs = append(packs, p)
			}
			return nil
		})
	})
	return packs, retry, err
}

// End packs what waits and names the place behind all that is held: identity and last Seq of the newest epoch. What Next gives
// behind it was captured after this call. Where there is no room to pack what waits it is the place behind what was packed before: what
// waits is then given behind it.
func (j *Journal) End() (*docklinev1.EpochRange, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	// Where a full disk leaves no room to pack it, the tail counts as captured after this call: no word of the collector's, which makes
	// room, may wait for room.
	if len(j.newest().tail.events) > 0 {
		if err := j.store(nil, true); err != nil && !errors.Is(err, ErrFull) {
			return nil, err
		}
	}
	e := j.newest()
	return &docklinev1.EpochRange{Epoch: e.id(), Ordinal: e.ordinal(), LastSeq: e.sealed()}, nil
}
