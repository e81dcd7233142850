package agent

import (
	_ "embed"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/proto/configfile"
	"github.com/dockline/dockline/proto/wire"
)

// ExampleConfig is the commented agent.yaml that init writes; its values are the defaults.
//
//go:embed agent.yaml
var ExampleConfig string

// Config is agent.yaml. Relative paths are below DataDir.
type Config struct {
	Site    SiteConfig     `yaml:"site"`
	DataDir string         `yaml:"data_dir"`
	MQTT    MQTTConfig     `yaml:"mqtt"`
	Journal JournalConfig  `yaml:"journal"`
	Uplink  UplinkConfig   `yaml:"uplink"`
	Plugins []PluginConfig `yaml:"plugins"`
	Rules   RulesConfig    `yaml:"rules"`
	Health  HealthConfig   `yaml:"health"`
	Log     LogConfig      `yaml:"log"`

	file *configfile.File
}

// SiteConfig says who the site is.
type SiteConfig struct {
	Tenant string `yaml:"tenant"`
	ID     string `yaml:"id"`
}

// MQTTConfig says where the broker is and how the site proves itself.
type MQTTConfig struct {
	URL         string        `yaml:"url"`
	CA          string        `yaml:"ca"`
	Certificate string        `yaml:"certificate"`
	Key         string        `yaml:"key"`
	KeepAlive   time.Duration `yaml:"keep_alive"`
	// Proxy is http://host:port, "environment", or "" for none; ProxyCredentials is a file.
	Proxy            string        `yaml:"proxy"`
	ProxyCredentials string        `yaml:"proxy_credentials"`
	TakeoverPause    time.Duration `yaml:"takeover_pause"`
	// Renew is where the certificate is renewed, https://host:port; "" is the broker's own port.
	Renew string `yaml:"renew"`
}

// JournalConfig bounds the journal.
type JournalConfig struct {
	Limit            configfile.Bytes `yaml:"limit"`
	Reserve          configfile.Bytes `yaml:"reserve"`
	Rotate           configfile.Bytes `yaml:"rotate"`
	KeepAcknowledged time.Duration    `yaml:"keep_acknowledged"`
}

// UplinkConfig paces the line. RateLimit is in kbit/s, 0 for none.
type UplinkConfig struct {
	Window    int           `yaml:"window"`
	RateLimit int           `yaml:"rate_limit"`
	Heartbeat time.Duration `yaml:"heartbeat"`
}

// PluginConfig is one configured plugin; Config is passed to it as it stands.
type PluginConfig struct {
	ID     string          `yaml:"id"`
	Path   string          `yaml:"path"`
	SHA256 string          `yaml:"sha256"`
	Config yaml.RawMessage `yaml:"config"`
	// MemoryLimit and EventRate are pointers to tell what is not given, and is the default, from 0, which is no limit.
	MemoryLimit *configfile.Bytes `yaml:"memory_limit"`
	EventRate   *int              `yaml:"event_rate"`
}

// What a plugin may take where its entry says nothing.
const (
	defaultMemoryLimit = 512 << 20
	defaultEventRate   = 2000
	// minMemoryLimit is what the smallest plugin needs to start.
	minMemoryLimit = 64 << 20
)

// limits are the plugin's memory limit in bytes and its rate of events; 0 is none.
func (p PluginConfig) limits() (memory int64, rate int) {
	memory, rate = defaultMemoryLimit, defaultEventRate
	if p.MemoryLimit != nil {
		memory = int64(*p.MemoryLimit)
	}
	if p.EventRate != nil {
		rate = *p.EventRate
	}
	return memory, rate
}

// HealthConfig says where the local pages are served.
type HealthConfig struct {
	Listen string `yaml:"listen"`
}

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// DefaultConfig has every default and no site.
func DefaultConfig() *Config {
	c := &Config{}
	if _, err := configfile.Decode("agent.yaml", []byte(ExampleConfig), c); err != nil {
		panic("agent: the example configuration does not read: " + err.Error())
	}
	c.Site = SiteConfig{}
	c.Plugins = nil
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
		absolute, err := filepath.Abs(filepath.Join(filepath.Dir(path), c.DataDir))
		if err != nil {
			return nil, err
		}
		c.DataDir = absolute
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

// PluginLine is the line of agent.yaml at which a plugin's config section begins.
func (c *Config) PluginLine(i int) int { return c.file.Line(fmt.Sprintf("plugins[%d].config", i)) }

func (c *Config) validate() configfile.Faults {
	var faults configfile.Faults
	bad := func(key, format string, args ...any) { faults = append(faults, c.file.Fault(key, format, args...)) }
	if !wire.ValidName(c.Site.Tenant) {
		bad("site.tenant", "%q: use 1 to 64 letters, digits, - or _, as the collector knows the tenant", c.Site.Tenant)
	}
	if !wire.ValidName(c.Site.ID) {
		bad("site.id", "%q: use 1 to 64 letters, digits, - or _, as in `dockline-collector site add`", c.Site.ID)
	}
	c.validateLine(bad)
	if c.Journal.Limit < 16<<20 {
		bad("journal.limit", "%d bytes is too little to last through an outage: give at least 16MiB", c.Journal.Limit)
	}
	if c.Journal.Reserve >= c.Journal.Limit {
		bad("journal.reserve", "must be smaller than journal.limit")
	}
	if c.Uplink.Window < 1 || c.Uplink.Window > 1000 {
		bad("uplink.window", "%d envelopes: give 1 to 1000", c.Uplink.Window)
	}
	if c.Uplink.RateLimit < 0 || c.Uplink.RateLimit > 0 && c.Uplink.RateLimit < 16 {
		bad("uplink.rate_limit", "%d kbit/s: give 0 for none, or 16 at least; heartbeats alone take some", c.Uplink.RateLimit)
	}
	if c.Uplink.Heartbeat < time.Second || c.Uplink.Heartbeat > 10*time.Minute {
		bad("uplink.heartbeat", "%s: give 1s to 10m", c.Uplink.Heartbeat)
	}
	if host, _, err := net.SplitHostPort(c.Health.Listen); err != nil || !isLoopback(host) {
		bad("health.listen", "%q: give a loopback address and port, like 127.0.0.1:7370; the pages are for this machine only", c.Health.Listen)
	}
	if !strings.Contains(" debug info warn error ", " "+c.Log.Level+" ") {
		bad("log.level", "%q: one of debug, info, warn, error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		bad("log.format", "%q: text or json", c.Log.Format)
	}
	c.validatePlugins(bad)
	c.Rules.validate(bad)
	return faults
}

func (c *Config) validateLine(bad func(key, format string, args ...any)) {
	u, err := url.Parse(c.MQTT.URL)
	if err != nil || u.Host == "" || u.Scheme != "mqtts" && u.Scheme != "mqtt" {
		bad("mqtt.url", "%q: give the broker as mqtts://host:port", c.MQTT.URL)
		return
	}
	if u.Scheme == "mqtts" && (c.MQTT.CA == "" || c.MQTT.Certificate == "" || c.MQTT.Key == "") {
		bad("mqtt", "mqtts needs ca, certificate and key: `dockline-agent enrol` fetches them with a token of `dockline-collector site add`")
	}
	if c.MQTT.KeepAlive < 5*time.Second || c.MQTT.KeepAlive > 10*time.Minute {
		bad("mqtt.keep_alive", "%s: give 5s to 10m", c.MQTT.KeepAlive)
	}
	if err := (wire.Proxy{URL: c.MQTT.Proxy}).Check(); err != nil {
		bad("mqtt.proxy", "%s", err)
	}
	if c.MQTT.ProxyCredentials != "" && c.MQTT.Proxy == "" {
		bad("mqtt.proxy_credentials", "there is no mqtt.proxy that would ask for them")
	}
	if u, err := url.Parse(c.MQTT.Renew); c.MQTT.Renew != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		bad("mqtt.renew", "%q: give https://host:port, or leave it empty for the broker's own port", c.MQTT.Renew)
	}
	if c.MQTT.TakeoverPause < 10*time.Second || c.MQTT.TakeoverPause > 24*time.Hour {
		bad("mqtt.takeover_pause", "%s: give 10s to 24h", c.MQTT.TakeoverPause)
	}
}

func (c *Config) validatePlugins(bad func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for i, p := range c.Plugins {
		key := fmt.Sprintf("plugins[%d]", i)
		if !wire.ValidName(p.ID) {
			bad(key+".id", "%q: use 1 to 64 letters, digits, - or _; it is part of every event's id, so never change it", p.ID)
		}
		if seen[p.ID] {
			bad(key+".id", "%q is there twice", p.ID)
		}
		seen[p.ID] = true
		if p.Path == "" {
			bad(key+".path", "give the plugin's program")
		}
		if memory, rate := p.limits(); memory != 0 && memory < minMemoryLimit {
			bad(key+".memory_limit", "%d bytes is less than a plugin needs to start: give 64MiB or more, or 0 for no limit", memory)
		} else if rate < 0 {
			bad(key+".event_rate", "%d: give events a second, or 0 for no limit", rate)
		}
		if p.SHA256 != "" && len(p.SHA256) != 64 {
			bad(key+".sha256", "give 64 hex digits, or leave it out")
		}
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
