package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

var postgres = &dialect{
	name: "PostgreSQL", port: 5432, open: openPostgres, quote: doubleQuoted, limited: limitClause, newest: greatest,
	param:  func(n int) string { return "$" + strconv.Itoa(n) },
	typeOf: postgresType,
	cast: func(t columnType, p string) string {
		return p + map[columnType]string{typeText: "::text", typeWhole: "::bigint", typeNumber: "::numeric", typeInstant: "::timestamptz", typeWall: "::timestamp", typeDate: "::date", typeBytes: "::bytea", typeUUID: "::uuid"}[t]
	},
	argument: func(t columnType, text string) any {
		if t == typeBytes {
			return `\x` + strings.TrimPrefix(text, "0x")
		}
		return text
	},
	horizon:  postgresHorizon,
	clock:    "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
	rights:   "let an administrator run: GRANT pg_read_all_stats TO the plugin's user; or write horizon: overlap",
	classify: classifyPostgres,
}

func openPostgres(d Database, login Login, password string, c Config, writer bool) (*sql.DB, error) {
	config, err := postgresConfig(d, login, password)
	if err != nil {
		return nil, err
	}
	limit := strconv.FormatInt(c.Statement.Milliseconds(), 10)
	config.RuntimeParams["statement_timeout"], config.RuntimeParams["lock_timeout"] = limit, limit
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "60000"
	if !writer {
		config.RuntimeParams["default_transaction_read_only"] = "on"
	}
	return stdlib.OpenDB(*config), nil
}

// pgValue quotes a value of a connection string.
func pgValue(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func postgresType(name string) columnType {
	switch name {
	case "INT2", "INT4", "INT8":
		return typeWhole
	case "NUMERIC", "FLOAT4", "FLOAT8":
		return typeNumber
	case "TIMESTAMPTZ":
		return typeInstant
	case "TIMESTAMP":
		return typeWall
	case "DATE":
		return typeDate
	case "BYTEA":
		return typeBytes
	case "UUID":
		return typeUUID
	}
	return typeText
}

// The oldest transaction that could still write a row: what autovacuum and replication hold open writes none. A transaction that was prepared for
// two phases is in no list of sessions, and when it began nobody knows.
const postgresOpen = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
  (extract(epoch FROM o.xact_start) * 1000000)::bigint, coalesce('process ' || o.pid || ' of ' || coalesce(o.usename, '') || ' ' || coalesce(o.application_name, ''), ''),
  (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()), pg_is_in_recovery(), pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT xact_start, pid, usename, application_name FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type NOT IN ('autovacuum worker', 'walsender')
  ORDER BY xact_start LIMIT 1) o ON true`

func postgresHorizon(ctx context.Context, db *sql.DB) (horizon, error) {
	var now, prepared int64
	var oldest sql.NullInt64
	var who string
	var standby, allowed bool
	if err := db.QueryRowContext(ctx, postgresOpen).Scan(&now, &oldest, &who, &prepared, &standby, &allowed); err != nil {
		return horizon{}, err
	}
	switch {
	case !allowed:
		return horizon{}, errRights
	case standby:
		return horizon{}, errReplica
	}
	h := horizon{Now: micro(now), Oldest: micro(now), Who: strings.TrimSpace(who)}
	if oldest.Valid {
		h.Oldest = earlier(h.Now, micro(oldest.Int64))
	}
	if prepared > 0 {
		h.Held, h.Who = true, "a transaction that was prepared for two phases (pg_prepared_xacts)"
	}
	return h, nil
}

func classifyPostgres(err error) faultClass {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return faultOther
	}
	switch {
	case e.Code == "42501" || e.Code[:2] == "28":
		return faultRights
	case e.Code == "42P01" || e.Code == "42703" || e.Code == "3F000" || e.Code == "42883" || e.Code == "42804":
		return faultSchema
	case e.Code[:2] == "22" || e.Code[:2] == "23":
		return faultData
	case e.Code == "57014" || e.Code == "55P03" || e.Code == "53300" || e.Code[:2] == "53" || e.Code[:2] == "40":
		return faultBusy
	case e.Code[:2] == "57" || e.Code[:2] == "08":
		return faultAway
	}
	return faultOther
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
