package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/testenv/manyagents"
)

// phase measures what f does from now on.
func (r *scaleRun) phase(ctx context.Context, p *scalePhase, f func(began time.Time) error) error {
	pid := r.centre.process.PID()
	used, err := processorTime(pid)
	if err != nil {
		return err
	}
	before, err := r.sites.look()
	if err != nil {
		return err
	}
	logged, err := r.centre.logged(ctx)
	if err != nil {
		return err
	}
	peak, began := peakMemory(pid), time.Now()
	if err := f(began); err != nil {
		peak()
		return err
	}
	p.took, p.memory = time.Since(began), peak()
	usedNow, err := processorTime(pid)
	if err != nil {
		return err
	}
	after, err := r.sites.ask(manyagents.Order{Do: "look", Since: began})
	if err != nil {
		return err
	}
	loggedNow, err := r.centre.logged(ctx)
	p.processor, p.up, p.down, p.events = usedNow-used, after.Up-before.Up, after.Down-before.Down, loggedNow-logged
	p.attempts, p.sent, p.resent, p.refusals, p.commits = after.Attempts-before.Attempts, after.Sent-before.Sent, after.Resent-before.Resent, after.Refusals-before.Refusals, after.Commits-before.Commits
	p.busiest = busiest(after.At)
	if p.refusals > 0 {
		r.suite.say("%d refusals, the last %s", p.refusals, after.LastRefusal)
	}
	if after.Forks > 0 && err == nil {
		err = fmt.Errorf("%d journals were forked: the collector holds other events than they", after.Forks)
	}
	return err
}

// outage cuts the line of all, has them do something meanwhile, and mends it when the outage is over.
func (r *scaleRun) outage(ctx context.Context, p *scalePhase, meanwhile func() error, over func(began time.Time) error) error {
	cut := time.Now()
	if _, err := r.sites.ask(manyagents.Order{Do: "cut"}); err != nil {
		return err
	}
	shown := 0
	err := waitFor(ctx, "all sites are shown offline", r.config.limit, 250*time.Millisecond, func() (_ bool, err error) {
		shown, err = r.shown(ctx, fleet.Offline)
		return shown == r.all(), err
	})
	if err != nil {
		return fmt.Errorf("%w: %d of %d", err, shown, r.all())
	}
	r.suite.say("all are shown offline %s after the cut", time.Since(cut).Round(100*time.Millisecond))
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return err
		}
	}
	if err := wait(ctx, r.config.outage-time.Since(cut)); err != nil {
		return err
	}
	return r.phase(ctx, p, func(began time.Time) error {
		if _, err := r.sites.ask(manyagents.Order{Do: "mend"}); err != nil {
			return err
		}
		return over(began)
	})
}

// note keeps how far a phase is.
func (r *scaleRun) note(ctx context.Context, p *scalePhase, began time.Time, report manyagents.Report, from int64) (logged int64, err error) {
	logged, err = r.centre.logged(ctx)
	p.points = append(p.points, scalePoint{time.Since(began), report.Greeted, logged - from})
	return logged, err
}

// stormAlone is an outage that ends for all at once, with nothing to send.
func (r *scaleRun) stormAlone(ctx context.Context) error {
	p := &r.storm
	err := r.outage(ctx, p, nil, func(began time.Time) error {
		return r.back(ctx, r.all(), func(report manyagents.Report) error {
			p.points = append(p.points, scalePoint{after: time.Since(began), greeted: report.Greeted})
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	r.suite.say("storm: all back and shown so after %s, %d attempts, %d links in the busiest second; collector %.1f s of processor, %.0f MB at most; %.0f B up and %.0f down a site",
		p.took.Round(100*time.Millisecond), p.attempts, p.busiest, p.processor.Seconds(), p.memory.Resident/megabyte, float64(p.up)/float64(r.all()), float64(p.down)/float64(r.all()))
	return nil
}

// drainAll is one after which each has a backlog.
func (r *scaleRun) drainAll(ctx context.Context) error {
	p, from := &r.drain, int64(0)
	want := int64(r.all() * r.config.events)
	err := r.outage(ctx, p, func() (err error) {
		began := time.Now()
		report, err := r.sites.ask(manyagents.Order{Do: "capture", N: r.config.events, PerCall: 10})
		if err != nil {
			return err
		}
		r.suite.say("%d events captured without a line in %s, %d commits of the journals, %.0f B of journal a site", report.Captured, time.Since(began).Round(100*time.Millisecond), report.Commits, float64(report.JournalBytes)/float64(r.all()))
		from, err = r.centre.logged(ctx)
		return err
	}, func(began time.Time) error {
		return waitFor(ctx, "all is in the log and acknowledged", r.config.limit, 250*time.Millisecond, func() (bool, error) {
			report, err := r.sites.look()
			if err != nil {
				return false, err
			}
			logged, err := r.note(ctx, p, began, report, from)
			return report.Held == 0 && logged-from >= want, err
		})
	})
	if err == nil && p.events != want {
		err = fmt.Errorf("%d events are in the log, %d were captured", p.events, want)
	}
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	r.suite.say("drain: %d events in the log and acknowledged after %s (%.0f/s); collector %.1f s of processor, %.0f MB at most; %.1f B up and %.1f down an event; %d envelopes sent again, %d refusals",
		p.events, p.took.Round(100*time.Millisecond), float64(p.events)/p.took.Seconds(), p.processor.Seconds(), p.memory.Resident/megabyte, r.perEvent(p.up, r.storm.up), r.perEvent(p.down, r.storm.down), p.resent, p.refusals)
	return nil
}

// perEvent is what an event of the drain took on the line, without what the links themselves take.
func (r *scaleRun) perEvent(bytes, links int64) float64 {
	return float64(bytes-links) / float64(r.drain.events)
}

// trickle has each site capture one event, one site after the other: the steady state of a fleet at work.
func (r *scaleRun) trickle(ctx context.Context) error {
	p := &r.live
	from, err := r.centre.logged(ctx)
	if err != nil {
		return err
	}
	err = r.phase(ctx, p, func(began time.Time) error {
		if _, err := r.sites.ask(manyagents.Order{Do: "trickle", Within: r.config.trickle}); err != nil {
			return err
		}
		return waitFor(ctx, "each site's event is in the log", r.config.limit, 100*time.Millisecond, func() (bool, error) {
			report, err := r.sites.look()
			if err != nil {
				return false, err
			}
			logged, err := r.note(ctx, p, began, report, from)
			return report.Held == 0 && logged-from >= int64(r.all()), err
		})
	})
	if err != nil {
		return fmt.Errorf("live: %w", err)
	}
	r.suite.say("live: each site one event, in the log after %s; collector %.1f s of processor; %d commits of the journals", p.took.Round(100*time.Millisecond), p.processor.Seconds(), p.commits)
	return nil
}

// look asks for what people see of so many sites, and whether anything of theirs was refused: that would cost otherwise than what is taken.
func (r *scaleRun) look(ctx context.Context) (err error) {
	var refused int64
	err = r.centre.read.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM dead_letter`).Scan(&refused)
	})
	if err == nil && refused > 0 {
		err = fmt.Errorf("%d events were refused", refused)
	}
	if err != nil {
		return err
	}
	r.page, err = pageTime(r.centre.console)
	return err
}
