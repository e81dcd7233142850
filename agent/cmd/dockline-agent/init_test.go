package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A section of plugins that does not fit is told by its own file, and leaves no configuration behind.
func TestPluginsThatDoNotFitAreToldByTheirFile(t *testing.T) {
	dir := t.TempDir()
	plugins, config := filepath.Join(dir, "wms.yaml"), filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(plugins, []byte("files:\n- x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := writeConfig(config, filepath.Join(dir, "data"), "main", "dc-east", "mqtts://localhost:8883", plugins)
	if err == nil || !strings.Contains(err.Error(), plugins) || !strings.Contains(err.Error(), "files: unknown key") {
		t.Errorf("said: %v", err)
	}
	if _, err := os.Stat(config); !os.IsNotExist(err) {
		t.Errorf("a configuration is there: %v", err)
	}
}
