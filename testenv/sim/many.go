package sim

import (
	"context"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Summary is what many days came to.
type Summary struct {
	Days, Steps, Orders, Events int
	Faults                      map[string]int
	// Failed are the days on which a promise did not hold, by seed.
	Failed []*Result
}

// Many simulates count days like one from its seed on, each processor one at a time, and tells out of each that failed.
func Many(ctx context.Context, like Config, count int, out io.Writer) (*Summary, error) {
	s := &Summary{Faults: map[string]int{}}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range count {
		g.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			day := like
			day.Seed += uint64(i)
			r, err := Run(ctx, day)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			s.add(r)
			if len(r.Broken) > 0 && out != nil {
				fmt.Fprint(out, r.Report())
			}
			return nil
		})
	}
	err := g.Wait()
	slices.SortFunc(s.Failed, func(a, b *Result) int { return int(a.Seed) - int(b.Seed) })
	return s, err
}

func (s *Summary) add(r *Result) {
	s.Days++
	s.Steps += r.Steps
	s.Orders += r.Orders
	s.Events += r.Events
	for name, n := range r.Faults {
		s.Faults[name] += n
	}
	if len(r.Broken) > 0 {
		s.Failed = append(s.Failed, r)
	}
}

// String is one line for people.
func (s *Summary) String() string {
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(s.Faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, s.Faults[name]))
	}
	return fmt.Sprintf("%d days, %d failed: %d steps, %d orders, %d events; faults: %s", s.Days, len(s.Failed), s.Steps, s.Orders, s.Events, strings.Join(faults, ", "))
}

// Report says of a day that failed what did not hold, how it ended, and how to have it again.
func (r *Result) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d promises do not hold\n", r.Seed, len(r.Broken))
	for _, text := range r.Broken {
		fmt.Fprintf(&b, "  %s\n", text)
	}
	fmt.Fprintf(&b, "the last of %d steps:\n  %s\nagain, with every line of it: make sim SEED=%d\n", r.Steps, strings.Join(r.Tail, "\n  "), r.Seed)
	return b.String()
}
