package wmssql

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/work"
)

// Commands says how work is written for the WMS. What has no section is refused.
type Commands struct {
	// Login is who writes; without it the reader's is taken.
	Login `yaml:",inline"`
	// Ledger is the table in which stands what was written, in the same transaction.
	Ledger       string   `yaml:"ledger"`
	ReleaseOrder *Inbound `yaml:"release_order"`
	CancelOrder  *Inbound `yaml:"cancel_order"`
	RequestCount *Inbound `yaml:"request_count"`
}

func (c Commands) empty() bool {
	return c.ReleaseOrder == nil && c.CancelOrder == nil && c.RequestCount == nil
}

// Inbound is the table into which one kind of work goes, a row for each line.
type Inbound struct {
	Table   string          `yaml:"table"`
	Columns []InboundColumn `yaml:"columns"`
	// Head is a table that gets one row for the whole.
	Head   *InboundHead   `yaml:"head"`
	Number mapping.Number `yaml:"number"`
	Date   string         `yaml:"date"`
	Zone   string         `yaml:"zone"`
}

// InboundHead is the table of the whole.
type InboundHead struct {
	Table   string          `yaml:"table"`
	Columns []InboundColumn `yaml:"columns"`
}

// InboundColumn is one column: a field of the work, or a fixed text. What is empty is written as NULL.
type InboundColumn struct {
	Column   string `yaml:"column"`
	Field    string `yaml:"field"`
	Text     string `yaml:"text"`
	Required bool   `yaml:"required"`
}

// inbound is an Inbound that has been checked.
type inbound struct {
	Inbound
	clock mapping.Clock
}

// ledgerColumns are those that the ledger must have.
var ledgerColumns = []string{"command_key", "command_version", "outcome", "said"}

// ledgerTable is what a person is told to make.
func ledgerTable(name string) string {
	return "CREATE TABLE " + name + " (command_key VARCHAR(200) NOT NULL, command_version BIGINT NOT NULL, outcome VARCHAR(20) NOT NULL, said VARCHAR(1000), PRIMARY KEY (command_key, command_version))"
}

func (l *loader) loadCommands(s *setup) {
	for kind, given := range map[work.Kind]*Inbound{work.ReleaseOrder: s.Commands.ReleaseOrder, work.CancelOrder: s.Commands.CancelOrder, work.RequestCount: s.Commands.RequestCount} {
		if given == nil {
			continue
		}
		out := &inbound{Inbound: *given}
		if out.Date == "" {
			out.Date = "yyyy-MM-dd HH:mm:ss"
		}
		if out.Zone == "" {
			out.Zone = s.Zone
		}
		l.checkInbound("commands."+string(kind), kind, out)
		s.work[string(kind)] = out
	}
	if s.Commands.empty() {
		return
	}
	if !isTable(s.Commands.Ledger) {
		l.fault("commands.ledger", "the table is missing in which stands what was written, so that nothing is written twice; let an administrator run: %s; and name it here", ledgerTable("dockline_commands"))
	}
	if _, err := s.Commands.password(); err != nil {
		l.fault("commands.password_file", "%v", err)
	}
}

func (l *loader) checkInbound(path string, kind work.Kind, in *inbound) {
	for _, text := range in.Number.Faults() {
		l.fault(path+".number", "%s", text)
	}
	clock, err := mapping.NewClock(in.Date, in.Zone)
	if err != nil {
		l.fault(path+".date", "%v", err)
	}
	in.clock = clock
	l.checkInboundTable(path, kind, in.Table, in.Columns, slices.Concat(work.HeadFields[kind], work.LineFields[kind]))
	if in.Head != nil {
		l.checkInboundTable(path+".head", kind, in.Head.Table, in.Head.Columns, work.HeadFields[kind])
	}
}

func (l *loader) checkInboundTable(path string, kind work.Kind, table string, columns []InboundColumn, known []string) {
	if !isTable(table) {
		l.fault(path+".table", "%q is no name of a table; write schema.name, with the database's own quotation marks where a part needs them", table)
	}
	versioned := false
	for i, c := range columns {
		at := fmt.Sprintf("%s.columns[%d]", path, i)
		versioned = versioned || c.Field == "version"
		switch {
		case c.Column == "":
			l.fault(at, "the column has no name")
		case c.Field != "" && c.Text != "":
			l.fault(at, "the column has a field and a text; leave one of the two out")
		case c.Field != "" && !slices.Contains(known, c.Field):
			l.fault(at+".field", "field %q is not known for %s; fields are %s", c.Field, kind, strings.Join(known, ", "))
		}
	}
	if !versioned {
		l.fault(path+".columns", "no column takes the field version: the WMS could not tell a change from its original")
	}
}

// checkCommands looks whether the tables for work are there, with their columns.
func (l *loader) checkCommands(ctx context.Context, s *setup, log *slog.Logger) {
	if s.Commands.empty() {
		return
	}
	db, err := s.open(true)
	if err != nil {
		l.fault("commands", "%v", err)
		return
	}
	defer db.Close()
	look := func(path, table string, columns []string, remedy string) {
		if _, err := actualColumns(ctx, db, s.dialect, table, columns); err != nil && !l.databaseFault(path, s, s.dialect.failed(table+remedy, err)) {
			log.Warn("the configuration cannot be held against the database now", "table", table, "err", err)
		}
	}
	look("commands.ledger", s.Commands.Ledger, ledgerColumns, " (made by: "+ledgerTable(s.Commands.Ledger)+")")
	for kind, in := range s.work {
		look("commands."+kind+".table", in.Table, namesOf(in.Columns), "")
		if in.Head != nil {
			look("commands."+kind+".head.table", in.Head.Table, namesOf(in.Head.Columns), "")
		}
	}
}

func namesOf(columns []InboundColumn) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Column
	}
	return out
}

// actualColumns are columns by the names that the database has for them, quoted.
func actualColumns(ctx context.Context, db querier, d *dialect, table string, names []string) ([]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table+" WHERE 1 = 0")
	if err != nil {
		return nil, d.failed("reading the columns of "+table, err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, d.failed("reading the columns of "+table, err)
	}
	out := make([]string, len(names))
	for i, name := range names {
		found, err := match(name, types)
		if err != nil {
			return nil, schemaFault(table, "%w", err)
		}
		out[i] = d.quote(found.Name())
	}
	return out, rows.Err()
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
