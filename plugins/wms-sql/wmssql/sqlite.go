package wmssql

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	lite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqlite has one writer at a time, so that rows commit in the order in which they are written; what its clock does not cover, overlap does.
var sqlite = &dialect{
	name: "SQLite", open: openSQLite, quote: backQuoted, param: question, limited: limitClause, typeOf: sqliteType, newest: greatest,
	argument: func(t columnType, text string) any {
		switch t {
		case typeWhole:
			return wholeArgument(text)
		case typeBytes:
			return bytesArgument(text)
		}
		return text
	},
	clock:    "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000",
	classify: classifySQLite,
}

func openSQLite(d Database, _ Login, _ string, c Config, writer bool) (*sql.DB, error) {
	q := url.Values{"mode": {"ro"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", c.Statement.Milliseconds()), "query_only(1)"}}
	if writer {
		q = url.Values{"mode": {"rw"}, "_txlock": {"immediate"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", c.Statement.Milliseconds()), "synchronous(FULL)"}}
	}
	return sql.Open("sqlite", fileURL(d.File)+"?"+q.Encode())
}

// fileURL names a file so that no character of its path is taken for something else.
func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if path != "" && path[0] != '/' {
		path = "/" + path // C:/wms.db
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// A column of SQLite holds what was written into it: texts of times are compared as texts.
func sqliteType(name string) columnType {
	switch name {
	case "INTEGER", "INT", "BIGINT", "SMALLINT", "TINYINT":
		return typeWhole
	case "BLOB":
		return typeBytes
	}
	return typeText
}

func classifySQLite(err error) faultClass {
	var e *lite.Error
	if !errors.As(err, &e) {
		return faultOther
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return faultBusy
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return faultData
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY:
		return faultRights
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return faultAway
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA:
		return faultSchema
	}
	return faultOther
}
