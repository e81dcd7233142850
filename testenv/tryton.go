package testenv

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv/erp"
)

//go:embed tryton/seed.py
var trytonSeed []byte

const (
	trytonPassword  = "sandbox-password"
	trytonLogin     = "dockline"
	trytonItems     = 40
	trytonCustomers = 10
)

// TrytonServer is a Tryton 6.0 of our own, on SQLite, seeded with the test world's master data.
type TrytonServer struct {
	*Server
	Port    int
	Master  *erp.Master
	made    atomic.Int64
	command serverCommand
}

// TrytonDatabase is one database of it, and how to log in.
type TrytonDatabase struct {
	// URL ends with the database's path: http://127.0.0.1:PORT/NAME/
	URL, Login, Password string
	// File is that of the database, for who reads it past Tryton.
	File   string
	Master *erp.Master
}

// TrytonInstalled says whether the packages are there.
func TrytonInstalled() bool {
	for _, need := range []string{"/usr/bin/trytond", "/usr/bin/trytond-admin", "/usr/lib/python3/dist-packages/proteus",
		"/usr/lib/python3/dist-packages/trytond/modules/sale_credit_limit", "/usr/lib/python3/dist-packages/trytond/modules/stock_lot"} {
		if _, err := os.Stat(need); err != nil {
			return false
		}
	}
	return true
}

var sharedTryton = sync.OnceValues(StartTryton)

// Tryton returns a freshly seeded database on a server that all tests of this process share and that ends with it.
func Tryton(t testing.TB) TrytonDatabase {
	t.Helper()
	if !TrytonInstalled() {
		SkipServer(t, "tryton", "not installed")
	}
	server, err := sharedTryton()
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
	return startTryton(dir, true)
}

// StartTrytonIn starts a server in a folder of the caller's. Once stopped it can be started again with what its databases held.
func StartTrytonIn(dir string) (*TrytonServer, error) { return startTryton(dir, false) }

func startTryton(dir string, remove bool) (*TrytonServer, error) {
	if !TrytonInstalled() {
		return nil, ErrNoTryton
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &TrytonServer{Port: port, Master: TrytonMaster()}
	config := filepath.Join(dir, "trytond.conf")
	text := fmt.Sprintf("[web]\nlisten = 127.0.0.1:%d\n[database]\nuri = sqlite://\npath = %s\nlist = False\n[password]\nentropy = 0\n", port, dir)
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

// provideSeed puts the seeded database into dir, from the cache where it fits.
func (s *TrytonServer) provideSeed(dir, config string) error {
	data, err := json.Marshal(map[string]any{"year": time.Now().UTC().Year(), "password": trytonPassword,
		"items": s.Master.Items, "customers": s.Master.Customers, "sites": s.Master.Sites, "stock": s.Master.Stock})
	if err != nil {
		return err
	}
	version, err := exec.Command("/usr/bin/trytond", "--version").Output()
	if err != nil {
		return fmt.Errorf("trytond --version: %w", err)
	}
	sum := sha256.Sum256(bytes.Join([][]byte{trytonSeed, data, version}, []byte{0}))
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	kept := filepath.Join(cache, "dockline", "tryton-"+hex.EncodeToString(sum[:8])+".sqlite")
	seed := filepath.Join(dir, "seed.sqlite")
	if copyFile(kept, seed) == nil {
		return nil
	}
	if err := s.makeSeed(dir, config, data); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return err
	}
	part := fmt.Sprintf("%s.%d", kept, os.Getpid())
	if err := copyFile(seed, part); err != nil {
		return err
	}
	return os.Rename(part, kept)
}

func (s *TrytonServer) makeSeed(dir, config string, data []byte) error {
	script, password := filepath.Join(dir, "seed.py"), filepath.Join(dir, "password")
	if err := os.WriteFile(script, trytonSeed, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(password, []byte(trytonPassword+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "seed.sqlite"), nil, 0o644); err != nil {
		return err
	}
	admin := exec.Command("/usr/bin/python3", "-W", "ignore", "/usr/bin/trytond-admin", "-c", config, "-d", "seed", "-u", "sale_credit_limit", "stock_lot",
		"--activate-dependencies", "--email", "admin@example.org", "-p")
	admin.Env = append(os.Environ(), "TRYTONPASSFILE="+password)
	if out, err := admin.CombinedOutput(); err != nil {
		return fmt.Errorf("make a Tryton database: %w: %s", err, lastLines(out))
	}
	fill := exec.Command("/usr/bin/python3", "-B", "-W", "ignore", script, config, "seed")
	fill.Stdin = bytes.NewReader(data)
	if out, err := fill.CombinedOutput(); err != nil {
		return fmt.Errorf("seed Tryton: %w: %s", err, lastLines(out))
	}
	return nil
}

func lastLines(out []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-5):], []byte(" | "))
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// CreateDatabase copies the seeded database; it is served at once.
func (s *TrytonServer) CreateDatabase() (TrytonDatabase, error) {
	name := fmt.Sprintf("erp%d", s.made.Add(1))
	if err := copyFile(filepath.Join(s.Dir, "seed.sqlite"), filepath.Join(s.Dir, name+".sqlite")); err != nil {
		return TrytonDatabase{}, err
	}
	return TrytonDatabase{URL: fmt.Sprintf("http://127.0.0.1:%d/%s/", s.Port, name), Login: trytonLogin, Password: trytonPassword, File: filepath.Join(s.Dir, name+".sqlite"), Master: s.Master}, nil
}
