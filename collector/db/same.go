package db

import (
	"strconv"
	"strings"
)

// sameFrom is the number of rows from which it pays to give what is the same in all of them once.
const sameFrom = 16

// insertValues is values, with what is the same in all rows given once where that is most columns: binding it for each row is a tenth of what
// such rows cost.
func insertValues(head, tail string, rows [][]any) (string, []any) {
	width := len(rows[0])
	mask, once := sameColumns(rows)
	differ := width - len(once)
	if len(rows) < sameFrom || 2*differ >= width || differ == 0 {
		return values(head, tail, rows)
	}
	args := append(make([]any, 0, len(once)+len(rows)*differ), once...)
	for _, row := range rows {
		for c, v := range row {
			if mask[c] == varies {
				args = append(args, normal(v))
			}
		}
	}
	key := shape{head + string(mask), tail, len(rows), width}
	query, ok := shapes.Load(key)
	if !ok {
		// Without WHERE, ON CONFLICT would be read as a join's condition.
		query, _ = shapes.LoadOrStore(key, head+"SELECT "+selected(mask)+" FROM "+Tuples(len(rows), differ)+" WHERE true"+tail)
	}
	return query.(string), args
}

const (
	isSame = '='
	varies = '?'
)

// sameColumns says of each column whether it has one value in all rows, and which.
func sameColumns(rows [][]any) (mask []byte, once []any) {
	mask = make([]byte, len(rows[0]))
	for c := range mask {
		mask[c] = varies
		if v, ok := same(rows, c); ok {
			mask[c], once = isSame, append(once, v)
		}
	}
	return mask, once
}

func same(rows [][]any, c int) (any, bool) {
	first := normal(rows[0][c])
	switch first.(type) {
	case nil, string, int64:
	default:
		return nil, false // bytes do not compare
	}
	for _, row := range rows[1:] {
		if normal(row[c]) != first {
			return nil, false
		}
	}
	return first, true
}

// selected is what is selected from VALUES, whose columns SQLite names column1, column2, ...
func selected(mask []byte) string {
	columns, next := make([]string, len(mask)), 1
	for c := range mask {
		columns[c] = "?"
		if mask[c] == varies {
			columns[c] = "column" + strconv.Itoa(next)
			next++
		}
	}
	return strings.Join(columns, ", ")
}
