package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"
)

// sqlServer was not run against a server: its statements are held against golden files.
var sqlServer = &dialect{
	name: "SQL Server", port: 1433, open: openSQLServer, limited: fetchClause, typeOf: sqlServerType,
	quote: func(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" },
	param: func(n int) string { return "@p" + strconv.Itoa(n) },
	cast: func(t columnType, p string) string {
		switch t {
		case typeInstant:
			return "CAST(" + p + " AS datetimeoffset(7))"
		case typeWall:
			return "CAST(" + p + " AS datetime2(7))"
		case typeTick:
			return "CAST(" + p + " AS datetime)"
		case typeDate:
			return "CAST(" + p + " AS date)"
		case typeNumber:
			return "CAST(" + p + " AS decimal(38,10))"
		case typeBytes:
			return "CONVERT(varbinary(8000), " + p + ", 1)" // a rowversion is binary(8); the longer type compares with it byte by byte
		case typeUUID:
			return "CAST(" + p + " AS uniqueidentifier)"
		}
		return p
	},
	argument: func(t columnType, text string) any {
		if t == typeWhole {
			return wholeArgument(text)
		}
		return text
	},
	horizon:  sqlServerHorizon,
	clock:    "SELECT DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME())",
	rights:   "let an administrator run: GRANT VIEW SERVER STATE TO the plugin's login; or write horizon: overlap",
	classify: classifySQLServer,
	newest:   func(column, source string) string { return "SELECT MAX(" + column + ") FROM " + source },
}

func openSQLServer(d Database, login Login, password string, c Config, writer bool) (*sql.DB, error) {
	connector, err := mssql.NewConnector(sqlServerURL(d, login, password, writer))
	if err != nil {
		return nil, fmt.Errorf("how to log in: %w", err)
	}
	connector.SessionInitSQL = fmt.Sprintf("SET LOCK_TIMEOUT %d; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET DATEFORMAT ymd", c.Statement.Milliseconds())
	return sql.OpenDB(connector), nil
}

// sqlServerURL says encrypt in any case: where it does not stand, only the log-in is encrypted and nobody's certificate is looked at.
func sqlServerURL(d Database, login Login, password string, writer bool) string {
	q := url.Values{"database": {d.Name}, "app name": {"dockline-wms-sql"}, "dial timeout": {"10"}, "encrypt": {"true"}, "TrustServerCertificate": {"false"}}
	switch d.TLS {
	case tlsOff:
		q.Set("encrypt", "disable")
		q.Del("TrustServerCertificate")
	case tlsRequire:
		q.Set("TrustServerCertificate", "true")
	default:
		q.Set("hostNameInCertificate", d.Host)
		if d.CA != "" {
			q.Set("certificate", d.CA)
		}
	}
	if !writer {
		q.Set("ApplicationIntent", "ReadOnly")
	}
	u := url.URL{Scheme: "sqlserver", User: url.UserPassword(login.User, password), Host: net.JoinHostPort(d.Host, strconv.Itoa(d.Port)), RawQuery: q.Encode()}
	return u.String()
}

func sqlServerType(name string) columnType {
	switch name {
	case "TINYINT", "SMALLINT", "INT", "BIGINT":
		return typeWhole
	case "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY", "FLOAT", "REAL":
		return typeNumber
	case "DATETIMEOFFSET":
		return typeInstant
	case "DATETIME2":
		return typeWall
	case "DATETIME", "SMALLDATETIME":
		return typeTick
	case "DATE":
		return typeDate
	case "BINARY", "VARBINARY", "TIMESTAMP", "ROWVERSION":
		return typeBytes
	case "UNIQUEIDENTIFIER":
		return typeUUID
	}
	return typeText
}

// MIN_ACTIVE_ROWVERSION is exact: every rowversion below it is committed or will never be.
const (
	sqlServerOpen = `SELECT DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME()),
  (SELECT DATEDIFF_BIG(MICROSECOND, MIN(t.transaction_begin_time), SYSDATETIME()) FROM sys.dm_tran_active_transactions t
   JOIN sys.dm_tran_database_transactions d ON d.transaction_id = t.transaction_id AND d.database_id = DB_ID()
   LEFT JOIN sys.dm_tran_session_transactions s ON s.transaction_id = t.transaction_id WHERE COALESCE(s.session_id, 0) <> @@SPID),
  CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1)`
)

func sqlServerHorizon(ctx context.Context, db *sql.DB) (horizon, error) {
	var now int64
	var age sql.NullInt64
	var row string
	if err := db.QueryRowContext(ctx, sqlServerOpen).Scan(&now, &age, &row); err != nil {
		return horizon{}, err
	}
	return horizon{Now: micro(now), Oldest: micro(now - max(age.Int64, 0)), Row: row}, nil
}

func classifySQLServer(err error) faultClass {
	var e mssql.Error
	if !errors.As(err, &e) {
		return faultOther
	}
	switch e.Number {
	case 229, 230, 297, 300, 916, 4060, 18456:
		return faultRights
	case 207, 208, 4413:
		return faultSchema
	case 241, 245, 515, 547, 2601, 2627, 2628, 8114, 8152:
		return faultData
	case 1205, 1222, 701, 8645, 10928, 10929, 40501, 3960:
		return faultBusy
	case 6005, 17142, 40197, 40613:
		return faultAway
	}
	return faultOther
}
