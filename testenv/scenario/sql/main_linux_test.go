// Package sql_test holds the plugin wms-sql to what it promises of databases that are at work: transactions that commit late, a server that goes
// away, a table that changes, and a plugin that is killed meanwhile. Agents, plugins and servers are real.
package sql_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

const (
	tenant, site = "main", "dc-sql"
	patience     = 4 * time.Minute
)

var programs = testenv.Programs{List: []testenv.Program{testenv.AgentProgram, {Name: "wms-sql", Package: "github.com/dockline/dockline/plugins/wms-sql"}}}

func TestMain(m *testing.M) { programs.Main(m) }

// database is one that the plugin reads: open to the test, and as the plugin's section names it.
type database struct {
	*sql.DB
	section string
	// maria says which of the two it is; password is that of its user.
	maria    bool
	password string
}

// param is the nth argument of a statement as the product writes it.
func (d database) param(n int) string {
	if d.maria {
		return "?"
	}
	return fmt.Sprintf("$%d", n)
}

// eachDatabase runs a test on an empty database of both products.
func eachDatabase(t *testing.T, run func(t *testing.T, d database)) {
	t.Run("postgresql", func(t *testing.T) { run(t, postgres(t)) })
	t.Run("mariadb", func(t *testing.T) { run(t, maria(t)) })
}

func postgres(t *testing.T) database {
	t.Helper()
	return postgresAt(t, testenv.PostgreSQL(t))
}

// replicated is a database on a PostgreSQL of the test's own, whose log can be followed, with a publication of all its tables; a stream that says from:
// replication comes by a slot.
func replicated(t *testing.T, settings ...string) (database, *testenv.Cluster) {
	t.Helper()
	cluster := testenv.PostgresOnDisk(t, 1500, append([]string{"wal_level=logical", "max_slot_wal_keep_size=1GB"}, settings...)...)
	url, err := cluster.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := postgresAt(t, url)
	d.run(t, "CREATE PUBLICATION dockline FOR ALL TABLES")
	d.section = strings.TrimSuffix(d.section, "}\n") + ", replication: {slot: dockline, publication: dockline}}\n"
	return d, cluster
}

func postgresAt(t *testing.T, url string) database {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var port int
	var name string
	if err := db.QueryRowContext(t.Context(), "SELECT inet_server_port(), current_database()").Scan(&port, &name); err != nil {
		t.Fatal(err)
	}
	return database{db, fmt.Sprintf("      database: {driver: postgres, host: 127.0.0.1, port: %d, name: %s, user: dockline, tls: 'off'}\n", port, name), false, ""}
}

func maria(t *testing.T) database {
	t.Helper()
	m := testenv.MariaDB(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(testenv.MariaPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return database{m.DB, fmt.Sprintf("      database: {driver: mysql, host: 127.0.0.1, port: %d, name: %s, user: dockline, password_file: %q, tls: 'off'}\n", m.Port, m.Name, secret), true, testenv.MariaPassword}
}

func (d database) run(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := d.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// agent is a real agent process without a centre, whose only plugin is wms-sql.
type agent struct {
	*world.Process
	t            *testing.T
	dir, dataDir string
	config       string
}

// newAgent starts one; config is the plugin's section below database, indented by six.
func newAgent(t *testing.T, d database, config string) *agent {
	t.Helper()
	dir, err := os.MkdirTemp("", "dockline-sql-agent-")
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{t: t, dir: dir, dataDir: filepath.Join(dir, "data"), config: filepath.Join(dir, "agent.yaml")}
	text := fmt.Sprintf("site: {tenant: %s, id: %s}\ndata_dir: %q\nmqtt: {url: \"mqtt://127.0.0.1:1\", ca: \"\", certificate: \"\", key: \"\"}\nhealth: {listen: \"127.0.0.1:0\"}\nplugins:\n"+
		"  - id: wms\n    path: %q\n    event_rate: 0\n    config:\n%s%s", tenant, site, a.dataDir, filepath.Join(programs.Dir(t), "wms-sql"), d.section, config)
	if err := os.WriteFile(a.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	a.Process = world.NewProcess("agent", dir, filepath.Join(programs.Dir(t), "dockline-agent"), "run", "--config", a.config)
	t.Cleanup(func() {
		a.Stop()
		if t.Failed() {
			t.Logf("agent: %s", a.LogTail())
		}
		_ = os.RemoveAll(dir)
	})
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

// plugin is what the agent says of it; nil where it does not answer.
func (a *agent) plugin() *docklinev1.PluginHealth {
	h, err := health.Ask(a.t.Context(), a.dataDir)
	if err != nil || len(h.GetPlugins()) == 0 {
		return nil
	}
	return h.GetPlugins()[0]
}

// held is what the journal of a stopped agent has: every event by key, in its order.
func (a *agent) held() map[string][]*docklinev1.Event {
	a.t.Helper()
	j, err := journal.Open(filepath.Join(a.dataDir, "journal"), journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		a.t.Fatal(err)
	}
	defer j.Close()
	rows := map[string][]*docklinev1.Event{}
	for at := (journal.Position{}); ; {
		envelopes, err := j.Next(at, 64)
		if err != nil {
			a.t.Fatal(err)
		}
		if len(envelopes) == 0 {
			return rows
		}
		for _, e := range envelopes {
			at = journal.Position{Epoch: e.Epoch, Seq: e.LastSeq}
			packed, err := wire.OpenPack(e.Pack, 64<<20)
			if err != nil {
				a.t.Fatal(err)
			}
			for _, data := range packed {
				event := &docklinev1.Event{}
				if err := proto.Unmarshal(data, event); err != nil {
					a.t.Fatal(err)
				}
				if event.GetSource() == "wms" {
					rows[event.SourceKey] = append(rows[event.SourceKey], event)
				}
			}
		}
	}
}

// asReader is the same database for a user who may read everything there and nothing else, so that his sessions are the plugin's.
func (d database) asReader(t *testing.T) database {
	t.Helper()
	if d.maria {
		d.run(t, "CREATE USER IF NOT EXISTS reader@127.0.0.1 IDENTIFIED BY '"+d.password+"'", "GRANT PROCESS ON *.* TO reader@127.0.0.1", "GRANT SELECT ON * TO reader@127.0.0.1")
	} else {
		d.run(t, "DO 'BEGIN CREATE ROLE reader LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN NULL; END'", "GRANT pg_read_all_stats, pg_read_all_data TO reader")
	}
	d.section = strings.Replace(d.section, "user: dockline", "user: reader", 1)
	return d
}

// release starts the plugin again where so many kills have been taken for a crash loop.
func (a *agent) release() {
	if a.plugin().GetState() != "quarantined" {
		return
	}
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	_, _ = world.RunProgram(ctx, filepath.Join(programs.Dir(a.t), "dockline-agent"), "plugin", "release", "wms", "--config", a.config) // asked again until it runs
}
