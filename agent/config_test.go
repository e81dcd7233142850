package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/proto/configfile"
)

func load(t *testing.T, text string) (*agent.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return agent.LoadConfig(path)
}

func TestConfigNamesEveryFaultWithItsLine(t *testing.T) {
	_, err := load(t, `site:
  tenant: acme.corp
  id: dc-east
mqtt:
  url: http://broker
uplink:
  window: 0
plugins:
  - id: wms
    path: /p
  - id: wms
    path: ""
  - {id: leaky, path: /p, memory_limit: 1MiB}
  - {id: fast, path: /p, event_rate: -1}
health:
  listen: 0.0.0.0:80
`)
	var faults configfile.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error %v", err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.Key)
		if f.Line == 0 {
			t.Errorf("no line: %v", f)
		}
	}
	want := []string{"site.tenant", "mqtt.url", "uplink.window", "health.listen", "plugins[1].id", "plugins[1].path", "plugins[2].memory_limit", "plugins[3].event_rate"}
	if !slices.Equal(got, want) {
		t.Errorf("faults at %v, want %v\n%v", got, want, err)
	}
}

func TestConfigOfTheLineIsStrict(t *testing.T) {
	_, err := load(t, `site: {tenant: acme, id: dc-east}
mqtt:
  url: mqtts://broker:8883
  proxy: https://proxy:3128
  takeover_pause: 1s
uplink:
  rate_limit: 5
`)
	for _, want := range []string{":4: mqtt.proxy:", ":5: mqtt.takeover_pause:", ":7: uplink.rate_limit:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %q in\n%v", want, err)
		}
	}
	if _, err := load(t, "site: {tenant: acme, id: dc-east}\nmqtt: {url: 'mqtts://b:1', proxy: 'http://u:secret@proxy:3128'}\n"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a password in the proxy's URL: %v", err)
	}
	if _, err := load(t, "site: {tenant: acme, id: dc-east}\nmqtt: {url: 'mqtts://b:1', proxy_credentials: identity/proxy}\n"); err == nil {
		t.Error("credentials without a proxy were taken")
	}
	for _, proxy := range []string{"environment", "http://proxy:3128"} {
		if _, err := load(t, "site: {tenant: acme, id: dc-east}\nmqtt: {url: 'mqtts://b:1', proxy: '"+proxy+"', proxy_credentials: identity/proxy}\nuplink: {rate_limit: 256}\n"); err != nil {
			t.Errorf("proxy %s: %v", proxy, err)
		}
	}
}

func TestConfigRefusesAnUnknownKey(t *testing.T) {
	_, err := load(t, "site: {tenant: acme, id: dc-east}\njounral: {}\n")
	if err == nil || !strings.Contains(err.Error(), ":2: jounral: unknown key") {
		t.Errorf("error %v", err)
	}
}

func TestExampleConfigIsTheDefault(t *testing.T) {
	text := strings.Replace(agent.ExampleConfig, `tenant: ""`, "tenant: acme", 1)
	c, err := load(t, strings.Replace(text, `id: ""`, "id: dc-east", 1))
	if err != nil {
		t.Fatal(err)
	}
	if c.Journal.Limit != 2<<30 || c.Path("identity/ca.crt") != "/var/lib/dockline-agent/identity/ca.crt" {
		t.Errorf("config %+v", c)
	}
}
