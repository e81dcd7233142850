// Package world is a whole small company on this machine, of real processes: a collector, the agents of two sites with their plugins, a
// warehouse system that speaks files, a sandbox ERP and CRM. Lines can be cut, processes killed, systems stopped.
package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// Tenant of everything in a world.
const Tenant = "main"

// Config of a world; the zero value of a field takes the default in its comment.
type Config struct {
	// Dir holds everything; it must exist. Bin holds the programs (Build).
	Dir, Bin string
	// Seed decides what happens.
	Seed uint64
	// Sites are dc-east, which works by files, and dc-west, which is simulated; default both.
	Sites []string
	// MovementsPerSecond is the pace of each dock, 0 as fast as it goes.
	MovementsPerSecond float64
	// Database is a URL; default SQLite.
	Database string
	// Drill is the address of a server with switches for the console; default none.
	Drill string
	// Master is what the ERP knows on its first day; default made from the seed.
	Master *erp.Master
	// Plugins are more plugins of a site's agent, by site.
	Plugins map[string][]Plugin
	// Also is one more check; it adds to the report's mismatches.
	Also func(ctx context.Context, w *World, r *Report) error
	// Log tells of progress; default nobody.
	Log io.Writer
}

// Plugin is one more plugin of an agent: its id, its program without dockline-plugin-, and its config section.
type Plugin struct{ ID, Program, Config string }

// World is such a company.
type World struct {
	Config    Config
	Collector *Process
	Sites     map[string]*Site
	ERP       *erp.Server
	CRM       *crm.Server
	ERPHTTP   *sandbox.Server
	CRMHTTP   *sandbox.Server
	// ConsoleURL ends with a slash.
	ConsoleURL string

	brokerPort, httpPort int
	cancel               context.CancelFunc
	wait                 sync.WaitGroup
	mu                   sync.Mutex
	faults               []error
}

// Build compiles Dockline's programs into dir.
func Build(ctx context.Context, dir string, progress io.Writer) error {
	for _, program := range []string{"collector/cmd/dockline-collector", "agent/cmd/dockline-agent", "plugins/wms-file", "plugins/sim"} {
		name := filepath.Base(program)
		if strings.HasPrefix(program, "plugins/") {
			name = "dockline-plugin-" + name
		}
		if progress != nil {
			fmt.Fprintf(progress, "building %s\n", name)
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-o", executable(dir, name), "github.com/dockline/dockline/"+program)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", name, err, out)
		}
	}
	return nil
}

func executable(dir, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}

// Open starts everything.
func Open(ctx context.Context, c Config) (*World, error) {
	if len(c.Sites) == 0 {
		c.Sites = []string{"dc-east", "dc-west"}
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &World{Config: c, Sites: map[string]*Site{}, cancel: cancel}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) open(ctx context.Context) (err error) {
	if err := w.openSystems(); err != nil {
		return err
	}
	if err := w.configureCollector(); err != nil {
		return err
	}
	for _, name := range w.Config.Sites {
		if w.Sites[name], err = w.addSite(ctx, name); err != nil {
			return fmt.Errorf("site %s: %w", name, err)
		}
	}
	if err := w.Collector.Start(); err != nil {
		return err
	}
	if err := w.waitFor(ctx, "the collector", 60*time.Second, func() bool { return w.get(ctx, "healthz", nil) == nil }); err != nil {
		return fmt.Errorf("%w: %s", err, w.Collector.LogTail())
	}
	for _, name := range w.Config.Sites {
		if err := w.Sites[name].Agent.Start(); err != nil {
			return err
		}
	}
	return nil
}

// openSystems starts ERP and CRM.
func (w *World) openSystems() (err error) {
	if w.ERP, err = erp.New(erp.Config{Dir: w.dir("erp"), Seed: w.Config.Seed, Master: w.Config.Master}); err != nil {
		return err
	}
	if w.CRM, err = crm.New(crm.Config{Dir: w.dir("crm"), Seed: w.Config.Seed}); err != nil {
		return err
	}
	w.ERPHTTP, w.CRMHTTP = sandbox.NewServer("127.0.0.1:0", w.ERP), sandbox.NewServer("127.0.0.1:0", w.CRM)
	return errors.Join(w.ERPHTTP.Start(), w.CRMHTTP.Start())
}

func (w *World) dir(parts ...string) string {
	dir := filepath.Join(append([]string{w.Config.Dir}, parts...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.fault(err)
	}
	return dir
}

func (w *World) configureCollector() (err error) {
	if w.brokerPort, err = testenv.FreePort(); err != nil {
		return err
	}
	if w.httpPort, err = testenv.FreePort(); err != nil {
		return err
	}
	w.ConsoleURL = fmt.Sprintf("http://127.0.0.1:%d/", w.httpPort)
	text := fmt.Sprintf(`data_dir: %q
database: {url: %q}
mqtt:
  listen: 127.0.0.1:%d
http:
  listen: 127.0.0.1:%d
connectors:
  - name: erp
    tenant: %s
    kind: http
    role: system_of_record
    poll: 500ms
    timeout: 3s
    settings: {url: %q, definition: sandbox-erp}
  - name: crm
    tenant: %s
    kind: http
    role: crm
    timeout: 3s
    settings: {url: %q, definition: sandbox-crm}
console: {drill: %q}
`, w.dir("collector"), w.Config.Database, w.brokerPort, w.httpPort, Tenant, w.ERPHTTP.URL(), Tenant, w.CRMHTTP.URL(), w.Config.Drill)
	path := filepath.Join(w.Config.Dir, "collector.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	w.Collector = newProcess("collector", w.dir("logs"), executable(w.Config.Bin, "dockline-collector"), "run", "--config", path)
	return nil
}

// run runs one of the programs to its end.
func (w *World) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, executable(w.Config.Bin, program), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out)
	}
	return nil
}

// Close stops everything: no process is left.
func (w *World) Close() error {
	w.cancel()
	for _, s := range w.Sites {
		if s != nil {
			s.Agent.Stop()
		}
	}
	if w.Collector != nil {
		w.Collector.Stop()
	}
	w.wait.Wait()
	for _, s := range w.Sites {
		if s != nil {
			s.Line.Close()
			if s.WMS != nil {
				w.fault(s.WMS.Close())
			}
		}
	}
	for _, server := range []*sandbox.Server{w.ERPHTTP, w.CRMHTTP} {
		if server != nil {
			server.Stop()
		}
	}
	if w.ERP != nil {
		w.fault(w.ERP.Close())
	}
	if w.CRM != nil {
		w.fault(w.CRM.Close())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.faults...)
}

func (w *World) fault(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.faults = append(w.faults, err)
	}
}
