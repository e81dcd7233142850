package journal

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// errMoved says that a file is not at the Seq at which it was left.
var errMoved = errors.New("file has moved on")

// plan is one commit, worked out before the file is touched.
type plan struct {
	packs []storedPack
	// row is added to the tail at Seq rowSeq, unless it is nil.
	row    []byte
	rowSeq uint64
	// clear empties the tail: its events are in packs.
	clear bool
	// cursors are those that change.
	cursors map[string]*docklinev1.PluginCursor
	// after the commit:
	tail tail
	last uint64
	// captured is how many events are new to this folder.
	captured uint64
	// days are these events by day.
	days dayCounts
	// moved are records of other epochs that are now part of this one.
	moved []*docklinev1.EpochRange
	// drop is how many acknowledged packs may be deleted along the way.
	drop int
	// dictionary is what packs are made with, 0 for none.
	dictionary uint32
}

// makePlan places the group's events behind what e holds. Few events stay in the tail, where they can still be joined by
// others; many, or seal, go into packs of about packEvents, each with the cursors as of its last event.
func makePlan(e *epoch, cursors map[string]*docklinev1.PluginCursor, group []*ticket, now time.Time, seal bool, dictionary uint32) (*plan, error) {
	p := &plan{cursors: map[string]*docklinev1.PluginCursor{}, tail: e.tail, last: e.state.last, drop: 64, dictionary: dictionary}
	count, bytes := len(e.tail.events), e.tail.bytes
	var fresh []item
	for _, t := range group {
		count += len(t.items)
		bytes += t.bytes
		fresh = append(fresh, t.items...)
		p.days = p.days.plus(t.days)
	}
	p.captured = uint64(len(fresh))
	p.last += p.captured
	if count == 0 || !seal && count < packEvents && bytes < packBytes {
		for _, t := range group {
			t.moveCursor(cursors, p.cursors)
		}
		if len(fresh) > 0 {
			p.rowSeq = e.state.last + 1
			p.tail.add(p.rowSeq, fresh, now)
			var err error
			p.row, err = tailRow(fresh, now)
			return p, err
		}
		return p, nil
	}
	p.clear = len(e.tail.events) > 0
	p.tail = tail{}
	return p, p.pack(e, cursors, group, now, (count-1)/max(1, count/packEvents)+1)
}

// pack cuts the tail and the group's events into packs of size events at most.
func (p *plan) pack(e *epoch, cursors map[string]*docklinev1.PluginCursor, group []*ticket, now time.Time, size int) error {
	running := maps.Clone(cursors)
	buffer, bytes := e.tail.events[:len(e.tail.events):len(e.tail.events)], e.tail.bytes
	at := now
	if len(buffer) > 0 {
		at = e.tail.at
	}
	first := e.sealed() + 1
	flush := func() error {
		if len(buffer) == 0 {
			return nil
		}
		sealed, err := sealPack(e, p.dictionary, first, buffer, at, running)
		if err != nil {
			return err
		}
		p.packs = append(p.packs, sealed)
		first += uint64(len(buffer))
		buffer, bytes, at = nil, 0, now
		return nil
	}
	for _, t := range group {
		for _, i := range t.items {
			if len(buffer) >= size || bytes+len(i.data) > packBytes {
				if err := flush(); err != nil {
					return err
				}
			}
			buffer = append(buffer, i)
			bytes += len(i.data)
		}
		t.moveCursor(running, running)
		t.moveCursor(cursors, p.cursors)
	}
	return flush()
}

// moveCursor puts the plugin's cursor after t into to, whose entries go before those of from.
func (t *ticket) moveCursor(from, to map[string]*docklinev1.PluginCursor) {
	if t.cursor == nil && len(t.complete) == 0 {
		return
	}
	old := to[t.plugin]
	if old == nil {
		old = from[t.plugin]
	}
	c := &docklinev1.PluginCursor{Plugin: t.plugin, Cursor: t.cursor}
	if t.cursor == nil {
		c.Cursor = old.GetCursor()
	}
	c.CompleteThrough = append(c.CompleteThrough, old.GetCompleteThrough()...)
next:
	for _, said := range t.complete {
		for i, known := range c.CompleteThrough {
			if known.Stream == said.Stream {
				c.CompleteThrough[i] = said
				continue next
			}
		}
		c.CompleteThrough = append(c.CompleteThrough, said)
	}
	to[t.plugin] = c
}

// execute commits the plan to the newest file and, once that is synced, takes it over into memory. The caller holds write.
func (j *Journal) execute(p *plan) error {
	e := j.newest()
	after := e.state
	after.last = p.last
	after.captured += p.captured
	after.days = after.days.plus(p.days).latest()
	err := j.update("commit", e, func(tx *bbolt.Tx) error { return j.writePlan(tx, e, p, after) })
	if err != nil {
		if isDiskFull(err) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		return fmt.Errorf("journal commit: %w", err)
	}
	j.commits.Add(1)
	j.view.Lock()
	defer j.view.Unlock()
	e.state, e.saved, e.tail = after, after.acked, p.tail
	e.moved = append(e.moved, p.moved...)
	maps.Copy(j.cursors, p.cursors)
	e.measure(true)
	if p.captured > 0 || len(p.packs) > 0 {
		j.hungry.Store(false)
		j.notify()
	}
	return nil
}

func (j *Journal) writePlan(tx *bbolt.Tx, e *epoch, p *plan, after state) error {
	meta := tx.Bucket(bucketMeta)
	found, err := readState(meta.Get(keyState))
	if err != nil {
		return err
	}
	if found.last != e.state.last {
		return fmt.Errorf("%w: at %d, not %d", errMoved, found.last, e.state.last)
	}
	for _, pack := range p.packs {
		if err := pack.put(tx); err != nil {
			return err
		}
	}
	if p.clear {
		if err := clearTail(tx); err != nil {
			return err
		}
	}
	if p.row != nil {
		if err := tx.Bucket(bucketTail).Put(seqKey(p.rowSeq), p.row); err != nil {
			return err
		}
	}
	for _, c := range p.cursors {
		if err := putCursor(tx, c); err != nil {
			return err
		}
	}
	for _, r := range p.moved {
		body, err := proto.Marshal(r)
		if err != nil {
			return err
		}
		if err := meta.Put([]byte(movedPrefix+r.Epoch), makeRecord(time.Time{}, body)); err != nil {
			return err
		}
	}
	if _, err := dropAcked(tx, e.state.acked, j.cutoff(), p.drop); err != nil {
		return err
	}
	if len(p.days) > 0 {
		if err := after.days.put(meta, e.state.days); err != nil {
			return err
		}
	}
	return meta.Put(keyState, after.record())
}
