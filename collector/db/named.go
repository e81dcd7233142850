package db

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// Named is a database's URL under which the sessions of a process carry a name, so that others can end them. On SQLite it is the URL itself.
func Named(address, name string) string { return withSetting(address, "application_name", name) }

// withSetting is a URL of PostgreSQL with a setting of its sessions; any other is as it was.
func withSetting(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return address // one that is wrong is opened, and the fault told, elsewhere
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // in these a plus is no blank
	return u.String()
}

// EndSessions ends the sessions of that name, with all that they hold: locks of a process that was halted within a transaction would else
// keep everybody waiting. It says how many there were.
func (tx *Tx) EndSessions(ctx context.Context, name string) (n int64, err error) {
	if !tx.d.postgres {
		return 0, nil
	}
	err = tx.QueryRow(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = ? AND datname = current_database() AND pid <> pg_backend_pid()`, name).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("end sessions of %s: %w", name, err)
	}
	return n, nil
}
