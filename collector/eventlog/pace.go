package eventlog

import "time"

// pace finds how many events a step takes. Many at once cost less each: the pages that hashes are spread over are written once a commit. But
// while a step runs, what is captured now waits for the next, and on SQLite everybody who writes does.
type pace struct {
	events int
}

const (
	startEvents = 4000
	leastEvents = 2000
	mostEvents  = 8000
	// quickStep and slowStep are between which times a full step should take.
	quickStep = 120 * time.Millisecond
	slowStep  = 300 * time.Millisecond
)

func (p *pace) size() int {
	if p.events == 0 {
		p.events = startEvents
	}
	return p.events
}

// took learns from a step of so many events.
func (p *pace) took(events int, d time.Duration) {
	size := p.size()
	switch {
	case d > slowStep && events > leastEvents:
		p.events = max(min(size, events)/2, leastEvents)
	case d < quickStep && events > size/2:
		p.events = min(2*size, mostEvents)
	}
}
