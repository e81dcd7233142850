package posting

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// portionTime is about how long the calls of one claim take: what is urgent and comes meanwhile waits no longer than that.
	portionTime = 250 * time.Millisecond
	// portionDepth is how many postings are claimed at most for each call that may be under way. It is also how many are asked for again, after
	// the settle time, where the process dies in the middle.
	portionDepth = 16
)

// finishWithin is how long a call may go on when the collector is asked to stop.
const finishWithin = 3 * time.Second

// answer is what became of one of the claimed postings.
type answer struct {
	job
	heard
}

// send claims some postings in one transaction, tells the target of them with up to limit calls under way at once, and settles what was
// heard: all that has come in by then in one transaction. Unless fromReady it takes only such as are read back.
func (s *Sender) send(ctx context.Context, limit, depth int, fromReady bool) (int, error) {
	// The clock of the calls starts before the lease's, so that a call's deadline lies before the lease's end.
	calls, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.CallTimeout)
	defer cancel()
	// What is at the target when the collector is asked to stop has a moment to be answered: else who goes on must find out by reading back.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(finishWithin, cancel) })()
	jobs, err := s.claim(ctx, limit*depth, fromReady)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	var errs []error
	answers := s.callAll(ctx, calls, jobs, limit)
	for first := range answers {
		// One call at a time is one order of things: all answers of the portion are settled together, however long that takes.
		group := append([]answer{first}, waitingIn(answers, limit == 1)...)
		errs = append(errs, s.settleGroup(ctx, group))
		for _, a := range group {
			if !a.unsent {
				errs = append(errs, s.learn(ctx, a.heard))
			}
		}
	}
	return len(jobs), errors.Join(errs...)
}

// waitingIn are the answers that have come in, or all that will come.
func waitingIn(answers <-chan answer, all bool) (more []answer) {
	if all {
		for a := range answers {
			more = append(more, a)
		}
		return more
	}
	for {
		select {
		case a, open := <-answers:
			if !open {
				return more
			}
			more = append(more, a)
		default:
			return more
		}
	}
}

// callAll makes the calls, up to limit at once, and gives each answer as it comes. After a technical fault, and when half of the time is gone,
// or the collector is asked to stop, no further call is begun: what is left is put back, and has had no call.
func (s *Sender) callAll(asked, ctx context.Context, jobs []job, limit int) <-chan answer {
	answers := make(chan answer, len(jobs))
	began := s.Now()
	var next atomic.Int64
	var enough atomic.Bool
	var group sync.WaitGroup
	for range min(limit, len(jobs)) {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return
				}
				now := s.Now()
				if i >= limit && (enough.Load() || asked.Err() != nil || ctx.Err() != nil || now.Sub(began) > s.CallTimeout/2) {
					answers <- answer{jobs[i], heard{at: now, unsent: true}}
					continue
				}
				h := s.call(ctx, jobs[i])
				if h.fault != nil && h.fault.Class == docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
					enough.Store(true)
				}
				s.pace(s.Now().Sub(now))
				answers <- answer{jobs[i], h}
			}
		})
	}
	go func() {
		group.Wait()
		close(answers)
	}()
	return answers
}

// pace notes what a call took, for how many postings the next claim takes.
func (s *Sender) pace(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tempo == 0 {
		s.tempo = max(took, 1)
		return
	}
	s.tempo = max((7*s.tempo+took)/8, 1)
}

// depth is how many postings are claimed for each call that may be under way: as many as are told in portionTime. Of a target that was not
// heard yet nothing is known.
func (s *Sender) depth() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tempo == 0 {
		return 1
	}
	return int(min(max(portionTime/s.tempo, 1), portionDepth))
}

// learn tells breaker and pause what one answer says about the target.
func (s *Sender) learn(ctx context.Context, h heard) error {
	if h.fault == nil || h.fault.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
		return s.answered(ctx)
	}
	if ctx.Err() != nil || h.fault.Unasked {
		return nil // it was us, not the target
	}
	s.failed(h.fault)
	return nil
}
