package master_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// centre is a whole collector in this process, with a sandbox ERP and CRM and a Mosquitto of its own.
type centre struct {
	t      *testing.T
	dir    string
	broker *testenv.MosquittoServer
	erp    *erp.Server
	crm    *crm.Server
	client *erp.Client
	// db is a second door to the collector's database.
	db *db.DB
}

const tenantOfCentre = "main"

func openCentre(t *testing.T) *centre {
	t.Helper()
	testenv.NeedMosquitto(t)
	c := &centre{t: t, dir: t.TempDir()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c.broker = testenv.Mosquitto(t, testenv.MosquittoConfig{})
	var err error
	c.erp, err = erp.New(erp.Config{Dir: t.TempDir(), Seed: 1})
	must(err)
	c.crm, err = crm.New(crm.Config{Dir: t.TempDir()})
	must(err)
	web, crmWeb := sandbox.NewServer("127.0.0.1:0", c.erp), sandbox.NewServer("127.0.0.1:0", c.crm)
	must(web.Start())
	must(crmWeb.Start())
	t.Cleanup(func() {
		web.Stop()
		crmWeb.Stop()
		c.erp.Close()
		c.crm.Close()
	})
	c.client = erp.NewClient(web.URL(), "")
	must(os.WriteFile(filepath.Join(c.dir, "collector.yaml"), fmt.Appendf(nil, `data_dir: %q
mqtt: {url: %q}
http: {listen: "127.0.0.1:0"}
log: {level: warn}
connectors:
  - {name: erp, tenant: main, kind: http, role: system_of_record, poll: 200ms, timeout: 10s, master: [item, customer, bin], settings: {url: %q, definition: sandbox-erp}}
  - {name: crm, tenant: main, kind: http, role: crm, poll: 200ms, timeout: 10s, master: [item], settings: {url: %q, definition: sandbox-crm}}
`, filepath.Join(c.dir, "data"), c.broker.URL(), web.URL(), crmWeb.URL()), 0o600))
	c.run()
	c.db, err = db.Open(t.Context(), "sqlite:"+filepath.Join(c.dir, "data", "collector.db"))
	must(err)
	t.Cleanup(func() { c.db.Close() })
	_, err = (&fleet.Fleet{DB: c.db}).AddSite(t.Context(), fleet.Registration{Tenant: tenantOfCentre, ID: siteOfCentre})
	must(err)
	return c
}

// run runs the collector until the test ends.
func (c *centre) run() {
	c.t.Helper()
	config, err := collector.LoadConfig(filepath.Join(c.dir, "collector.yaml"))
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := collector.Open(c.t.Context(), config)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Errorf("collector: %v", err)
		}
		if err := m.Close(); err != nil {
			c.t.Errorf("collector: %v", err)
		}
	})
}

// status is what `master list` says.
func (c *centre) status() (s master.Status) {
	c.t.Helper()
	err := c.db.Read(c.t.Context(), func(tx *db.Tx) (err error) {
		s, err = master.Read(c.t.Context(), tx, tenantOfCentre, time.Now(), time.Now().Add(-20*time.Second))
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// number is what a query of one number says.
func (c *centre) number(query string, args ...any) (n int64) {
	c.t.Helper()
	err := c.db.Read(c.t.Context(), func(tx *db.Tx) error { return tx.QueryRow(c.t.Context(), query, args...).Scan(&n) })
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// eventually waits for a state.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	deadline := time.Now().Add(4 * time.Minute)
	for !reached() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within four minutes", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
