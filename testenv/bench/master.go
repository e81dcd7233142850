package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv/world"
)

const (
	masterItems = 1_000_000
	// masterRate is the pace of the dock, masterOrders how many orders are made at a time, masterBefore how many before the load begins.
	masterRate, masterOrders, masterBefore = 40, 40, 160
)

// masterLoad has the ERP tell of a million items while a dock works: what an event takes to the log, and a goods issue from there to the
// ERP, before the load and during it.
func (s *Suite) masterLoad(ctx context.Context) error {
	dir, err := s.folder("master")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := world.Open(ctx, world.Config{Dir: dir, Bin: s.Bin, Seed: 1, Sites: []string{"dc-west"}, MovementsPerSecond: masterRate, MasterData: []string{"item"}})
	if err != nil {
		return err
	}
	defer w.Close()
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(dir, "collector", "collector.db"))
	if err != nil {
		return err
	}
	defer d.Close()
	ordered := 0
	work := func(orders int) error {
		w.Config.Seed++ // other orders than the last ones
		if _, err := w.Orders(ctx, orders); err != nil {
			return err
		}
		ordered += orders
		return waitFor(ctx, "goods issues in the ERP", 10*time.Minute, 100*time.Millisecond, func() (bool, error) {
			n, err := confirmedIssues(ctx, d)
			return n >= ordered, err
		})
	}
	for range masterBefore / masterOrders {
		if err := work(masterOrders); err != nil {
			return err
		}
	}
	log, post, err := s.postedTimes(ctx, d, time.Time{}, time.Now())
	if err != nil {
		return err
	}
	s.say("before the load: capture to log p50 %.0f, p95 %.0f ms; to the ERP from there %.0f and %.0f ms", Quantile(log, 0.5), Quantile(log, 0.95), Quantile(post, 0.5), Quantile(post, 0.95))
	began := time.Now()
	w.Catalogue().Grow(masterItems)
	l := &masterLoad{w: w, d: d, began: began, wanted: int64(w.Catalogue().Len())}
	for done := false; !done; {
		if err := work(masterOrders); err != nil {
			return err
		}
		if done, err = l.look(ctx, s); err != nil {
			return err
		}
	}
	agent := w.Sites["dc-west"].Agent
	loaded, err := memoryOf(agent.PID())
	if err != nil {
		return err
	}
	agent.Stop()
	if err := agent.Start(); err != nil {
		return err
	}
	if err := work(masterOrders); err != nil {
		return err
	}
	again, err := memoryOf(agent.PID())
	if err != nil {
		return err
	}
	s.say("the agent has %.1f MB resident, %.1f MB anonymous after the load; %.1f and %.1f MB after a restart and some work", loaded.Resident/megabyte, loaded.Anonymous/megabyte,
		again.Resident/megabyte, again.Anonymous/megabyte)
	l.anonymous, l.again = max(loaded.Anonymous, again.Anonymous)/megabyte, again.Resident/megabyte
	inbox, err := os.Stat(filepath.Join(w.Sites["dc-west"].DataDir, "inbox.db"))
	if err != nil {
		return err
	}
	l.file = float64(inbox.Size()) / megabyte
	return s.masterMeasures(ctx, l)
}

// masterLoad is a load under way: when centre, site and CRM had everything.
type masterLoad struct {
	w                 *world.World
	d                 *db.DB
	began             time.Time
	wanted            int64
	centre, site, crm time.Duration
	anonymous, again  float64 // of the agent: after the load or a restart, and resident after a restart
	file              float64 // its inbox.db, in MB
	told              time.Time
}

func (l *masterLoad) look(ctx context.Context, s *Suite) (done bool, err error) {
	var version, crm int64
	err = l.d.Read(ctx, func(tx *db.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM master_top`).Scan(&version); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT coalesce(max(through), 0) FROM master_target`).Scan(&crm)
	})
	if err != nil {
		return false, err
	}
	site, err := health.Ask(ctx, l.w.Sites["dc-west"].DataDir)
	if err != nil {
		return false, err
	}
	for _, part := range []struct {
		has  int64
		when *time.Duration
	}{{version, &l.centre}, {int64(site.GetMasterThrough()), &l.site}, {crm, &l.crm}} {
		if *part.when == 0 && part.has >= l.wanted {
			*part.when = time.Since(l.began)
		}
	}
	if time.Since(l.told) > 30*time.Second {
		l.told = time.Now()
		log, post, err := s.postedTimes(ctx, l.d, l.began, time.Now())
		if err == nil {
			s.say("capture to log p50 %.0f, p95 %.0f ms; to the ERP from there %.0f and %.0f ms", Quantile(log, 0.5), Quantile(log, 0.95), Quantile(post, 0.5), Quantile(post, 0.95))
		}
		s.say("after %s the centre has %d, the site %d, the CRM %d", time.Since(l.began).Round(time.Second), version, site.GetMasterThrough(), crm)
	}
	return l.centre > 0 && l.site > 0 && l.crm > 0, nil
}

func confirmedIssues(ctx context.Context, d *db.DB) (n int, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM posting WHERE kind = ? AND state = 'confirmed'`, string(connector.GoodsIssue)).Scan(&n)
	})
	return n, err
}

func (s *Suite) masterMeasures(ctx context.Context, l *masterLoad) error {
	ended := l.began.Add(max(l.centre, l.site, l.crm))
	logBefore, postBefore, err := s.postedTimes(ctx, l.d, time.Time{}, l.began)
	if err != nil {
		return err
	}
	log, post, err := s.postedTimes(ctx, l.d, l.began, ended)
	if err != nil {
		return err
	}
	s.say("%d events and %d goods issues before, %d and %d during", len(logBefore), len(postBefore), len(log), len(post))
	for _, q := range []float64{0.5, 0.95} {
		s.beside(fmt.Sprintf("capture to log, p%.0f, while a million items are loaded", 100*q), Quantile(log, q), "ms", reference{name: "before the load", value: Quantile(logBefore, q)}, atMost(10))
		s.beside(fmt.Sprintf("log to confirmed goods issue, p%.0f, while a million items are loaded", 100*q), Quantile(post, q), "ms", reference{name: "before the load", value: Quantile(postBefore, q)}, atMost(10))
	}
	s.absolute("capture to log, p95, while a million items are loaded", Quantile(log, 0.95), "ms", atMost(2000))
	s.absolute("log to confirmed goods issue, p95, while a million items are loaded", Quantile(post, 0.95), "ms", atMost(10_000))
	for what, took := range map[string]time.Duration{"the centre": l.centre, "a site": l.site, "the CRM": l.crm} {
		s.absolute("a million items until "+what+" has them", took.Seconds(), "s", atMost(3600))
	}
	s.absolute("anonymous memory of the agent that keeps a million items", l.anonymous, "MB", atMost(40))
	// What is resident beyond that are mapped pages of the file that lookups have touched: the system takes them back where it wants memory.
	s.beside("resident memory of the agent that keeps a million items, after a restart and some work", l.again, "MB", reference{name: "its inbox.db", value: l.file}, atMost(1.5))
	return nil
}
