package journal

import (
	"context"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Stats says how a journal stands. Epoch, LastSeq and Cursors belong together.
type Stats struct {
	// Events is how many the collector has not acknowledged.
	Events uint64
	// Bytes is what the files take; space that the newest file can use again is not counted.
	Bytes, LimitBytes int64
	// ReserveBytes of the limit are not for events. Held counts all events in the files, acknowledged ones too.
	ReserveBytes int64
	Held         uint64
	// OldestAt is when the oldest event that is not acknowledged was captured; zero if there is none.
	OldestAt time.Time
	// CapturedTotal counts the events accepted since the folder began.
	CapturedTotal uint64
	// Days are these by day, the latest ones, as of LastSeq.
	Days []*docklinev1.DayCount
	// Epoch and LastSeq are the newest ones.
	Epoch   string
	LastSeq uint64
	// Cursors are every plugin's cursor and completeness as of LastSeq.
	Cursors []*docklinev1.PluginCursor
	// Full says that the limit is reached: only what the reserve is for is taken.
	Full bool
	// Appends and Commits count those of this process: Appends share Commits.
	Appends, Commits uint64
}

// Stats of this moment.
func (j *Journal) Stats() Stats {
	j.view.RLock()
	defer j.view.RUnlock()
	s := Stats{
		Bytes:      j.used(),
		LimitBytes: j.options.LimitBytes,

		ReserveBytes: j.options.ReserveBytes,

		Cursors: sortedCursors(j.cursors),
		Appends: j.appends.Load(),
		Commits: j.commits.Load(),
	}
	s.Full = s.Bytes >= s.LimitBytes-j.options.ReserveBytes
	for _, e := range j.epochs {
		s.Events += e.state.last - e.state.acked
		if first := e.firstHeld(); first <= e.state.last {
			s.Held += e.state.last - first + 1
		}
		s.CapturedTotal = max(s.CapturedTotal, e.state.captured)
		s.Epoch, s.LastSeq, s.Days = e.id(), e.state.last, nil
		if !j.partial() {
			s.Days = e.state.days.messages()
		}
		if s.OldestAt.IsZero() && !e.drained() {
			s.OldestAt = e.oldestAt()
		}
	}
	return s
}

// oldestAt is when the first event that is not acknowledged was captured.
func (e *epoch) oldestAt() (at time.Time) {
	if e.state.acked >= e.sealed() {
		return e.tail.at
	}
	guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			_, value := tx.Bucket(bucketPacks).Cursor().Seek(seqKey(e.state.acked + 1))
			at = recordTime(value)
			return nil
		})
	})
	return at
}

// Cursor is what the plugin last committed; nil if nothing. It waits until that is known.
func (j *Journal) Cursor(ctx context.Context, plugin string) ([]byte, error) {
	select {
	case <-j.known:
	default:
		select {
		case <-j.known:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	j.view.RLock()
	defer j.view.RUnlock()
	if len(j.epochs) == 0 {
		return nil, ErrClosed
	}
	if c := j.cursors[plugin]; c != nil {
		return append([]byte(nil), c.Cursor...), nil
	}
	return nil, nil
}

// Epochs says what is held, for a Hello: oldest first, the last one is being written. Epochs that have become part of one of
// these are named too, before it, with what was moved and where.
func (j *Journal) Epochs() []*docklinev1.EpochRange {
	j.view.RLock()
	defer j.view.RUnlock()
	var held []*docklinev1.EpochRange
	for _, e := range j.epochs {
		held = append(held, e.moved...)
		r := proto.CloneOf(e.identity)
		r.LastSeq, r.Acknowledged, r.AcknowledgedBy = e.state.last, e.state.acked, e.state.incarnation
		if first := e.firstHeld(); first <= e.state.last {
			r.Ranges = []*docklinev1.SeqRange{{First: first, Last: e.state.last}}
		}
		if e != j.newest() {
			r.Before = nil // the newest names them all
		}
		held = append(held, r)
	}
	return held
}
