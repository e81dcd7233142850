package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Program is one to build: the name of its file, its package and build tags.
type Program struct {
	Name, Package, Tags string
}

// What scenarios run as processes.
var (
	AgentProgram     = Program{Name: "dockline-agent", Package: "github.com/dockline/dockline/agent/cmd/dockline-agent"}
	CollectorProgram = Program{Name: "dockline-collector", Package: "github.com/dockline/dockline/collector/cmd/dockline-collector"}
	// AgentClockProgram is an agent whose clock a test can set.
	AgentClockProgram = Program{Name: "agent-clock", Package: AgentProgram.Package, Tags: "clockstep"}
	// RowsProgram is a plugin whose rows and cursor a test has in its hands.
	RowsProgram = Program{Name: "rows", Package: "github.com/dockline/dockline/testenv/rows"}
)

// Programs are built once for all tests of a package, when the first of them asks: var programs = testenv.Programs{List: ...}, and
// func TestMain(m *testing.M) { programs.Main(m) }.
type Programs struct {
	List []Program
	// Also puts further programs into the folder, nil for none.
	Also func(dir string) error

	once sync.Once
	dir  string
	err  error
}

// Main runs the tests and removes the programs.
func (p *Programs) Main(m *testing.M) {
	code := m.Run()
	if p.dir != "" {
		_ = os.RemoveAll(p.dir) // a leftover in the temporary folder harms nobody
	}
	os.Exit(code)
}

// Dir is the folder with the programs.
func (p *Programs) Dir(t testing.TB) string {
	t.Helper()
	p.once.Do(func() { p.err = p.build() })
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.dir
}

func (p *Programs) build() (err error) {
	if p.dir, err = os.MkdirTemp("", "dockline-programs-"); err != nil {
		return err
	}
	for _, one := range p.List {
		cmd := exec.Command("go", "build", "-tags", one.Tags, "-o", filepath.Join(p.dir, one.Name), one.Package)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", one.Name, err, out)
		}
	}
	if p.Also != nil {
		return p.Also(p.dir)
	}
	return nil
}
