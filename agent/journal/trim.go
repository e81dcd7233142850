package journal

import (
	"errors"
	"time"

	"go.etcd.io/bbolt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Outcome is what became of a word of the collector.
type Outcome int

const (
	// Ignored: nothing new, or about an epoch that is no longer here.
	Ignored Outcome = iota
	// Trimmed: the events are the collector's now.
	Trimmed
	// ForkNeeded: the collector has other events under these numbers, so this disk was rolled back, or the Ack is not ours.
	// Nothing was trimmed; Fork must follow.
	ForkNeeded
	// Rewound: the collector lost what it had acknowledged, and what is still kept will be sent again.
	Rewound
)

func (o Outcome) String() string {
	switch o {
	case Trimmed:
		return "trimmed"
	case ForkNeeded:
		return "fork needed"
	case Rewound:
		return "rewound"
	}
	return "ignored"
}

const (
	// saveAckedEvery is how many events may be acknowledged before an older file is told; a crash sends so many again.
	saveAckedEvery = 5_000
	// dropEvery is how many acknowledged events may lie in the newest file before they are deleted without a commit to join.
	dropEvery = 20_000
	// shrinkBytes is the size from which the newest file, once drained, is left for a new one, to give back its space.
	shrinkBytes = 8 << 20
)

// Trim takes an Ack: what it covers will not be handed out again, and is deleted now or when keep_acknowledged and space
// allow, but only where our own pack that ends at the watermark has the CRC that the Ack names.
func (j *Journal) Trim(ack *docklinev1.Ack) (Outcome, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return Ignored, ErrClosed
	}
	e := j.find(ack.Epoch)
	if e == nil || ack.Watermark <= e.state.acked {
		return Ignored, nil
	}
	if ack.Watermark > e.sealed() {
		return ForkNeeded, nil
	}
	crc, found, err := e.crcAt(ack.Watermark)
	if err != nil {
		return Ignored, j.setAsideOpen(e, err, false)
	}
	if !found || crc != ack.Crc {
		return ForkNeeded, nil
	}
	j.view.Lock()
	e.state.acked, e.state.incarnation = ack.Watermark, ack.Incarnation
	j.view.Unlock()
	return Trimmed, j.afterTrim(e)
}

func (j *Journal) find(id string) *epoch {
	for _, e := range j.epochs {
		if e.id() == id {
			return e
		}
	}
	return nil
}

// crcAt is the CRC of the pack that ends at seq.
func (e *epoch) crcAt(seq uint64) (crc uint32, found bool, err error) {
	err = guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			value := tx.Bucket(bucketPacks).Get(seqKey(seq))
			if value == nil {
				return nil
			}
			p, err := openPack(value)
			if err != nil {
				return err
			}
			crc, found = p.envelope.Crc, true
			return nil
		})
	})
	return crc, found, err
}

// afterTrim brings the files up to what is acknowledged, as far as it pays: a commit for each Ack would cost as much as capture.
func (j *Journal) afterTrim(e *epoch) error {
	behind := e.state.acked - e.saved
	if e != j.newest() {
		if e.drained() || behind >= saveAckedEvery {
			if err := j.saveAcked(e); err != nil {
				return err
			}
		}
		return j.expire()
	}
	if j.options.KeepAcknowledged == 0 && e.drained() && e.size >= max(shrinkBytes, j.options.RotateBytes/8) {
		return j.rotate()
	}
	if behind >= dropEvery {
		return j.drop(e)
	}
	return nil
}

// saveAcked writes the acknowledged watermark into the file.
func (j *Journal) saveAcked(e *epoch) error {
	if e.saved == e.state.acked {
		return nil
	}
	err := j.update("acked", e, func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyState, e.state.record()) })
	if err == nil {
		e.saved = e.state.acked
	}
	return err
}

// drop deletes packs of the newest file that may go, and takes note of the space.
func (j *Journal) drop(e *epoch) error {
	for {
		dropped := 0
		err := j.update("drop", e, func(tx *bbolt.Tx) (err error) {
			if dropped, err = dropAcked(tx, e.state.acked, j.cutoff(), 500); err != nil {
				return err
			}
			return tx.Bucket(bucketMeta).Put(keyState, e.state.record())
		})
		if err != nil {
			return err
		}
		j.view.Lock()
		e.saved = e.state.acked
		e.measure(e == j.newest())
		j.view.Unlock()
		if dropped < 500 {
			return nil
		}
	}
}

// keeps says whether acknowledged packs are kept at all: only in the lower half of the limit, so that what is kept never makes
// the journal look full.
func (j *Journal) keeps() bool {
	return j.options.KeepAcknowledged > 0 && j.used() <= j.options.LimitBytes/2
}

// cutoff is the time of capture before which acknowledged packs need not be kept; zero if none need.
func (j *Journal) cutoff() time.Time {
	if !j.keeps() {
		return time.Time{}
	}
	return j.options.Now().Add(-j.options.KeepAcknowledged)
}

// dropAcked deletes up to limit packs through Seq acked that were captured before cutoff, or whenever if that is zero. It
// starts from the first each time: bbolt's cursor may skip one after a delete.
func dropAcked(tx *bbolt.Tx, acked uint64, cutoff time.Time, limit int) (dropped int, err error) {
	packs := tx.Bucket(bucketPacks)
	for ; dropped < limit; dropped++ {
		key, value := packs.Cursor().First()
		if key == nil || keySeq(key) > acked || !cutoff.IsZero() && recordTime(value).After(cutoff) {
			break
		}
		if err := errors.Join(unmarkUrgent(tx, key), packs.Delete(key)); err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// expire deletes older files that are drained and need not be kept. The caller holds write.
func (j *Journal) expire() error {
	var errs []error
	for _, e := range append([]*epoch(nil), j.epochs[:len(j.epochs)-1]...) {
		if e.drained() && (!j.keeps() || e.lastAt().Before(j.cutoff())) {
			errs = append(errs, j.discard(e))
		}
	}
	return errors.Join(errs...)
}

// reclaim makes room: what the collector has goes, however young.
func (j *Journal) reclaim() error {
	keep := j.options.KeepAcknowledged
	j.options.KeepAcknowledged = 0
	defer func() { j.options.KeepAcknowledged = keep }()
	return errors.Join(j.expire(), j.drop(j.newest()))
}

// lastAt is when the newest pack was captured; zero if there is none.
func (e *epoch) lastAt() (at time.Time) {
	guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			_, value := tx.Bucket(bucketPacks).Cursor().Last()
			at = recordTime(value)
			return nil
		})
	})
	return at
}

// discard removes an older epoch and its file.
func (j *Journal) discard(e *epoch) error {
	j.forget(e)
	return e.remove()
}

// forget takes an epoch out of the journal; nobody reads it after this.
func (j *Journal) forget(e *epoch) {
	j.view.Lock()
	defer j.view.Unlock()
	for i := range j.epochs {
		if j.epochs[i] == e {
			j.epochs = append(j.epochs[:i:i], j.epochs[i+1:]...)
			j.gone[e.id()] = e.ordinal()
			return
		}
	}
}

// rotateIfLarge begins a new epoch when the newest file is large and little of it is free.
func (j *Journal) rotateIfLarge() error {
	e := j.newest()
	if e.size < j.options.RotateBytes || e.used < e.size*3/4 {
		return nil
	}
	return j.rotate()
}

// rotate packs the tail and begins a new epoch.
func (j *Journal) rotate() error {
	e := j.newest()
	if len(e.tail.events) > 0 {
		if err := j.store(nil, true); err != nil {
			return err
		}
		e = j.newest()
	}
	if err := j.saveAcked(e); err != nil {
		return err
	}
	if err := j.begin(e.ended(), e.state); err != nil {
		return err
	}
	j.view.Lock()
	e.measure(false)
	j.view.Unlock()
	return j.expire()
}
