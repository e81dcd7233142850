package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/manysites"
)

const (
	fleetSites = 1000
	// fleetSteady is how long the fleet is watched while nothing happens, fleetOutage how long nobody has a line.
	fleetSteady = 30 * time.Second
	fleetOutage = 30 * time.Second
)

// fleet measures a thousand sites on one collector with the embedded broker and SQLite: what they cost while nothing happens, and what
// happens when an outage of the network ends for all of them in the same moment.
func (s *Suite) fleet(ctx context.Context) error {
	dir, err := s.folder("fleet")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := s.openCentre(ctx, dir, centreConfig{})
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.start(ctx); err != nil {
		return err
	}
	line, err := testenv.OpenLine(c.brokerAddr)
	if err != nil {
		return err
	}
	defer line.Close()
	authority, err := identity.Open(filepath.Join(c.dir, "identity"))
	if err != nil {
		return err
	}
	sees := &fleet.Fleet{DB: c.read}
	began := time.Now()
	sites, err := manysites.Open(ctx, manysites.Config{Tenant: tenant, N: fleetSites, Broker: line.Addr(), Authority: authority, Fleet: sees})
	if err != nil {
		return err
	}
	defer sites.Close()
	right := func(state fleet.State, what string, limit time.Duration) error {
		n := 0
		err := waitFor(ctx, what, limit, 250*time.Millisecond, func() (bool, error) {
			var err error
			n, err = sites.Right(ctx, sees, tenant, state)
			return n == fleetSites, err
		})
		if err != nil {
			return fmt.Errorf("%w: %d of %d", err, n, fleetSites)
		}
		return nil
	}
	if err := right(fleet.Online, "all sites online", 2*time.Minute); err != nil {
		return err
	}
	s.say("%d sites were added and online after %s", fleetSites, time.Since(began).Round(time.Second))
	if err := s.fleetSteady(ctx, c, sites, sees); err != nil {
		return err
	}
	return s.fleetReturns(ctx, c, line, sites, right)
}

// fleetSteady watches the fleet while nothing happens.
func (s *Suite) fleetSteady(ctx context.Context, c *centre, sites *manysites.Fleet, sees *fleet.Fleet) error {
	used, err := processorTime(c.process.PID())
	if err != nil {
		return err
	}
	peak := peakMemory(c.process.PID())
	began, lowest := time.Now(), fleetSites
	for time.Since(began) < fleetSteady {
		n, err := sites.Right(ctx, sees, tenant, fleet.Online)
		if err != nil {
			return err
		}
		lowest = min(lowest, n)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
	m := peak()
	after, err := processorTime(c.process.PID())
	if err != nil {
		return err
	}
	took, err := pageTime(c.console)
	if err != nil {
		return err
	}
	s.say("at rest: %.1f MB resident; the page of all sites takes %s", m.Resident/megabyte, took.Round(time.Millisecond))
	s.absolute("1,000 sites at rest, shown as they are at every look", float64(lowest), "sites", atLeast(fleetSites))
	s.absolute("1,000 sites at rest, processor of the collector", 100*(after-used).Seconds()/time.Since(began).Seconds(), "% of a core", atMost(60))
	s.absolute("1,000 sites at rest, resident memory of the collector", m.Resident/megabyte, "MB", atMost(400))
	return nil
}

// fleetReturns cuts the line of all and mends it.
func (s *Suite) fleetReturns(ctx context.Context, c *centre, line *testenv.Line, sites *manysites.Fleet, right func(fleet.State, string, time.Duration) error) error {
	cut := time.Now()
	line.Cut(true)
	if err := right(fleet.Offline, "all sites offline", time.Minute); err != nil {
		return err
	}
	s.say("all are offline after %s", time.Since(cut).Round(100*time.Millisecond))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(fleetOutage - time.Since(cut)):
	}
	used, err := processorTime(c.process.PID())
	if err != nil {
		return err
	}
	peak := peakMemory(c.process.PID())
	mended, before := time.Now(), sites.Attempts()
	line.Cut(false)
	if err := right(fleet.Online, "all sites online again", 2*time.Minute); err != nil {
		return err
	}
	back := time.Since(mended)
	after, err := processorTime(c.process.PID())
	if err != nil {
		return err
	}
	attempts := sites.Attempts() - before
	m := peak()
	var links []time.Time
	for _, site := range sites.Sites() {
		links = append(links, site.Links(mended)...)
	}
	s.say("all are back and shown so after %s, with %d attempts and %.1f s of processor; %d links at most in one second", back.Round(100*time.Millisecond), attempts, (after - used).Seconds(), busiest(links))
	s.absolute("an outage ends for 1,000 sites at once: links in the busiest second", float64(busiest(links)), "links", atMost(fleetSites/2))
	s.absolute("an outage ends for 1,000 sites at once: attempts until all are back", float64(attempts), "attempts", atMost(fleetSites*2))
	s.absolute("an outage ends for 1,000 sites at once: shown as they are after", back.Seconds(), "s", atMost(60))
	s.absolute("an outage ends for 1,000 sites at once: resident memory of the collector, the most", m.Resident/megabyte, "MB", atMost(500))
	// Whatever was late on its way flips none of them.
	lowest := fleetSites
	for range 5 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
		n := 0
		if err := right(fleet.Online, "all sites online still", time.Millisecond); err != nil {
			s.say("%v", err)
			n = 1
		}
		lowest = min(lowest, fleetSites-n)
	}
	s.absolute("1,000 sites after the outage, shown as they are at every look", float64(lowest), "sites", atLeast(fleetSites))
	return nil
}

// busiest is the highest number of moments within any one second.
func busiest(moments []time.Time) (most int) {
	slices.SortFunc(moments, time.Time.Compare)
	from := 0
	for i, t := range moments {
		for t.Sub(moments[from]) >= time.Second {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// pageTime is how long the console takes for its first page.
func pageTime(console string) (time.Duration, error) {
	began := time.Now()
	r, err := http.Get(console)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return 0, err
	}
	if r.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the console answers %s", r.Status)
	}
	return time.Since(began), nil
}
