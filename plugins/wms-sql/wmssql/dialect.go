package wmssql

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// The databases that can be read.
const (
	driverPostgres  = "postgres"
	driverMySQL     = "mysql"
	driverSQLServer = "sqlserver"
	driverOracle    = "oracle"
	driverSQLite    = "sqlite"
)

var driverNames = []string{driverPostgres, driverMySQL, driverSQLServer, driverOracle, driverSQLite}

var dialects = map[string]*dialect{driverPostgres: postgres, driverMySQL: mysql, driverSQLServer: sqlServer, driverOracle: oracle, driverSQLite: sqlite}

// dialect is what one database does in its own way.
type dialect struct {
	// name is the product's, for people.
	name string
	port int
	// open makes a pool; a writer may write, anybody else is kept from it where the database can do that.
	open func(d Database, login Login, password string, c Config, writer bool) (*sql.DB, error)
	// quote writes a column's actual name so that it means just that.
	quote func(name string) string
	// param is the place of the nth argument, from 1.
	param func(n int) string
	// limited ends a SELECT that is ordered after n rows.
	limited func(n string) string
	// typeOf tells a column's type by the driver's name of it.
	typeOf func(databaseType string) columnType
	// cast makes a parameter of a position, which is text, a value of the column's type; nil: the argument is it.
	cast func(t columnType, param string) string
	// argument is what the driver is given for a position's text; nil: the text.
	argument func(t columnType, text string) any
	// horizon asks which transactions are open; nil where the database cannot tell.
	horizon func(ctx context.Context, db *sql.DB) (horizon, error)
	// clock asks for the time at the database, in microseconds since 1970.
	clock string
	// rights is what to do where horizon is not allowed to ask.
	rights string
	// classify knows the errors of this database by class; faultOther where it does not.
	classify func(err error) faultClass
	// newest is the SELECT of a column's highest value.
	newest func(column, source string) string
}

// horizon is what the database knows of open transactions.
type horizon struct {
	// Now is the database's own clock. No transaction that is open, or begins later, began before Oldest.
	Now, Oldest time.Time
	// Held: a transaction is open of which nobody can tell when it began.
	Held bool
	// Row is the watermark below which every row is decided, as the database writes it; only for those that have such a thing.
	Row string
	// Who has the oldest transaction open, for people.
	Who string
}

// columnType is how a column's values are compared and written.
type columnType int

const (
	typeText columnType = iota
	typeWhole
	typeNumber
	typeInstant // a moment, whatever the zone
	typeWall    // what a clock on the wall showed
	typeTick    // the same in steps of a three-hundredth of a second, written to the millisecond
	typeDate
	typeBytes // compared as they stand, written 0x...
	typeUUID
)

// isTime says whether values can be held against a moment. Of all others it is only known that they grow.
func (t columnType) isTime() bool { return t == typeInstant || t == typeWall || t == typeTick }

func (d *dialect) bound(t columnType, n int) string {
	if d.cast == nil {
		return d.param(n)
	}
	return d.cast(t, d.param(n))
}

func (d *dialect) arg(t columnType, text string) any {
	if d.argument == nil {
		return text
	}
	return d.argument(t, text)
}

func question(int) string { return "?" }

func limitClause(n string) string { return " LIMIT " + n }

func fetchClause(n string) string { return " OFFSET 0 ROWS FETCH NEXT " + n + " ROWS ONLY" }

func doubleQuoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// backQuoted is for MySQL, and for SQLite, to which a name in double quotation marks that it does not know is a text.
func backQuoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func greatest(column, source string) string { return "SELECT MAX(" + column + ") FROM " + source }

// microseconds since 1970, as the clocks of all dialects tell it.
func micro(us int64) time.Time { return time.UnixMicro(us).UTC() }
