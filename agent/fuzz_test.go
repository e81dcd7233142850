package agent_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/agent"
)

// A configuration is taken or refused with its faults, also one with which a person has been at odds.
func FuzzLoadConfig(f *testing.F) {
	for _, text := range []string{"site: {tenant: acme, id: dc-east}\ndata_dir: /tmp/x\nmqtt: {url: \"mqtts://localhost:8883\"}\n", "site: [", "journal: {limit: 99999999999999999999GB}", "plugins: [{id: a, path: b, config: {x: 1}}]",
		"uplink: {window: -1}", "a: &a\n  <<: *a\n", "\x00"} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "agent.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := agent.LoadConfig(path); err == nil && (c.Site.Tenant == "" || c.Site.ID == "") {
			t.Fatal("a configuration that does not say which site it is")
		}
	})
}
