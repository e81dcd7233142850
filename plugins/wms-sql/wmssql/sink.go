package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dockline/dockline/plugins/work"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sink writes work into tables, each key and version once: what was written, or refused, stands in the ledger of the same database, and got there in
// the same transaction. So an answer that was lost, a lost disk and a WMS that empties its inbound tables do not matter.
type sink struct {
	setup *setup
	log   *slog.Logger

	mu sync.Mutex // one command at a time
	db *sql.DB
}

const (
	outcomeApplied = "applied"
	outcomeRefused = "refused"
)

// refused is why a command can never be written; its words are for the person who asked.
type refused string

func (r refused) Error() string { return string(r) }

func (s *sink) deliver(ctx context.Context, cmd *docklinev1.Command) (*docklinev1.CommandResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*s.setup.Statement)
	defer cancel()
	result, err := s.write(ctx, cmd, "")
	var no refused
	if errors.As(err, &no) {
		result, err = s.write(ctx, cmd, no) // a transaction of its own: the other one is gone
	}
	if class, ok := classOf(err); ok && class == faultRights {
		s.log.Warn("the database refuses the user that writes", "err", err)
		_ = s.db.Close() // the password may be another by now
		s.db = nil
	}
	return result, err
}

func (s *sink) open() (err error) {
	if s.db == nil {
		s.db, err = s.setup.open(true)
	}
	return err
}

// write does what a command asks for, or notes why not, in one transaction.
func (s *sink) write(ctx context.Context, cmd *docklinev1.Command, no refused) (*docklinev1.CommandResult, error) {
	d := s.setup.dialect
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, d.failed("writing work", err)
	}
	defer tx.Rollback()
	ledger, err := actualColumns(ctx, tx, d, s.setup.Commands.Ledger, ledgerColumns)
	if err != nil {
		return nil, err
	}
	done, err := s.known(ctx, tx, ledger, cmd)
	if done != nil || err != nil {
		return done, err
	}
	outcome, said := outcomeApplied, ""
	if no != "" {
		outcome, said = outcomeRefused, string(no)
	}
	// First the ledger: its key keeps anybody else from doing the same.
	if err := s.insert(ctx, tx, s.setup.Commands.Ledger, ledger, []string{cmd.GetKey(), strconv.FormatUint(cmd.GetVersion(), 10), outcome, cut(said, 1000)}); err != nil {
		return nil, d.failed("noting work in "+s.setup.Commands.Ledger, err)
	}
	if no == "" {
		if err := s.rows(ctx, tx, cmd); err != nil {
			return nil, err
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, d.failed("committing work", err) // it may have been done: the ledger knows, when the command comes again
	}
	return resultOf(cmd, outcome, said), nil
}

// known answers a command that was decided before, or for which it is too late; nil for one that is new.
func (s *sink) known(ctx context.Context, tx querier, ledger []string, cmd *docklinev1.Command) (*docklinev1.CommandResult, error) {
	d := s.setup.dialect
	rows, err := tx.QueryContext(ctx, "SELECT "+strings.Join(ledger[1:], ", ")+" FROM "+s.setup.Commands.Ledger+" WHERE "+ledger[0]+" = "+d.param(1)+" ORDER BY "+ledger[1]+" DESC", cmd.GetKey())
	if err != nil {
		return nil, d.failed("reading "+s.setup.Commands.Ledger, err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, d.failed("reading "+s.setup.Commands.Ledger, rows.Err())
	}
	var version int64
	var outcome string
	var said sql.NullString
	if err := rows.Scan(&version, &outcome, &said); err != nil {
		return nil, d.failed("reading "+s.setup.Commands.Ledger, err)
	}
	switch {
	case uint64(version) > cmd.GetVersion():
		return &docklinev1.CommandResult{Key: cmd.GetKey(), Version: cmd.GetVersion(), Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED,
			Text: fmt.Sprintf("version %d has been applied before", version)}, nil
	case uint64(version) == cmd.GetVersion():
		return resultOf(cmd, strings.TrimSpace(outcome), said.String), nil
	}
	return nil, nil
}

// rows writes the work itself.
func (s *sink) rows(ctx context.Context, tx *sql.Tx, cmd *docklinev1.Command) error {
	kind := work.KindOf(cmd)
	in := s.setup.work[string(kind)]
	if in == nil {
		return refused(fmt.Sprintf("the plugin has no section commands.%s: this site's WMS does not take such work by table", kind))
	}
	w := work.Of(cmd, in.Number, in.clock)
	if w.Number == "" {
		return refused("the command names no order or count number")
	}
	if len(w.Rows) == 0 {
		return refused(w.Number + " has no lines; there is nothing to do for the site")
	}
	if in.Head != nil {
		if err := s.table(ctx, tx, in.Head.Table, in.Head.Columns, w, []map[string]string{{}}); err != nil {
			return err
		}
	}
	return s.table(ctx, tx, in.Table, in.Columns, w, w.Rows)
}

func (s *sink) table(ctx context.Context, tx *sql.Tx, table string, columns []InboundColumn, w work.Work, rows []map[string]string) error {
	actual, err := actualColumns(ctx, tx, s.setup.dialect, table, namesOf(columns))
	if err != nil {
		return err
	}
	for i, row := range rows {
		cells := make([]string, len(columns))
		for j, c := range columns {
			cells[j] = c.Text + row[c.Field] + w.Head[c.Field]
			if cells[j] == "" && c.Required {
				return refused(fmt.Sprintf("line %d of %s has no %s, which the WMS needs in column %s; add it to the order", i+1, w.Number, c.Field, c.Column))
			}
		}
		if err := s.insert(ctx, tx, table, actual, cells); err != nil {
			err = s.setup.dialect.failed("writing into "+table, err)
			if class, _ := classOf(err); class == faultData {
				return refused(fmt.Sprintf("the WMS does not take line %d of %s into %s: %s; correct it and send it again", i+1, w.Number, table, cause(err)))
			}
			return err
		}
	}
	return nil
}

// insert writes one row; what is empty is NULL.
func (s *sink) insert(ctx context.Context, tx *sql.Tx, table string, columns, cells []string) error {
	params, args := make([]string, len(cells)), make([]any, len(cells))
	for i, cell := range cells {
		params[i] = s.setup.dialect.param(i + 1)
		if cell != "" {
			args[i] = cell
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(params, ", ")+")", args...)
	return err
}

func (s *sink) find(ctx context.Context, key string) (bool, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return false, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.setup.Statement+5*time.Second)
	defer cancel()
	d := s.setup.dialect
	ledger, err := actualColumns(ctx, s.db, d, s.setup.Commands.Ledger, ledgerColumns)
	if err != nil {
		return false, 0, err
	}
	var version sql.NullInt64
	text := "SELECT MAX(" + ledger[1] + ") FROM " + s.setup.Commands.Ledger + " WHERE " + ledger[0] + " = " + d.param(1) + " AND " + ledger[2] + " = '" + outcomeApplied + "'"
	if err := s.db.QueryRowContext(ctx, text, key).Scan(&version); err != nil {
		return false, 0, d.failed("reading "+s.setup.Commands.Ledger, err)
	}
	return version.Valid, uint64(version.Int64), nil
}

func resultOf(cmd *docklinev1.Command, outcome, said string) *docklinev1.CommandResult {
	r := &docklinev1.CommandResult{Key: cmd.GetKey(), Version: cmd.GetVersion(), Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, Text: "written"}
	if outcome == outcomeRefused {
		r.Outcome, r.Class, r.Text = docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, docklinev1.FaultClass_FAULT_CLASS_DATA, said
	}
	return r
}

func cut(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-3]) + "..."
	}
	return s
}
