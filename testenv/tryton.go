package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv/erp"
)

const (
	trytonPassword  = "sandbox-password"
	trytonLogin     = "dockline"
	trytonCRM       = "crm"
	trytonItems     = 40
	trytonCustomers = 10
)

// TrytonServer is a Tryton 6.0 of our own, on SQLite or PostgreSQL, seeded with the test world's master data.
type TrytonServer struct {
	*Server
	Port    int
	Master  *erp.Master
	store   trytonStore
	seed    string // the seeded database, of which all others are copies
	made    atomic.Int64
	command serverCommand
}

// TrytonDatabase is one database of it, and how to log in.
type TrytonDatabase struct {
	// URL ends with the database's path: http://127.0.0.1:PORT/NAME/
	URL, Login, Password string
	// CRM is the login of a user who sees opportunities only; the password is the same.
	CRM string
	// File is that of the database, for who reads it past Tryton; "" where it is on PostgreSQL.
	File   string
	Master *erp.Master
}

// TrytonInstalled says whether the packages are there.
func TrytonInstalled() bool {
	for _, need := range []string{"/usr/bin/trytond", "/usr/bin/trytond-admin", "/usr/lib/python3/dist-packages/proteus",
		"/usr/lib/python3/dist-packages/trytond/modules/sale_credit_limit",
		"/usr/lib/python3/dist-packages/trytond/modules/sale_opportunity", "/usr/lib/python3/dist-packages/trytond/modules/stock_lot"} {
		if _, err := os.Stat(need); err != nil {
			return false
		}
	}
	return true
}

var (
	sharedTryton         = sync.OnceValues(StartTryton)
	sharedTrytonPostgres = sync.OnceValues(StartTrytonPostgres)
)

// Tryton returns a freshly seeded database on a server that all tests of this process share and that ends with it.
func Tryton(t testing.TB) TrytonDatabase {
	t.Helper()
	return trytonDatabase(t, sharedTryton)
}

// TrytonPostgres is Tryton on PostgreSQL, as companies run it: on the cluster that all tests of this process share.
func TrytonPostgres(t testing.TB) TrytonDatabase {
	t.Helper()
	if _, err := os.Stat("/usr/lib/python3/dist-packages/psycopg2"); err != nil || postgresBin() == "" {
		SkipServer(t, "postgresql", "it, or python3-psycopg2, is not installed")
	}
	return trytonDatabase(t, sharedTrytonPostgres)
}

func trytonDatabase(t testing.TB, shared func() (*TrytonServer, error)) TrytonDatabase {
	t.Helper()
	if !TrytonInstalled() {
		SkipServer(t, "tryton", "not installed")
	}
	server, err := shared()
	if err != nil {
		t.Fatalf("start Tryton: %v", err)
	}
	database, err := server.CreateDatabase()
	if err != nil {
		t.Fatalf("create database: %v", err)
	}
	return database
}

// ErrNoTryton says that Tryton cannot be started here.
var ErrNoTryton = errors.New("tryton is not installed here: `make deps` installs it where it may")

// StartTryton starts a server whose folder is removed at its end. The first start on a machine makes and seeds a database, which
// takes most of a minute; it is kept in the user's cache folder and copied from then on.
func StartTryton() (*TrytonServer, error) {
	dir, err := tempDir("dockline-tryton-")
	if err != nil {
		return nil, err
	}
	return startTryton(dir, true, trytonFiles{dir})
}

// StartTrytonPostgres starts a server whose databases are on a PostgreSQL of their own, which all of this process share.
func StartTrytonPostgres() (*TrytonServer, error) {
	cluster, err := sharedPostgres()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir("dockline-tryton-")
	if err != nil {
		return nil, err
	}
	return startTryton(dir, true, trytonCluster{cluster})
}

// StartTrytonIn starts a server in a folder of the caller's. Once stopped it can be started again with what its databases held.
func StartTrytonIn(dir string) (*TrytonServer, error) {
	return startTryton(dir, false, trytonFiles{dir})
}

func startTryton(dir string, remove bool, store trytonStore) (*TrytonServer, error) {
	if !TrytonInstalled() {
		return nil, ErrNoTryton
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &TrytonServer{Port: port, Master: TrytonMaster(), store: store, seed: fmt.Sprintf("seed%d", port)}
	config := filepath.Join(dir, "trytond.conf")
	text := fmt.Sprintf("[web]\nlisten = 127.0.0.1:%d\n[database]\nuri = %s\npath = %s\nlist = False\n[password]\nentropy = 0\n", port, store.uri(""), dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	if err := s.provideSeed(dir, config); err != nil {
		return nil, err
	}
	s.command = serverCommand{dir: dir, remove: remove, signal: "TERM", argv: []string{"/usr/bin/python3", "-W", "ignore", "/usr/bin/trytond", "-c", config}}
	return s, s.Start()
}

// Start starts the server, again on the same port where it was stopped.
func (s *TrytonServer) Start() (err error) {
	if s.Server, err = startServer(s.command); err != nil {
		return err
	}
	if err := s.waitPort(s.Port, time.Minute); err != nil {
		s.Stop()
		return err
	}
	return nil
}

// TrytonMaster is the master data that Tryton is seeded with: a part of the sandbox's.
func TrytonMaster() *erp.Master {
	m := erp.NewMaster(1)
	m.Items, m.Customers = m.Items[:trytonItems], m.Customers[:trytonCustomers]
	known := map[string]bool{}
	for _, item := range m.Items {
		known[item.Code] = true
	}
	var stock []erp.StockLine
	for _, line := range m.Stock {
		if known[line.Item] {
			stock = append(stock, line)
		}
	}
	m.Stock = stock
	return m
}

// CreateDatabase copies the seeded database; it is served at once.
func (s *TrytonServer) CreateDatabase() (TrytonDatabase, error) {
	name := fmt.Sprintf("erp%d_%d", s.Port, s.made.Add(1))
	if err := s.store.copy(s.seed, name); err != nil {
		return TrytonDatabase{}, err
	}
	d := TrytonDatabase{URL: fmt.Sprintf("http://127.0.0.1:%d/%s/", s.Port, name), Login: trytonLogin, CRM: trytonCRM, Password: trytonPassword, Master: s.Master}
	if files, ok := s.store.(trytonFiles); ok {
		d.File = files.path(name)
	}
	return d, nil
}
