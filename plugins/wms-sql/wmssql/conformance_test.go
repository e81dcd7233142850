package wmssql_test

import (
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/plugintest"
	"github.com/dockline/dockline/plugins/wms-sql/wmssql"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const worldEvents = 420

// newPlugin is the plugin without its log.
func newPlugin() plugins.Plugin {
	p := wmssql.New()
	p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	return plugins.Plugin{Source: p, Sink: p}
}

// exec runs statements one after the other.
func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// sqliteFile is an empty database in a file, and how the plugin is told of it.
func sqliteFile(t testing.TB) (db *sql.DB, section string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wms.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, fmt.Sprintf("database: {driver: sqlite, file: %q}\n", filepath.ToSlash(path))
}

// world is a WMS whose tables hold picks, shipments of two lines and one bad row.
func world(t *testing.T) plugintest.World {
	db, section := sqliteFile(t)
	return worldOf(t, db, section)
}

func worldOf(t *testing.T, db *sql.DB, section string) plugintest.World {
	execute(t, db, `CREATE TABLE picks (id INTEGER PRIMARY KEY, ord TEXT, sku TEXT, qty TEXT, at TEXT)`,
		`CREATE TABLE ships (ship TEXT, line INTEGER, ord TEXT, sku TEXT, qty INTEGER, at TEXT, seq INTEGER, PRIMARY KEY (ship, line))`,
		`CREATE TABLE work (number TEXT, command TEXT, version INTEGER)`,
		`CREATE TABLE ledger (command_key VARCHAR(200) NOT NULL, command_version BIGINT NOT NULL, outcome VARCHAR(20) NOT NULL, said VARCHAR(1000), PRIMARY KEY (command_key, command_version))`,
		`INSERT INTO ships VALUES ('S1', 1, 'SO1', 'A', 1, '2026-07-04T09:00:00', 1), ('S1', 2, 'SO1', 'B', 1, '2026-07-04T09:00:00', 2)`,
		fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO picks SELECT i, 'SO' || (i / 3), 'SKU' || (i %% 7), CASE WHEN i = 5 THEN 'many' ELSE '2' END, '2026-07-04 08:00:00' FROM n`, worldEvents-1))
	config := section + `poll: 50ms
page: 90
overlap: 1s
zone: UTC
streams:
  - {name: picks, table: picks, watermark: id, kind: pick.confirmed, key: id, columns: {ord: order, sku: item, qty: quantity, at: occurred_at}}
  - {name: ships, table: ships, watermark: seq, tie: [ship, line], kind: shipment.departed, key: ship, group: true, columns: {ship: shipment, ord: order, sku: item, qty: quantity, at: occurred_at}}
commands:
  ledger: ledger
  cancel_order: {table: work, columns: [{column: number, field: number}, {column: command, text: cancel}, {column: version, field: version}]}
`
	return plugintest.World{
		Plugin: newPlugin, Config: []byte(config), Events: worldEvents,
		Command: func(version uint64) *docklinev1.Command {
			return &docklinev1.Command{Key: "cancel/SO1", Version: version, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO1"}}}
		},
		Effects: func(t *testing.T) (n int) {
			if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM work").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		},
		Patience: time.Minute,
	}
}

func TestConformance(t *testing.T) { plugintest.Run(t, world) }

// The executable as it is shipped passes the same suite.
//
// Shows: E15
func TestConformanceOfBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an executable")
	}
	path := filepath.Join(t.TempDir(), "dockline-plugin-wms-sql")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	plugintest.RunBinary(t, path, world)
}
