package journal

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Fork begins a new epoch and puts all that is held, acknowledged or not, into it, so that it is sent again under new
// numbers; the collector's log refuses what it has by event id. The packs stay as they are. A crash on the way leaves both
// copies, which is harmless for the same reason.
func (j *Journal) Fork(reason string) error {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return ErrClosed
	}
	j.options.Log.Warn("journal: fork to a new epoch, all that is held will be sent again", "reason", reason, "epoch", j.newest().id())
	if err := j.rotate(); err != nil {
		return err
	}
	for _, e := range append([]*epoch(nil), j.epochs[:len(j.epochs)-1]...) {
		err := j.absorb(e)
		if errors.Is(err, ErrDamaged) {
			err = j.setAsideOpen(e, err, true)
		} else if err == nil {
			err = j.discard(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Resume compares what the collector says it has with what is held. hello is the one that reply answers: what was captured
// since does not count. ForkNeeded says that the collector knows more than this disk. Rewound says that it knows less than
// it had acknowledged, because its database was restored: what is still kept will be handed out again; what is not is
// declared as a gap, and then the answer is ForkNeeded too, since the numbers before it will never be complete.
func (j *Journal) Resume(hello *docklinev1.Hello, reply *docklinev1.HelloReply) (Outcome, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return Ignored, ErrClosed
	}
	has := map[string]*docklinev1.EpochRange{}
	for _, r := range reply.Received {
		has[r.Epoch] = r
	}
	for _, said := range hello.Epochs {
		e := j.find(said.Epoch)
		if e == nil {
			continue
		}
		// What was captured and never sent the collector cannot have: then process and disk were put back together, as a virtual
		// machine is, and other events are there under these numbers.
		last := said.LastSeq
		if e.ours {
			last = e.handed.Load()
		}
		if highest(has[said.Epoch]) > last {
			return ForkNeeded, nil
		}
	}
	outcome := Ignored
	for _, e := range append([]*epoch(nil), j.epochs...) {
		mark := contiguous(has[e.id()])
		if mark >= e.state.acked || e.state.incarnation == reply.Incarnation {
			continue
		}
		missing, err := j.rewind(e, mark)
		if err != nil {
			return Ignored, err
		}
		if missing != nil {
			outcome = ForkNeeded
			if err := j.declare(e.id(), []*docklinev1.SeqRange{missing}, "acknowledged by a database that was restored since, and no longer kept here", j.options.Now()); err != nil {
				return Ignored, err
			}
		} else if outcome == Ignored {
			outcome = Rewound
		}
	}
	return outcome, nil
}

// rewind lowers the acknowledged watermark of e to mark, or to what is still held, and returns the range between the two.
func (j *Journal) rewind(e *epoch, mark uint64) (missing *docklinev1.SeqRange, err error) {
	first := e.firstHeld()
	j.options.Log.Warn("journal: the collector lost what it had acknowledged", "epoch", e.id(), "acknowledged", e.state.acked, "has", mark, "held_from", first)
	if first > mark+1 {
		missing = &docklinev1.SeqRange{First: mark + 1, Last: first - 1}
		mark = first - 1
	}
	j.view.Lock()
	e.state.acked = mark
	j.notify()
	j.view.Unlock()
	return missing, j.saveAcked(e)
}

func highest(r *docklinev1.EpochRange) uint64 {
	last := r.GetLastSeq()
	for _, held := range r.GetRanges() {
		last = max(last, held.Last)
	}
	return last
}

// contiguous is the Seq through which r holds everything from 1.
func contiguous(r *docklinev1.EpochRange) uint64 {
	mark := uint64(0)
	for _, held := range r.GetRanges() {
		if held.First > mark+1 {
			break
		}
		mark = max(mark, held.Last)
	}
	return mark
}

// absorb copies all that old holds, acknowledged or not, into the newest epoch, under new numbers and otherwise as it is. The cursors in the
// packs stay as old as they were: going back to one of them reads too much, never too little.
func (j *Journal) absorb(old *epoch) error {
	first := old.firstHeld()
	for from := first - 1; from < old.state.last; {
		packs, _, err := old.scan(from, 64)
		if err != nil {
			return err
		}
		if len(packs) == 0 || packs[0].envelope.FirstSeq > from+1 {
			return fmt.Errorf("%w: nothing behind %d", ErrDamaged, from)
		}
		if err := j.adopt(packs); err != nil {
			return err
		}
		from = packs[len(packs)-1].envelope.LastSeq
	}
	var moved []*docklinev1.SeqRange
	if first <= old.state.last {
		moved = []*docklinev1.SeqRange{{First: first, Last: old.state.last}}
	}
	return j.markMoved(old.identity, old.moved, old.state.last, moved)
}

// markMoved records in the newest epoch that ranges of old, which had come to last, are part of it now, and so what had become part of
// old before.
func (j *Journal) markMoved(old *docklinev1.EpochRange, before []*docklinev1.EpochRange, last uint64, ranges []*docklinev1.SeqRange) error {
	newest := j.newest()
	moved := slices.Clone(before)
	if len(ranges) > 0 {
		r := proto.CloneOf(old)
		r.LastSeq, r.Ranges, r.Before = last, ranges, nil
		moved = append(moved, r)
	}
	for i := range moved {
		moved[i] = proto.CloneOf(moved[i])
		moved[i].MovedTo, moved[i].MovedThrough = newest.id(), newest.state.last
	}
	return j.execute(&plan{last: newest.state.last, tail: newest.tail, moved: moved})
}

// discardMoved deletes files that a crash left behind although all that they held is part of another epoch.
func (j *Journal) discardMoved() error {
	for _, e := range slices.Clone(j.epochs) {
		for _, r := range e.moved {
			old := j.find(r.Epoch)
			if old == nil || len(r.Ranges) != 1 || r.Ranges[0].Last != old.state.last {
				continue // With a hole in it the file is damaged, and is met as such again.
			}
			if err := j.discard(old); err != nil {
				return err
			}
		}
	}
	return nil
}

// adopt puts packs of another epoch behind what the newest holds.
func (j *Journal) adopt(packs []storedPack) error {
	if len(packs) == 0 {
		return nil
	}
	if len(j.newest().tail.events) > 0 {
		if err := j.store(nil, true); err != nil {
			return err
		}
	}
	e := j.newest()
	p := &plan{packs: slices.Clone(packs), last: e.state.last}
	for i := range packs {
		envelope := packs[i].envelope
		count := envelope.LastSeq - envelope.FirstSeq + 1
		adopted := proto.CloneOf(envelope)
		adopted.Epoch, adopted.EpochOrdinal = e.id(), e.ordinal()
		adopted.FirstSeq, adopted.LastSeq = p.last+1, p.last+count
		p.last += count
		p.packs[i].envelope = adopted
	}
	return j.execute(p)
}

// adoptTail packs the tail of another epoch behind what the newest holds.
func (j *Journal) adoptTail(t tail, cursors map[string]*docklinev1.PluginCursor) error {
	p, err := sealPack(j.newest(), 0, t.first, t.events, t.at, cursors)
	if err != nil {
		return err
	}
	return j.adopt([]storedPack{p})
}

// firstHeld is the lowest Seq that the file holds, or the one behind what is acknowledged if that can't be told.
func (e *epoch) firstHeld() uint64 {
	first := uint64(0)
	err := guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) (err error) {
			first, err = e.firstSeq(tx)
			return err
		})
	})
	if err != nil || first == 0 || first > e.state.acked+1 {
		return e.state.acked + 1
	}
	return first
}
