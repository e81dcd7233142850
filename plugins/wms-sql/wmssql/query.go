package wmssql

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// column is one that is read: as the configuration writes it, as the database does, and its type there.
type column struct {
	name, actual string
	typ          columnType
	kind         string // the driver's name of the type
}

// table is a stream's source as the database has it now.
type table struct {
	dialect *dialect
	source  string
	columns []column
	// watermark, tie and key are places in columns.
	watermark int
	tie, key  []int
	pending   string
}

// place is where a reading is: behind the row with this watermark and tie. Without a tie it is before the first row with that watermark.
type place struct {
	Watermark string   `json:"watermark"`
	Tie       []string `json:"tie,omitempty"`
}

// inspect asks the database for the columns of a stream. What the configuration names and the database lacks is a fault of the schema.
func inspect(ctx context.Context, db *sql.DB, d *dialect, s *stream) (*table, error) {
	t := &table{dialect: d, source: s.Table}
	if s.Query != "" {
		t.source = "(" + strings.TrimRight(strings.TrimSpace(s.Query), ";") + ") dockline_source"
	}
	if s.Outbox != nil {
		t.pending = s.Outbox.Pending
	}
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+t.source+" WHERE 1 = 0")
	if err != nil {
		return nil, d.failed("reading the columns of "+s.what(), err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, d.failed("reading the columns of "+s.what(), err)
	}
	var has []string
	for _, typ := range types {
		has = append(has, typ.Name())
	}
	for _, name := range s.columns {
		found, err := match(name, types)
		if err != nil {
			return nil, schemaFault(s.what(), "%w (it has %s); correct the configuration, or bring the column back", err, strings.Join(has, ", "))
		}
		kind := found.DatabaseTypeName()
		t.columns = append(t.columns, column{name: name, actual: found.Name(), typ: d.typeOf(kind), kind: kind})
	}
	t.watermark = t.at(s.Watermark)
	for _, name := range s.Tie {
		t.tie = append(t.tie, t.at(name))
	}
	for _, name := range s.Key {
		t.key = append(t.key, t.at(name))
	}
	if err := rows.Err(); err != nil {
		return nil, d.failed("reading the columns of "+s.what(), err)
	}
	return t, nil
}

// match finds a column: by its very name, or else by the one that differs in case alone.
func match(name string, types []*sql.ColumnType) (*sql.ColumnType, error) {
	var found *sql.ColumnType
	for _, t := range types {
		if t.Name() == name {
			return t, nil
		}
		if strings.EqualFold(t.Name(), name) {
			if found != nil {
				return nil, fmt.Errorf("column %s could be %s or %s", name, found.Name(), t.Name())
			}
			found = t
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no column %s", name)
	}
	return found, nil
}

// at is the place of a column that inspect has found.
func (t *table) at(name string) int {
	for i, c := range t.columns {
		if strings.EqualFold(c.name, name) {
			return i
		}
	}
	panic("wmssql: column " + name + " was not asked for")
}

// same holds a result against what the columns were when they were looked at.
func (t *table) same(rows *sql.Rows) error {
	types, err := rows.ColumnTypes()
	if err != nil || len(types) != len(t.columns) || t.dialect == sqlite {
		return t.dialect.failed("reading the columns of "+t.source, err)
	}
	for i, typ := range types {
		if was := t.columns[i]; typ.DatabaseTypeName() != was.kind {
			return schemaFault(t.source, "column %s was of type %s and is now %s; its columns are looked at again", was.name, was.kind, typ.DatabaseTypeName())
		}
	}
	return nil
}

func (t *table) names() []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = c.name
	}
	return out
}

// quoted is a column as a statement names it.
func (t *table) quoted(at int) string { return t.dialect.quote(t.columns[at].actual) }

// selected are the columns as a statement reads them.
func (t *table) selected(places ...int) string {
	out := make([]string, len(places))
	for i, at := range places {
		out[i] = t.quoted(at)
		if t.dialect == sqlite && (strings.Contains(t.columns[at].kind, "DATE") || strings.Contains(t.columns[at].kind, "TIME")) {
			out[i] = "CAST(" + out[i] + " AS TEXT)" // the driver would guess at what the text means
		}
	}
	return strings.Join(out, ", ")
}

func (t *table) all() []int {
	out := make([]int, len(t.columns))
	for i := range out {
		out[i] = i
	}
	return out
}

// statement is SQL with its arguments.
type statement struct {
	text strings.Builder
	args []any
	of   *table
}

// value puts a value of a column into the statement.
func (s *statement) value(at int, text string) string {
	typ := s.of.columns[at].typ
	s.args = append(s.args, s.of.dialect.arg(typ, text))
	return s.of.dialect.bound(typ, len(s.args))
}

// page is the SELECT of the next rows from a place on, nil for the beginning, in the order of watermark and tie.
func (t *table) page(from *place, limit int) (string, []any) {
	s := &statement{of: t}
	s.text.WriteString("SELECT " + t.selected(t.all()...) + " FROM " + t.source + " WHERE ")
	mark := t.quoted(t.watermark)
	switch {
	case from == nil:
		s.text.WriteString(mark + " IS NOT NULL")
	case len(from.Tie) == 0:
		s.text.WriteString(mark + " >= " + s.value(t.watermark, from.Watermark))
	default:
		s.text.WriteString(mark + " >= " + s.value(t.watermark, from.Watermark) + " AND (" + mark + " > " + s.value(t.watermark, from.Watermark) + " OR " + t.behind(s, from.Tie, 0) + ")")
	}
	order := []string{mark}
	for _, at := range t.tie {
		if at != t.watermark {
			s.text.WriteString(" AND " + t.quoted(at) + " IS NOT NULL")
			order = append(order, t.quoted(at))
		}
	}
	if t.pending != "" {
		s.text.WriteString(" AND (" + t.pending + ")")
	}
	s.text.WriteString(" ORDER BY " + strings.Join(order, ", ") + t.dialect.limited(strconv.Itoa(limit)))
	return s.text.String(), s.args
}

// behind is true of rows whose tie is greater. No database is good at comparing lists of columns with one index, but all are at this.
func (t *table) behind(s *statement, tie []string, n int) string {
	at := t.tie[n]
	greater := t.quoted(at) + " > " + s.value(at, tie[n])
	if n == len(t.tie)-1 {
		return greater
	}
	equal := t.quoted(at) + " = " + s.value(at, tie[n])
	return "(" + greater + " OR (" + equal + " AND " + t.behind(s, tie, n+1) + "))"
}

// group is the SELECT of all rows of one key.
func (t *table) group(key []string) (string, []any) {
	s := &statement{of: t}
	s.text.WriteString("SELECT " + t.selected(t.all()...) + " FROM " + t.source + " WHERE " + t.keyed(s, key))
	return s.text.String(), s.args
}

// keyed is true of the rows of one key.
func (t *table) keyed(s *statement, key []string) string {
	terms := make([]string, len(key))
	for i, at := range t.key {
		terms[i] = t.quoted(at) + " = " + s.value(at, key[i])
	}
	return strings.Join(terms, " AND ")
}

// unmarked is the SELECT of one row that no reading comes to.
func (t *table) unmarked() string {
	terms := []string{t.quoted(t.watermark) + " IS NULL"}
	for _, at := range t.tie {
		terms = append(terms, t.quoted(at)+" IS NULL")
	}
	return "SELECT " + t.selected(t.watermark) + " FROM " + t.source + " WHERE " + strings.Join(terms, " OR ") + " ORDER BY " + t.quoted(t.watermark) + t.dialect.limited("1")
}

// newest is the SELECT of the highest watermark.
func (t *table) newest() string { return t.dialect.newest(t.quoted(t.watermark), t.source) }

// acknowledge is the statement that lets rows leave an outbox, by their key.
func (t *table) acknowledge(o Outbox, keys [][]string) (string, []any) {
	s := &statement{of: t}
	head := "DELETE FROM " + t.source
	if o.Acknowledge == acknowledgeUpdate {
		head = "UPDATE " + t.source + " SET " + o.Set
	}
	terms := make([]string, len(keys))
	for i, key := range keys {
		terms[i] = "(" + t.keyed(s, key) + ")"
	}
	s.text.WriteString(head + " WHERE " + strings.Join(terms, " OR "))
	return s.text.String(), s.args
}

// among is the SELECT of all rows of some keys.
func (t *table) among(keys [][]string) (string, []any) {
	s := &statement{of: t}
	terms := make([]string, len(keys))
	for i, key := range keys {
		terms[i] = "(" + t.keyed(s, key) + ")"
	}
	return "SELECT " + t.selected(t.all()...) + " FROM " + t.source + " WHERE " + strings.Join(terms, " OR "), s.args
}
