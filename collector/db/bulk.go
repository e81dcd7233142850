package db

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Lookup asks for the rows of a table that have one of many keys.
type Lookup struct {
	Table   string
	Columns []string
	// Key names the columns of the key, Rows holds the keys; no two may be equal.
	Key  []string
	Rows [][]any
	// Where is a further condition without parameters, "" for none.
	Where string
	// Hold locks the rows until the transaction ends, in the order of Key, or of Order where it is set.
	Hold  bool
	Order []string
	// Claim locks them too, and leaves out those that another transaction has locked.
	Claim bool
}

// Lookup returns the columns of the rows found, text as string, numbers as int64, bytes as []byte, in no particular order.
func (tx *Tx) Lookup(ctx context.Context, l Lookup) ([][]any, error) {
	var out [][]any
	for rows := l.Rows; len(rows) > 0; {
		n := tx.chunk(len(rows), len(l.Key))
		query, args := tx.lookup(l, rows[:n])
		var err error
		if out, err = tx.queryChunk(ctx, out, query, args, len(l.Columns)); err != nil {
			return nil, fmt.Errorf("look up in %s: %w", l.Table, err)
		}
		rows = rows[n:]
	}
	return out, nil
}

func (tx *Tx) lookup(l Lookup, rows [][]any) (string, []any) {
	columns := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		columns[i] = "t." + c
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM " + l.Table + " t"
	where := ""
	if l.Where != "" {
		where = " AND " + l.Where
	}
	if !tx.d.postgres {
		list, args := values("", "", rows)
		return query + " WHERE (" + strings.Join(l.Key, ", ") + ") IN (" + list + ")" + where, args
	}
	table, args := keyTable(rows, len(l.Key))
	query += " JOIN " + table + " ON " + joinKeys("t", l.Key) + " WHERE true" + where
	if l.Hold {
		order := l.Order
		if order == nil {
			order = l.Key
		}
		query += " ORDER BY t." + strings.Join(order, ", t.") + " FOR UPDATE OF t"
	}
	if l.Claim {
		query += " FOR UPDATE OF t SKIP LOCKED"
	}
	return query, args
}

// keyTable is unnest($1::text[], ...) AS k (c0, c1, ...). No value may be nil.
func keyTable(rows [][]any, width int) (string, []any) {
	types, names, args := make([]string, width), make([]string, width), make([]any, width)
	for c := range width {
		array, typ := column(rows, c)
		args[c] = array
		types[c] = "$" + strconv.Itoa(c+1) + "::" + typ + "[]"
		names[c] = "c" + strconv.Itoa(c)
	}
	return "unnest(" + strings.Join(types, ", ") + ") AS k (" + strings.Join(names, ", ") + ")", args
}

// updateTable is keyTable, of which the last columns may hold nothing at all: what sets them then sets NULL.
func updateTable(rows [][]any, width int, sets []string) (string, []any) {
	var types, names []string
	var args []any
	for c := range width {
		name := "c" + strconv.Itoa(c)
		array, typ := column(rows, c)
		if array == nil {
			i := c - (width - len(sets))
			sets[i] = strings.TrimSuffix(sets[i], "k."+name) + "NULL"
			continue
		}
		args, names = append(args, array), append(names, name)
		types = append(types, "$"+strconv.Itoa(len(args))+"::"+typ+"[]")
	}
	return "unnest(" + strings.Join(types, ", ") + ") AS k (" + strings.Join(names, ", ") + ")", args
}

func joinKeys(table string, key []string) string {
	on := make([]string, len(key))
	for i, c := range key {
		on[i] = table + "." + c + " = k.c" + strconv.Itoa(i)
	}
	return strings.Join(on, " AND ")
}

// Update sets columns of many rows of a table, each by its key.
type Update struct {
	Table string
	// Key and Set name the columns; a row of Rows has the values of Key, none of them nil, and then those of Set.
	Key  []string
	Set  []string
	Rows [][]any
}

// UpdateAll runs the update and returns how many rows it changed.
func (tx *Tx) UpdateAll(ctx context.Context, u Update) (int64, error) {
	var total int64
	for rows := u.Rows; len(rows) > 0; {
		n := tx.chunk(len(rows), len(u.Key)+len(u.Set))
		query, args := tx.update(u, rows[:n])
		result, err := tx.s.exec(ctx, query, args)
		if err != nil {
			return 0, fmt.Errorf("update %s: %w", u.Table, err)
		}
		changed, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		total += changed
		rows = rows[n:]
	}
	return total, nil
}

func (tx *Tx) update(u Update, rows [][]any) (string, []any) {
	width := len(u.Key) + len(u.Set)
	sets := make([]string, len(u.Set))
	for i, c := range u.Set {
		sets[i] = c + " = k.c" + strconv.Itoa(len(u.Key)+i)
	}
	if tx.d.postgres {
		table, args := updateTable(rows, width, sets)
		return "UPDATE " + u.Table + " SET " + strings.Join(sets, ", ") + " FROM " + table + " WHERE " + joinKeys(u.Table, u.Key), args
	}
	// SQLite names the columns of VALUES column1, column2, ...
	names := make([]string, width)
	for i := range names {
		names[i] = "column" + strconv.Itoa(i+1) + " AS c" + strconv.Itoa(i)
	}
	list, args := values("", "", rows)
	return "UPDATE " + u.Table + " SET " + strings.Join(sets, ", ") + " FROM (SELECT " + strings.Join(names, ", ") + " FROM (" + list + ")) AS k WHERE " + joinKeys(u.Table, u.Key), args
}

// LockAll takes many locks, in the order of their names, so that two who want some of the same do not end in a deadlock.
func (tx *Tx) LockAll(ctx context.Context, names []string) error {
	if !tx.d.postgres || len(names) == 0 {
		return nil
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	// MATERIALIZED: the locks are taken in the order of the rows, one by one.
	_, err := tx.s.exec(ctx, `WITH n AS MATERIALIZED (SELECT name FROM unnest($1::text[]) WITH ORDINALITY AS u (name, i) ORDER BY i)
		SELECT count(pg_advisory_xact_lock(hashtextextended(name, 0))) FROM n`, []any{sorted})
	if err != nil {
		return fmt.Errorf("locks: %w", err)
	}
	return nil
}

// DeleteAll deletes the rows that have one of many keys, each a row of values of the key's columns.
func (tx *Tx) DeleteAll(ctx context.Context, table string, key []string, keys [][]any) error {
	for rows := keys; len(rows) > 0; {
		n := tx.chunk(len(rows), len(key))
		var query string
		var args []any
		if tx.d.postgres {
			var keyed string
			keyed, args = keyTable(rows[:n], len(key))
			query = "DELETE FROM " + table + " USING " + keyed + " WHERE " + joinKeys(table, key)
		} else {
			query, args = values("", "", rows[:n])
			query = "DELETE FROM " + table + " WHERE (" + strings.Join(key, ", ") + ") IN (" + query + ")"
		}
		if _, err := tx.s.exec(ctx, query, args); err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
		rows = rows[n:]
	}
	return nil
}
