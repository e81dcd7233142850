package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/proto/wire"
)

const tenant = "acme"

// world is one day under way. One goroutine does everything in it, in the order that the seed draws.
type world struct {
	config Config
	dir    string
	r      *rand.Rand
	now    time.Time
	trace  *trace
	policy *policy.Policy

	weather weather
	sites   []*site
	centre  *centre
	erp     *system
	crm     *system
	office  *office
	// batch is how many events or keys a stage takes at once, large the number of facts beyond which a key is folded apart; 0 as the product.
	batch, large int
	// wild: anything may be told about anything, so that only that must hold which always must.
	wild bool
	// keep is how long journals keep what is acknowledged, rotate the size at which they begin a new file; 0 as the product.
	keep   time.Duration
	rotate int64

	packets  int
	inFlight []*packet

	steps  int
	acts   int64 // of people, as the database remembers them
	faults map[string]int
	// hit says that something but the database has failed since the step at hand began.
	hit bool
	// incarnation is that of the last answer that a site got.
	incarnation string
	// arrived are the envelopes that came to the centre, where the day is to be told again.
	arrived []wire.Message
	logged  int
	// unsaid says that the database was put back without a word.
	unsaid bool
	// have are the events of sites that are in the log in the end.
	have   map[string]bool
	broken []string
}

func newWorld(ctx context.Context, c Config, dir string) (*world, error) {
	w := &world{config: c, dir: dir, r: stream(c.Seed, "schedule"), now: morning, trace: newTrace(c.Trace), faults: map[string]int{}}
	w.weather = makeWeather(stream(c.Seed, "weather"))
	if c.Database != "" {
		w.weather.restore, w.weather.mishap = 0, 0
	}
	w.trace.add(w.now, "seed %d, weather %+v", c.Seed, w.weather)
	var err error
	if w.policy, err = defaultPolicy(); err != nil {
		return nil, err
	}
	w.batch = []int{0, 3, 10}[w.r.IntN(3)]
	w.large = []int{0, 0, 8}[w.r.IntN(3)]
	w.keep = []time.Duration{0, 7 * 24 * time.Hour}[w.r.IntN(2)]
	w.rotate = []int64{0, 0, 32 << 10}[w.r.IntN(3)]
	w.wild = w.r.IntN(3) == 0
	w.office = &office{world: w, most: 4 + w.r.IntN(6)}
	w.erp, w.crm = w.newSystem("erp"), w.newSystem("crm")
	for i := range 1 + w.r.IntN(3) {
		s, err := w.newSite(fmt.Sprintf("dc%d", i+1), w.openingStock())
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.sites = append(w.sites, s)
	}
	if w.centre, err = w.newCentre(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.centre.quiet = false
	return w, nil
}

func (w *world) close() error {
	var errs []error
	for _, s := range w.sites {
		errs = append(errs, s.close())
	}
	if w.centre != nil {
		errs = append(errs, w.centre.db.Close())
	}
	return errors.Join(errs...)
}

func (w *world) clock() time.Time { return w.now }

// chance says yes in a share of cases; where the share is nothing no luck is used up.
func (w *world) chance(share float64) bool { return share > 0 && w.r.Float64() < share }

func (w *world) fault(name string) {
	w.faults[name]++
	w.hit = true
}

// pass lets time go by.
func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// longest is the most steps of a day before everything works again.
const longest = 2500

// day runs until the office has taken its orders and their work is done on every floor, or the scheduler has had enough.
func (w *world) day(ctx context.Context) error {
	for ; w.steps < longest && !w.done(); w.steps++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.step(ctx); err != nil {
			return err
		}
		if w.steps%100 == 0 {
			if err := w.checkNow(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// done says that everybody who makes work has made it.
func (w *world) done() bool {
	if len(w.office.orders) < w.office.most {
		return false
	}
	if w.wild {
		return w.steps >= longest/2 && !w.moving() // an order may be held, or taken back, and never be begun
	}
	for _, o := range w.office.orders {
		for _, s := range w.sites {
			if s.name == o.Site && !s.dock.Started(o.Number) {
				return false
			}
		}
	}
	return !w.moving()
}

// moving says that a floor has work, or a system something to write down or to tell.
func (w *world) moving() bool {
	for _, s := range w.sites {
		if !s.dock.Idle() || len(s.late) > 0 {
			return true
		}
		for _, from := range s.sources {
			if from.told < len(from.records) {
				return true
			}
		}
	}
	return false
}

// step lets one thing happen.
func (w *world) step(ctx context.Context) error {
	w.tick()
	switch n := w.r.IntN(100); {
	case n < 20:
		for range 1 + w.r.IntN(4) {
			w.deliver()
		}
		return nil
	case n < 23:
		w.office.accept()
		return nil
	case n < 26:
		w.erp.invoices()
		return nil
	case n < 31 && w.wild:
		w.wildly()
		return nil
	case n < 60:
		return w.siteStep(ctx, w.sites[w.r.IntN(len(w.sites))])
	default:
		if w.chance(w.weather.restore) {
			return w.centre.backupOrRestore(ctx)
		}
		return w.centre.any(ctx)
	}
}

// tick moves the clock on: mostly a little, seldom for long.
func (w *world) tick() {
	switch n := w.r.IntN(100); {
	case n < 80:
		w.pass(time.Duration(w.r.IntN(50_000)) * time.Microsecond)
	case n < 96:
		w.pass(time.Duration(w.r.IntN(2000)) * time.Millisecond)
	case n < 99:
		w.pass(time.Duration(w.r.IntN(20)) * time.Second)
	default:
		w.pass(time.Duration(w.r.IntN(240)) * time.Second)
	}
}

// siteStep lets one thing happen at a site.
func (w *world) siteStep(ctx context.Context, s *site) error {
	switch {
	case w.chance(w.weather.crash):
		w.fault(agentCrashed)
		return s.crash()
	case w.chance(w.weather.mishap):
		return s.mishap()
	case w.chance(w.weather.cut):
		w.fault(lineCut)
		s.cut("the line is cut")
		return nil
	case w.chance(w.weather.clock):
		w.fault(clockSet)
		s.skew += time.Duration(w.r.IntN(7200)-3600) * time.Second
		w.trace.add(w.now, "%s: the clock is set, it is %s ahead", s.name, s.skew)
		return nil
	}
	return s.step(ctx, w.r.IntN(6))
}

// step is one of the things that a site does.
func (s *site) step(ctx context.Context, n int) error {
	switch n {
	case 0:
		return s.move()
	case 1:
		s.correct(false)
		return s.feed(ctx, s.sources[0])
	case 2:
		return s.feed(ctx, s.sources[1])
	case 3:
		if !s.recovered {
			return s.recover(ctx)
		}
		return s.deliver(ctx)
	}
	s.work()
	return nil
}

// deliver carries out what came down.
func (s *site) deliver(ctx context.Context) error {
	s.world.hit = false
	if _, err := s.loop.Step(ctx); err != nil && !s.world.hit {
		return &broken{fmt.Sprintf("%s: commands are not carried out although nothing else has failed: %v", s.name, err)}
	}
	return nil
}
