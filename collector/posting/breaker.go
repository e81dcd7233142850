package posting

import "time"

// backoff is how long a posting waits after its nth technical fault in a row: doubling, capped, spread by a random number
// from [0, 1) over the upper half.
func backoff(attempt int64, first, longest time.Duration, random float64) time.Duration {
	d := longest
	if attempt < 30 {
		d = min(first<<max(0, attempt-1), longest)
	}
	return d/2 + time.Duration(random*float64(d/2))
}
