package db

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Insert is many rows for one table. All values of one column are of one type (string, int64 or []byte), or nil.
type Insert struct {
	Table   string
	Columns []string
	Rows    [][]any
	// Conflict names the columns of the unique key by which a row counts as present.
	Conflict []string
	// Returning names the columns that InsertAbsent hands back.
	Returning []string
	// Update names the columns that Upsert sets where the row is present.
	Update []string
}

// InsertAbsent inserts the rows whose key is not there yet and returns, of those only, the columns asked for: text as string,
// numbers as int64, bytes as []byte, in no particular order. Of two rows in ins with one key the first is kept. Two
// transactions that insert the same keys wait for each other: sort the rows by key.
func (tx *Tx) InsertAbsent(ctx context.Context, ins Insert) ([][]any, error) {
	tail := " ON CONFLICT (" + strings.Join(ins.Conflict, ", ") + ") DO NOTHING"
	if len(ins.Returning) > 0 {
		tail += " RETURNING " + strings.Join(ins.Returning, ", ")
	}
	out, _, err := tx.insert(ctx, ins, tail)
	if err != nil {
		return nil, fmt.Errorf("insert into %s: %w", ins.Table, err)
	}
	return out, nil
}

// CountAbsent is InsertAbsent for who needs to know only how many rows were not there yet, and expects all of them not to be: then it costs
// half of it on PostgreSQL.
func (tx *Tx) CountAbsent(ctx context.Context, ins Insert) (inserted int64, err error) {
	if tx.d.postgres && len(ins.Rows) >= copyFrom && tx.d.hope.of(ins.Table) {
		all, err := tx.copyAbsent(ctx, ins)
		if err != nil {
			return 0, fmt.Errorf("insert into %s: %w", ins.Table, err)
		}
		if all {
			return int64(len(ins.Rows)), nil
		}
	}
	_, inserted, err = tx.insert(ctx, ins, " ON CONFLICT ("+strings.Join(ins.Conflict, ", ")+") DO NOTHING")
	if err != nil {
		return 0, fmt.Errorf("insert into %s: %w", ins.Table, err)
	}
	return inserted, nil
}

// Upsert inserts the rows, and where a row's key is there sets the columns named in Update. No two rows of ins may have one key.
func (tx *Tx) Upsert(ctx context.Context, ins Insert) error {
	sets := make([]string, len(ins.Update))
	for i, c := range ins.Update {
		sets[i] = c + " = excluded." + c
	}
	tail := " ON CONFLICT (" + strings.Join(ins.Conflict, ", ") + ") DO UPDATE SET " + strings.Join(sets, ", ")
	if _, _, err := tx.insert(ctx, ins, tail); err != nil {
		return fmt.Errorf("upsert into %s: %w", ins.Table, err)
	}
	return nil
}

// InsertAll inserts rows that are all new, the fastest way that the engine has. A key that is there is an error.
func (tx *Tx) InsertAll(ctx context.Context, ins Insert) error {
	var err error
	if tx.d.postgres && len(ins.Rows) >= copyFrom {
		err = tx.copy(ctx, ins)
	} else {
		_, _, err = tx.insert(ctx, ins, "")
	}
	if err != nil {
		return fmt.Errorf("insert into %s: %w", ins.Table, err)
	}
	return nil
}

const (
	// copyFrom is the number of rows from which COPY's additional round trips pay.
	copyFrom = 32
	// arrayRows bounds the rows of one statement on PostgreSQL, and with them the memory of both ends.
	arrayRows = 10000
	// valueParameters bounds the parameters of one statement on SQLite; longer ones gain nothing.
	valueParameters = 1000
)

// insert returns the columns of ins.Returning or, where there are none, how many rows were changed.
func (tx *Tx) insert(ctx context.Context, ins Insert, tail string) (out [][]any, changed int64, err error) {
	for i := range ins.Rows {
		if len(ins.Rows[i]) != len(ins.Columns) {
			return nil, 0, fmt.Errorf("row %d has %d values for %d columns", i, len(ins.Rows[i]), len(ins.Columns))
		}
	}
	head := "INSERT INTO " + ins.Table + " (" + strings.Join(ins.Columns, ", ") + ") "
	for rows := ins.Rows; len(rows) > 0; {
		n := tx.chunk(len(rows), len(ins.Columns))
		var query string
		var args []any
		if tx.d.postgres {
			query, args = arrays(head, tail, rows[:n])
		} else {
			query, args = insertValues(head, tail, rows[:n])
		}
		var more int64
		if len(ins.Returning) > 0 {
			out, err = tx.queryChunk(ctx, out, query, args, len(ins.Returning))
		} else {
			more, err = tx.execChunk(ctx, query, args)
		}
		if err != nil {
			return nil, 0, err
		}
		changed += more
		rows = rows[n:]
	}
	return out, changed, nil
}

// chunk says how many of n rows go into the next statement. On SQLite the last rows go by powers of two, so that few shapes
// of statement are prepared.
func (tx *Tx) chunk(n, width int) int {
	if tx.d.postgres {
		return min(n, arrayRows)
	}
	most := max(1, valueParameters/width)
	if n >= most {
		return most
	}
	size := 1
	for size*2 <= n {
		size *= 2
	}
	return size
}

func (tx *Tx) execChunk(ctx context.Context, query string, args []any) (int64, error) {
	result, err := tx.s.exec(ctx, query, args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (tx *Tx) queryChunk(ctx context.Context, out [][]any, query string, args []any, width int) ([][]any, error) {
	rows, err := tx.s.query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := scanAny(rows, width)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

func scanAny(rows *sql.Rows, width int) ([]any, error) {
	row := make([]any, width)
	dest := make([]any, width)
	for i := range row {
		dest[i] = &row[i]
	}
	err := rows.Scan(dest...)
	return row, err
}

// values makes INSERT ... VALUES (?, ?), (?, ?).
func values(head, tail string, rows [][]any) (string, []any) {
	width := len(rows[0])
	args := make([]any, 0, len(rows)*width)
	for _, row := range rows {
		for _, v := range row {
			args = append(args, normal(v))
		}
	}
	key := shape{head, tail, len(rows), width}
	query, ok := shapes.Load(key)
	if !ok {
		list := Tuples(len(rows), width)
		query, _ = shapes.LoadOrStore(key, head+list[1:len(list)-1]+tail)
	}
	return query.(string), args
}

// shape is what the text of a statement with VALUES depends on. There are few: a table's lists of columns, and the lengths that chunk gives.
type shape struct {
	head, tail  string
	rows, width int
}

var shapes sync.Map // of shape to text

// arrays makes INSERT ... SELECT ... FROM unnest($1::text[], ...): one statement for any number of rows, prepared once. A
// column without any value is the literal NULL, whose type PostgreSQL takes from the table.
func arrays(head, tail string, rows [][]any) (string, []any) {
	var sel, types, names []string
	var args []any
	for c := range rows[0] {
		array, typ := column(rows, c)
		if array == nil {
			sel = append(sel, "NULL")
			continue
		}
		args = append(args, array)
		name := "c" + strconv.Itoa(c)
		names = append(names, name)
		sel = append(sel, name)
		types = append(types, "$"+strconv.Itoa(len(args))+"::"+typ+"[]")
	}
	if len(args) == 0 { // rows of nothing but NULL
		return head + "SELECT " + strings.Join(sel, ", ") + " FROM generate_series(1, $1)" + tail, []any{int64(len(rows))}
	}
	query := head + "SELECT " + strings.Join(sel, ", ") + " FROM unnest(" + strings.Join(types, ", ") + ") AS r (" +
		strings.Join(names, ", ") + ")" + tail
	return query, args
}

// column gathers one column as a typed array, nil where it holds no value at all.
func column(rows [][]any, c int) (any, string) {
	for _, row := range rows {
		switch normal(row[c]).(type) {
		case string:
			return gather[string](rows, c), "text"
		case int64:
			return gather[int64](rows, c), "bigint"
		case []byte:
			out := make([][]byte, len(rows))
			for i := range rows {
				out[i], _ = normal(rows[i][c]).([]byte)
			}
			return out, "bytea"
		}
	}
	return nil, ""
}

func gather[T any](rows [][]any, c int) []*T {
	out := make([]*T, len(rows))
	for i := range rows {
		if v, ok := normal(rows[i][c]).(T); ok {
			out[i] = &v
		}
	}
	return out
}

// copy streams the rows by PostgreSQL's COPY.
func (tx *Tx) copy(ctx context.Context, ins Insert) error {
	return tx.s.conn.Raw(func(driver any) error {
		conn := driver.(*stdlib.Conn).Conn()
		source := pgx.CopyFromSlice(len(ins.Rows), func(i int) ([]any, error) { return normalize(ins.Rows[i]), nil })
		_, err := conn.CopyFrom(ctx, pgx.Identifier{ins.Table}, ins.Columns, source)
		return err
	})
}

// Delete deletes the rows of a table whose numeric column holds one of ids, and returns how many they were.
func (tx *Tx) Delete(ctx context.Context, table, column string, ids []int64) (int64, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	if tx.d.postgres {
		result, err := tx.s.exec(ctx, "DELETE FROM "+table+" WHERE "+column+" = ANY($1::bigint[])", []any{ids})
		if err != nil {
			return 0, fmt.Errorf("delete from %s: %w", table, err)
		}
		return result.RowsAffected()
	}
	var total int64
	for len(ids) > 0 {
		n := tx.chunk(len(ids), 1)
		args := make([]any, n)
		for i := range args {
			args[i] = ids[i]
		}
		result, err := tx.s.exec(ctx, "DELETE FROM "+table+" WHERE "+column+" IN "+List(n), args)
		if err != nil {
			return 0, fmt.Errorf("delete from %s: %w", table, err)
		}
		changed, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		total += changed
		ids = ids[n:]
	}
	return total, nil
}
