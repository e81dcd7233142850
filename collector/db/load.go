package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// load fills an empty database with a copy, and brings it to this version's tables.
func (d *DB) load(ctx context.Context, from string) error {
	begun := make(map[string]bool)
	_, err := ReadCopy(from, func(head CopyHead) error { return d.migrateTo(ctx, head.Version) }, func(table string, columns []string, rows [][]any) error {
		return d.Write(ctx, func(tx *Tx) error {
			if !begun[table] { // a migration may have put rows in
				if _, err := tx.Exec(ctx, `DELETE FROM `+table); err != nil {
					return err
				}
			}
			if len(rows) > 0 {
				if err := tx.InsertAll(ctx, Insert{Table: table, Columns: columns, Rows: rows}); err != nil {
					return err
				}
			}
			begun[table] = true
			return nil
		})
	})
	if err != nil {
		return err
	}
	if d.postgres { // SQLite counts on by itself behind the numbers that it is given
		if err := d.Write(ctx, func(tx *Tx) error { return tx.numberOn(ctx) }); err != nil {
			return err
		}
	}
	return d.Migrate(ctx)
}

// numberOn has all columns that PostgreSQL numbers go on behind what is there.
func (tx *Tx) numberOn(ctx context.Context) error {
	rows, err := tx.Query(ctx, `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES' AND table_name <> ?`, migrationTable)
	if err != nil {
		return err
	}
	defer rows.Close()
	var numbered [][2]string
	for rows.Next() {
		var at [2]string
		if err := rows.Scan(&at[0], &at[1]); err != nil {
			return err
		}
		numbered = append(numbered, at)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for _, at := range numbered {
		var last int64
		if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(`+at[1]+`), 0) FROM `+at[0]).Scan(&last); err != nil {
			return err
		}
		if err := tx.NumberFrom(ctx, at[0], at[1], last); err != nil {
			return err
		}
	}
	return nil
}

// loading begins the name of the schema in which a copy is made ready beside what there is. Each restore has its own: one that was cut off, and goes
// on while another one is at it, finds its schema gone, and not the other one's.
const loading = "dockline_restoring"

// Mark tells a database that was put back of it, in the transaction that puts it in place.
type Mark func(context.Context, *Tx) error

// RestorePostgres puts a copy in the place of a PostgreSQL database's tables, with which no collector may be at work. The copy is loaded beside
// them and brought to this version's tables; only then, in one transaction that nobody can join, the tables change places and are given to mark.
// Those that were there are kept in the schema returned, "" where there were none.
func RestorePostgres(ctx context.Context, from, dsn string, now time.Time, mark Mark) (kept string, err error) {
	if _, err := ReadCopy(from, nil, nil); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	own := strings.ToLower(rand.Text())
	name, schema := restoring+" "+own, loading+"_"+own
	plain, err := Open(ctx, Named(dsn, name))
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	if err := plain.alone(ctx); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if err := plain.Write(ctx, func(tx *Tx) error {
		if err := tx.dropLoading(ctx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `CREATE SCHEMA `+schema)
		return err
	}); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if err = fillBeside(ctx, from, withSetting(Named(dsn, name), "search_path", schema)); err == nil {
		kept, err = plain.swap(ctx, schema, "dockline_before_restore_"+now.UTC().Format("20060102t150405"), mark)
	}
	if err != nil {
		dropped := plain.Write(context.WithoutCancel(ctx), func(tx *Tx) error {
			_, err := tx.Exec(context.WithoutCancel(ctx), `DROP SCHEMA IF EXISTS `+schema+` CASCADE`)
			return err
		})
		return "", errors.Join(fmt.Errorf("restore %s: %w", from, err), dropped)
	}
	return kept, nil
}

func fillBeside(ctx context.Context, from, dsn string) error {
	d, err := Open(ctx, dsn)
	if err != nil {
		return err
	}
	return errors.Join(d.load(ctx, from), d.Close())
}

// swap has the loaded tables change places with those that are there, and marks them. It is marked here and not before: since when the database
// is another one decides for how long its postings wait for calls that may still be under way.
func (d *DB) swap(ctx context.Context, schema, keep string, mark Mark) (kept string, err error) {
	err = d.Write(ctx, func(tx *Tx) error {
		kept = keep
		if err := tx.shut(ctx); err != nil {
			return err
		}
		any, err := tx.changePlaces(ctx, schema, kept)
		if err == nil && !any {
			kept = ""
		}
		if err != nil {
			return err
		}
		return mark(ctx, tx)
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "55P03" {
		err = fmt.Errorf("a session that is no collector's holds a table (%w): find it in pg_stat_activity, end it, and restore again", err)
	}
	return kept, err
}

// dropLoading removes what restores that were cut short have left.
func (tx *Tx) dropLoading(ctx context.Context) error {
	names, err := tx.names(ctx, `SELECT nspname FROM pg_namespace WHERE nspname = ? OR starts_with(nspname, ?)`, loading, loading+"_")
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := tx.Exec(ctx, `DROP SCHEMA `+quoted(name)+` CASCADE`); err != nil {
			return err
		}
	}
	return nil
}

// changePlaces moves the tables that are in the way into schema kept, and the loaded ones out of theirs into their place. It says whether any were in the way.
func (tx *Tx) changePlaces(ctx context.Context, schema, kept string) (any bool, err error) {
	var home string
	if err := tx.QueryRow(ctx, `SELECT current_schema()`).Scan(&home); err != nil {
		return false, err
	}
	loaded, err := tx.tablesOf(ctx, schema)
	if err != nil {
		return false, err
	}
	there, err := tx.tablesOf(ctx, home)
	if err != nil {
		return false, err
	}
	is := make(map[string]bool, len(there))
	for _, name := range there {
		is[name] = true
	}
	for _, name := range loaded {
		if !is[name] {
			continue
		}
		if !any {
			any = true
			if _, err := tx.Exec(ctx, `CREATE SCHEMA `+kept); err != nil {
				return false, err
			}
		}
		if _, err := tx.Exec(ctx, `ALTER TABLE `+quoted(home)+`.`+quoted(name)+` SET SCHEMA `+kept); err != nil {
			return false, err
		}
	}
	for _, name := range loaded {
		if _, err := tx.Exec(ctx, `ALTER TABLE `+schema+`.`+quoted(name)+` SET SCHEMA `+quoted(home)); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(ctx, `DROP SCHEMA `+schema+` CASCADE`)
	return any, err
}

func (tx *Tx) tablesOf(ctx context.Context, schema string) ([]string, error) {
	return tx.names(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY tablename`, schema)
}

// names are the texts that a query gives.
func (tx *Tx) names(ctx context.Context, query string, args ...any) (names []string, err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
