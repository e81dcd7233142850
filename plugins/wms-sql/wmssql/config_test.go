package wmssql

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// sample is the plugin's sample with secrets and certificates that are there.
func sample(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	secret := t.TempDir() + "/secret"
	if err := os.WriteFile(secret, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer("/etc/dockline/wms.password", secret, "/etc/dockline/wms-writer.password", secret).Replace(string(raw)))
}

// The sample is a configuration without a fault, and says every key.
func TestSampleIsSoundAndComplete(t *testing.T) {
	raw := sample(t)
	set, faults := load(raw)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if len(set.streams) != 4 || len(set.work) != 1 || set.Horizon != horizonDatabase {
		t.Errorf("%d streams, %d kinds of work, horizon %s", len(set.streams), len(set.work), set.Horizon)
	}
	var parsed struct {
		Properties map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"properties"`
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(schema), &parsed); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"slot: ", "publication: ", "most_lag: ", "over: "} {
		if !strings.Contains(string(raw), key) {
			t.Errorf("the sample does not say %s", key)
		}
	}
	for name, section := range parsed.Properties {
		for _, keys := range []map[string]any{{name: nil}, section.Properties, parsed.Defs["stream"].Properties} {
			for key := range keys {
				if key != "constants" && key != "moves_stock" && key != "number" && key != "date" && !strings.Contains(string(raw), key) {
					t.Errorf("the sample does not say %s", key)
				}
			}
		}
	}
}

// Faults are told with their line and what to do, before anything is captured: those of the text, and those that only the database knows.
func TestFaultsSayWhereAndWhatToDo(t *testing.T) {
	for name, test := range map[string]struct{ config, path, text string }{
		"another driver":    {"database: {driver: db2}\nstreams: []", "database.driver", "use postgres, mysql"},
		"no secret":         {"database: {driver: postgres, host: h, name: n, user: u, password_file: /no/such/file}", "database.password_file", "let the agent's service account read"},
		"a relative file":   {"database: {driver: sqlite, file: wms.db}", "database.file", "write the whole path"},
		"no watermark":      {"database: {driver: sqlite, file: /x}\nstreams: [{name: a, table: t, kind: order.cancelled, key: id, columns: {o: order, d: occurred_at}}]", "streams[0].watermark", "rowversion"},
		"a name with SQL":   {"database: {driver: sqlite, file: /x}\nstreams: [{name: a, table: 't; drop table u', watermark: w, kind: order.cancelled, key: id, columns: {o: order, d: occurred_at}}]", "streams[0].table", "no name of a table"},
		"no key":            {"database: {driver: sqlite, file: /x}\nstreams: [{name: a, table: t, watermark: w, kind: order.cancelled, key: row+occurrence, columns: {o: order, d: occurred_at}}]", "streams[0].key", "primary key"},
		"a wrong type":      {"database: {driver: sqlite, file: /x}\nzone: UTC\nstreams: [{name: a, table: t, watermark: w, kind: order.cancelled, when: 'order > 5', key: id, columns: {o: order, d: occurred_at}}]", "streams[0].when", "column"},
		"a deleted of text": {"database: {driver: sqlite, file: /x}\nzone: UTC\nstreams: [{name: a, table: t, watermark: w, kind: order.cancelled, deleted: 'order', key: id, columns: {o: order, d: occurred_at}}]", "streams[0].deleted", "a bool is wanted"},
		"no horizon":        {"database: {driver: sqlite, file: /x}\nhorizon: database", "horizon", "write horizon: overlap"},
		"no ledger":         {"database: {driver: sqlite, file: /x}\ncommands: {cancel_order: {table: t, columns: [{column: v, field: version}]}}", "commands.ledger", "CREATE TABLE"},
		"no version":        {"database: {driver: sqlite, file: /x}\ncommands: {ledger: l, cancel_order: {table: t, columns: [{column: n, field: number}]}}", "commands.cancel_order.columns", "could not tell a change"},
		"half an outbox":    {"database: {driver: sqlite, file: /x}\nstreams: [{name: a, table: t, watermark: w, outbox: {acknowledge: update}, kind: order.cancelled, key: id, columns: {o: order, d: occurred_at}}]", "streams[0].outbox", "pending"},
	} {
		_, faults := load([]byte(test.config))
		found := false
		for _, f := range faults {
			found = found || f.GetPath() == test.path && strings.Contains(f.GetText(), test.text) && f.GetLine() > 0
		}
		if !found {
			t.Errorf("%s: no fault at %s that says %q: %v", name, test.path, test.text, faults)
		}
	}
}

// The columns are asked from the database.
func TestCheckAsksTheDatabase(t *testing.T) {
	s := newSite(t, picksOnly, picksTable)
	p := &Plugin{Now: time.Now, Log: discard()}
	if faults := p.Check([]byte(s.config), "wms"); len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, wrong := range []struct{ old, new, want string }{
		{"columns: {ord:", "columns: {ordr:", "there is no column ordr (it has id, ord, qty"},
		{"table: picks", "table: pics", "pics"},
		{"watermark: seq", "watermark: sequence", "there is no column sequence"},
	} {
		faults := p.Check([]byte(strings.ReplaceAll(s.config, wrong.old, wrong.new)), "wms")
		if len(faults) != 1 || !strings.Contains(faults[0].GetText(), wrong.want) || faults[0].GetLine() == 0 {
			t.Errorf("%s: %v", wrong.new, faults)
		}
	}
	// One that is away is no fault of the configuration: the plugin starts and says so.
	if faults := p.Check([]byte(strings.ReplaceAll(s.config, "wms.db", "away.db")), "wms"); len(faults) > 0 {
		t.Errorf("a database that is away: %v", faults)
	}
}

// Try shows what the first rows would be, and what is wrong with them; a sample is a query for a stream.
func TestTry(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, twoPicks, "INSERT INTO picks (id, ord, qty, at, seq) VALUES ('C', 'SO1', 'x', '2026-07-04 08:00', 3)")
	p := &Plugin{Now: time.Now, Log: discard()}
	out, err := p.Try(&docklinev1.TryRequest{Config: []byte(s.config)})
	if err != nil || len(out.GetEvents()) != 2 || len(out.GetFaults()) != 1 || out.GetFaults()[0].GetColumn() != "qty" {
		t.Fatalf("%v %v", out, err)
	}
	out, err = p.Try(&docklinev1.TryRequest{Config: []byte(s.config), FileName: "picks.sql", Sample: []byte("SELECT * FROM picks WHERE id = 'B'")})
	if err != nil || len(out.GetEvents()) != 1 {
		t.Fatalf("%v %v", out, err)
	}
	if _, err := p.Try(&docklinev1.TryRequest{Config: []byte(s.config), FileName: "picks.sql", Sample: []byte("DELETE FROM picks")}); err == nil {
		t.Error("a sample that is no query was read")
	}
	var n int
	if err := s.db.QueryRow("SELECT count(*) FROM picks").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d rows are left, %v", n, err)
	}
	if _, err := p.Try(&docklinev1.TryRequest{Config: []byte(fmt.Sprint(s.config, "\nx: 1\n"))}); err == nil || !strings.Contains(err.Error(), "line ") {
		t.Errorf("a fault of the configuration: %v", err)
	}
}
