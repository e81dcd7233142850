package wmssql_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/plugins/wms-sql/wmssql"
)

// A user who is not let in, and a server without TLS, are one fault each, with what to do: not the rights of every table besides.
//
// Shows: S38
func TestWhoIsNotLetInReadsOneFault(t *testing.T) {
	w := newWarehouse(t, logicalCluster(t), replicatedPicks, append(pickTables, "CREATE ROLE shut NOLOGIN PASSWORD 'right'")...)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, is := range map[string]struct{ old, new, path, says, not string }{
		"no login":  {"user: dockline", "user: shut\n  password_file: " + password, "database.user", "correct user and password_file", "REPLICATION"},
		"without":   {"user: dockline", "user: shut", "database.user", "write password_file", "REPLICATION"},
		"TLS":       {"tls: 'off'", "tls: verify", "database.tls", "tls: off", "horizon"},
		"any TLS":   {"tls: 'off'", "tls: require", "database.tls", "tls: off", "horizon"},
		"like this": {"", "", "", "", ""},
	} {
		faults := wmssql.New().Check([]byte(strings.Replace(w.config, is.old, is.new, 1)), "wms")
		if is.path == "" {
			if len(faults) > 0 {
				t.Errorf("%s: %v", what, faults)
			}
			continue
		}
		if len(faults) != 1 || faults[0].GetPath() != is.path || faults[0].GetLine() == 0 || !strings.Contains(faults[0].GetText(), is.says) || strings.Contains(faults[0].GetText(), is.not) {
			t.Errorf("%s: want one fault at %s that says %q: %v", what, is.path, is.says, faults)
		}
	}
}

// While the server lets nobody in, the slot is not said to be followed.
//
// Shows: S38
func TestASlotThatCannotBeAskedForIsNotReachable(t *testing.T) {
	w := newWarehouse(t, logicalCluster(t), replicatedPicks, pickTables...)
	w.pick(1)
	w.start()
	w.tells("picks/1 v1")
	w.following()
	allow := "UPDATE pg_database SET datallowconn = $1 WHERE datname = current_database()"
	if _, err := w.ExecContext(t.Context(), allow, false); err != nil {
		t.Fatal(err)
	}
	execute(t, w.DB, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dockline-wms-sql' AND datname = current_database()")
	w.until("the slot's device says that it cannot be asked for", func() bool {
		d := w.journal.device("replication_slot")
		return !d.GetReachable() && strings.Contains(d.GetText(), "cannot be asked")
	})
	if _, err := w.ExecContext(t.Context(), allow, true); err != nil {
		t.Fatal(err)
	}
	w.pick(2)
	w.tells("picks/2 v1")
	w.following()
}
