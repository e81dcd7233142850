// Package world is a whole small company on this machine, of real processes: a collector, the agents of two sites with their plugins, a
// warehouse system that speaks files, an ERP (a sandbox, or a real Tryton) and a sandbox CRM. Lines can be cut, processes killed, systems
// stopped.
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
	"github.com/dockline/dockline/testenv/carrier"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

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
	// Tenant of everything in it; default main.
	Tenant string
	// ERP is Sandbox or Tryton; default Sandbox.
	ERP string
	// Database is a URL; default SQLite.
	Database string
	// Broker is embedded or mosquitto, which must be installed; default embedded.
	Broker string
	// FilesSettle is how long after a look at its folder dc-east says that everything of before is told; default 1 s.
	FilesSettle time.Duration
	// CallTimeout is how long the collector waits for an answer of ERP or CRM; default 3 s.
	CallTimeout time.Duration
	// Policy are files of the policy folder by name, in place of those that ship.
	Policy map[string]string
	// Drill is the address of a server with switches for the console; default none.
	Drill string
	// Master is what the ERP knows on its first day; default made from the seed.
	Master *erp.Master
	// MasterData are the kinds of master data that are read from the ERP and told to the sites; items also to the CRM. Default none.
	MasterData []string
	// Plugins are more plugins of a site's agent, by site.
	Plugins map[string][]Plugin
	// Carrier has a sandbox carrier, which tells where goods under way are.
	Carrier bool
	// Hooks is the key ("whsec_...") of a carrier named nordwind that sends signed messages by itself, "" for none.
	Hooks string
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
	ERP       ERP
	CRM       *crm.Server
	CRMHTTP   *sandbox.Server
	// Carrier and CarrierHTTP are nil where Config.Carrier is not set.
	Carrier     *carrier.Server
	CarrierHTTP *sandbox.Server
	// ConsoleURL ends with a slash.
	ConsoleURL string
	// Mosquitto carries the line, and CollectorLine lies between it and the collector; both nil with the embedded broker.
	Mosquitto     *testenv.MosquittoServer
	CollectorLine *testenv.Line

	brokerPort, httpPort int
	host                 *World // whose collector and broker this one uses
	guests               []*World
	opening              []erp.StockLine
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

func (c Config) withDefaults() Config {
	if len(c.Sites) == 0 {
		c.Sites = []string{"dc-east", "dc-west"}
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Tenant == "" {
		c.Tenant = "main"
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = 3 * time.Second
	}
	if c.FilesSettle == 0 {
		c.FilesSettle = time.Second
	}
	return c
}

// Open starts everything.
func Open(ctx context.Context, c Config) (*World, error) {
	w := &World{Config: c.withDefaults(), Sites: map[string]*Site{}}
	return w, w.start(ctx)
}

// start opens everything, or closes what it has opened.
func (w *World) start(ctx context.Context) error {
	ctx, w.cancel = context.WithCancel(ctx)
	if err := w.open(ctx); err != nil {
		return errors.Join(err, w.Close())
	}
	return nil
}

func (w *World) open(ctx context.Context) (err error) {
	if err := w.openSystems(ctx); err != nil {
		return err
	}
	if err := w.openCollector(); err != nil {
		return err
	}
	for _, name := range w.Config.Sites {
		if w.Sites[name], err = w.addSite(ctx, name); err != nil {
			return fmt.Errorf("site %s: %w", name, err)
		}
	}
	if err := w.openBroker(ctx); err != nil {
		return err
	}
	if err := w.RestartCollector(ctx); err != nil {
		return err
	}
	for _, name := range w.Config.Sites {
		if err := w.Sites[name].Agent.Start(); err != nil {
			return err
		}
	}
	return nil
}

// accounts are the ERP's customers as the CRM knows them.
func accounts(m *erp.Master) []crm.Customer {
	var all []crm.Customer
	for _, c := range m.Customers {
		of := crm.Customer{Code: c.Code, Name: c.Name, PriceList: c.PriceList, PriceListVersion: c.PriceListVersion, AccountTeam: c.AccountTeam}
		if c.CreditLimit != nil {
			of.CreditLimit = c.CreditLimit.String()
		}
		all = append(all, of)
	}
	return all
}

// openSystems starts ERP and CRM.
func (w *World) openSystems(ctx context.Context) (err error) {
	if w.ERP, err = w.openERP(ctx); err != nil {
		return fmt.Errorf("erp: %w", err)
	}
	if w.CRM, err = crm.New(crm.Config{Dir: w.dir("crm"), Seed: w.Config.Seed, Customers: accounts(w.ERP.Master())}); err != nil {
		return err
	}
	w.CRMHTTP = sandbox.NewServer("127.0.0.1:0", w.CRM)
	if err := w.CRMHTTP.Start(); err != nil {
		return err
	}
	if w.Config.Carrier {
		if err := w.openCarrier(); err != nil {
			return fmt.Errorf("carrier: %w", err)
		}
	}
	w.opening, err = w.ERP.Stock(ctx, "")
	return err
}

func (w *World) openCarrier() (err error) {
	if w.Carrier, err = carrier.New(carrier.Config{Dir: w.dir("carrier"), Seed: w.Config.Seed}); err != nil {
		return err
	}
	w.CarrierHTTP = sandbox.NewServer("127.0.0.1:0", w.Carrier)
	return w.CarrierHTTP.Start()
}

func (w *World) dir(parts ...string) string {
	dir := filepath.Join(append([]string{w.Config.Dir}, parts...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.fault(err)
	}
	return dir
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
	if w.Collector != nil && w.host == nil {
		w.Collector.Stop()
	}
	w.wait.Wait()
	for _, s := range w.Sites {
		if s != nil {
			w.fault(s.close())
		}
	}
	w.closeBroker()
	if w.ERP != nil {
		w.fault(w.ERP.Close())
	}
	if w.CRMHTTP != nil {
		w.CRMHTTP.Stop()
	}
	if w.CRM != nil {
		w.fault(w.CRM.Close())
	}
	if w.CarrierHTTP != nil {
		w.CarrierHTTP.Stop()
	}
	if w.Carrier != nil {
		w.fault(w.Carrier.Close())
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
