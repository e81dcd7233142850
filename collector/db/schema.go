package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// ErrTooNew is wrapped where a newer version has changed the tables in a way that this build cannot work with.
var ErrTooNew = errors.New("the database is that of a newer version")

// Schema is the number of the newest migration that this build knows.
func Schema() int64 { return newest }

var newest = newestMigration()

func newestMigration() (newest int64) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic("database: the names of migrations: " + err.Error()) // the pattern is a constant
	}
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			panic("database: the migration " + name + " has no number")
		}
		newest = max(newest, n)
	}
	return newest
}

// Tolerates says whether this build can work with the tables as they are. Migrations add: a build that does not know the newest ones goes
// on. One that takes something away, or changes what something means, says so itself, by writing its own number to meta under "oldest":
// who does not know that one must not write any more.
func (tx *Tx) Tolerates(ctx context.Context) error {
	var text string
	err := tx.QueryRow(ctx, `SELECT value FROM meta WHERE name = ?`, "oldest").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	oldest, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("meta oldest: %w", err)
	}
	if oldest > newest {
		return fmt.Errorf("%w: migration %d has changed it, and this build knows migrations up to %d; start the newer version in its place", ErrTooNew, oldest, newest)
	}
	return nil
}
