package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/testenv/manyagents"
)

// scaleConfig says how large a run is.
type scaleConfig struct {
	// stages are how many sites there are when the cost at rest is taken; the last is all of them.
	stages []int
	// rest is how long they are watched while nothing happens, outage how long nobody has a line, trickle in which time each captures one event.
	rest, outage, trickle time.Duration
	// events is what each captures while it has no line.
	events int
	// heartbeat is the time between two of a site, 0 for the agent's.
	heartbeat time.Duration
	// limit is how long any one thing may take.
	limit time.Duration
}

// tenThousand is what `make bench AREA=scale` runs.
const tenThousand = 10_000

// scaleOf is a run with so many sites.
func scaleOf(sites int) scaleConfig {
	return scaleConfig{stages: []int{max(1, sites/10), max(1, sites*3/10), sites}, rest: 40 * time.Second, outage: 20 * time.Second, trickle: time.Minute, events: 100, limit: 30 * time.Minute}
}

// scale measures ten thousand sites, each with the agent's own journal and uplink, on one collector with the embedded broker and SQLite.
func (s *Suite) scale(ctx context.Context) error {
	r, err := s.scaleRun(ctx, scaleOf(cmp.Or(s.Sites, tenThousand)))
	if err != nil {
		return err
	}
	r.measures(s)
	if s.Plots == "" {
		return nil
	}
	return r.plots(s.Plots)
}

// scaleRun is a run while it goes on, and what it has seen.
type scaleRun struct {
	suite  *Suite
	config scaleConfig
	centre *centre
	sites  *shares
	sees   *fleet.Fleet

	// empty is the collector without a site.
	empty memoryUse
	rests []restPoint
	// opened is what the journals' opening took.
	opened time.Duration
	// storm is an outage that ends for all with nothing to send, drain one with a backlog, live each site with one event.
	storm, drain, live scalePhase
	limits             scaleLimits
	page               time.Duration
}

// restPoint is what so many sites cost while nothing happens.
type restPoint struct {
	sites int
	// right is the fewest that were shown as they are, at any look.
	right int
	// processor is parts of a core; memory and files are of the collector, bytes a second on the line of all.
	processor, files float64
	memory           memoryUse
	up, down         float64
	// sites' own: processor of all, memory of all.
	siteProcessor float64
	siteMemory    memoryUse
}

// scalePhase is something that all go through together.
type scalePhase struct {
	// took is until all were back and shown so, or all was in the log.
	took      time.Duration
	processor time.Duration
	up, down  int64
	memory    memoryUse
	events    int64
	attempts  uint64
	busiest   int
	// sent are envelopes, resent those of them that had been sent before.
	sent, resent uint64
	refusals     uint64
	commits      uint64
	points       []scalePoint
}

// scalePoint is how far it was after a time.
type scalePoint struct {
	after   time.Duration
	greeted int
	logged  int64
}

// scaleLimits are what the machine does at best, in the same run.
type scaleLimits struct{ handshakes, insert float64 }

func (s *Suite) scaleRun(ctx context.Context, config scaleConfig) (r *scaleRun, err error) {
	dir, err := s.folder("scale")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r = &scaleRun{suite: s, config: config}
	if r.limits.handshakes, err = handshakesPerSecond(); err != nil {
		return nil, err
	}
	if r.centre, err = s.openCentre(ctx, dir, centreConfig{}); err != nil {
		return nil, err
	}
	defer r.centre.close()
	if err := r.centre.start(ctx); err != nil {
		return nil, err
	}
	if r.limits.insert, err = s.insertLimit(ctx, dir, r.centre.database); err != nil {
		return nil, err
	}
	if r.empty, err = memoryOf(r.centre.process.PID()); err != nil {
		return nil, err
	}
	r.sees = &fleet.Fleet{DB: r.centre.read}
	if err := r.register(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	if r.sites, err = s.openShares(ctx, dir, r.centre, r.all(), config.heartbeat); err != nil {
		return nil, err
	}
	defer r.sites.close()
	r.opened = time.Since(began)
	s.say("%d journals opened by %d processes in %s", r.all(), len(r.sites.list), r.opened.Round(100*time.Millisecond))
	for _, step := range []func(context.Context) error{r.grow, r.stormAlone, r.drainAll, r.trickle, r.look} {
		if err := step(ctx); err != nil {
			if !r.centre.process.Running() {
				err = errors.Join(err, fmt.Errorf("the collector has ended: %s", r.centre.process.LogTail()))
			}
			return nil, err
		}
	}
	return r, nil
}

func (r *scaleRun) all() int { return r.config.stages[len(r.config.stages)-1] }

// register makes the sites known, many in one transaction.
func (r *scaleRun) register(ctx context.Context) error {
	for first := 0; first < r.all(); first += 500 {
		err := r.centre.read.Write(ctx, func(tx *db.Tx) error {
			for i := first; i < min(first+500, r.all()); i++ {
				if _, err := r.sees.AddSiteIn(ctx, tx, fleet.Registration{Tenant: tenant, ID: manyagents.Name(i), Region: []string{"north", "south", "east", "west"}[i%4]}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shown is how many sites the centre shows in a state.
func (r *scaleRun) shown(ctx context.Context, state fleet.State) (n int, err error) {
	found, err := r.sees.Sites(ctx, tenant)
	for _, s := range found {
		if s.State == state {
			n++
		}
	}
	return n, err
}

// portion is how many sites begin together: a fleet grows site by site. How all come at once the storm shows.
const portion = 250

// grow has more and more sites connect, and sees what so many cost at rest.
func (r *scaleRun) grow(ctx context.Context) error {
	run := 0
	for _, n := range r.config.stages {
		began := time.Now()
		for run < n {
			run = min(run+portion, n)
			if _, err := r.sites.ask(manyagents.Order{Do: "run", N: run}); err != nil {
				return err
			}
			if err := r.back(ctx, run, nil); err != nil {
				return err
			}
		}
		r.suite.say("%d sites are greeted and shown online after %s", n, time.Since(began).Round(100*time.Millisecond))
		p, err := r.rest(ctx, n)
		if err != nil {
			return err
		}
		r.rests = append(r.rests, p)
	}
	return nil
}

// back waits until n sites are greeted and shown online; look is told of each look.
func (r *scaleRun) back(ctx context.Context, n int, look func(manyagents.Report) error) error {
	greeted, shown := 0, 0
	var last manyagents.Report
	err := waitFor(ctx, "all sites are back", r.config.limit, 250*time.Millisecond, func() (bool, error) {
		report, err := r.sites.look()
		if err != nil {
			return false, err
		}
		greeted, last = report.Greeted, report
		if look != nil {
			if err := look(report); err != nil {
				return false, err
			}
		}
		if greeted < n {
			return false, nil
		}
		shown, err = r.shown(ctx, fleet.Online)
		return shown >= n, err
	})
	if err != nil {
		return fmt.Errorf("%w: %d of %d are greeted, %d shown online; %s %s", err, greeted, n, shown, last.LastError, last.LastRefusal)
	}
	return nil
}

// rest watches n sites while nothing happens.
func (r *scaleRun) rest(ctx context.Context, n int) (p restPoint, err error) {
	pid := r.centre.process.PID()
	if err := wait(ctx, r.config.rest/4); err != nil { // what the links have left is done with
		return p, err
	}
	p = restPoint{sites: n, right: n}
	used, err := processorTime(pid)
	if err != nil {
		return p, err
	}
	siteUsed, _, err := r.sites.use()
	if err != nil {
		return p, err
	}
	before, err := r.sites.look()
	if err != nil {
		return p, err
	}
	began := time.Now()
	for time.Since(began) < r.config.rest {
		shown, err := r.shown(ctx, fleet.Online)
		if err != nil {
			return p, err
		}
		p.right = min(p.right, shown)
		if err := wait(ctx, min(5*time.Second, r.config.rest/4)); err != nil {
			return p, err
		}
	}
	after, err := r.sites.look()
	if err != nil {
		return p, err
	}
	seconds := time.Since(began).Seconds()
	usedNow, err := processorTime(pid)
	if err != nil {
		return p, err
	}
	siteNow, siteMemory, err := r.sites.use()
	if err != nil {
		return p, err
	}
	if p.memory, err = memoryOf(pid); err != nil {
		return p, err
	}
	p.processor, p.up, p.down = (usedNow-used).Seconds()/seconds, float64(after.Up-before.Up)/seconds, float64(after.Down-before.Down)/seconds
	p.siteProcessor, p.siteMemory, p.files = (siteNow-siteUsed).Seconds()/seconds, siteMemory, float64(filesOf(pid))
	r.suite.say("%d sites at rest: collector %.0f %% of a core, %.0f MB (%.0f anonymous), %.0f files; the sites %.0f %% of a core, %.0f MB anonymous, %d goroutines; %.0f B/s up, %.0f down; %d shown right at least",
		n, 100*p.processor, p.memory.Resident/megabyte, p.memory.Anonymous/megabyte, p.files, 100*p.siteProcessor, p.siteMemory.Anonymous/megabyte, after.Goroutines, p.up, p.down, p.right)
	return p, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// filesOf is how many files a process has open.
func filesOf(pid int) int {
	entries, err := os.ReadDir(filepath.Join("/proc", fmt.Sprint(pid), "fd"))
	if err != nil {
		return 0
	}
	return len(entries)
}
