package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// collecting begins the name of every session of a collector at its database: a collector at work adds which run of it that is (Named), a command
// adds nothing. restoring begins that of a restore.
const (
	collecting = "dockline-collector"
	restoring  = "dockline-restore"
)

// shut keeps everybody off the database's tables until the transaction ends, and refuses where somebody has it open. Who connects from here on
// waits at the first table that he asks for, and then finds the one that is in its place.
func (tx *Tx) shut(ctx context.Context) error {
	if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '5s'`); err != nil {
		return err
	}
	if err := tx.nobodyElse(ctx); err != nil { // before waiting for them
		return err
	}
	var home string
	if err := tx.QueryRow(ctx, `SELECT current_schema()`).Scan(&home); err != nil {
		return err
	}
	there, err := tx.tablesOf(ctx, home)
	if err != nil || len(there) == 0 {
		return err
	}
	for i, name := range there {
		there[i] = quoted(home) + "." + quoted(name)
	}
	if _, err := tx.Exec(ctx, `LOCK TABLE `+strings.Join(there, ", ")+` IN ACCESS EXCLUSIVE MODE`); err != nil {
		return err
	}
	return tx.nobodyElse(ctx)
}

// nobodyElse refuses while a collector, a command of one, or another restore has the database open, and while a collector counts as at work by its
// own word: one that is halted or cut off may have no session at this moment.
func (tx *Tx) nobodyElse(ctx context.Context) error {
	collectors, runs, left, err := tx.membersAtWork(ctx)
	if err != nil {
		return err
	}
	sessions, err := tx.sessionsOfOthers(ctx, runs)
	if err != nil {
		return err
	}
	if len(sessions) > 0 {
		left = 0
	}
	if at := append(collectors, sessions...); len(at) > 0 {
		return &inUse{strings.Join(at, "; "), left}
	}
	return nil
}

// inUse says who has a database open.
type inUse struct {
	who string
	// left is when the terms of all of them are over, where none has a session; else 0.
	left time.Duration
}

func (e *inUse) Unwrap() error { return ErrInUse }

func (e *inUse) Error() string {
	return fmt.Sprintf("%v. At work: %s. Stop each, and restore again. One that is halted or cut off counts until its term is over; if its sessions stay after that, "+
		"end them: SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dockline-%%'", ErrInUse, e.who)
}

// longestTerm is for how long one that was killed a moment ago is waited for, longer than a collector counts without another word.
const longestTerm = 15 * time.Second

// sessionEnds is how long PostgreSQL may need to notice that a process is gone.
const sessionEnds = 3 * time.Second

// alone waits until nobody has the database open, if that is only a matter of terms that run out, or of sessions whose process has just ended.
func (d *DB) alone(ctx context.Context) error {
	for began := time.Now(); ; {
		err := d.Read(ctx, func(tx *Tx) error { return tx.nobodyElse(ctx) })
		use, ok := errors.AsType[*inUse](err)
		if waited := time.Since(began); !ok || use.left > longestTerm || waited > 2*longestTerm || use.left == 0 && waited > sessionEnds {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(max(use.left, 100*time.Millisecond)):
		}
	}
}

// membersAtWork are the collectors whose term is not over, in words, the names of all by run, and when the last of these terms is over.
func (tx *Tx) membersAtWork(ctx context.Context) (told []string, runs map[string]string, left time.Duration, err error) {
	var table sql.NullString
	if err := tx.QueryRow(ctx, `SELECT to_regclass('member')::text`).Scan(&table); err != nil || !table.Valid { // none, or one of long ago
		return nil, nil, 0, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	rows, err := tx.Query(ctx, `SELECT name, process, until_at FROM member ORDER BY name`)
	if err != nil {
		return nil, nil, 0, err
	}
	defer rows.Close()
	runs = make(map[string]string)
	for rows.Next() {
		var name, process string
		var until int64
		if err := rows.Scan(&name, &process, &until); err != nil {
			return nil, nil, 0, err
		}
		runs[process] = name
		if until > now.UnixMicro() {
			left = max(left, time.UnixMicro(until).Sub(now))
			told = append(told, fmt.Sprintf("collector %s, which counts until %s", name, time.UnixMicro(until).UTC().Format("15:04:05 UTC")))
		}
	}
	return told, runs, left, rows.Err()
}

// sessionsOfOthers are those of collectors, commands and restores but this one, in words.
func (tx *Tx) sessionsOfOthers(ctx context.Context, runs map[string]string) (told []string, err error) {
	if _, err := tx.Exec(ctx, `SELECT pg_stat_clear_snapshot()`); err != nil { // else they are as they were when this transaction asked first
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT application_name, count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> current_setting('application_name')
		AND (application_name LIKE ? OR application_name LIKE ?) GROUP BY application_name ORDER BY application_name`, collecting+"%", restoring+"%")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, err
		}
		told = append(told, fmt.Sprintf("%d sessions of %s", n, who(name, runs)))
	}
	return told, rows.Err()
}

// who has the sessions of a name.
func who(name string, runs map[string]string) string {
	switch process, isRun := strings.CutPrefix(name, collecting+" "); {
	case isRun && runs[process] != "":
		return "collector " + runs[process]
	case isRun:
		return "a collector that has not joined or was given up (" + name + ")"
	case strings.HasPrefix(name, restoring):
		return "another restore"
	}
	return "a dockline-collector command"
}
