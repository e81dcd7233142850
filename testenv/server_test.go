package testenv_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/dockline/dockline/testenv"
)

func TestMosquittoStopsAndStartsAgain(t *testing.T) {
	m := testenv.Mosquitto(t, testenv.MosquittoConfig{Persistent: true})
	m.Stop()
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(m.Port))); err == nil {
		_ = conn.Close()
		t.Fatal("the broker still listens after Stop")
	}
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
}

func TestPostgreSQLGivesFreshDatabases(t *testing.T) {
	first, second := testenv.PostgreSQL(t), testenv.PostgreSQL(t)
	if first == second {
		t.Fatalf("two databases with one URL: %s", first)
	}
	conn, err := pgx.Connect(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var tables int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Fatalf("a fresh database has %d tables, %v", tables, err)
	}
}
