package windowsplugin_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/dockline/dockline/plugins/plugintest"
	"github.com/dockline/dockline/testenv"
)

// rows are how many picks a table holds.
const rows = 150

// sqliteWorld is a warehouse system with its database in a file of that Windows.
func sqliteWorld(t *testing.T, w *windows) plugintest.World {
	path := filepath.Join(t.TempDir(), "wms.db")
	db := openSQL(t, "sqlite", path)
	fill(t, db)
	if err := db.Close(); err != nil { // locks of one system say nothing to the other
		t.Fatal(err)
	}
	return sqlWorld(fmt.Sprintf("database: {driver: sqlite, file: '%s'}\n", w.Name(path)), func(t *testing.T) int {
		copied := t.TempDir()
		for _, suffix := range []string{"", "-wal"} {
			text, err := os.ReadFile(path + suffix)
			if err == nil {
				err = os.WriteFile(filepath.Join(copied, "wms.db"+suffix), text, 0o644)
			}
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		db := openSQL(t, "sqlite", filepath.Join(copied, "wms.db"))
		defer db.Close()
		return handed(t, db)
	})
}

// postgresWorld is one whose database is on another machine, here this one.
func postgresWorld(t *testing.T, _ *windows) plugintest.World {
	address := testenv.PostgreSQL(t)
	db := openSQL(t, "pgx", address)
	t.Cleanup(func() { _ = db.Close() })
	fill(t, db)
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return sqlWorld(fmt.Sprintf("database: {driver: postgres, host: %s, port: %s, name: %s, user: %s, tls: 'off'}\n", at.Hostname(), at.Port(), at.Path[1:], at.User.Username()),
		func(t *testing.T) int { return handed(t, db) })
}

func openSQL(t *testing.T, driver, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// fill makes the tables: picks of a zone that Windows has no name for, and a place for work.
func fill(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, statement := range []string{
		`CREATE TABLE picks (id INTEGER PRIMARY KEY, ord TEXT, sku TEXT, qty TEXT, at TEXT)`,
		`CREATE TABLE work (number TEXT, version INTEGER)`,
		`CREATE TABLE ledger (command_key VARCHAR(200) NOT NULL, command_version BIGINT NOT NULL, outcome VARCHAR(20) NOT NULL, said VARCHAR(1000), PRIMARY KEY (command_key, command_version))`,
		fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO picks SELECT i, 'SO' || (i / 3), 'SKU' || (i %% 7), '2', '2026-07-04 08:00:00' FROM n`, rows),
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// handed is how much work the system was handed.
func handed(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM work").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func sqlWorld(section string, effects func(*testing.T) int) plugintest.World {
	return plugintest.World{Events: rows, Command: cancelOrder, Effects: effects, Patience: patience, Config: []byte(section + `poll: 50ms
page: 40
overlap: 1s
zone: Europe/Berlin
streams:
  - {name: picks, table: picks, watermark: id, kind: pick.confirmed, key: id, columns: {ord: order, sku: item, qty: quantity, at: occurred_at}}
commands:
  ledger: ledger
  cancel_order: {table: work, columns: [{column: number, field: number}, {column: version, field: version}]}
`)}
}
