package posting

import (
	"time"
)

// Timing is how soon a posting is to be told, and whether somebody waits for the answer.
type Timing string

const (
	// Synchronous: somebody waits for the verdict. It goes ahead of all others.
	Synchronous Timing = "synchronous"
	// NearRealTime: as soon as it can be, which is the default.
	NearRealTime Timing = "near_real_time"
	// Batch: at its hour.
	Batched Timing = "batch"
)

// ahead is how much further in front in the row a posting stands for which somebody waits.
const ahead = time.Hour

// schedule takes the timing that is wanted now.
func (r *row) schedule(d Desired) {
	r.Timing, r.notBefore, r.within = d.Timing, 0, d.Within.Microseconds()
	if !d.NotBefore.IsZero() {
		r.notBefore = d.NotBefore.UnixMicro()
	}
	r.touch()
}

// turn is when a posting that waits for nothing else may be sent.
func (r *row) turn(now int64) int64 {
	if r.Timing == Synchronous {
		return now - ahead.Microseconds()
	}
	return max(now, r.notBefore)
}
