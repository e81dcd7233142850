package posting

import "time"

// breaker keeps calls from a target that does not answer. After a few failures in a row it opens; when its time is over one
// Probe of the connector decides, and then one posting, before everything flows again.
type breaker struct {
	// threshold is how many failures in a row open it.
	threshold int
	// first and longest bound how long it stays open; the time doubles with each failure while it is not closed.
	first, longest time.Duration

	failures  int
	open      time.Duration
	openUntil time.Time
	half      bool
}

// verdict is what a breaker allows now.
type verdict int

const (
	closed  verdict = iota // every call
	probing                // a Probe
	single                 // one posting
	refused                // nothing
)

func (b *breaker) allow(now time.Time) verdict {
	switch {
	case b.open == 0:
		return closed
	case now.Before(b.openUntil):
		return refused
	case b.half:
		return single
	}
	return probing
}

// probed is told that a Probe was answered.
func (b *breaker) probed() { b.half = true }

// failed is told of a technical fault and says whether the breaker is open now.
func (b *breaker) failed(now time.Time) bool {
	b.failures++
	if b.open == 0 && b.failures < b.threshold {
		return false
	}
	b.open = min(max(b.first, 2*b.open), b.longest)
	b.openUntil, b.half = now.Add(b.open), false
	return true
}

// answered is told that the target answered a posting, and says whether the breaker was open before.
func (b *breaker) answered() bool {
	was := b.open != 0
	b.failures, b.open, b.half = 0, 0, false
	return was
}

// backoff is how long a posting waits after its nth technical fault in a row: doubling, capped, spread by a random number
// from [0, 1) over the upper half.
func backoff(attempt int64, first, longest time.Duration, random float64) time.Duration {
	d := longest
	if attempt < 30 {
		d = min(first<<max(0, attempt-1), longest)
	}
	return d/2 + time.Duration(random*float64(d/2))
}
