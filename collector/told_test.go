package collector_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector"
)

// What sites are told stands in a command that somebody runs as root: an address and nothing else.
func TestTheAddressThatSitesAreToldIsOne(t *testing.T) {
	load := func(text string) (*collector.Config, error) {
		path := filepath.Join(t.TempDir(), "collector.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return collector.LoadConfig(path)
	}
	for _, bad := range []string{
		`identity: {url: "https://dock.example.com:8883/;reboot"}`, `identity: {url: "https://dock$(reboot):8883"}`, `identity: {url: "https://do'ck:8883"}`, `identity: {url: "https://a:8883/x"}`,
		`identity: {url: "https://u:p@dock.example.com:8883"}`, `identity: {url: "https://dock.example.com:8883?a=b"}`, `mqtt: {hosts: ["dock;reboot"]}`, `mqtt: {hosts: [dock.example.com, "a b"]}`,
	} {
		if _, err := load(bad); err == nil || !strings.Contains(err.Error(), "identity.url") && !strings.Contains(err.Error(), "mqtt.hosts") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for good, told := range map[string]string{
		`identity: {url: "https://dock.example.com:8883/"}`: "https://dock.example.com:8883", `identity: {url: "https://[fd00::1]:8883"}`: "https://[fd00::1]:8883",
		`mqtt: {listen: ":8883", hosts: [dock-1.example.com, "*.example.com"]}`: "https://dock-1.example.com:8883",
	} {
		if c, err := load(good); err != nil || c.EnrolURL() != told {
			t.Errorf("%s: %v", good, err)
		}
	}
}
