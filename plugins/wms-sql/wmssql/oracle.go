package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strconv"
	"strings"

	goora "github.com/sijms/go-ora/v2"
	"github.com/sijms/go-ora/v2/network"
)

// oracle was not run against a server: its statements are held against golden files.
var oracle = &dialect{
	name: "Oracle", port: 1521, open: openOracle, quote: doubleQuoted, limited: func(n string) string { return " FETCH FIRST " + n + " ROWS ONLY" }, typeOf: oracleType, newest: greatest,
	param: func(n int) string { return ":" + strconv.Itoa(n) },
	cast: func(t columnType, p string) string {
		switch t {
		case typeInstant:
			return "TO_TIMESTAMP_TZ(" + p + ", 'YYYY-MM-DD\"T\"HH24:MI:SS.FF9TZH:TZM')"
		case typeWall:
			return "TO_TIMESTAMP(" + p + ", 'YYYY-MM-DD\"T\"HH24:MI:SS.FF9')"
		case typeWhole, typeNumber:
			return "TO_NUMBER(" + p + ", '" + strings.Repeat("9", 38) + "D" + strings.Repeat("9", 20) + "', 'NLS_NUMERIC_CHARACTERS=''.,''')"
		case typeBytes:
			return "HEXTORAW(" + p + ")"
		}
		return p
	},
	argument: func(t columnType, text string) any {
		switch t {
		case typeInstant:
			return fraction(strings.TrimSuffix(text, "Z")) + "+00:00"
		case typeWall:
			return fraction(text)
		case typeBytes:
			return strings.TrimPrefix(text, "0x")
		}
		return text
	},
	horizon:  oracleHorizon,
	clock:    "SELECT ROUND((CAST(SYS_EXTRACT_UTC(SYSTIMESTAMP) AS DATE) - DATE '1970-01-01') * 86400) * 1000000 FROM DUAL",
	rights:   "let an administrator run: GRANT SELECT ON V_$TRANSACTION TO the plugin's user; or write horizon: overlap",
	classify: classifyOracle,
}

// fraction writes a time with one, which the format asks for.
func fraction(text string) string {
	if strings.Contains(text, ".") {
		return text
	}
	return text + ".0"
}

func openOracle(d Database, login Login, password string, c Config, _ bool) (*sql.DB, error) {
	return sql.OpenDB(goora.NewConnector(oracleURL(d, login, password, c))), nil
}

func oracleURL(d Database, login Login, password string, c Config) string {
	options := map[string]string{"CONNECT TIMEOUT": "10", "TIMEOUT": strconv.Itoa(int(c.Statement.Seconds()) + 10), "PROGRAM": "dockline-wms-sql"}
	if d.TLS != tlsOff {
		options["SSL"], options["SSL VERIFY"] = "TRUE", "TRUE"
		if d.TLS == tlsRequire {
			options["SSL VERIFY"] = "FALSE"
		}
	}
	host, _, _ := net.SplitHostPort(net.JoinHostPort(d.Host, "0"))
	return goora.BuildUrl(host, d.Port, d.Name, login.User, password, options)
}

func oracleType(name string) columnType {
	switch strings.ToUpper(name) {
	case "NUMBER", "FLOAT", "IBFLOAT", "IBDOUBLE", "BFLOAT", "BDOUBLE":
		return typeNumber
	case "DATE", "TIMESTAMP", "TIMESTAMPDTY":
		return typeWall
	case "TIMESTAMPTZ", "TIMESTAMPTZ_DTY", "TIMESTAMPLTZ_DTY", "TIMESTAMPELTZ", "TIMESTAMPTZDTY", "TIMESTAMPLTZ":
		return typeInstant
	case "RAW":
		return typeBytes
	}
	return typeText
}

// V$TRANSACTION tells to the second when a transaction began, by the database's clock.
const oracleOpen = `SELECT ROUND((CAST(SYS_EXTRACT_UTC(SYSTIMESTAMP) AS DATE) - DATE '1970-01-01') * 86400) * 1000000,
  (SELECT ROUND((SYSDATE - MIN(START_DATE)) * 86400) * 1000000 FROM V$TRANSACTION) FROM DUAL`

func oracleHorizon(ctx context.Context, db *sql.DB) (horizon, error) {
	var now int64
	var age sql.NullInt64
	if err := db.QueryRowContext(ctx, oracleOpen).Scan(&now, &age); err != nil {
		return horizon{}, err
	}
	return horizon{Now: micro(now), Oldest: micro(now - max(age.Int64, 0))}, nil
}

func classifyOracle(err error) faultClass {
	var e *network.OracleError
	if !errors.As(err, &e) {
		return faultOther
	}
	switch e.ErrCode {
	case 1017, 1031, 1045, 28000, 28001:
		return faultRights
	case 942, 904, 4063, 980:
		return faultSchema
	case 1, 1400, 1438, 1722, 1830, 1861, 2290, 2291, 12899:
		return faultData
	case 54, 60, 1013, 18, 20, 1555, 30006:
		return faultBusy
	case 28, 1033, 1034, 1089, 3113, 3114, 3135, 12514, 12541:
		return faultAway
	}
	return faultOther
}
