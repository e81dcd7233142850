package windowsplugin_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/plugintest"
	"github.com/dockline/dockline/testenv"
)

// scans are picks of two scans each.
const scans = 12

const pickFlow = `flows:
  - name: pick
    start: order
    states:
      order: {prompt: "Order?", on: [{pattern: '^(SO[0-9]+)$', take: {order: group.1}, next: item}]}
      item: {prompt: "Item?", on: [{ai: "01", take: {gtin: ai.01, lot: ai.10}, set: {quantity: "2"}, emit: picked, next: order}]}
    events: {picked: {kind: pick.confirmed, constants: {unit: EA}}}
`

// calledWorld is a reader that is called, and scans a pick as often as it hears that the one before is stored.
func calledWorld(t *testing.T, _ *windows) plugintest.World {
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
	config := fmt.Sprintf("inputs: [{id: hand, tcp: {connect: %q}}]\n%s", listener.Addr(), pickFlow)
	return plugintest.World{Config: []byte(config), Events: scans, Keyless: true, Patience: patience}
}

// scanAll is a person's work until the line ends.
func scanAll(conn net.Conn) {
	defer conn.Close()
	heard := bufio.NewScanner(conn)
	for n := range scans {
		_, _ = fmt.Fprintf(conn, "SO%d\r\n]C1010401234567890110L%d\r", n, n)
		for heard.Scan() && !strings.HasPrefix(heard.Text(), "STORED") {
		}
	}
	_, _ = io.Copy(io.Discard, conn)
}

// callingWorld is a reader that calls again whenever its line has ended.
func callingWorld(t *testing.T, _ *windows) plugintest.World {
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	go func() {
		for {
			if conn, err := net.Dial("tcp", address); err == nil {
				scanAll(conn)
			}
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	config := fmt.Sprintf("inputs: [{id: dock, tcp: {listen: %q}}]\n%s", address, pickFlow)
	return plugintest.World{Config: []byte(config), Events: scans, Keyless: true, Patience: patience}
}
