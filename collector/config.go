package collector

import (
	_ "embed"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/collector/xref"
	"github.com/dockline/dockline/proto/configfile"
	"github.com/dockline/dockline/proto/wire"
)

// ExampleConfig is the commented collector.yaml that init writes; its values are the defaults.
//
//go:embed collector.yaml
var ExampleConfig string

// Config is collector.yaml. Relative paths are below DataDir.
type Config struct {
	// Name is the collector's among several of one database.
	Name       string            `yaml:"name"`
	DataDir    string            `yaml:"data_dir"`
	Database   DatabaseConfig    `yaml:"database"`
	MQTT       MQTTConfig        `yaml:"mqtt"`
	Identity   IdentityConfig    `yaml:"identity"`
	Install    InstallConfig     `yaml:"install"`
	HTTP       HTTPConfig        `yaml:"http"`
	Policy     PolicyConfig      `yaml:"policy"`
	Connectors []ConnectorConfig `yaml:"connectors"`
	Carriers   []CarrierConfig   `yaml:"carriers"`
	EPCIS      []EPCISConfig     `yaml:"epcis"`
	Folding    FoldingConfig     `yaml:"folding"`
	Notices    NoticesConfig     `yaml:"notices"`
	Check      CheckConfig       `yaml:"check"`
	Sweep      SweepConfig       `yaml:"sweep"`
	Archive    ArchiveConfig     `yaml:"archive"`
	Master     MasterConfig      `yaml:"master"`
	Console    ConsoleConfig     `yaml:"console"`
	Log        LogConfig         `yaml:"log"`

	file *configfile.File
}

// DatabaseConfig says where the centre keeps everything.
type DatabaseConfig struct {
	URL string `yaml:"url"`
}

// MQTTConfig says which broker carries the line: the embedded one, or another by URL.
type MQTTConfig struct {
	Listen       string        `yaml:"listen"`
	Hosts        []string      `yaml:"hosts"`
	URL          string        `yaml:"url"`
	CA           string        `yaml:"ca"`
	Certificate  string        `yaml:"certificate"`
	Key          string        `yaml:"key"`
	OfflineAfter time.Duration `yaml:"offline_after"`
}

// IdentityConfig says how sites get their certificates.
type IdentityConfig struct {
	// Listen is where sites ask for them, "" for the embedded broker's own port. URL and Broker are what sites are told; "" is worked
	// out from mqtt.hosts.
	Listen string        `yaml:"listen"`
	URL    string        `yaml:"url"`
	Broker string        `yaml:"broker"`
	Life   time.Duration `yaml:"life"`
	Grace  time.Duration `yaml:"grace"`
	Token  time.Duration `yaml:"token"`
}

// HTTPConfig says where console and API are served.
type HTTPConfig struct {
	Listen    string `yaml:"listen"`
	TokenFile string `yaml:"token_file"`
	// TokensFile has tokens that act under names of their own, with scopes.
	TokensFile string `yaml:"tokens_file"`
}

// PolicyConfig names the policy folder; empty is the one that ships.
type PolicyConfig struct {
	Folder string `yaml:"folder"`
	// Approval "required": a folder that has changed is only proposed at the start; "none": it is activated.
	Approval string `yaml:"approval"`
}

// ConnectorConfig is one system of record or of engagement. Settings belong to the kind.
type ConnectorConfig struct {
	Name    string        `yaml:"name"`
	Tenant  string        `yaml:"tenant"`
	Kind    string        `yaml:"kind"`
	Poll    time.Duration `yaml:"poll"`
	Timeout time.Duration `yaml:"timeout"`
	Role    string        `yaml:"role"`
	// Account is the account at the system; connectors that name the same one share its limits. Empty is the connector's name.
	Account string       `yaml:"account"`
	Limits  LimitsConfig `yaml:"limits"`
	// Master are the kinds of master data that are read from it, or that it is told.
	Master []string `yaml:"master"`
	// Xref are the domains in which its codes are not ours, each required or optional: what a code without an entry of the cross-reference is.
	Xref     map[string]string `yaml:"xref"`
	Settings yaml.RawMessage   `yaml:"settings"`
}

// LimitsConfig is what an account may be asked for; zero is no limit.
type LimitsConfig struct {
	Calls    int           `yaml:"calls"`
	Per      time.Duration `yaml:"per"`
	Parallel int           `yaml:"parallel"`
}

// FoldingConfig bounds what is worked off of one order.
type FoldingConfig struct {
	MostLines int `yaml:"most_lines"`
}

// fewestLines is the least that folding.most_lines may be: orders of a thousand lines are nothing strange.
const fewestLines = 10_000

// ArchiveConfig says where archives are: a folder, "" for one in data_dir; and from which time of day on they are written, "" for by hand only, and
// for how long each night.
type ArchiveConfig struct {
	Folder string        `yaml:"folder"`
	At     string        `yaml:"at"`
	For    time.Duration `yaml:"for"`
}

// ArchiveFolder is where archives are written.
func (c *Config) ArchiveFolder() string {
	if c.Archive.Folder != "" {
		return c.Archive.Folder
	}
	return c.Path("archive")
}

// MasterConfig says how much of what it shares with events and postings the stream of master data may take, above 0 and up to 1.
type MasterConfig struct {
	LineShare   float64 `yaml:"line_share"`
	SystemShare float64 `yaml:"system_share"`
}

// CheckConfig says when everything is compared with the event log: a time of day, "" for never.
type CheckConfig struct {
	At string `yaml:"at"`
}

// ConsoleConfig is what the console shows beside the data.
type ConsoleConfig struct {
	Drill string `yaml:"drill"`
}

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// DefaultConfig has every default and no connector.
func DefaultConfig() *Config {
	c := &Config{}
	if _, err := configfile.Decode("collector.yaml", []byte(ExampleConfig), c); err != nil {
		panic("collector: the example configuration does not read: " + err.Error())
	}
	return c
}

// LoadConfig reads and checks the file at path: every fault at once, as configfile.Faults.
func LoadConfig(path string) (*Config, error) {
	c := DefaultConfig()
	file, err := configfile.Read(path, c)
	if err != nil {
		return nil, err
	}
	c.file = file
	if !filepath.IsAbs(c.DataDir) {
		if c.DataDir, err = filepath.Abs(filepath.Join(filepath.Dir(path), c.DataDir)); err != nil {
			return nil, err
		}
	}
	for i := range c.Connectors {
		if c.Connectors[i].Poll == 0 {
			c.Connectors[i].Poll = 5 * time.Second
		}
		if c.Connectors[i].Timeout == 0 {
			c.Connectors[i].Timeout = 30 * time.Second
		}
	}
	return c, c.validate().Err()
}

// Path resolves a path of the configuration against DataDir.
func (c *Config) Path(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.DataDir, path)
}

// DatabaseURL is the configured database, or the embedded one below DataDir.
func (c *Config) DatabaseURL() string {
	if c.Database.URL == "" {
		return "sqlite:" + filepath.Join(c.DataDir, "collector.db")
	}
	return c.Database.URL
}

// ConnectorLine is the line at which a connector's settings begin.
func (c *Config) ConnectorLine(i int) int {
	return c.file.Line(fmt.Sprintf("connectors[%d].settings", i))
}

func (c *Config) validate() configfile.Faults {
	var faults configfile.Faults
	bad := func(key, format string, args ...any) { faults = append(faults, c.file.Fault(key, format, args...)) }
	if u := c.Database.URL; u != "" && !strings.HasPrefix(u, "sqlite:") && !strings.HasPrefix(u, "postgres://") && !strings.HasPrefix(u, "postgresql://") {
		bad("database.url", "%q: give sqlite:PATH or postgres://user@host/database, or leave it empty for SQLite in data_dir", redact(u))
	}
	if !wire.ValidName(c.Name) {
		bad("name", "%q: use 1 to 64 letters, digits, - or _", c.Name)
	}
	c.validateLine(bad)
	c.validateIdentity(bad)
	host, _, err := net.SplitHostPort(c.HTTP.Listen)
	if err != nil {
		bad("http.listen", "%q: give address and port, like 127.0.0.1:8080", c.HTTP.Listen)
	} else if c.HTTP.TokenFile == "" && !isLoopback(host) {
		bad("http.token_file", "console and API on %s need a token: name a file that holds one", c.HTTP.Listen)
	}
	if c.HTTP.TokensFile != "" && c.HTTP.TokenFile == "" {
		bad("http.tokens_file", "needs http.token_file beside it: the console asks for that one, and would be open to everybody")
	}
	if a := c.Policy.Approval; a != approvalNone && a != approvalRequired {
		bad("policy.approval", "%q: %s or %s", a, approvalNone, approvalRequired)
	}
	if c.Folding.MostLines < fewestLines {
		bad("folding.most_lines", "%d: give %d or more; one line takes about 1.5 kB of memory while its order is worked off", c.Folding.MostLines, fewestLines)
	}
	seen := map[string]bool{}
	accounts := map[string]LimitsConfig{}
	for i, n := range c.Connectors {
		key := fmt.Sprintf("connectors[%d]", i)
		if !wire.ValidName(n.Name) {
			bad(key+".name", "%q: use 1 to 64 letters, digits, - or _; it is part of its facts' ids, so never change it", n.Name)
		}
		if !wire.ValidName(n.Tenant) {
			bad(key+".tenant", "%q: name the tenant whose system this is", n.Tenant)
		}
		if n.Role != string(ownership.SystemOfRecord) && n.Role != string(ownership.CRM) && n.Role != string(ownership.Carrier) {
			bad(key+".role", "%q: system_of_record (orders, invoices, the book), crm or carrier (where goods under way are)", n.Role)
		}
		if seen[n.Name] {
			bad(key+".name", "%q is there twice", n.Name)
		}
		seen[n.Name] = true
		c.validateLimits(bad, key, n, accounts)
		for _, kind := range n.Master {
			if _, known := connector.ParseMasterKind(kind); !known {
				bad(key+".master", "%q: some of %s", kind, strings.Join(connector.MasterKindNames(), ", "))
			}
		}
		if _, err := xref.ParseDemands(n.Xref); err != nil {
			bad(key+".xref", "%v", err)
		}
		if n.Kind != "http" && n.Kind != "tryton" && n.Kind != kindProcess {
			bad(key+".kind", "%q: http, tryton or process", n.Kind)
		}
	}
	c.validateCarriers(bad)
	c.validateEPCIS(bad)
	c.validateNotices(bad)
	for key, share := range map[string]float64{"master.line_share": c.Master.LineShare, "master.system_share": c.Master.SystemShare} {
		if share <= 0 || share > 1 {
			bad(key, "%v: give a part of the time above 0 and up to 1, like 0.25", share)
		}
	}
	if _, err := rebuild.ParseClock(c.Check.At); c.Check.At != "" && err != nil {
		bad("check.at", "%v; leave it empty for never", err)
	}
	if _, err := rebuild.ParseClock(c.Archive.At); c.Archive.At != "" && err != nil {
		bad("archive.at", "%v; leave it empty for by hand only", err)
	}
	if c.Archive.For < 10*time.Minute || c.Archive.For > 23*time.Hour {
		bad("archive.for", "%s: give 10m to 23h", c.Archive.For)
	}
	c.validateSweep(bad)
	if !strings.Contains(" debug info warn error ", " "+c.Log.Level+" ") {
		bad("log.level", "%q: one of debug, info, warn, error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		bad("log.format", "%q: text or json", c.Log.Format)
	}
	return faults
}

func (c *Config) validateLimits(bad func(key, format string, args ...any), key string, n ConnectorConfig, accounts map[string]LimitsConfig) {
	if l := n.Limits; l.Calls < 0 || l.Per < 0 || l.Parallel < 0 || (l.Calls == 0) != (l.Per == 0) {
		bad(key+".limits", "give how many calls in which time, like {calls: 600, per: 1m, parallel: 4}; 0 or nothing is no limit")
	}
	if n.Account == "" {
		return
	}
	if l, known := accounts[n.Account]; known && n.Limits != (LimitsConfig{}) && n.Limits != l {
		bad(key+".limits", "account %s has other limits already: give them once", n.Account)
	} else if !known {
		accounts[n.Account] = n.Limits
	}
}

func (c *Config) validateLine(bad func(key, format string, args ...any)) {
	if c.MQTT.URL == "" {
		if _, _, err := net.SplitHostPort(c.MQTT.Listen); err != nil {
			bad("mqtt.listen", "%q: give address and port for the embedded broker, or mqtt.url for another", c.MQTT.Listen)
		}
		return
	}
	u, err := url.Parse(c.MQTT.URL)
	if err != nil || u.Host == "" || u.Scheme != "mqtts" && u.Scheme != "mqtt" {
		bad("mqtt.url", "%q: give the broker as mqtts://host:port", c.MQTT.URL)
	}
	if u != nil && u.Scheme == "mqtts" && (c.MQTT.CA == "" || c.MQTT.Certificate == "" || c.MQTT.Key == "") {
		bad("mqtt", "mqtts needs ca, certificate and key of the collector")
	}
}

// hostName is a name or an address, an IPv6 one with its zone at most. It stands in the command that people run as root at a site.
var hostName = regexp.MustCompile(`^[A-Za-z0-9._:%-]+$`)

func (c *Config) validateIdentity(bad func(key, format string, args ...any)) {
	i := c.Identity
	if _, _, err := net.SplitHostPort(i.Listen); i.Listen != "" && err != nil {
		bad("identity.listen", "%q: give address and port, or leave it empty for the broker's own port", i.Listen)
	}
	if u, err := url.Parse(i.URL); i.URL != "" && (err != nil || u.Scheme != "https" || u.Port() == "" || strings.TrimSuffix(i.URL, "/") != "https://"+u.Host || !hostName.MatchString(u.Hostname())) {
		bad("identity.url", "%q: give https://host:port, and nothing else", i.URL)
	}
	for n, host := range c.MQTT.Hosts {
		if !hostName.MatchString(strings.TrimPrefix(host, "*.")) {
			bad(fmt.Sprintf("mqtt.hosts[%d]", n), "%q: give a name or an address by which sites reach this machine", host)
		}
	}
	if u, err := url.Parse(i.Broker); i.Broker != "" && (err != nil || u.Scheme != "mqtts" || u.Host == "") {
		bad("identity.broker", "%q: give mqtts://host:port", i.Broker)
	}
	if i.Life < time.Hour || i.Life > 825*24*time.Hour {
		bad("identity.life", "%s: give 1h to 19800h; 2160h are 90 days", i.Life)
	}
	if i.Grace < 0 {
		bad("identity.grace", "%s: give 0 for none, or how long", i.Grace)
	}
	if i.Token < time.Minute || i.Token > 90*24*time.Hour {
		bad("identity.token", "%s: give 1m to 2160h", i.Token)
	}
}

// InstallConfig says what machines that are to become sites are given.
type InstallConfig struct {
	// Packages is the folder of the agent's packages.
	Packages string `yaml:"packages"`
}

// EnrolURL is where sites enrol and renew, and BrokerURL which broker they are told; "" where neither is known.
func (c *Config) EnrolURL() string {
	switch listen := c.Identity.Listen; {
	case c.Identity.URL != "":
		return strings.TrimSuffix(c.Identity.URL, "/")
	case listen != "":
		return "https://" + c.reachable(listen)
	case c.MQTT.URL == "":
		return "https://" + c.reachable(c.MQTT.Listen)
	}
	return ""
}

// BrokerURL is the broker that sites are told.
func (c *Config) BrokerURL() string {
	switch {
	case c.Identity.Broker != "":
		return c.Identity.Broker
	case c.MQTT.URL != "":
		return c.MQTT.URL
	}
	return "mqtts://" + c.reachable(c.MQTT.Listen)
}

// LocalOnly says whether sites are told an address that only this machine can reach.
func (c *Config) LocalOnly() bool {
	u, err := url.Parse(c.EnrolURL())
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// reachable is the first name by which sites reach this machine, with the port of an address.
func (c *Config) reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if len(c.MQTT.Hosts) > 0 {
		host = c.MQTT.Hosts[0]
	}
	return net.JoinHostPort(host, port)
}

func redact(u string) string {
	parsed, err := url.Parse(u)
	if err != nil {
		return "(unreadable)"
	}
	return parsed.Redacted()
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
