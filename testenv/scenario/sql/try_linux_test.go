package sql_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv/world"
)

const tryConfig = `      zone: UTC
      streams:
        - {name: picks, table: picks, watermark: changed_at, tie: id, kind: pick.confirmed, key: pick, columns: {ord: order, sku: item, qty: quantity, picked_at: occurred_at}}
`

// Before anything is captured an engineer sees what the first rows would be, which column is missing, and which right the user lacks. Nothing that he
// tries can write.
//
// Shows: S35, S38
func TestTryBeforeAnythingIsCaptured(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		moment := "timestamptz DEFAULT now()"
		function := []string{"CREATE FUNCTION spoil() RETURNS integer LANGUAGE sql AS 'DELETE FROM picks RETURNING 1'"}
		few := []string{"CREATE ROLE few" + fmt.Sprint(os.Getpid()) + " LOGIN", "GRANT SELECT ON picks TO few" + fmt.Sprint(os.Getpid())}
		grant := "pg_read_all_stats"
		if d.maria {
			moment = "datetime(6) DEFAULT current_timestamp(6)"
			function = []string{"CREATE FUNCTION spoil() RETURNS integer BEGIN DELETE FROM picks; RETURN 1; END"}
			few = []string{"CREATE USER few@127.0.0.1 IDENTIFIED BY '" + d.password + "'", "GRANT SELECT ON picks TO few@127.0.0.1"}
			grant = "GRANT PROCESS"
		}
		d.run(t, "CREATE TABLE picks (id integer PRIMARY KEY, pick varchar(40), ord varchar(40), sku varchar(40), qty decimal(10,3), picked_at varchar(40), changed_at "+moment+")",
			"INSERT INTO picks (id, pick, ord, sku, qty, picked_at) VALUES (1, 'P1', 'SO1', 'A', 2.500, '2026-07-04 08:00:00'), (2, 'P2', 'SO1', 'B', -1, '2026-07-04 08:00:00'), (3, 'P3', 'SO1', 'C', NULL, '2026-07-04 08:00:00')")
		d.run(t, append(function, few...)...)
		dir := t.TempDir()
		try := func(section, config string, more ...string) (string, error) {
			path := filepath.Join(dir, "agent.yaml")
			text := fmt.Sprintf("site: {tenant: %s, id: %s}\ndata_dir: %q\nmqtt: {url: \"mqtt://127.0.0.1:1\", ca: \"\", certificate: \"\", key: \"\"}\nplugins:\n  - id: wms\n    path: %q\n    config:\n%s%s",
				tenant, site, filepath.Join(dir, "data"), filepath.Join(programs.Dir(t), "wms-sql"), section, config)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return world.RunProgram(ctx, append([]string{filepath.Join(programs.Dir(t), "dockline-agent"), "plugin", "try", "wms", "--config", path}, more...)...)
		}
		spoil := filepath.Join(dir, "picks.sql")
		if err := os.WriteFile(spoil, []byte("SELECT p.*, spoil() AS gone FROM picks p"), 0o644); err != nil {
			t.Fatal(err)
		}
		fewer := strings.Replace(d.section, "user: dockline", "user: few"+map[bool]string{true: "", false: fmt.Sprint(os.Getpid())}[d.maria], 1)
		for name, test := range map[string]struct {
			section, config string
			more, want      []string
		}{
			"as it is":             {d.section, tryConfig, nil, []string{"pick.confirmed", "P1", "1 event, 2 faults", "-1.000 is negative", "quantity is empty"}},
			"a column is missing":  {d.section, strings.Replace(tryConfig, "sku:", "article:", 1), nil, []string{"line ", "no column article", "it has id, pick, ord, sku"}},
			"a right is missing":   {fewer, tryConfig, nil, []string{"horizon", grant}},
			"a sample that writes": {d.section, strings.Replace(tryConfig, "kind: pick.confirmed", "when: 'row[\"gone\"] == \"1\"', kind: pick.confirmed", 1), []string{"--sample", spoil}, []string{"transaction", "read"}},
		} {
			said, err := try(test.section, test.config, test.more...)
			if err == nil {
				t.Errorf("%s: it exits as if all were well: %s", name, said)
			}
			for _, want := range test.want {
				if !strings.Contains(strings.ToLower(said), strings.ToLower(want)) {
					t.Errorf("%s: it does not say %q: %s", name, want, said)
				}
			}
		}
		var rows int
		if err := d.QueryRowContext(t.Context(), "SELECT count(*) FROM picks").Scan(&rows); err != nil || rows != 3 {
			t.Errorf("%d of 3 rows are left (%v)", rows, err)
		}
	})
}
