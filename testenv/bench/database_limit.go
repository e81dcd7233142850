package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// insertLimit is what a database does at best with rows like those of the log, as one would write it by hand: INSERT ... ON CONFLICT DO
// NOTHING of 1,000 rows a commit, key the event's id, a hash in hex, the event in JSON (jsonb); on SQLite in a file of its own. A key that
// grows, as site and seq do, would be easier by two to five times: each row goes to the end of its index, and it tells no event from another
// that comes twice.
func (s *Suite) insertLimit(ctx context.Context, dir, url string) (perSecond float64, err error) {
	n := limitTables.Add(1)
	if strings.HasPrefix(url, "sqlite:") {
		url = "sqlite:" + filepath.Join(dir, fmt.Sprintf("limit%d.db", n))
	}
	return limit(ctx, url, fmt.Sprintf("bench%d", n), 1000, func(tx *db.Tx, table string, rows [][]any) error {
		var args []any
		for _, row := range rows {
			args = append(args, row...)
		}
		_, err := tx.Exec(ctx, `INSERT INTO `+table+` (id, body) VALUES `+strings.Repeat("(?, ?), ", len(rows)-1)+`(?, ?) ON CONFLICT (id) DO NOTHING`, args...)
		return err
	})
}

// copyLimit is the same by COPY, all new, 5,000 a commit; 0 where the engine has none.
func copyLimit(ctx context.Context, url string) (float64, error) {
	if strings.HasPrefix(url, "sqlite:") {
		return 0, nil
	}
	return limit(ctx, url, fmt.Sprintf("bench%d", limitTables.Add(1)), 5000, func(tx *db.Tx, table string, rows [][]any) error {
		return tx.InsertAll(ctx, db.Insert{Table: table, Columns: []string{"id", "body"}, Rows: rows})
	})
}

func limit(ctx context.Context, url, table string, commit int, insert func(tx *db.Tx, table string, rows [][]any) error) (float64, error) {
	d, err := db.Open(ctx, url)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	body := "JSONB"
	if d.Engine() == "sqlite" {
		body = "TEXT"
	}
	if err := d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE `+table+` (id TEXT PRIMARY KEY, body `+body+` NOT NULL)`)
		return err
	}); err != nil {
		return 0, err
	}
	rows := make([][]any, limitRows)
	for i := range rows {
		id := sha256.Sum256(fmt.Append(nil, table, i))
		rows[i] = []any{hex.EncodeToString(id[:]), string(JSON("limit", uint64(i)))}
	}
	began := time.Now()
	for at := 0; at < len(rows); at += commit {
		part := rows[at:min(at+commit, len(rows))]
		if err := d.Write(ctx, func(tx *db.Tx) error { return insert(tx, table, part) }); err != nil {
			return 0, err
		}
	}
	return limitRows / time.Since(began).Seconds(), nil
}
