package export_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/export"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// analysed is a database in which two orders were folded.
func analysed(t *testing.T, d *db.DB, now func() time.Time) (tell func(...*docklinev1.Event)) {
	t.Helper()
	p := policy.Default()
	log := &eventlog.Log{DB: d, Now: now, Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
		for _, t := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}}
	worker := &reconcile.Worker{DB: d, Policy: p, Now: now}
	return func(events ...*docklinev1.Event) {
		t.Helper()
		appendAll(t, d, log, events...)
		for n := 1; n > 0; {
			var err error
			if n, err = worker.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// rowsOf reads a file of an export: each row by its columns, as text.
func rowsOf(t *testing.T, folder string, table export.AnalyticsTable) (rows []map[string]string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, table.File))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != table.SHA256 || int64(len(raw)) != table.Bytes {
		t.Errorf("%s is not what the manifest says", table.File)
	}
	text := string(raw)
	if strings.HasSuffix(table.File, ".zst") {
		unzip, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := unzip.DecodeAll(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		text = string(plain)
	}
	if strings.Contains(table.File, ".csv") {
		all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, cells := range all[1:] {
			row := make(map[string]string)
			for i, name := range all[0] {
				row[name] = cells[i]
			}
			rows = append(rows, row)
		}
	} else {
		lines := bufio.NewScanner(strings.NewReader(text))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var values map[string]json.RawMessage
			if err := json.Unmarshal(lines.Bytes(), &values); err != nil {
				t.Fatal(err)
			}
			row := make(map[string]string)
			for name, v := range values {
				row[name] = string(v)
				var s string
				if v[0] == '"' && json.Unmarshal(v, &s) == nil {
					row[name] = s
				}
			}
			rows = append(rows, row)
		}
	}
	if int64(len(rows)) != table.Rows {
		t.Errorf("%s has %d rows, the manifest says %d", table.File, len(rows), table.Rows)
	}
	for _, row := range rows {
		if len(row) != len(table.Columns) {
			t.Errorf("a row of %s has %d columns, want %d", table.Name, len(row), len(table.Columns))
		}
		for _, c := range table.Columns {
			v, ok := row[c.Name]
			if _, err := time.Parse(time.RFC3339Nano, v); !ok || c.Type == "time" && v != "" && err != nil || c.Type == "json" && !json.Valid([]byte(v)) {
				t.Errorf("%s.%s is %q, which is no %s", table.Name, c.Name, v, c.Type)
			}
		}
	}
	return rows
}

// Everything that is known, as tables of one moment with a manifest; the next export goes on where this one ended, and rows tell each other apart by
// their keys. CSV and JSON lines say the same.
//
// Shows: S78
func TestAnalytics(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		clock := statetest.Morning.Add(time.Hour)
		tell := analysed(t, d, func() time.Time { return clock })
		L := statetest.L
		tell(statetest.Accepted("SO1", "1", L("SO1", "1", "BOLT", "10")), statetest.Pick(10, "P1", statetest.In(L("SO1", "1", "BOLT", "4.5"), "A-01", "")), statetest.ShortPick(11, "P2", statetest.Asked(statetest.In(L("SO1", "1", "BOLT", "1"), "A-01", ""), "5")))
		write := func(name string, a export.Analytics) (*export.AnalyticsManifest, map[string][]map[string]string) {
			t.Helper()
			a.Tenant, a.Now = statetest.Tenant, clock
			folder := filepath.Join(t.TempDir(), name)
			m, err := a.Write(t.Context(), d, folder)
			if err != nil {
				t.Fatal(err)
			}
			all := make(map[string][]map[string]string)
			for _, table := range m.Tables {
				all[table.Name] = rowsOf(t, folder, table)
				seen := make(map[string]bool)
				for _, row := range all[table.Name] {
					key := ""
					for _, column := range table.Key {
						key += row[column] + "\x00"
					}
					if seen[key] {
						t.Errorf("%s: two rows have the key %q", table.Name, key)
					}
					seen[key] = true
				}
			}
			if _, err := a.Write(t.Context(), d, folder); !errors.Is(err, os.ErrExist) {
				t.Errorf("a second export into one folder: %v", err)
			}
			return m, all
		}
		clock = clock.Add(10 * time.Minute) // more than a transaction may take
		first, is := write("first", export.Analytics{})
		if len(is["events"]) != 3 || is["events"][1]["kind"] != "pick.confirmed" || len(is["order_lines"]) != 1 {
			t.Errorf("events %v, lines %v", is["events"], is["order_lines"])
		}
		if line := is["order_lines"][0]; line["picked"] != "5.5" || line["ordered"] != "10" || line["short"] == "0" {
			t.Errorf("the line is %v", line)
		}
		if len(is["exceptions"]) == 0 || is["exceptions"][0]["class"] != "process" || len(is["milestones"]) == 0 || len(is["states"]) == 0 {
			t.Errorf("exceptions %v, milestones %v", is["exceptions"], is["milestones"])
		}
		_, cells := write("cells", export.Analytics{CSV: true, Compressed: true})
		for name := range is {
			if fmt.Sprint(cells[name]) != fmt.Sprint(is[name]) {
				t.Errorf("%s as CSV is %v, as JSON lines %v", name, cells[name], is[name])
			}
		}
		_, picks := write("picks", export.Analytics{Tables: []string{"events"}, Kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}, Before: statetest.Morning.Add(11 * time.Second)})
		if len(picks) != 1 || len(picks["events"]) != 1 {
			t.Errorf("picks before a time: %v", picks)
		}
		clock = clock.Add(time.Hour)
		tell(statetest.Accepted("SO2", "1", L("SO2", "1", "NUT", "1")))
		_, more := write("more", export.Analytics{After: first.Next})
		if len(more["events"]) != 1 || more["events"][0]["subject"] != "SO2" || len(more["order_lines"]) != 1 || more["order_lines"][0]["order"] != "SO2" {
			t.Errorf("since the first: %v, %v", more["events"], more["order_lines"])
		}
	})
}

// The page describes every column that is exported, and none that is not.
func TestThePageDescribesEveryColumn(t *testing.T) {
	page, err := os.ReadFile("../../docs/archive.md")
	if err != nil {
		t.Fatal(err)
	}
	var described, columns []string
	table := ""
	for line := range strings.Lines(string(page)) {
		if m := regexp.MustCompile("^### `([a-z_]+)`").FindStringSubmatch(line); m != nil {
			table = m[1]
		}
		if m := regexp.MustCompile("^\\| `([a-z_]+)` \\| ([a-z]+) \\|").FindStringSubmatch(line); m != nil {
			described = append(described, table+"."+m[1]+" "+m[2])
		}
	}
	for _, t := range export.AnalyticsTables() {
		for _, c := range t.Columns {
			columns = append(columns, t.Name+"."+c.Name+" "+c.Type)
		}
	}
	slices.Sort(described)
	slices.Sort(columns)
	if !slices.Equal(described, columns) {
		t.Errorf("docs/archive.md describes\n%s\nexported are\n%s", strings.Join(described, "\n"), strings.Join(columns, "\n"))
	}
}
