package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// limitRows is how many rows a probe of a database writes.
const limitRows = 20_000

var limitTables atomic.Int64

// insertLimit is what a database does at best with rows like those of the log: a unique id, 400 bytes, 1,000 a commit; on SQLite in
// a file of its own.
func (s *Suite) insertLimit(ctx context.Context, dir, url string) (perSecond float64, err error) {
	n := limitTables.Add(1)
	if strings.HasPrefix(url, "sqlite:") {
		url = "sqlite:" + filepath.Join(dir, fmt.Sprintf("limit%d.db", n))
	}
	return limit(ctx, url, fmt.Sprintf("bench%d", n), 1000, func(tx *db.Tx, ins db.Insert) error {
		_, err := tx.InsertAbsent(ctx, ins)
		return err
	})
}

// copyLimit is the same by COPY, all new, 20,000 a commit; 0 where the engine has none.
func copyLimit(ctx context.Context, url string) (float64, error) {
	if strings.HasPrefix(url, "sqlite:") {
		return 0, nil
	}
	return limit(ctx, url, fmt.Sprintf("bench%d", limitTables.Add(1)), limitRows, func(tx *db.Tx, ins db.Insert) error { return tx.InsertAll(ctx, ins) })
}

func limit(ctx context.Context, url, table string, commit int, insert func(*db.Tx, db.Insert) error) (float64, error) {
	d, err := db.Open(ctx, url)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	body := "BYTEA"
	if d.Engine() == "sqlite" {
		body = "BLOB"
	}
	if err := d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE `+table+` (id TEXT PRIMARY KEY, body `+body+`)`)
		return err
	}); err != nil {
		return 0, err
	}
	rows := make([][]any, limitRows)
	for i := range rows {
		rows[i] = []any{fmt.Sprintf("%016x%048x", scatter(uint64(i), 7), i), JSON("limit", uint64(i))}
	}
	began := time.Now()
	for at := 0; at < len(rows); at += commit {
		ins := db.Insert{Table: table, Columns: []string{"id", "body"}, Conflict: []string{"id"}, Rows: rows[at:min(at+commit, len(rows))]}
		if err := d.Write(ctx, func(tx *db.Tx) error { return insert(tx, ins) }); err != nil {
			return 0, err
		}
	}
	return limitRows / time.Since(began).Seconds(), nil
}
