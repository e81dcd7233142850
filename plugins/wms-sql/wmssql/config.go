// Package wmssql connects a warehouse system through its database: it reads rows of tables, views or an outbox, and writes work into
// inbound tables.
package wmssql

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Config is the plugin's section of agent.yaml; sample.yaml has a sentence on every key.
type Config struct {
	Database Database `yaml:"database"`
	// Zone is the IANA name of the time zone of times that the database keeps without an offset.
	Zone string        `yaml:"zone"`
	Poll time.Duration `yaml:"poll"`
	// Horizon is database (ask which transactions are open) or overlap (believe that none is open for longer than overlap).
	Horizon string        `yaml:"horizon"`
	Overlap time.Duration `yaml:"overlap"`
	Settle  time.Duration `yaml:"settle"`
	// Statement is how long one statement may take.
	Statement time.Duration `yaml:"statement_timeout"`
	Page      int           `yaml:"page"`
	Remember  time.Duration `yaml:"remember"`
	Streams   []Stream      `yaml:"streams"`
	Commands  Commands      `yaml:"commands"`
}

// Stream is one table, view or query of the WMS whose rows are events.
type Stream struct {
	// Name is a part of every event's key: it is never changed.
	Name  string `yaml:"name"`
	Table string `yaml:"table"`
	Query string `yaml:"query"`
	// Watermark names the column that grows with every row that is new or changed, Tie those that tell rows with one watermark apart (default:
	// the key columns).
	Watermark string         `yaml:"watermark"`
	Tie       mapping.Fields `yaml:"tie"`
	Outbox    *Outbox        `yaml:"outbox"`
	Vanished  *Vanished      `yaml:"vanished"`
	// From is polling (the default) or replication; Deletes says what the deletion of a replicated row means: take_back or ignore.
	From    string `yaml:"from"`
	Deletes string `yaml:"deletes"`
	// whole: a copy has no watermark to begin at, and is in the order of the key.
	whole bool

	mapping.Spec `yaml:",inline"`

	MovesStock *bool `yaml:"moves_stock"`
}

// Outbox makes rows leave a stream once they are told and durable.
type Outbox struct {
	// Acknowledge is delete or update.
	Acknowledge string `yaml:"acknowledge"`
	// Pending is the SQL condition of rows that were not acknowledged yet, Set what acknowledges one: both for update.
	Pending string `yaml:"pending"`
	Set     string `yaml:"set"`
}

// Vanished looks whether rows that were told are still there.
type Vanished struct {
	Every  time.Duration `yaml:"every"`
	Within time.Duration `yaml:"within"`
}

const (
	horizonDatabase = "database"
	horizonOverlap  = "overlap"

	acknowledgeDelete = "delete"
	acknowledgeUpdate = "update"
)

func defaultConfig() Config {
	return Config{Poll: 2 * time.Second, Overlap: time.Minute, Settle: 15 * time.Minute, Statement: 30 * time.Second, Page: 500, Remember: 30 * 24 * time.Hour}
}

// setup is a Config that has been checked as far as that goes without the database.
type setup struct {
	Config
	dialect *dialect
	zone    *time.Location
	streams []*stream
	work    map[string]*inbound
}

// loader gathers faults with their lines.
type loader struct {
	raw    []byte
	faults []*docklinev1.ConfigFault
}

func (l *loader) fault(path, format string, args ...any) {
	l.faults = append(l.faults, plugins.Fault(l.raw, path, format, args...))
}

// load reads a config section and returns every fault that can be seen without the database; with one, there is no setup.
func load(raw []byte) (*setup, []*docklinev1.ConfigFault) {
	c := defaultConfig()
	l := &loader{raw: raw, faults: plugins.Decode(raw, &c)}
	s := &setup{Config: c, zone: time.UTC, work: map[string]*inbound{}}
	l.checkDatabase(s)
	l.checkReplication(s)
	l.checkTimes(s)
	l.loadStreams(s)
	l.loadCommands(s)
	if len(s.Streams) == 0 && s.Commands.empty() {
		l.fault("streams", "nothing is to be read or written; describe at least one table under streams or commands")
	}
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return s, nil
}

func (l *loader) checkTimes(s *setup) {
	if s.Zone != "" {
		zone, err := time.LoadLocation(s.Zone)
		if err != nil || s.Zone == "Local" {
			l.fault("zone", "time zone %q is not known; write a name such as Europe/Berlin, America/Chicago or UTC", s.Zone)
		} else {
			s.zone = zone
		}
	}
	for _, limit := range []struct {
		key           string
		is, low, high time.Duration
	}{
		{"poll", s.Poll, 50 * time.Millisecond, time.Hour}, {"overlap", s.Overlap, time.Second, 7 * 24 * time.Hour}, {"settle", s.Settle, 0, 7 * 24 * time.Hour},
		{"statement_timeout", s.Statement, time.Second, 10 * time.Minute}, {"remember", s.Remember, time.Hour, 400 * 24 * time.Hour},
	} {
		if limit.is < limit.low || limit.is > limit.high {
			l.fault(limit.key, "%s is %s; choose from %s to %s", limit.key, limit.is, limit.low, limit.high)
		}
	}
	if s.Page < 1 || s.Page > 10_000 {
		l.fault("page", "page is %d; choose from 1 to 10000 rows", s.Page)
	}
	if s.dialect == nil {
		return
	}
	if s.Horizon == "" {
		s.Horizon = horizonOverlap
		if s.dialect.horizon != nil {
			s.Horizon = horizonDatabase
		}
	}
	switch {
	case s.Horizon != horizonDatabase && s.Horizon != horizonOverlap:
		l.fault("horizon", "%q is not known; use database or overlap", s.Horizon)
	case s.Horizon == horizonDatabase && s.dialect.horizon == nil:
		l.fault("horizon", "%s cannot tell which transactions are open; write horizon: overlap", s.dialect.name)
	}
}

func (l *loader) loadStreams(s *setup) {
	names := map[string]bool{}
	for i, f := range s.Streams {
		path := fmt.Sprintf("streams[%d]", i)
		switch {
		case f.Name == "":
			l.fault(path+".name", "the stream has no name; it becomes a part of every key and must never change")
		case names[f.Name]:
			l.fault(path+".name", "name %s is used twice", f.Name)
		}
		names[f.Name] = true
		l.replicated(s, path, &f)
		l.checkSource(path, f)
		if f.Zone == "" {
			f.Zone = s.Zone
		}
		if len(f.Date) > 0 && !slices.Contains(f.Date, "iso") {
			f.Date = append(slices.Clone(f.Date), "iso") // columns that are times, not texts, come in this form
		}
		if len(f.Tie) == 0 {
			f.Tie = mapping.Fields(f.Key)
		}
		if slices.Contains(f.Key, mapping.RowAndOccurrence) {
			l.fault(path+".key", "a row of a database needs key columns: take the table's primary key")
			continue
		}
		compiled, faults := mapping.Compile(f.Name, f.Spec)
		for _, fault := range faults {
			l.fault(path+"."+fault.Path, "%s", fault.Text)
		}
		if compiled != nil {
			s.streams = append(s.streams, newStream(f, path, compiled))
		}
	}
}

// plainName is a name of a table that needs no quotation marks in any database, or has them.
var plainName = regexp.MustCompile("^[\\pL_][\\pL\\pN_$#]*$|^\"[^\"\x00]+\"$|^\\[[^\\]\x00]+\\]$|^`[^`\x00]+`$")

func isTable(name string) bool {
	parts := strings.Split(name, ".")
	return len(parts) <= 3 && !slices.ContainsFunc(parts, func(p string) bool { return !plainName.MatchString(p) })
}

func (l *loader) checkSource(path string, f Stream) {
	switch {
	case f.Table == "" && f.Query == "":
		l.fault(path+".table", "nothing is read; write table: schema.name, or query: with a SELECT")
	case f.Table != "" && f.Query != "":
		l.fault(path+".query", "table and query are both given; leave one of the two out")
	case f.Table != "" && !isTable(f.Table):
		l.fault(path+".table", "%q is no name of a table or view; write schema.name, with the database's own quotation marks where a part needs them", f.Table)
	}
	if f.Watermark == "" {
		l.fault(path+".watermark", "no watermark: name the column that grows with every row that is new or changed (a time of change, a rowversion, a serial number)")
	}
	if o := f.Outbox; o != nil {
		switch {
		case o.Acknowledge != acknowledgeDelete && o.Acknowledge != acknowledgeUpdate:
			l.fault(path+".outbox.acknowledge", "%q is not known; use update or delete, or leave outbox out to change nothing in the database", o.Acknowledge)
		case o.Acknowledge == acknowledgeUpdate && (o.Set == "" || o.Pending == ""):
			l.fault(path+".outbox", "update needs pending (the condition of rows that wait, as in told = 0) and set (what acknowledges one, as in told = 1)")
		case f.Table == "":
			l.fault(path+".outbox", "rows of a query cannot be acknowledged; name the table")
		case f.Vanished != nil || f.Deleted != "":
			l.fault(path+".outbox", "a row of an outbox stands for what happened once: deleted and vanished do not go with it")
		}
	}
	if v := f.Vanished; v != nil && (v.Every < time.Minute || v.Within < v.Every || v.Within > 400*24*time.Hour) {
		l.fault(path+".vanished", "every is %s and within %s; look at least a minute apart, and within a longer time than that", v.Every, v.Within)
	}
}

// mentioned finds the columns that an expression asks for by row["NAME"].
var mentioned = regexp.MustCompile(`\brow\s*\[\s*(?:"([^"\\]+)"|'([^'\\]+)')\s*\]`)

// columnsOf are the columns that a stream needs, as its configuration writes them.
func columnsOf(f Stream) []string {
	var out []string
	add := func(names ...string) {
		for _, name := range names {
			if name != "" && !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, name) }) {
				out = append(out, name)
			}
		}
	}
	add(f.Key...)
	for _, name := range slices.Sorted(maps.Keys(f.Columns)) {
		add(name)
		add(f.Columns[name].Join...)
	}
	add(f.Revision, f.Watermark)
	add(f.Tie...)
	for _, expression := range []string{f.Kind, f.When, f.Deleted} {
		for _, m := range mentioned.FindAllStringSubmatch(expression, -1) {
			add(m[1], m[2])
		}
	}
	return out
}
