package master

import "time"

// rate is what a byte takes on a line, worked out from lists of different lengths: a list takes what both ends take for any list, which may be
// much where they are busy, and what its bytes take. Only the latter is the line's, and less of it is a reason for shorter lists.
type rate struct {
	size int
	took time.Duration
	// each is seconds a byte; it is known after two lists of different lengths.
	each  float64
	known bool
}

// leastDifference is by how much two lists must differ in bytes to tell anything.
const leastDifference = 256

// heard takes note of what a list took until it was held.
func (r *rate) heard(size int, took time.Duration) {
	if difference := size - r.size; r.size > 0 && (difference >= leastDifference || difference <= -leastDifference) {
		each := (took - r.took).Seconds() / float64(difference)
		if r.known {
			each = 0.7*r.each + 0.3*each
		}
		r.each, r.known = each, true
	}
	r.size, r.took = size, took
}

// time is how long a list of that size is on the line.
func (r *rate) time(size int) time.Duration {
	return time.Duration(max(0, r.each) * float64(size) * float64(time.Second))
}
