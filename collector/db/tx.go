package db

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// Tx is one transaction. It is not for concurrent use, and rows must be closed before the next statement.
type Tx struct {
	d *DB
	s *session
}

// Row is what QueryRow returns.
type Row struct {
	rows *sql.Rows
	err  error
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := tx.s.exec(ctx, tx.d.rewrite(query), normalize(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query runs a query.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return tx.s.query(ctx, tx.d.rewrite(query), normalize(args))
}

// QueryRow runs a query of which the first row is read; Scan returns sql.ErrNoRows where there is none.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := tx.Query(ctx, query, args...)
	return &Row{rows: rows, err: err}
}

// Scan reads the row and closes it.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close()
}

// Claim runs a SELECT whose rows are locked for this transaction; rows that another transaction has locked are left out.
func (tx *Tx) Claim(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if tx.d.postgres {
		query += " FOR UPDATE SKIP LOCKED"
	}
	return tx.Query(ctx, query, args...)
}

// Hold runs a SELECT whose rows are locked for this transaction; it waits for rows that another transaction has locked. Who
// holds several rows asks for them in one order, or finds himself in a deadlock and is run again.
func (tx *Tx) Hold(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if tx.d.postgres {
		query += " FOR UPDATE"
	}
	return tx.Query(ctx, query, args...)
}

// Lock takes the named lock until the transaction ends, waiting for it. On SQLite writers are serial already.
func (tx *Tx) Lock(ctx context.Context, name string) error {
	if !tx.d.postgres {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`, name); err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return nil
}

// NextIDs gives n numbers of a {{serial}} column, growing, for rows that the caller inserts with them. Numbers that are not
// used stay unused.
func (tx *Tx) NextIDs(ctx context.Context, table, column string, n int) ([]int64, error) {
	if n == 0 {
		return nil, nil
	}
	ids := make([]int64, 0, n)
	if !tx.d.postgres {
		last, err := tx.advanceSequence(ctx, table, n)
		if err != nil {
			return nil, fmt.Errorf("next ids of %s: %w", table, err)
		}
		for i := range n {
			ids = append(ids, last+int64(i)+1)
		}
		return ids, nil
	}
	rows, err := tx.Query(ctx, `SELECT nextval(pg_get_serial_sequence(?, ?)) FROM generate_series(1, ?)`, table, column, n)
	if err != nil {
		return nil, fmt.Errorf("next ids of %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// advanceSequence moves SQLite's own counter on by n and returns where it stood.
func (tx *Tx) advanceSequence(ctx context.Context, table string, n int) (int64, error) {
	var last int64
	err := tx.QueryRow(ctx, `SELECT seq FROM sqlite_sequence WHERE name = ?`, table).Scan(&last)
	switch {
	case err == sql.ErrNoRows:
		_, err = tx.Exec(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)`, table, n)
	case err == nil:
		_, err = tx.Exec(ctx, `UPDATE sqlite_sequence SET seq = ? WHERE name = ?`, last+int64(n), table)
	}
	return last, err
}

// Tuples returns "(VALUES (?, ?), (?, ?))" for n rows of width parameters, the right side of a portable
// (a, b) IN (VALUES ...).
func Tuples(n, width int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", width), ", ") + ")"
	return "(VALUES " + strings.TrimSuffix(strings.Repeat(row+", ", n), ", ") + ")"
}

// List returns "(?, ?, ?)" for n parameters, the right side of IN.
func List(n int) string {
	return "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")"
}

var rewritten sync.Map // of query with ? to query with $n

// rewrite numbers the parameters for PostgreSQL. A ? within single quotes stays.
func (d *DB) rewrite(query string) string {
	if !d.postgres || !strings.Contains(query, "?") {
		return query
	}
	if q, ok := rewritten.Load(query); ok {
		return q.(string)
	}
	var b strings.Builder
	n, quoted := 0, false
	for _, r := range query {
		switch {
		case r == '\'':
			quoted = !quoted
		case r == '?' && !quoted:
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	rewritten.Store(query, b.String())
	return b.String()
}

// normalize brings parameters to the few types that both engines treat alike.
func normalize(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		out[i] = normal(arg)
	}
	return out
}

func normal(arg any) any {
	switch v := arg.(type) {
	case nil, string, int64:
		return arg
	case []byte:
		if v == nil {
			return nil
		}
		return v
	case int:
		return int64(v)
	case uint64:
		return int64(v)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	}
	v := reflect.ValueOf(arg)
	switch v.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		return v.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		return int64(v.Uint())
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return normal(v.Bool())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return normal(v.Bytes())
		}
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return normal(v.Elem().Interface())
	}
	return arg
}
