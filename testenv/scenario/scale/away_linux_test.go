package scale_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// TestDatabaseGoesAway has two collectors work on a PostgreSQL of its own disk while that is stopped and started, crashed in the middle of
// its work, and run out of room. While it is away the sites capture on, the collectors live and say by /healthz that they are not well, and the
// sites' own checks say that the collector does not acknowledge; nothing is acknowledged that is not there afterwards. When it is back all goes
// on without a hand, by the same processes, and log and ERP have everything once.
//
// Shows: S73
func TestDatabaseGoesAway(t *testing.T) {
	cluster := testenv.PostgresOnDisk(t, 400)
	url, err := cluster.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := openCentre(t, url, 3)
	for _, name := range []string{"a", "b"} {
		c.add(name, filepath.Join(programs.Dir(t), "dockline-collector"), "")
	}
	for _, s := range c.master.Sites {
		c.openSite(s.Code)
	}
	crashes := testenv.Count("scale.crashes")
	c.order(1 + 2*ordersEach + crashes + moreCrashes)
	for _, m := range c.collectors {
		c.start(m)
	}
	c.everybody(1)
	c.settled()

	part := func(name string, do func()) {
		t.Run(name, func(part *testing.T) {
			c.t = part
			defer func() { c.t = t }()
			do()
		})
	}
	part("stopped and started", func() {
		cluster.Stop()
		c.awayFor(true, func() { cluster.Start() })
	})
	part("crashed in the middle of its work", func() {
		r, cut := rand.New(rand.NewPCG(73, 1)), 0
		n := 0
		for ; n < crashes || cut == 0 && n < crashes+moreCrashes; n++ {
			holder := uint32(0)
			if n%2 == 1 { // on a fast machine hardly one is met: it is held open
				var free func()
				holder, free = c.holdMarks()
				defer free()
			}
			work := c.start1()
			timer := time.NewTimer(time.Duration(r.IntN(400)) * time.Millisecond) // somewhere within what that makes it do
			<-timer.C
			writing := c.writing(holder)
			cluster.Crash()
			cluster.Start()
			cut += c.cutOff(writing)
			if err := work(); err != nil {
				c.t.Fatal(err)
			}
		}
		testenv.Figure(c.t, "crashes of the database", n, "transactions that wrote and were cut off", cut)
		if cut == 0 {
			c.t.Errorf("none of %d crashes was in the middle of a transaction", n)
		}
		c.settled()
	})
	part("its disk is full", func() {
		cluster.Fill()
		c.awayFor(false, func() {
			cluster.Free()
			if cluster.Ended() { // without room for its log it gives up; its service manager starts it again
				cluster.Start()
			}
		})
	})
	c.agree()
	if n := c.count(`SELECT count(*) FROM inbox WHERE state <> 0`); n != 0 {
		t.Errorf("%d envelopes were set aside because the database was away", n)
	}
	for _, m := range c.collectors {
		if n := m.starts(); n != 1 {
			t.Errorf("collector %s was started %d times", m.name, n)
		}
	}
	t.Logf("%d events, %d crashes", c.accepted(), crashes)
}

// moreCrashes is how many more there are at most until one has cut off a transaction.
const moreCrashes = 20

// holdMarks keeps the table of marks, in which a transaction that brings events into the log writes last: it waits there with what it has written.
func (c *centre) holdMarks() (holder uint32, free func()) {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := conn.Exec(c.t.Context(), `BEGIN; LOCK TABLE dirty IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		c.t.Fatal(err)
	}
	return conn.PgConn().PID(), func() { conn.Close(context.Background()) } // it ended with the crash
}

// writing are the transactions, but for the holder's, that have written something and are not over; it waits a while for one.
func (c *centre) writing(holder uint32) (ids []string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	for len(ids) == 0 && ctx.Err() == nil {
		err := c.db.Read(ctx, func(tx *db.Tx) error {
			ids = nil
			rows, err := tx.Query(ctx, `SELECT backend_xid::text FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> ?`, int64(holder))
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return rows.Err()
		})
		if err != nil && ctx.Err() == nil {
			c.t.Fatal(err)
		}
	}
	return ids
}

// cutOff is how many of these did not come to their commit.
func (c *centre) cutOff(ids []string) (n int) {
	c.t.Helper()
	for _, id := range ids {
		c.until("the database says what became of transaction "+id, func() bool { return c.count(`SELECT 1`) == 1 })
		n += max(0, c.count(`SELECT CASE WHEN pg_xact_status(CAST(CAST(? AS text) AS xid8)) = 'aborted' THEN 1 ELSE 0 END`, id))
	}
	return n
}

// ordersEach is how many orders a site works off in one part.
const ordersEach = 4

// awayFor has the sites work while the database is away, until they and the collectors say so, and then until all is well again. Where it is not
// gone altogether, as one without room, it may still take an envelope: then not all sites have something to say.
func (c *centre) awayFor(gone bool, back func()) {
	c.t.Helper()
	// What was on its way may still be acknowledged, what comes from here on not before it is back.
	c.everybody(1)
	c.until("the collectors say that they are not well", func() bool {
		for _, m := range c.collectors {
			if m.status() == 200 {
				return false
			}
		}
		return true
	})
	c.everybody(ordersEach - 1)
	if gone {
		c.sitesTell()
	}
	for _, m := range c.collectors {
		if !m.Running() {
			c.t.Errorf("collector %s has ended: %s", m.name, m.LogTail())
		}
	}
	if logged, accepted := c.logged(), c.accepted(); logged >= accepted {
		c.t.Errorf("%d of %d events are in the log while there is no database", logged, accepted)
	}
	back()
	c.settled()
	c.until("the collectors are well, and the sites say nothing", func() bool {
		for _, m := range c.collectors {
			if m.status() != 200 {
				return false
			}
		}
		for _, s := range c.sites {
			if s.condition("not_acknowledged") || s.condition("collector_silent") {
				return false
			}
		}
		return true
	})
}

// sitesTell waits until each site says that the collector does not acknowledge; what it captured since the collectors said so is all held.
func (c *centre) sitesTell() {
	c.t.Helper()
	c.until("the sites say that the collector does not acknowledge", func() bool {
		for _, s := range c.sites {
			if !s.condition("not_acknowledged") && !s.condition("collector_silent") {
				return false
			}
		}
		return true
	})
	for _, s := range c.sites {
		if held := s.journal.Stats().Events; held < (ordersEach-1)*(pieces+1) {
			c.t.Errorf("%s holds %d events, %d were captured while the collectors were not well", s.name, held, (ordersEach-1)*(pieces+1))
		}
	}
}

// everybody has each site work off so many orders.
func (c *centre) everybody(orders int) {
	c.t.Helper()
	for range orders {
		if err := c.start1()(); err != nil {
			c.t.Fatal(err)
		}
	}
}

// start1 has each site begin with its next order; the function returned waits for them.
func (c *centre) start1() func() error {
	g, ctx := errgroup.WithContext(context.WithoutCancel(c.t.Context()))
	for _, s := range c.sites {
		g.Go(func() error { return s.work(ctx) })
	}
	return g.Wait
}

// starts is how often a collector was started, by its log.
func (m *collector) starts() int {
	n, err := m.Said("msg=collector version=")
	if err != nil {
		panic(fmt.Sprintf("log of collector %s: %v", m.name, err))
	}
	return n
}
