package wmshttp_test

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// Thousands of connections on which nobody says anything, or on which somebody said something once, keep no sender out: the oldest of them is ended for
// him. They are shown, and take no memory.
//
// Shows: S35
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	h := newHost()
	r := run(t, h, t.TempDir(), fmt.Sprintf(listening, "header_timeout: 1m\n  max_connections: 64"), true)
	for i := range 65 {
		keeping := &http.Client{Transport: &http.Transport{}} // each keeps its connection
		resp, err := keeping.Post("http://"+r.address+"/events/picks", "application/json", text(strings.Replace(onePick, `"id":1`, fmt.Sprintf(`"id":%d`, i+1), 1)))
		if err != nil {
			t.Fatalf("the %d. that keeps its connection: %v", i+1, err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != 200 {
			t.Fatalf("the %d. that keeps its connection: %d", i+1, resp.StatusCode)
		}
		defer keeping.CloseIdleConnections()
	}
	before := runtime.NumGoroutine()
	n := testenv.Count("http.idle-connections")
	for range n {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	patient := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := patient.Post("http://"+r.address+"/events/picks", "application/json", text(strings.Replace(onePick, `"id":1`, `"id":100`, 1)))
	if err != nil {
		t.Fatalf("behind %d idle connections: %v", n, err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != 200 {
		t.Errorf("behind %d idle connections: %d", n, resp.StatusCode)
	}
	if more := runtime.NumGoroutine() - before; more > 300 {
		t.Errorf("%d goroutines more than before", more)
	}
	if all := h.all(); len(all) != 66 {
		t.Errorf("%d events are told, want 66", len(all))
	}
	h.until(t, "shown that there are too many connections", func() bool { return h.has("http_crowded") })
}

// Who speaks no TLS where TLS is spoken, or does not take the certificate, is shown with what was wrong; the others are served.
func TestWhatIsNoTLSIsShown(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir, "server", nil)
	at := func(name string) string { return filepath.ToSlash(filepath.Join(dir, name)) }
	h := newHost()
	r := run(t, h, t.TempDir(), fmt.Sprintf(listening, fmt.Sprintf("tls: {certificate: %q, key: %q}", at("server.crt"), at("server.key"))), true)
	for _, garbage := range []string{"POST /events/picks HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\xff\xff\x00\x01\x02", "\x00\x01\x02\x03\x04\x05\x06\x07\x08"} {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(garbage)); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		_, _ = conn.Read(make([]byte, 1024))
		_ = conn.Close()
	}
	h.until(t, "shown that it is no TLS", func() bool { return h.has("http_handshake") })
	distrusting := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := distrusting.Post("https://"+r.address+"/events/picks", "application/json", text(onePick)); err == nil {
		_ = resp.Body.Close()
		t.Errorf("a certificate of nobody is taken: %d", resp.StatusCode)
	}
	if len(h.all()) != 0 {
		t.Errorf("told: %v", h.all())
	}
}
