package host

import (
	"context"
	"time"
)

// usage is what the processes of a plugin take: memory at this moment, CPU since they began.
type usage struct {
	memory uint64
	cpu    time.Duration
}

const (
	// measureEvery is the time between two looks, cpuOver how many of them the share of CPU is taken over.
	measureEvery = time.Second
	cpuOver      = 5
)

// meter makes shares of CPU out of looks.
type meter struct {
	at   []time.Time
	used []time.Duration
}

// percent is the share of one core since the oldest look that is kept; 0 with the first.
func (m *meter) percent(now time.Time, cpu time.Duration) float64 {
	m.at, m.used = append(m.at, now), append(m.used, cpu)
	if len(m.at) > cpuOver+1 {
		m.at, m.used = m.at[1:], m.used[1:]
	}
	passed := now.Sub(m.at[0])
	if passed <= 0 || cpu < m.used[0] { // a child that ended took its share with it
		return 0
	}
	return 100 * float64(cpu-m.used[0]) / float64(passed)
}

// measure looks at what the plugin takes until ctx ends, and ends a plugin that takes more memory than it may.
func (s *supervisor) measure(ctx context.Context, r *running) error {
	defer s.used(0, 0)
	limit := uint64(max(0, s.plugin.MemoryLimit))
	every := time.NewTicker(measureEvery)
	defer every.Stop()
	var m meter
	for {
		if u, ok := r.process.usage(); ok {
			s.used(u.memory, m.percent(time.Now(), u.cpu))
			if limit > 0 && u.memory > limit {
				r.process.End()
				return tooMuchMemory(u.memory, limit)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

func tooMuchMemory(took, limit uint64) error {
	return offencef("it took %d MiB of memory, its memory_limit is %d MiB: most likely it leaks, ask its author; if it needs so much, raise plugins[].memory_limit in agent.yaml", took>>20, limit>>20)
}

func (s *supervisor) used(memory uint64, percent float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory, s.cpu = memory, percent
}
