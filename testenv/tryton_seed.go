package testenv

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed tryton/seed.py
var trytonSeed []byte

//go:embed tryton/admin.py
var trytonAdmin []byte

// trytonModules are those that the seeded database has, with all that they need.
var trytonModules = []string{"sale_credit_limit", "sale_opportunity", "stock_lot"}

// trytonStore is where the databases of a Tryton are.
type trytonStore interface {
	// uri is the address of a database in Tryton's own configuration; "" is that of all.
	uri(name string) string
	// empty makes a database without tables, copy one with what another holds.
	empty(name string) error
	copy(from, to string) error
	// keep writes a database into a file, and restore makes one of it. Such files are told apart by their ending.
	keep(name, file string) error
	restore(file, name string) error
	ending() string
}

// trytonFiles are SQLite databases in a folder.
type trytonFiles struct{ dir string }

func (f trytonFiles) path(name string) string         { return filepath.Join(f.dir, name+".sqlite") }
func (f trytonFiles) ending() string                  { return ".sqlite" }
func (f trytonFiles) empty(name string) error         { return os.WriteFile(f.path(name), nil, 0o644) }
func (f trytonFiles) copy(from, to string) error      { return copyFile(f.path(from), f.path(to)) }
func (f trytonFiles) keep(name, file string) error    { return copyFile(f.path(name), file) }
func (f trytonFiles) restore(file, name string) error { return copyFile(file, f.path(name)) }

func (f trytonFiles) uri(name string) string {
	if name == "" {
		return "sqlite://"
	}
	return "sqlite:///" + name
}

// trytonCluster are databases of a PostgreSQL cluster.
type trytonCluster struct{ *PostgresServer }

func (c trytonCluster) ending() string { return ".dump" }

func (c trytonCluster) uri(name string) string {
	return fmt.Sprintf("postgresql://dockline@127.0.0.1:%d/%s", c.Port, name)
}

// run runs one of PostgreSQL's own programs.
func (c trytonCluster) run(program string, args ...string) error {
	cmd := exec.Command(filepath.Join(postgresBin(), program), append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(c.Port), "-U", "dockline"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, lastLines(out))
	}
	return nil
}

func (c trytonCluster) empty(name string) error    { return c.run("createdb", name) }
func (c trytonCluster) copy(from, to string) error { return c.run("createdb", "--template", from, to) }

func (c trytonCluster) keep(name, file string) error {
	return c.run("pg_dump", "--format=custom", "--compress=1", "--file", file, name)
}

func (c trytonCluster) restore(file, name string) error {
	if _, err := os.Stat(file); err != nil {
		return err
	}
	if err := c.empty(name); err != nil {
		return err
	}
	return c.run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", name, file)
}

// provideSeed makes the seeded database, from the cache where it fits.
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
	sum := sha256.Sum256(bytes.Join([][]byte{trytonSeed, trytonAdmin, data, version, fmt.Append(nil, trytonModules)}, []byte{0}))
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	kept := filepath.Join(cache, "dockline", "tryton-"+hex.EncodeToString(sum[:8])+s.store.ending())
	if _, err := os.Stat(kept); err == nil {
		return s.store.restore(kept, s.seed)
	}
	if err := s.makeSeed(dir, config, data); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return err
	}
	part := fmt.Sprintf("%s.%d", kept, os.Getpid())
	if err := s.store.keep(s.seed, part); err != nil {
		return err
	}
	return os.Rename(part, kept)
}

func (s *TrytonServer) makeSeed(dir, config string, data []byte) error {
	script, activate, password := filepath.Join(dir, "seed.py"), filepath.Join(dir, "admin.py"), filepath.Join(dir, "password")
	for name, text := range map[string][]byte{script: trytonSeed, activate: trytonAdmin} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(password, []byte(trytonPassword+"\n"), 0o600); err != nil {
		return err
	}
	if err := s.store.empty(s.seed); err != nil {
		return err
	}
	args := append([]string{"-B", "-W", "ignore", activate, "-c", config, "-d", s.seed, "-u"}, trytonModules...)
	admin := exec.Command("/usr/bin/python3", append(args, "--activate-dependencies", "--email", "admin@example.org", "-p")...)
	admin.Env = append(os.Environ(), "TRYTONPASSFILE="+password)
	if out, err := admin.CombinedOutput(); err != nil {
		return fmt.Errorf("make a Tryton database: %w: %s", err, lastLines(out))
	}
	fill := exec.Command("/usr/bin/python3", "-B", "-W", "ignore", script, config, s.store.uri(s.seed))
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
