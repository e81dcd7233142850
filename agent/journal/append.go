package journal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// commitEvents and commitBytes bound one commit, so that one caller's wait stays bounded.
	commitEvents = 20_000
	commitBytes  = 8 << 20
	// maxEventBytes is what no event may exceed, whatever the host let pass: it must fit into one envelope.
	maxEventBytes = 768 << 10
)

// Entry is what becomes durable together: events, the cursor behind them, and how far the plugin's streams are complete.
type Entry struct {
	Plugin string
	// Events may be empty.
	Events []*docklinev1.Event
	// Encoded may have, for each of Events, the form in which it is to be kept; where it is nil the event is encoded here. It is the
	// journal's from then on.
	Encoded [][]byte
	// Cursor replaces the plugin's cursor; nil leaves it.
	Cursor []byte
	// CompleteThrough replaces what was said of the same streams.
	CompleteThrough []*docklinev1.CompleteThrough
}

// ticket is an Append on its way.
type ticket struct {
	plugin   string
	items    []item
	days     dayCounts
	bytes    int
	cursor   []byte
	complete []*docklinev1.CompleteThrough
	// reserve lets it use the reserve.
	reserve bool
	err     error
	signal  chan bool // true: lead the next commit; false: done, err is set
}

func newTicket(e Entry) (*ticket, error) {
	t := &ticket{plugin: e.Plugin, items: make([]item, len(e.Events)), cursor: slices.Clone(e.Cursor), signal: make(chan bool, 1)}
	for _, c := range e.CompleteThrough {
		t.complete = append(t.complete, proto.CloneOf(c))
	}
	for i, event := range e.Events {
		data, err := e.encoded(i)
		if err != nil {
			return nil, fmt.Errorf("append event %d: %w", i, err)
		}
		if len(data) > maxEventBytes {
			return nil, fmt.Errorf("append event %d: %d bytes, %d are allowed", i, len(data), maxEventBytes)
		}
		t.items[i] = item{data: data, urgent: event.Urgent}
		t.days.add(event)
		t.bytes += len(data)
	}
	t.reserve = len(t.items) == 0
	return t, nil
}

// encoded is one of the events as it is kept.
func (e *Entry) encoded(i int) ([]byte, error) {
	if i < len(e.Encoded) && e.Encoded[i] != nil {
		return e.Encoded[i], nil
	}
	return proto.Marshal(e.Events[i])
}

// queue holds Appends that wait for a commit. One caller at a time leads: it commits what waits, its own entry first,
// then hands the lead to the first that came meanwhile. So a commit is as large as the last one was slow, without a
// goroutine or a timer.
type queue struct {
	mu      sync.Mutex
	waiting []*ticket
	leading bool
	closed  bool
}

// join queues t and says whether its caller leads.
func (q *queue) join(t *ticket) (lead bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, ErrClosed
	}
	q.waiting = append(q.waiting, t)
	lead = !q.leading
	q.leading = true
	return lead, nil
}

// take removes what one commit is to hold from the front.
func (q *queue) take() []*ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, events, bytes := 0, 0, 0
	for _, t := range q.waiting {
		if events += len(t.items); n > 0 && events > commitEvents {
			break
		}
		if bytes += t.bytes; n > 0 && bytes > commitBytes {
			break
		}
		n++
	}
	group := slices.Clone(q.waiting[:n])
	q.waiting = append(q.waiting[:0], q.waiting[n:]...)
	return group
}

// pass hands the lead on, to nobody if nobody waits.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		q.waiting[0].signal <- true
	} else {
		q.leading = false
	}
}

// withdraw takes t out again if no commit has taken it yet.
func (q *queue) withdraw(t *ticket) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, t)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	select {
	case <-t.signal: // It had been given the lead.
		if len(q.waiting) > 0 {
			q.waiting[0].signal <- true
		} else {
			q.leading = false
		}
	default:
	}
	return true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// Append returns nil after a synced commit that holds the entry whole. After any error nothing of it was stored, with one
// exception: where the disk fails in the very act of syncing, it may be; the caller offers it again, and the event ids
// tell. ErrFull asks the caller to wait. Concurrent callers share a commit.
func (j *Journal) Append(ctx context.Context, e Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := newTicket(e)
	if err != nil {
		return err
	}
	lead, err := j.queue.join(t)
	if err != nil {
		return err
	}
	if !lead {
		select {
		case lead = <-t.signal:
		case <-ctx.Done():
			if j.queue.withdraw(t) {
				return ctx.Err()
			}
			lead = <-t.signal
		}
		if !lead {
			return t.err
		}
	}
	j.lead()
	return t.err
}

// lead commits what waits, the caller's own entry first, and passes the lead on.
func (j *Journal) lead() {
	j.write.Lock()
	group := j.queue.take()
	j.commit(group)
	j.write.Unlock()
	for _, t := range group[1:] {
		t.signal <- false
	}
	if len(group) > 1 {
		// Those just answered most often come straight back: let them, and the next commit is larger.
		runtime.Gosched()
	}
	j.queue.pass()
}

// commit stores the group and sets each ticket's err. The caller holds write.
func (j *Journal) commit(group []*ticket) {
	fail := func(err error) {
		for _, t := range group {
			t.err = err
		}
	}
	if j.closed {
		fail(ErrClosed)
		return
	}
	if err := j.rotateIfLarge(); err != nil {
		fail(err)
		return
	}
	admitted := j.admit(group)
	if len(admitted) == 0 {
		return
	}
	err := j.store(admitted, j.hungry.Load())
	for _, t := range admitted {
		t.err = err
	}
	if err == nil {
		j.appends.Add(uint64(len(admitted)))
	}
}

// admit returns the tickets for which there is room, and sets ErrFull on the others.
func (j *Journal) admit(group []*ticket) []*ticket {
	admitted := make([]*ticket, 0, len(group))
	room := j.room()
	reclaimed := false
	for _, t := range group {
		if int64(t.bytes) > room && !t.reserve && !reclaimed {
			reclaimed = true
			if err := j.reclaim(); err != nil {
				j.options.Log.Error("journal: reclaim space", "err", err)
			}
			room = j.room()
		}
		if int64(t.bytes) > room && !t.reserve {
			t.err = ErrFull
			continue
		}
		room -= int64(t.bytes)
		admitted = append(admitted, t)
	}
	return admitted
}

// room is how many bytes of events may still come, leaving the reserve alone.
func (j *Journal) room() int64 {
	j.view.RLock()
	defer j.view.RUnlock()
	return j.options.LimitBytes - j.options.ReserveBytes - j.used()
}

func (j *Journal) used() (bytes int64) {
	for _, e := range j.epochs {
		bytes += e.used
	}
	return bytes
}

// store commits the tickets, all or none, and once more on a new file if the newest turns out to be damaged.
func (j *Journal) store(group []*ticket, seal bool) error {
	err := j.storeOnce(group, seal)
	switch {
	case errors.Is(err, errMoved):
		// An earlier commit had failed after all was written. What the file says counts.
		j.view.Lock()
		err = j.newest().reload()
		j.view.Unlock()
		if err == nil {
			err = j.storeOnce(group, seal)
		}
	case errors.Is(err, ErrDamaged):
	default:
		return err
	}
	if errors.Is(err, ErrDamaged) {
		if aside := j.setAsideOpen(j.newest(), err, false); aside != nil {
			return errors.Join(err, aside)
		}
		err = j.storeOnce(group, seal)
	}
	return err
}

func (j *Journal) storeOnce(group []*ticket, seal bool) error {
	p, err := makePlan(j.newest(), j.cursors, group, j.options.Now(), seal, j.dictionary.Load())
	if err != nil {
		return err
	}
	return j.execute(p)
}
