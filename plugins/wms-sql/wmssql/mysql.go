package wmssql

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

var mysql = &dialect{
	name: "MySQL or MariaDB", port: 3306, open: openMySQL, param: question, limited: limitClause, typeOf: mysqlType, newest: greatest,
	quote: backQuoted,
	cast: func(t columnType, p string) string {
		switch t {
		case typeInstant, typeWall:
			return "CAST(" + p + " AS DATETIME(6))"
		case typeDate:
			return "CAST(" + p + " AS DATE)"
		case typeNumber:
			return "CAST(" + p + " AS DECIMAL(65,10))"
		}
		return p
	},
	argument: func(t columnType, text string) any {
		switch t {
		case typeWhole:
			return wholeArgument(text)
		case typeBytes:
			return bytesArgument(text)
		case typeInstant, typeWall:
			return strings.TrimSuffix(strings.Replace(text, "T", " ", 1), "Z") // the session's zone is UTC
		}
		return text
	},
	horizon:  mysqlHorizon,
	clock:    "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)",
	rights:   "let an administrator run: GRANT PROCESS ON *.* TO the plugin's user; or write horizon: overlap",
	classify: classifyMySQL,
}

func openMySQL(d Database, login Login, password string, c Config, writer bool) (*sql.DB, error) {
	config := driver.NewConfig()
	config.Net, config.Addr, config.DBName, config.User, config.Passwd = "tcp", net.JoinHostPort(d.Host, strconv.Itoa(d.Port)), d.Name, login.User, password
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 10*time.Second, c.Statement+10*time.Second, c.Statement+10*time.Second
	config.Collation, config.InterpolateParams, config.Logger = "utf8mb4_general_ci", false, silent{}
	var err error
	if config.TLS, err = tlsConfig(d); err != nil {
		return nil, err
	}
	if config.TLS == nil {
		config.TLSConfig = "false"
	}
	connector, err := driver.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("how to log in: %w", err)
	}
	session := []string{"SET SESSION time_zone = '+00:00'", "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES,PIPES_AS_CONCAT'",
		fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d", int(c.Statement.Seconds())), "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}
	if !writer {
		session = append(session, "SET SESSION TRANSACTION READ ONLY")
	}
	// The two products name the limit of a statement each in its own way and unit; what one of them does not know is not needed.
	either := []string{fmt.Sprintf("SET SESSION max_statement_time = %g", c.Statement.Seconds()), fmt.Sprintf("SET SESSION max_execution_time = %d", c.Statement.Milliseconds())}
	return sql.OpenDB(&initialised{connector, session, either}), nil
}

// silent keeps the driver's own words about broken connections from the log: they come as errors too.
type silent struct{}

func (silent) Print(...any) {}

func mysqlType(name string) columnType {
	switch strings.TrimPrefix(name, "UNSIGNED ") {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR":
		return typeWhole
	case "DECIMAL", "FLOAT", "DOUBLE":
		return typeNumber
	case "TIMESTAMP":
		return typeInstant
	case "DATETIME":
		return typeWall
	case "DATE":
		return typeDate
	case "BINARY", "VARBINARY", "BLOB", "BIT":
		return typeBytes
	}
	return typeText
}

// InnoDB tells when its transactions began, in the zone of the server's own clock. A transaction is none yet while its first statement runs and
// has touched nothing (it may wait for the table), and the time that this statement writes has been taken before: so the age of statements that run
// counts too.
const (
	mysqlOpen = `SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED),
  (SELECT CAST(TIMESTAMPDIFF(MICROSECOND, MIN(trx_started), CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', 'SYSTEM')) AS SIGNED) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID()),
  (SELECT CAST(MAX(%s) AS SIGNED) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND command IN ('Query', 'Execute', 'Prepare', 'Field List')),
  COALESCE((SELECT CONCAT('connection ', trx_mysql_thread_id) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID() ORDER BY trx_started LIMIT 1), ''),
  (SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = 0)`
	mariaAge = "time_ms"
	mysqlAge = "time * 1000 + 1000"
)

func mysqlHorizon(ctx context.Context, db *sql.DB) (horizon, error) {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return horizon{}, err
	}
	age := mysqlAge
	if strings.Contains(version, "MariaDB") {
		age = mariaAge
	}
	var now, prepared int64
	var transaction, statement sql.NullInt64
	var who string
	if err := db.QueryRowContext(ctx, fmt.Sprintf(mysqlOpen, age)).Scan(&now, &transaction, &statement, &who, &prepared); err != nil {
		return horizon{}, err
	}
	h := horizon{Now: micro(now), Oldest: micro(now), Who: who, Held: prepared > 0}
	if transaction.Valid { // negative while the server's zone puts its clocks back: then an hour more
		us := transaction.Int64
		if us < -int64(time.Minute/time.Microsecond) {
			us += int64(time.Hour / time.Microsecond)
		}
		h.Oldest = earlier(h.Oldest, micro(now-us))
	}
	if statement.Valid {
		h.Oldest = earlier(h.Oldest, micro(now-1000*statement.Int64))
	}
	return h, nil
}

func classifyMySQL(err error) faultClass {
	if errors.Is(err, driver.ErrInvalidConn) || errors.Is(err, io.ErrUnexpectedEOF) {
		return faultAway
	}
	var e *driver.MySQLError
	if !errors.As(err, &e) {
		return faultOther
	}
	switch e.Number {
	case 1044, 1045, 1142, 1143, 1227, 1370, 1698:
		return faultRights
	case 1054, 1146, 1109, 1049, 1356:
		return faultSchema
	case 1048, 1062, 1264, 1265, 1292, 1366, 1406, 1452, 3819, 4025:
		return faultData
	case 1205, 1213, 1040, 1203, 1226, 3024, 1969, 1317:
		return faultBusy
	case 1053, 1927, 2006, 2013, 1080:
		return faultAway
	}
	return faultOther
}

// tlsConfig is nil where nothing is encrypted.
func tlsConfig(d Database) (*tls.Config, error) {
	switch d.TLS {
	case tlsOff:
		return nil, nil
	case tlsRequire:
		return &tls.Config{InsecureSkipVerify: true, ServerName: d.Host, MinVersion: tls.VersionTLS12}, nil // encrypted, to whoever answers: README.md says so
	}
	config := &tls.Config{ServerName: d.Host, MinVersion: tls.VersionTLS12}
	if d.CA == "" {
		return config, nil
	}
	var err error
	config.RootCAs, err = certificates(d.CA)
	return config, err
}
