package testenv

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
)

// MariaServer is a MariaDB of our own.
type MariaServer struct {
	*Server
	Port int
	made atomic.Int64
}

const (
	mariaProgram = "/usr/sbin/mariadbd"
	mariaShare   = "/usr/share/mysql"
	// MariaPassword is that of the user dockline, who may do everything.
	MariaPassword = "sandbox-password"
)

// StartMaria makes a server in a temporary folder and starts it, without durability. Where the server's own user is not there it runs as nobody.
func StartMaria() (*MariaServer, error) {
	if _, err := os.Stat(mariaProgram); err != nil {
		return nil, fmt.Errorf("mariadb is not installed")
	}
	dir, err := tempDir("dockline-mariadb-")
	if err != nil {
		return nil, err
	}
	owner := ""
	if os.Getuid() == 0 {
		owner = "nobody"
	}
	common := []string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=48M",
		"--innodb-log-file-size=16M", "--skip-log-bin", "--tmpdir=" + dir}
	if err := bootstrapMaria(dir, owner, common); err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	server, err := startServer(serverCommand{dir: dir, remove: true, user: owner, signal: "TERM", argv: append(append([]string{mariaProgram}, common...),
		"--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port), "--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "pid"), "--max-connections=100")})
	if err != nil {
		return nil, err
	}
	if err := server.waitPort(port, 2*time.Minute); err != nil {
		server.Stop()
		return nil, err
	}
	return &MariaServer{Server: server, Port: port}, nil
}

// bootstrapMaria makes the system tables and a user, as the package's own script does.
func bootstrapMaria(dir, owner string, common []string) error {
	inputs := []io.Reader{strings.NewReader("use mysql;\n")}
	for _, name := range []string{"mysql_system_tables.sql", "mysql_system_tables_data.sql"} {
		f, err := os.Open(filepath.Join(mariaShare, name))
		if err != nil {
			return err
		}
		defer f.Close()
		inputs = append(inputs, f)
	}
	inputs = append(inputs, strings.NewReader("\nFLUSH PRIVILEGES;\nCREATE USER 'dockline'@'127.0.0.1' IDENTIFIED BY '"+MariaPassword+"';\nGRANT ALL ON *.* TO 'dockline'@'127.0.0.1' WITH GRANT OPTION;\n"))
	cmd := exec.Command("/bin/bash", append([]string{"-c", `mkdir -p data/mysql && exec "$@" --bootstrap`, "bootstrap", mariaProgram}, common...)...) // the folders are the owner's
	cmd.Dir, cmd.Stdin = dir, io.MultiReader(inputs...)
	if err := runAs(cmd, dir, owner); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadbd --bootstrap: %w: %s", err, out)
	}
	return nil
}

var sharedMaria = sync.OnceValues(StartMaria)

// MariaDatabase is an empty database on a server that all tests of this process share and that ends with it.
type MariaDatabase struct {
	*sql.DB
	Port int
	Name string
}

// MariaDB makes one. Its user is dockline with MariaPassword.
func MariaDB(t testing.TB) MariaDatabase {
	t.Helper()
	if _, err := os.Stat(mariaProgram); err != nil {
		SkipServer(t, "mariadb-server-core", "not installed")
	}
	server, err := sharedMaria()
	if err != nil {
		t.Fatalf("start MariaDB: %v", err)
	}
	name := fmt.Sprintf("d%d_%d", os.Getpid(), server.made.Add(1))
	if err := server.create(t.Context(), name); err != nil {
		t.Fatalf("create database: %v: %s", err, server.LogTail())
	}
	db, err := sql.Open("mysql", server.dsn(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return MariaDatabase{db, server.Port, name}
}

func (m *MariaServer) dsn(database string) string {
	return fmt.Sprintf("dockline:%s@tcp(127.0.0.1:%d)/%s?time_zone=%%27%%2B00:00%%27", MariaPassword, m.Port, database)
}

func (m *MariaServer) create(ctx context.Context, name string) error {
	db, err := sql.Open("mysql", m.dsn(""))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4")
	return err
}
