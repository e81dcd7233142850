package bench

import (
	"slices"
	"time"
)

// SourceConfig is the config section of the bench source.
type SourceConfig struct {
	// Run names this run: its result is result<Run>.json, and its picks have keys of their own.
	Run string `yaml:"run"`
	// Batch is how many events go in one call.
	Batch int `yaml:"batch"`
	// OneCaller waits for the answer to a call before the next.
	OneCaller bool `yaml:"one_caller"`
	// Rate is events a second, 0 as fast as they are taken.
	Rate float64 `yaml:"rate"`
	// Total and Milliseconds end the run; with neither it ends with the process.
	Total        int64 `yaml:"total"`
	Milliseconds int64 `yaml:"milliseconds"`
	// StartAt is when to begin, in Unix milliseconds, so that several sources begin together.
	StartAt int64 `yaml:"start_at"`
}

// SourceResult is what the bench source writes down: what the host had answered for, the times of calls in milliseconds.
type SourceResult struct {
	Events      int64
	Begin, Last time.Time
	P50, P99    float64
	EventBytes  int
}

// Rate is events a second.
func (r SourceResult) Rate() float64 { return float64(r.Events) / r.Last.Sub(r.Begin).Seconds() }

// Quantile of values, which it sorts; 0 for none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}
