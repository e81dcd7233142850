package db

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// Named is a database's URL under which the sessions of a process carry a name, so that others can end them. On SQLite it is the URL itself.
func Named(address, name string) string {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return address
	}
	query := u.Query()
	query.Set("application_name", name)
	u.RawQuery = query.Encode()
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
