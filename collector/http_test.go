package collector_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/testenv"
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

// A second collector on one SQLite file would post the same things: it does not start, and says why. Without a token only this machine,
// asked for by its own name, is answered.
func TestOneCollectorAndOnlyItsOwnMachine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "collector.yaml")
	text := fmt.Sprintf("data_dir: %q\nmqtt: {listen: \"127.0.0.1:0\"}\nhttp: {listen: \"127.0.0.1:0\"}\n", dir)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := collector.LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	first, err := collector.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := collector.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "another collector") {
		t.Errorf("a second collector: %v, %v", second, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.Run(ctx) }()
	for host, want := range map[string]int{"": 200, "localhost": 200, "[::1]:80": 200, "attacker.example": 421, "127.0.0.1.attacker.example:80": 421} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, first.ConsoleURL()+"api/v1/sites", nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
		if w.StatusCode != want {
			t.Errorf("asked as %q: %d, want %d", host, w.StatusCode, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := collector.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// A stop is no trouble: the broker that is built in goes after the line to it, and nothing is said of a line that was given up.
func TestAStopOfTheBrokerThatIsBuiltInIsQuiet(t *testing.T) {
	dir := t.TempDir()
	path, said := filepath.Join(dir, "collector.yaml"), filepath.Join(dir, "said")
	text := fmt.Sprintf("data_dir: %q\nmqtt: {listen: \"127.0.0.1:0\"}\nhttp: {listen: \"127.0.0.1:0\"}\n", dir)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := collector.LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stderr := os.Stderr
	os.Stderr = file
	c, err := collector.Open(t.Context(), config)
	os.Stderr = stderr
	if err != nil {
		t.Fatal(err)
	}
	log := func() string {
		text, err := os.ReadFile(said)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	testenv.Eventually(t, 30*time.Second, "a line to the broker", func() bool { return strings.Contains(log(), "linked to the broker") }, log)
	before := len(log())
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if after := log()[before:]; strings.Contains(after, "level=WARN") || strings.Contains(after, "level=ERROR") {
		t.Errorf("a stop sounds like trouble:\n%s", after)
	}
}

// Named tokens stand beside the one that the console asks for, and a file of them that is wrong is no open door.
func TestAFileOfTokensNeedsTheOneOfTheConsole(t *testing.T) {
	dir := t.TempDir()
	path, token, tokens := filepath.Join(dir, "collector.yaml"), filepath.Join(dir, "token"), filepath.Join(dir, "tokens.yaml")
	write := func(at, text string) {
		t.Helper()
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(token, "s3cret")
	write(path, fmt.Sprintf("data_dir: %q\nhttp: {tokens_file: %q}\n", dir, tokens))
	if _, err := collector.LoadConfig(path); err == nil || !strings.Contains(err.Error(), "http.tokens_file") || !strings.Contains(err.Error(), "needs http.token_file") {
		t.Errorf("without the console's: %v", err)
	}
	write(path, fmt.Sprintf("data_dir: %q\nmqtt: {listen: \"127.0.0.1:0\"}\nhttp: {listen: \"127.0.0.1:0\", token_file: %q, tokens_file: %q}\n", dir, token, tokens))
	if err := run(t, path); err == nil || !strings.Contains(err.Error(), "http.tokens_file") {
		t.Errorf("a file that is not there: the collector ran, %v", err)
	}
	write(tokens, "tokens:\n  - {name: shop, sha256: abc, scopes: [read]}\n")
	if err := run(t, path); err == nil || !strings.Contains(err.Error(), "tokens.yaml:2") {
		t.Errorf("a token without its hash: the collector ran, %v", err)
	}
}
