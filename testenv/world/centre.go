package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/testenv"
)

// Join opens the world of another tenant, with its own systems and sites, on the collector and the broker of this one. It is closed
// before this one.
func (w *World) Join(ctx context.Context, c Config) (*World, error) {
	c.Broker, c.Database, c.Bin = w.Config.Broker, w.Config.Database, w.Config.Bin
	guest := &World{Config: c, Sites: map[string]*Site{}, host: w, Collector: w.Collector, ConsoleURL: w.ConsoleURL,
		brokerPort: w.brokerPort, httpPort: w.httpPort}
	if c.Tenant == "" || c.Tenant == w.Config.Tenant {
		return nil, fmt.Errorf("join: %q is not another tenant", c.Tenant)
	}
	guest.Config = c.withDefaults()
	w.guests = append(w.guests, guest)
	return guest, guest.start(ctx)
}

// openCollector chooses ports and writes the collector's configuration.
func (w *World) openCollector() (err error) {
	if w.host != nil {
		return w.host.configureCollector()
	}
	if w.brokerPort, err = testenv.FreePort(); err != nil {
		return err
	}
	if w.httpPort, err = testenv.FreePort(); err != nil {
		return err
	}
	w.ConsoleURL = fmt.Sprintf("http://127.0.0.1:%d/", w.httpPort)
	if w.Config.Broker == "mosquitto" {
		if w.CollectorLine, err = testenv.OpenLine(fmt.Sprintf("127.0.0.1:%d", w.brokerPort)); err != nil {
			return err
		}
	}
	w.Collector = NewProcess("collector", w.dir("logs"), executable(w.Config.Bin, "dockline-collector"), "run", "--config", w.collectorConfig())
	return w.configureCollector()
}

func (w *World) collectorConfig() string {
	if w.host != nil {
		return w.host.collectorConfig()
	}
	return filepath.Join(w.Config.Dir, "collector.yaml")
}

func (w *World) configureCollector() error {
	policy := ""
	if len(w.Config.Policy) > 0 {
		policy = w.dir("policy")
	}
	for name, text := range w.Config.Policy {
		if err := os.WriteFile(filepath.Join(policy, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(`data_dir: %q
database: {url: %q}
mqtt: %s
http:
  listen: 127.0.0.1:%d
console: {drill: %q}
policy: {folder: %q}
connectors:
`, w.dir("collector"), w.Config.Database, w.lineConfig(), w.httpPort, w.Config.Drill, policy)
	for _, tenant := range append([]*World{w}, w.guests...) {
		text += tenant.connectors()
	}
	if w.Config.Hooks != "" {
		secret := filepath.Join(w.dir("collector"), "nordwind.key")
		if err := os.WriteFile(secret, []byte(w.Config.Hooks+"\n"), 0o600); err != nil {
			return err
		}
		text += fmt.Sprintf("carriers:\n  - {name: nordwind, tenant: %s, secret_file: %q, time_zone: UTC}\n", w.Config.Tenant, secret)
	}
	return os.WriteFile(w.collectorConfig(), []byte(text), 0o644)
}

// connectors are the tenant's systems; a connector's name is the only one of its kind in a collector.
func (w *World) connectors() string {
	suffix := ""
	if w.host != nil {
		suffix = "-" + w.Config.Tenant
	}
	carrier := ""
	if w.CarrierHTTP != nil {
		carrier = fmt.Sprintf("  - name: carrier%s\n    tenant: %s\n    kind: http\n    role: carrier\n    poll: 500ms\n    timeout: %s\n    settings: {url: %q, definition: sandbox-carrier}\n",
			suffix, w.Config.Tenant, w.Config.CallTimeout, w.CarrierHTTP.URL())
	}
	read, told := strings.Join(w.Config.MasterData, ", "), ""
	if slices.Contains(w.Config.MasterData, "item") {
		told = "item"
	}
	return fmt.Sprintf(`  - name: erp%[1]s
    tenant: %[2]s
    role: system_of_record
    master: [%[6]s]
%[3]s
  - name: crm%[1]s
    tenant: %[2]s
    kind: http
    role: crm
    master: [%[7]s]
    timeout: %[5]s
    settings: {url: %[4]q, definition: sandbox-crm}
`, suffix, w.Config.Tenant, w.ERP.connector(), w.CRMHTTP.URL(), w.Config.CallTimeout, read, told) + carrier
}

// RestartCollector stops the collector if it runs, starts it, and waits until it answers.
func (w *World) RestartCollector(ctx context.Context) error {
	w.Collector.Stop()
	if err := w.Collector.Start(); err != nil {
		return err
	}
	if err := w.waitFor(ctx, "the collector", 60*time.Second, func() bool { return w.get(ctx, "healthz", nil) == nil }); err != nil {
		return fmt.Errorf("%w: %s", err, w.Collector.LogTail())
	}
	return nil
}

// brokerDir is where the collector writes what its Mosquitto needs.
func (w *World) brokerDir() string { return w.dir("broker") }

func (w *World) lineConfig() string {
	if w.CollectorLine == nil {
		return fmt.Sprintf("{listen: \"127.0.0.1:%d\"}", w.brokerPort)
	}
	file := func(name string) string { return filepath.Join(w.brokerDir(), name) }
	return fmt.Sprintf("{url: \"mqtts://%s\", ca: %q, certificate: %q, key: %q}", w.CollectorLine.Addr(), file("ca.crt"), file("collector.crt"), file("collector.key"))
}

// openBroker has the collector write what a Mosquitto needs for the sites that there are, and starts it. The embedded broker starts with
// the collector.
func (w *World) openBroker(ctx context.Context) (err error) {
	if w.host != nil {
		return w.host.openBroker(ctx)
	}
	if w.CollectorLine == nil {
		return nil
	}
	err = w.run(ctx, "dockline-collector", "broker", "mosquitto", "--config", w.collectorConfig(), "--listen", fmt.Sprintf("127.0.0.1:%d", w.brokerPort), "--out", w.brokerDir())
	if err != nil {
		return err
	}
	if w.Mosquitto == nil {
		w.Mosquitto, err = testenv.StartMosquitto(testenv.MosquittoConfig{File: filepath.Join(w.brokerDir(), "mosquitto.conf"), Port: w.brokerPort, Persistent: true})
		return err
	}
	w.Mosquitto.Stop()
	return w.Mosquitto.Start()
}

func (w *World) closeBroker() {
	if w.CollectorLine != nil {
		w.CollectorLine.Close()
	}
	if w.Mosquitto != nil {
		w.Mosquitto.Remove()
	}
}

// BrokerFiles are the embedded broker's own files on the disk: all of the collector's that are neither its database, identity and lock nor the name of
// its process.
func (w *World) BrokerFiles() ([]string, error) {
	var found []string
	entries, err := os.ReadDir(filepath.Join(w.Config.Dir, "collector"))
	for _, e := range entries {
		known, bad := filepath.Match("collector.db*", e.Name())
		if err = errors.Join(err, bad); !known && !slices.Contains([]string{"identity", "collector.lock", "process"}, e.Name()) {
			found = append(found, e.Name())
		}
	}
	return found, err
}
