package retention

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// table is one whose rows go into an archive with a group.
type table struct {
	name string
	// key is the primary key.
	key []string
	// by names the columns by which the rows of a group are found, with what: see keysFor.
	by   []string
	with string
	// stays: the row is copied, and stays in the database. reading: it is copied for who reads the archive, and not put back.
	stays, reading bool
	// number is the column whose values the database gives, "" for none.
	number string
	// left are columns that are not archived.
	left []string
}

// tables in the order in which they are written and put back.
var tables = []table{
	{name: "event", key: []string{"log_id"}, by: []string{"log_id"}, with: "events", number: "log_id"},
	{name: "event", key: []string{"log_id"}, by: []string{"tenant", "id"}, with: "ids", number: "log_id"}, // bodies beside the one in force
	{name: "event_identity", key: []string{"tenant", "id"}, by: []string{"tenant", "id"}, with: "ids", stays: true, left: []string{"archive"}},
	{name: "record_first", key: []string{"record"}, by: []string{"record"}, with: "records", stays: true},
	{name: "record_later", key: []string{"record", "log_id"}, by: []string{"record"}, with: "records", stays: true},
	{name: "fact", key: []string{"tenant", "fold_key", "log_id"}, by: []string{"log_id"}, with: "events"},
	{name: "link", key: []string{"tenant", "link_key", "part_of", "event_id"}, by: []string{"tenant", "part_of"}, with: "keys"},
	{name: "declared", key: []string{"tenant", "event_id", "log_id"}, by: []string{"tenant", "event_id"}, with: "ids"},
	{name: "receipt", key: []string{"tenant", "event_id"}, by: []string{"tenant", "event_id"}, with: "ids"},
	{name: "state", key: []string{"tenant", "fold_key"}, by: []string{"tenant", "fold_key"}, with: "keys"},
	{name: "milestone", key: []string{"tenant", "fold_key", "name"}, by: []string{"tenant", "fold_key"}, with: "keys"},
	{name: "no_document", key: []string{"tenant", "event_id", "fold_key"}, by: []string{"tenant", "fold_key"}, with: "keys"},
	{name: "stock_demand", key: []string{"tenant", "fold_key", "part"}, by: []string{"tenant", "fold_key"}, with: "keys"},
	{name: "policy_decision", key: []string{"number"}, by: []string{"tenant", "fold_key"}, with: "keys", number: "number"},
	{name: "dead_letter", key: []string{"tenant", "fold_key"}, by: []string{"tenant", "fold_key"}, with: "keys"},
	{name: "dead_letter_edit", key: []string{"tenant", "event_id", "version"}, by: []string{"tenant", "event_id"}, with: "ids"},
	{name: "posting", key: []string{"id"}, by: []string{"tenant", "fold_key"}, with: "keys", number: "id"},
	{name: "posting_dependency", key: []string{"natural_key", "kind", "target", "tenant", "needs_key", "needs_kind", "needs_target"}, by: []string{"natural_key", "kind", "target", "tenant"}, with: "postings"},
	{name: "posting_event", key: []string{"tenant", "event_id", "target", "kind", "natural_key"}, by: []string{"natural_key", "kind", "target", "tenant"}, with: "postings"},
	{name: "exception", key: []string{"number"}, by: []string{"tenant", "origin"}, with: "origins", number: "number"},
	{name: "exception_event", key: []string{"tenant", "number", "event_id"}, by: []string{"tenant", "number"}, with: "exceptions"},
	{name: "exception_note", key: []string{"id"}, by: []string{"tenant", "number"}, with: "exceptions", number: "id"},
	{name: "command", key: []string{"tenant", "site", "command_key"}, by: []string{"tenant", "command_key"}, with: "commands", stays: true},
	{name: "policy_version", key: []string{"tenant", "version"}, by: []string{"tenant", "version"}, with: "versions", stays: true},
	{name: "policy_activation", key: []string{"number"}, by: []string{"tenant", "version"}, with: "versions", stays: true, number: "number"},
	{name: "audit", key: []string{"tenant", "n"}, by: []string{"tenant", "object"}, with: "objects", stays: true, reading: true},
}

// row is one row of a table as an archive has it.
type row struct {
	table  *table
	values map[string]any
}

// reader reads the rows of groups. It remembers which columns tables have.
type reader struct {
	tx      *db.Tx
	columns map[string][]string
}

func newReader(tx *db.Tx) *reader { return &reader{tx: tx, columns: make(map[string][]string)} }

// rows are all rows of a group, in the order of tables and of their keys.
func (r *reader) rows(ctx context.Context, g *group) ([]row, error) {
	found := &gathered{group: g}
	for i := range tables {
		if err := r.read(ctx, &tables[i], found); err != nil {
			return nil, err
		}
	}
	return found.rows, nil
}

func (r *reader) read(ctx context.Context, t *table, found *gathered) error {
	keys, err := found.keysFor(t.with)
	if err != nil || len(keys) == 0 {
		return err
	}
	columns := r.columns[t.name]
	if columns == nil {
		if columns, err = r.tx.Columns(ctx, t.name); err != nil {
			return err
		}
		r.columns[t.name] = columns
	}
	where := ""
	if t.name == "event" && t.with == "ids" {
		where = "t.variant <> 0"
	}
	list, err := r.tx.Lookup(ctx, db.Lookup{Table: t.name, Columns: columns, Key: t.by, Rows: keys, Where: where})
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	from := len(found.rows)
	for _, values := range list {
		one := row{table: t, values: make(map[string]any, len(columns))}
		for i, column := range columns {
			if !slices.Contains(t.left, column) {
				one.values[column] = values[i]
			}
		}
		if found.wants(one) {
			found.rows = append(found.rows, one)
		}
	}
	slices.SortFunc(found.rows[from:], func(a, b row) int { return compareBy(t.key, a, b) })
	return nil
}

func compareBy(key []string, a, b row) int {
	for _, column := range key {
		var c int
		switch x := a.values[column].(type) {
		case int64:
			c = cmp.Compare(x, b.values[column].(int64))
		case string:
			c = strings.Compare(x, b.values[column].(string))
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// gathered is what was read of a group so far: later tables are found by what stands in earlier ones.
type gathered struct {
	*group
	rows []row
}

// of calls f for the rows of a table.
func (g *gathered) of(name string, f func(values map[string]any)) {
	for _, one := range g.rows {
		if one.table.name == name {
			f(one.values)
		}
	}
}

// keysFor are the keys by which rows are found.
func (g *gathered) keysFor(with string) ([][]any, error) {
	var keys [][]any
	seen := make(map[string]bool)
	add := func(values ...any) {
		if name := fmt.Sprint(values...); !seen[name] {
			seen[name] = true
			keys = append(keys, values)
		}
	}
	var failed error
	switch with {
	case "events":
		return column(g.events), nil
	case "keys":
		for _, key := range g.keys {
			add(g.tenant, key)
		}
	case "ids":
		g.of("event", func(v map[string]any) { add(v["tenant"], v["id"]) })
	case "records":
		g.of("event", func(v map[string]any) {
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(v["body"].([]byte), e); err != nil {
				failed = fmt.Errorf("event %v cannot be read: %w", v["log_id"], err)
			}
			if record, ok := event.RecordNumber(e); ok {
				add(record)
			}
		})
	case "postings":
		g.of("posting", func(v map[string]any) { add(v["natural_key"], v["kind"], v["target"], v["tenant"]) })
	case "origins":
		for _, key := range g.keys {
			for _, origin := range origins {
				add(g.tenant, origin+key)
			}
		}
		g.of("posting", func(v map[string]any) { add(g.tenant, postingName(v)) })
		g.of("event", func(v map[string]any) { add(g.tenant, "event/"+v["id"].(string)) })
	case "exceptions":
		g.of("exception", func(v map[string]any) { add(v["tenant"], v["number"]) })
	case "commands":
		for _, order := range g.orders {
			add(g.tenant, "release/"+order)
		}
	case "versions":
		for _, name := range []string{"state", "posting", "policy_decision"} {
			g.of(name, func(v map[string]any) { add(g.tenant, v["policy_version"]) })
		}
	case "objects":
		for _, key := range g.keys {
			add(g.tenant, key)
		}
		g.of("posting", func(v map[string]any) { add(g.tenant, postingName(v)) })
		g.of("exception", func(v map[string]any) { add(g.tenant, fmt.Sprintf("exception/%d", v["number"])) })
	}
	return keys, failed
}

// postingName is how exceptions and the audit call a posting.
func postingName(v map[string]any) string {
	return fmt.Sprintf("posting/%s/%s/%s", v["target"], v["kind"], v["natural_key"])
}

// wants leaves out what only shares a key with the group.
func (g *gathered) wants(one row) bool {
	switch one.table.name {
	case "record_first", "record_later":
		_, ours := slices.BinarySearch(g.events, one.values["log_id"].(int64))
		return ours
	}
	return true
}
