package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A configuration that lacks the connector of one system would say of all that was posted to it that nobody wants it. It is refused, whatever other
// connectors it has, unless somebody says that the system was given up.
func TestARebuildNeedsTheConnectorsThatThereWere(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, "collector.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "{name: erp, tenant", "{name: books, tenant", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"rebuild", "replay keys --tenant acme --order SO1"} {
		_, said, code := command(t, dir, strings.Fields(line)...)
		if code != exitFailed || !strings.Contains(said, "names no connectors for erp of tenant acme (") || !strings.Contains(said, "--without NAME") {
			t.Errorf("%s: %d, %s", line, code, said)
		}
		out, said, _ := command(t, dir, append(strings.Fields(line), "--without", "erp")...)
		if strings.Contains(said, "names no connectors") || !strings.Contains(out, "key") {
			t.Errorf("%s without erp: %s%s", line, out, said)
		}
	}
}
