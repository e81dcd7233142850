package db

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
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

// loading is the schema in which a copy is made ready beside what there is.
const loading = "dockline_restoring"

// RestorePostgres puts a copy in the place of a PostgreSQL database's tables, which no collector may have open. The copy is loaded beside
// them, brought to this version's tables and given to mark first; only then, in one transaction, the tables change places. Those that were there are
// kept in the schema returned, "" where there were none.
func RestorePostgres(ctx context.Context, from, dsn string, now time.Time, mark func(*DB) error) (kept string, err error) {
	if _, err := ReadCopy(from, nil, nil); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	plain, err := Open(ctx, within(dsn, ""))
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	if err := plain.Write(ctx, func(tx *Tx) error {
		if err := tx.nobodyElse(ctx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DROP SCHEMA IF EXISTS `+loading+` CASCADE`) // of one that was cut short
		if err == nil {
			_, err = tx.Exec(ctx, `CREATE SCHEMA `+loading)
		}
		return err
	}); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if err := fillBeside(ctx, from, dsn, mark); err != nil {
		dropped := plain.Write(context.WithoutCancel(ctx), func(tx *Tx) error {
			_, err := tx.Exec(context.WithoutCancel(ctx), `DROP SCHEMA IF EXISTS `+loading+` CASCADE`)
			return err
		})
		return "", errors.Join(fmt.Errorf("restore %s: %w", from, err), dropped)
	}
	err = plain.Write(ctx, func(tx *Tx) error {
		kept = "dockline_before_restore_" + now.UTC().Format("20060102t150405")
		if err := tx.nobodyElse(ctx); err != nil {
			return err
		}
		any, err := tx.changePlaces(ctx, kept)
		if err == nil && !any {
			kept = ""
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	return kept, nil
}

func fillBeside(ctx context.Context, from, dsn string, mark func(*DB) error) error {
	d, err := Open(ctx, within(dsn, loading))
	if err != nil {
		return err
	}
	if err = d.load(ctx, from); err == nil {
		err = mark(d)
	}
	return errors.Join(err, d.Close())
}

// within is the URL of a database with a schema of it, under a name that tells a restore from a collector.
func within(dsn, schema string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn // it is opened, and the fault told, elsewhere
	}
	q := u.Query()
	q.Set("application_name", "dockline-restore")
	if schema != "" {
		q.Set("search_path", schema)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// nobodyElse refuses while a collector, or another restore, has the database open.
func (tx *Tx) nobodyElse(ctx context.Context) error {
	var others int64
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dockline-collector'`).Scan(&others); err != nil {
		return err
	}
	if others > 0 {
		return fmt.Errorf("%w: %d connections", ErrInUse, others)
	}
	return nil
}

// changePlaces moves the tables that are in the way into schema kept, and the loaded ones into their place. It says whether any were in the way.
func (tx *Tx) changePlaces(ctx context.Context, kept string) (any bool, err error) {
	if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '5s'`); err != nil {
		return false, err
	}
	var home string
	if err := tx.QueryRow(ctx, `SELECT current_schema()`).Scan(&home); err != nil {
		return false, err
	}
	loaded, err := tx.tablesOf(ctx, loading)
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
		if _, err := tx.Exec(ctx, `ALTER TABLE `+loading+`.`+quoted(name)+` SET SCHEMA `+quoted(home)); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(ctx, `DROP SCHEMA `+loading+` CASCADE`)
	return any, err
}

func (tx *Tx) tablesOf(ctx context.Context, schema string) (names []string, err error) {
	rows, err := tx.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY tablename`, schema)
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
