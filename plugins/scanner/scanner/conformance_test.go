package scanner_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/plugintest"
	"github.com/dockline/dockline/plugins/scanner/scanner"
)

const worldEvents = 12

func newPlugin() plugins.Plugin {
	p := scanner.New()
	p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	return plugins.Plugin{Source: p}
}

// world is a reader that is called, and scans a pick as often as it hears that the one before is stored.
func world(t *testing.T) plugintest.World {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go scanAll(conn)
		}
	}()
	config := fmt.Sprintf(`inputs:
  - {id: hand, tcp: {connect: %q}}
flows:
  - name: pick
    start: order
    states:
      order: {prompt: "Order?", on: [{pattern: '^(SO[0-9]+)$', take: {order: group.1}, next: item}]}
      item: {prompt: "Item?", on: [{ai: "01", take: {gtin: ai.01, lot: ai.10}, set: {quantity: "2"}, emit: picked, next: order}]}
    events: {picked: {kind: pick.confirmed, constants: {unit: EA}}}
`, listener.Addr())
	return plugintest.World{Plugin: newPlugin, Config: []byte(config), Events: worldEvents, Keyless: true, Patience: time.Minute}
}

func scanAll(conn net.Conn) {
	defer conn.Close()
	heard := bufio.NewScanner(conn)
	for n := range worldEvents {
		_, _ = fmt.Fprintf(conn, "SO%d\r\n]C1010401234567890110L%d\r", n, n)
		for heard.Scan() && !strings.HasPrefix(heard.Text(), "STORED") {
		}
	}
	_, _ = io.Copy(io.Discard, conn)
}

func TestConformance(t *testing.T) { plugintest.Run(t, world) }

// The executable as it is shipped passes the same suite.
//
// Shows: S35, E15
func TestConformanceOfBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an executable")
	}
	path := filepath.Join(t.TempDir(), "dockline-plugin-scanner")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	plugintest.RunBinary(t, path, world)
}
