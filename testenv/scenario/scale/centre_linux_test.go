// Package scale_test shows several collectors on one database and one broker, any of which may die, a database that goes away, and what
// is hostile in size.
package scale_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
)

const (
	tenant   = "main"
	patience = 4 * time.Minute
)

var programs = testenv.Programs{List: []testenv.Program{testenv.CollectorProgram}}

func TestMain(m *testing.M) { programs.Main(m) }

// centre is collectors, processes of their own, on one database and one broker, before a sandbox ERP.
type centre struct {
	t          *testing.T
	dir        string
	url        string
	broker     *testenv.MosquittoServer
	db         *db.DB
	collectors []*collector
	erp        *erp.Client
	erpURL     string
	master     *erp.Master
	sites      []*site
}

// collector is one of them.
type collector struct {
	*world.Process
	name, config, console string
}

// openCentre starts broker and ERP, and prepares a database at url for so many sites. No collector runs yet.
func openCentre(t *testing.T, url string, sites int) *centre {
	t.Helper()
	c := &centre{t: t, dir: testenv.Folder(t), url: url, master: masterOf(sites)}
	c.broker = testenv.Mosquitto(t, testenv.MosquittoConfig{})
	c.openERP()
	var err error
	if c.db, err = db.Open(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.db.Close() })
	if err := c.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	known := &fleet.Fleet{DB: c.db}
	for _, s := range c.master.Sites {
		if _, err := known.AddSite(t.Context(), fleet.Registration{Tenant: tenant, ID: s.Code}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// masterOf is an ERP's first day with so many sites, one article and one bin each.
func masterOf(sites int) *erp.Master {
	m := &erp.Master{Items: []erp.Item{{Code: "SKU-1", Description: "Bracket", Unit: erp.Each, Price: decimal.New(250, -2)}},
		Customers: []erp.Customer{{Code: "C-1", Name: "Adler & Berg GmbH", Currency: "EUR", ShipTo: []string{"Dock 1"}}}}
	for i := range sites {
		code := fmt.Sprintf("dc-%02d", i+1)
		m.Sites = append(m.Sites, erp.Site{Code: code, Title: code, Bins: []string{"A-01"}})
		m.Stock = append(m.Stock, erp.StockLine{Site: code, Bin: "A-01", Item: "SKU-1", Quantity: decimal.NewFromInt(10_000_000), Unit: erp.Each})
	}
	return m
}

func (c *centre) openERP() {
	c.t.Helper()
	server, err := erp.New(erp.Config{Dir: filepath.Join(c.dir, "erp"), Seed: 1, Master: c.master})
	if err != nil {
		c.t.Fatal(err)
	}
	web := sandbox.NewServer("127.0.0.1:0", server)
	if err := web.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { web.Stop(); server.Close() })
	c.erp, c.erpURL = erp.NewClient(web.URL(), ""), web.URL()
}

// add prepares a collector; more are lines at top level of its configuration.
func (c *centre) add(name, program, more string) *collector {
	c.t.Helper()
	port, err := testenv.FreePort()
	if err != nil {
		c.t.Fatal(err)
	}
	m := &collector{name: name, config: filepath.Join(c.dir, "collector-"+name+".yaml"), console: fmt.Sprintf("http://127.0.0.1:%d/", port)}
	text := fmt.Sprintf(`name: %q
data_dir: %q
database: {url: %q}
mqtt: {url: %q, offline_after: 10s}
http: {listen: "127.0.0.1:%d"}
%sconnectors:
  - {name: erp, tenant: %s, kind: http, role: system_of_record, poll: 500ms, timeout: 3s, account: erp, limits: {parallel: 8}, settings: {url: %q, definition: sandbox-erp, settle_time: 1s}}
`, name, filepath.Join(c.dir, "collector-"+name), c.url, c.broker.URL(), port, more, tenant, c.erpURL)
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	m.Process = world.NewProcess("collector-"+name, c.dir, program, "run", "--config", m.config)
	c.collectors = append(c.collectors, m)
	c.t.Cleanup(func() {
		m.Stop()
		if c.t.Failed() {
			c.t.Logf("collector %s: %s", name, m.LogTail())
		}
	})
	return m
}

// start starts a collector and waits until it answers.
func (c *centre) start(m *collector) {
	c.t.Helper()
	if err := m.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.until("collector "+m.name+" answers", func() bool { return m.status() != 0 })
}

// status is what its health page answers, 0 for nothing.
func (m *collector) status() int {
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.console+"healthz", nil)
	if err != nil {
		return 0
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

func (c *centre) until(what string, is func() bool) {
	c.t.Helper()
	testenv.Eventually(c.t, patience, what, is, c.told)
}

// told is how things stand, for a test that waits in vain.
func (c *centre) told() string {
	text := fmt.Sprintf("events %d of %d, in the inbox %d, dirty %d, postings: ", c.logged(), c.accepted(), c.count(`SELECT count(*) FROM inbox`), c.count(`SELECT count(*) FROM dirty`))
	for _, state := range []string{"planned", "ready", "sending", "unknown", "confirmed", "rejected", "blocked", "diverged"} {
		text += fmt.Sprintf("%s %d ", state, c.count(`SELECT count(*) FROM posting WHERE state = ?`, state))
	}
	text += "\nleases " + fmt.Sprint(c.leases()) + c.sessions()
	for _, m := range c.collectors {
		text += "\ncollector " + m.name + ": " + m.LogTail()
	}
	return text
}

// sessions are those of the database that wait for something, or have others wait.
func (c *centre) sessions() (text string) {
	err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(c.t.Context(), `SELECT pid, state, coalesce(wait_event_type || '/' || wait_event, ''), pg_blocking_pids(pid)::text, (now() - xact_start)::text, left(query, 160)
			FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL ORDER BY xact_start`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var pid int64
			var state, waits, blocked, since, query string
			if err := rows.Scan(&pid, &state, &waits, &blocked, &since, &query); err != nil {
				return err
			}
			text += fmt.Sprintf("\nsession %d %s %s blocked by %s since %s: %s", pid, state, waits, blocked, since, query)
		}
		return rows.Err()
	})
	if err != nil {
		text += err.Error()
	}
	return text
}

// count asks the database; -1 while it has no answer.
func (c *centre) count(query string, args ...any) int {
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	var n int
	if err := c.db.Read(ctx, func(tx *db.Tx) error { return tx.QueryRow(ctx, query, args...).Scan(&n) }); err != nil {
		return -1
	}
	return n
}

// logged is how many events of sites are in the log with a number.
func (c *centre) logged() int {
	return c.count(`SELECT count(*) FROM event WHERE site <> '' AND log_offset IS NOT NULL`)
}

func (c *centre) accepted() (n int) {
	for _, s := range c.sites {
		n += int(s.accepted.Load())
	}
	return n
}

// counter is an int64 that several goroutines use.
type counter = atomic.Int64

// idsOf are the ids of a site's events in the log.
func (c *centre) idsOf(site string) (ids []string, err error) {
	err = c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		ids = nil
		rows, err := tx.Query(c.t.Context(), `SELECT id FROM event WHERE site = ?`, site)
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
	return ids, err
}
