package wmssql

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenTypes are what each driver calls the types of a time of change, a serial number, a text and, where there is one, a row's version.
var goldenTypes = map[string][4]string{
	driverPostgres: {"TIMESTAMPTZ", "INT8", "TEXT", "BYTEA"}, driverMySQL: {"DATETIME", "BIGINT", "VARCHAR", "VARBINARY"},
	driverSQLServer: {"DATETIME2", "BIGINT", "NVARCHAR", "BINARY"}, driverOracle: {"TimeStampDTY", "NUMBER", "VARCHAR", "RAW"}, driverSQLite: {"TEXT", "INTEGER", "TEXT", "BLOB"},
}

// Every statement that is sent, as each database reads it. SQL Server and Oracle are held against these files alone.
func TestStatementsOfEachDatabase(t *testing.T) {
	for _, name := range driverNames {
		d, types := dialects[name], goldenTypes[name]
		of := func(name string, n int) column {
			return column{name: name, actual: strings.ToUpper(name), typ: d.typeOf(types[n]), kind: types[n]}
		}
		tab := &table{dialect: d, source: "wms.picks", columns: []column{of("changed_at", 0), of("id", 1), of("site", 2), of("version", 3)}, watermark: 0, tie: []int{2, 1}, key: []int{1}}
		stamp := "2026-07-04T08:00:00.123456"
		if tab.columns[0].typ == typeInstant {
			stamp += "Z"
		}
		var out strings.Builder
		say := func(what, text string, args []any) {
			fmt.Fprintf(&out, "-- %s\n%s\n", what, text)
			for i, a := range args {
				fmt.Fprintf(&out, "--   %d: %T %v\n", i+1, a, a)
			}
		}
		text, args := tab.page(nil, 500)
		say("from the beginning", text, args)
		text, args = tab.page(&place{Watermark: stamp}, 500)
		say("from a watermark on", text, args)
		text, args = tab.page(&place{Watermark: stamp, Tie: []string{"dc", "17"}}, 500)
		say("behind a row", text, args)
		text, args = tab.group([]string{"17"})
		say("the rows of a key", text, args)
		text, args = tab.among([][]string{{"17"}, {"18"}})
		say("the rows of some keys", text, args)
		text, args = tab.acknowledge(Outbox{Acknowledge: acknowledgeUpdate, Set: "told = 1"}, [][]string{{"17"}, {"18"}})
		say("acknowledge by update", text, args)
		text, args = tab.acknowledge(Outbox{Acknowledge: acknowledgeDelete}, [][]string{{"17"}})
		say("acknowledge by delete", text, args)
		say("rows that are never read", tab.unmarked(), nil)
		tab.watermark = 3
		text, args = tab.page(&place{Watermark: "0x00000000000007d1"}, 500)
		say("by a row's version", text, args)
		say("the newest of it", tab.newest(), nil)
		tab.watermark, tab.tie = 1, []int{1}
		text, args = tab.page(&place{Watermark: "9007199254740993", Tie: []string{"9007199254740993"}}, 500)
		say("by a serial number that no float holds", text, args)
		if name == driverSQLServer {
			tab.columns[0].typ, tab.watermark = d.typeOf("DATETIME"), 0
			text, args = tab.page(&place{Watermark: timeText(time.Date(2026, 7, 4, 8, 0, 0, 6_666_667, time.UTC), typeTick)}, 500)
			say("by a time in ticks", text, args)
		}
		say("the clock", d.clock, nil)
		say("open transactions", map[string]string{driverPostgres: postgresOpen, driverMySQL: fmt.Sprintf(mysqlOpen, mysqlAge), driverSQLServer: sqlServerOpen, driverOracle: oracleOpen}[name], nil)
		golden(t, name+".sql", out.String())
	}
}

// How each database is reached, for those that are reached by a text.
func TestHowServersAreReached(t *testing.T) {
	database := Database{Host: "db.example", Port: 1, Name: "WMS", TLS: tlsVerify, CA: "/etc/ca.pem"}
	login, c := Login{User: "dockline"}, defaultConfig()
	var out strings.Builder
	for _, tls := range []string{tlsVerify, tlsRequire, tlsOff} {
		database.TLS = tls
		fmt.Fprintf(&out, "%s\n%s\n", tls, sqlServerURL(database, login, "p&=w", false))
		u, err := url.Parse(oracleURL(database, login, "p&=w", c))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "oracle %s %s %s\n", u.Host, u.Path, u.Query().Encode())
	}
	golden(t, "servers.txt", out.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/golden/" + name
	if *update {
		if err := os.MkdirAll("testdata/golden", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs (-update writes it anew); it is now\n%s", path, got)
	}
}

// Where a reading begins, for every sort of watermark: never behind what a transaction that was open could still write.
func TestWhereAReadingBegins(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		t.Helper()
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	set := &setup{Config: Config{Overlap: time.Minute}, zone: berlin}
	c := &capture{setup: set}
	open, now := at("2026-07-04T08:00:00Z"), at("2026-07-04T08:10:00Z")
	marks := []mark{{at("2026-07-04T07:00:00Z"), "10"}, {at("2026-07-04T07:59:00Z"), "20"}, {at("2026-07-04T07:59:30Z"), "30"}}
	for name, test := range map[string]struct {
		progress progress
		typ      columnType
		open     time.Time
		now      time.Time
		want     string
	}{
		"the first reading":              {progress{}, typeInstant, time.Time{}, now, ""},
		"a moment":                       {progress{Begun: true}, typeInstant, open, now, "2026-07-04T07:59:00Z"},
		"a clock on the wall":            {progress{Begun: true}, typeWall, open, now, "2026-07-04T09:59:00"},
		"a number":                       {progress{Begun: true, Marks: marks}, typeWhole, open, now, "20"},
		"a number without an old mark":   {progress{Begun: true, Marks: marks[2:]}, typeWhole, open, now, ""},
		"a text that grows":              {progress{Begun: true, Marks: marks}, typeText, open, now, "20"},
		"a row's version":                {progress{Begun: true, Row: "0x0a", Marks: marks}, typeBytes, open, now, "0x0a"},
		"nobody knows what is open":      {progress{Begun: true}, typeInstant, time.Time{}, now, ""},
		"clocks that were put back":      {progress{Begun: true}, typeWall, at("2026-10-25T00:59:30Z"), at("2026-10-25T01:00:10Z"), "2026-10-25T01:58:30"},
		"clocks that were put forward":   {progress{Begun: true}, typeWall, at("2026-03-29T00:59:30Z"), at("2026-03-29T01:00:10Z"), "2026-03-29T01:58:30"},
		"long after they were put back":  {progress{Begun: true}, typeWall, at("2026-10-25T03:00:00Z"), at("2026-10-25T03:00:10Z"), "2026-10-25T03:59:00"},
		"a transaction across that hour": {progress{Begun: true}, typeWall, at("2026-10-24T22:00:00Z"), at("2026-10-25T05:00:00Z"), "2026-10-24T22:59:00"},
	} {
		st := &state{stream: &stream{}, progress: &test.progress}
		got := ""
		if from := c.from(st, test.typ, test.open, test.now); from != nil {
			got = from.Watermark
		}
		if got != test.want {
			t.Errorf("%s: from %q, want %q", name, got, test.want)
		}
	}
}

// Marks are thinned as they grow, and what is left says nothing that was not so.
func TestMarksStayFew(t *testing.T) {
	p, began := &progress{}, time.Date(2026, 7, 4, 0, 0, 0, 0, time.UTC)
	for i := range 5000 {
		p.noteMark(mark{began.Add(time.Duration(i) * time.Second), fmt.Sprintf("%08d", i/2)})
		if len(p.Marks) > maxMarks {
			t.Fatalf("%d marks", len(p.Marks))
		}
	}
	for _, m := range p.Marks {
		if want := fmt.Sprintf("%08d", int(m.Time.Sub(began).Seconds())/2); m.Watermark != want {
			t.Errorf("at %s the highest was %s, the mark says %s", m.Time, want, m.Watermark)
		}
	}
	p.forgetMarks(began.Add(4990 * time.Second))
	if got, ok := p.below(began.Add(4990 * time.Second)); !ok || got > "00002495" || len(p.Marks) > 20 {
		t.Errorf("below 4990 s: %q %v, %d marks", got, ok, len(p.Marks))
	}
}
