package connector

import "time"

// Breaker keeps calls from a target that does not answer. After a few failures in a row it opens; when its time is over one Probe of the
// connector decides, and then one posting, before everything flows again.
type Breaker struct {
	// Threshold is how many failures in a row open it.
	Threshold int
	// First and Longest bound how long it stays open; the time doubles with each failure while it is not closed.
	First, Longest time.Duration
	// OpenUntil is until when nothing is asked, while it is not closed.
	OpenUntil time.Time

	failures int
	open     time.Duration
	half     bool
}

// Verdict is what a breaker allows now.
type Verdict int

// What may be asked: everything, a Probe, one posting, nothing.
const (
	Everything Verdict = iota
	Probing
	Single
	Refused
)

// Allow says what may be asked at a time.
func (b *Breaker) Allow(now time.Time) Verdict {
	switch {
	case b.open == 0:
		return Everything
	case now.Before(b.OpenUntil):
		return Refused
	case b.half:
		return Single
	}
	return Probing
}

// Closed says whether everything flows.
func (b *Breaker) Closed() bool { return b.open == 0 }

// Probed is told that a Probe was answered.
func (b *Breaker) Probed() { b.half = true }

// Failed is told of a technical fault and says whether the breaker is open now.
func (b *Breaker) Failed(now time.Time) bool {
	b.failures++
	if b.open == 0 && b.failures < b.Threshold {
		return false
	}
	b.open = min(max(b.First, 2*b.open), b.Longest)
	b.OpenUntil, b.half = now.Add(b.open), false
	return true
}

// Known is told that another collector holds it open until then, zero for not at all.
func (b *Breaker) Known(until time.Time) {
	switch {
	case until.IsZero() && b.open == 0: // failures in a row are counted on
	case until.IsZero():
		b.Answered()
	case b.open == 0:
		b.open, b.OpenUntil, b.half = b.First, until, false
	case until.After(b.OpenUntil):
		b.OpenUntil, b.half = until, false
	}
}

// Answered is told that the target answered, and says whether the breaker was open before.
func (b *Breaker) Answered() bool {
	was := b.open != 0
	b.failures, b.open, b.half = 0, 0, false
	return was
}
