package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Away says whether an error is of a database that cannot work now, whatever it is asked for: it is stopped, starts, has no room, or the way
// to it is cut. What was asked for may be in order, and may be there.
func Away(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Classes of appendix A of PostgreSQL's manual: 08 connection, 53 resources, 57 operator, 58 system, XX internal; 25006 is a standby.
		switch class := pg.Code[:min(2, len(pg.Code))]; class {
		case "08", "53", "57", "58", "XX":
			return pg.Code != "57014" // a statement that took too long is about the statement
		}
		return pg.Code == "25006" || pg.Code == "25P03" // we were silent for too long, as after a halt
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
			return true
		}
		return false
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, pgconn.ErrConnClosed)
}

// noRoom says whether an error is of a database that would have to grow and cannot.
func noRoom(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "53100" // disk_full
	}
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && lite.Code()&0xff == sqlite3.SQLITE_FULL
}

// advised adds what to do to an error that a person will read.
func (d *DB) advised(err error) error {
	switch {
	case err == nil || !noRoom(err):
		return err
	case d.postgres:
		return fmt.Errorf("%w; make room on the disk of PostgreSQL's data: what is stored is whole, and what waits is taken then", err)
	}
	return fmt.Errorf("%w; make room on the disk of %s: what is stored is whole, and what waits is taken then", err, d.path)
}
