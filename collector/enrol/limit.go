package enrol

import (
	"sync"
	"time"
)

const (
	// faultsPerMinute is how many refused requests one address may make in a minute before it is not heard for the rest of it.
	faultsPerMinute = 20
	// addresses are remembered at most; beyond it all are forgotten, which only lets somebody try a little more.
	addresses = 10_000
)

// limiter counts refused requests by address.
type limiter struct {
	mu     sync.Mutex
	minute int64
	faults map[string]int
}

func (l *limiter) turn(now time.Time) {
	if minute := now.Unix() / 60; l.minute != minute || l.faults == nil || len(l.faults) > addresses {
		l.minute, l.faults = minute, make(map[string]int)
	}
}

func (l *limiter) allow(address string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	return l.faults[address] < faultsPerMinute
}

func (l *limiter) fault(address string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	l.faults[address]++
}
