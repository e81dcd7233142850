package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresServer is a PostgreSQL cluster of our own.
type PostgresServer struct {
	*Server
	Port int
	made atomic.Int64
}

// postgresBin finds the folder of the newest installed PostgreSQL, "" for none.
func postgresBin() string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		if path, err := exec.LookPath("initdb"); err == nil {
			return filepath.Dir(path)
		}
		return ""
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// StartPostgres makes a cluster in a temporary folder and starts it. synced false gives up durability for speed.
func StartPostgres(synced bool) (*PostgresServer, error) {
	bin := postgresBin()
	if bin == "" {
		return nil, fmt.Errorf("postgresql is not installed")
	}
	dir, err := tempDir("dockline-postgres-")
	if err != nil {
		return nil, err
	}
	var more []string
	if !synced {
		more = []string{"-c", "fsync=off", "-c", "full_page_writes=off"}
	}
	command, port, err := makeCluster(bin, dir, more...)
	if err != nil {
		return nil, err
	}
	command.remove = true
	server, err := startServer(command)
	if err != nil {
		return nil, err
	}
	if err := server.waitPort(port, 30*time.Second); err != nil {
		server.Stop()
		return nil, err
	}
	return &PostgresServer{Server: server, Port: port}, nil
}

// makeCluster makes a cluster in dir, and says how it is started and on which port.
func makeCluster(bin, dir string, more ...string) (serverCommand, int, error) {
	owner := ""
	if os.Getuid() == 0 {
		owner = "postgres"
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "--no-sync", "-U", "dockline", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8")
	initdb.Dir = dir
	if err := runAs(initdb, dir, owner); err != nil {
		return serverCommand{}, 0, err
	}
	if out, err := initdb.CombinedOutput(); err != nil {
		return serverCommand{}, 0, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := FreePort()
	if err != nil {
		return serverCommand{}, 0, err
	}
	argv := append([]string{filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-c", "listen_addresses=127.0.0.1", "-c", fmt.Sprintf("port=%d", port),
		"-c", "unix_socket_directories=", "-c", "max_connections=100", "-c", "timezone=UTC", "-c", "jit=off"}, more...)
	return serverCommand{dir: dir, user: owner, signal: "INT", argv: argv}, port, nil
}

// CreateDatabase makes an empty database and returns its URL.
func (p *PostgresServer) CreateDatabase(ctx context.Context) (string, error) {
	name := fmt.Sprintf("d%d_%d", os.Getpid(), p.made.Add(1))
	var err error
	for range 50 { // the port opens a moment before the server takes connections
		var conn *pgx.Conn
		conn, err = pgx.Connect(ctx, p.url("postgres"))
		if err == nil {
			_, err = conn.Exec(ctx, "CREATE DATABASE "+name)
			_ = conn.Close(ctx)
			return p.url(name), err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", err
}

func (p *PostgresServer) url(database string) string {
	return fmt.Sprintf("postgres://dockline@127.0.0.1:%d/%s?sslmode=disable", p.Port, database)
}

var sharedPostgres = sync.OnceValues(func() (*PostgresServer, error) { return StartPostgres(false) })

// PostgreSQL returns the URL of a fresh database on a cluster that all tests of this process share and that ends with it.
func PostgreSQL(t testing.TB) string {
	t.Helper()
	if postgresBin() == "" {
		SkipServer(t, "postgresql", "not installed")
	}
	server, err := sharedPostgres()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	url, err := server.CreateDatabase(t.Context())
	if err != nil {
		t.Fatalf("create database: %v", err)
	}
	return url
}
