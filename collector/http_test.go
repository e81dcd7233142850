package collector_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
)

// A token file without a token protects nothing; the collector says so instead of serving everybody.
func TestAnEmptyTokenFileIsAnError(t *testing.T) {
	dir := t.TempDir()
	path, token := filepath.Join(dir, "collector.yaml"), filepath.Join(dir, "token")
	text := fmt.Sprintf("data_dir: %q\nmqtt: {listen: \"127.0.0.1:0\"}\nhttp: {listen: \"127.0.0.1:0\", token_file: %q}\n", dir, token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"nothing": "", "blanks": " \n"} {
		if err := os.WriteFile(token, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(t, path); err == nil || !strings.Contains(err.Error(), "token_file") || !strings.Contains(err.Error(), token) {
			t.Errorf("%s in the token file: the collector ran, %v", name, err)
		}
	}
}

// run opens a collector and runs it for a little while at most; its loops end without an error when they are asked to.
func run(t *testing.T, path string) error {
	t.Helper()
	config, err := collector.LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := collector.Open(t.Context(), config)
	if err != nil {
		return err
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return c.Run(ctx)
}
