package collector_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/collector"
)

// A configuration is taken or refused with its faults; what was taken answers every question that the program asks it.
func FuzzLoadConfig(f *testing.F) {
	f.Add([]byte(collector.ExampleConfig))
	for _, text := range []string{"mqtt: {url: \"mqtts://[::1\"}", "http: {listen: \":0\"}", "check: {at: \"24:00\"}", "connectors: [{name: a, tenant: b, role: crm, kind: http, settings: {}}]", "mqtt: {listen: \"x\", hosts: []}", "a: ["} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "collector.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := collector.LoadConfig(path)
		if err != nil {
			return
		}
		c.EnrolURL()
		c.BrokerURL()
		c.LocalOnly()
		c.DatabaseURL()
		for i := range c.Connectors {
			c.ConnectorLine(i)
		}
	})
}
