package eventlog

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dockline/dockline/collector/db"
)

// openAll opens envelopes, as many side by side as there are processors, until they have unfolded to so many bytes, and returns those that are
// open: the first of them. Unfolding, decoding and hashing is a sixth of what an event costs, and nothing in it needs the database.
func openAll(envelopes []*waiting, bytes int) []*waiting {
	var next, size atomic.Int64
	work := func() {
		for size.Load() < int64(bytes) {
			i := int(next.Add(1)) - 1
			if i >= len(envelopes) {
				return
			}
			envelopes[i].open()
			size.Add(int64(envelopes[i].size))
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(envelopes)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return envelopes[:min(int(next.Load()), len(envelopes))]
}

// ahead opens the envelopes of the next step while this step's transaction is written. It is a memory only: what an inbox row holds never
// changes under its id, and whether the row is still to be filled the next step asks the database.
type ahead struct {
	mine   func(site string) bool
	opened map[int64]*waiting
	// looking ends when the goroutine has; nil where there is none.
	looking chan struct{}
}

// look begins to open what comes after the envelopes taken, about max events and so many bytes. It ends before wait returns.
func (a *ahead) look(ctx context.Context, d *db.DB, taken []int64, max, bytes int) {
	a.wait()
	looking := make(chan struct{})
	a.looking = looking
	go func() {
		defer close(looking)
		// What goes wrong here the next step meets itself.
		if found, err := next(ctx, d, taken, max, a.mine); err == nil {
			a.opened = make(map[int64]*waiting, len(found))
			size := 0
			for _, w := range found {
				if ctx.Err() != nil || size >= bytes {
					return
				}
				w.open()
				size += w.size
				a.opened[w.id] = w
			}
		}
	}()
}

// wait ends when nothing is being opened any more.
func (a *ahead) wait() {
	if a.looking != nil {
		<-a.looking
		a.looking = nil
	}
}

// take gives envelopes what was opened of them, and forgets the rest. It is handed out once, since who appends events changes them.
func (a *ahead) take(envelopes []*waiting) {
	a.wait()
	for _, w := range envelopes {
		if have := a.opened[w.id]; have != nil {
			w.events, w.fault, w.size, w.opened = have.events, have.fault, have.size, true
		}
	}
	a.opened = nil
}

// next reads the envelopes that are due after those taken.
func next(ctx context.Context, d *db.DB, taken []int64, max int, mine func(string) bool) ([]*waiting, error) {
	var found []*waiting
	err := d.Read(ctx, func(tx *db.Tx) error {
		chosen, err := due(ctx, tx, 2*max, 2*maxEnvelopes, "", mine)
		if err != nil {
			return err
		}
		ids := slices.DeleteFunc(idsOf(chosen), func(id int64) bool { return slices.Contains(taken, id) })
		if len(ids) == 0 {
			return nil
		}
		list, args := among(ids)
		rows, err := tx.Query(ctx, waitingEnvelopes+list, args...)
		if err != nil {
			return err
		}
		found, err = scanWaiting(rows)
		return err
	})
	return found, err
}

// inTandem makes n parts in turn and uses each while the next is made. It returns when both have ended.
func inTandem[T any](n int, produce func(i int) (T, error), use func(T) error) error {
	if n == 1 {
		part, err := produce(0)
		if err != nil {
			return err
		}
		return use(part)
	}
	parts, stop := make(chan T), make(chan struct{})
	var failed error
	var producer sync.WaitGroup
	producer.Go(func() {
		defer close(parts)
		for i := range n {
			part, err := produce(i)
			if err != nil {
				failed = err
				return
			}
			select {
			case parts <- part:
			case <-stop:
				return
			}
		}
	})
	for part := range parts {
		if err := use(part); err != nil {
			close(stop)
			producer.Wait()
			return err
		}
	}
	producer.Wait()
	return failed
}
