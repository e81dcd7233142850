package http_test

import (
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/sandbox"
)

// Each way to fail is known or unknown as it truly is.
func TestUnknownOutcomes(t *testing.T) {
	for _, tc := range []struct {
		mode    sandbox.Mode
		unknown bool
		code    string
		found   int
	}{
		{sandbox.ErrorBefore, true, "server_error", 0}, {sandbox.Busy, false, "busy", 0}, {sandbox.LostAnswer, true, "connection", 1},
		{sandbox.TimeoutBefore, true, "timeout", 0}, {sandbox.TimeoutAfter, true, "timeout", 1},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			w := openERP(t, sandbox.Faults{RetryAfter: 3 * time.Second}, connectorhttp.Config{Timeout: time.Second})
			p := issueOf(w.order(t, "10").Number, "S1", line("10", "SKU-1001", "10", ""))
			w.server.Faults().Next(tc.mode)
			_, err := w.connector.Apply(t.Context(), p)
			f := fault(t, err)
			if f.Unknown != tc.unknown || f.Code != tc.code || f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
				t.Errorf("fault %+v", f)
			}
			if tc.mode == sandbox.Busy && f.RetryAfter != 3*time.Second {
				t.Errorf("retry after %s", f.RetryAfter)
			}
			found, err := w.connector.Find(t.Context(), p)
			if err != nil || len(found) != tc.found {
				t.Errorf("found %d, %v", len(found), err)
			}
		})
	}
}

// A refused connection is a request that nobody heard.
func TestStoppedSystemIsKnown(t *testing.T) {
	w := openERP(t, sandbox.Faults{}, connectorhttp.Config{})
	p := issueOf(w.order(t, "10").Number, "S1", line("10", "SKU-1001", "10", ""))
	w.web.Stop()
	_, err := w.connector.Apply(t.Context(), p)
	if f := fault(t, err); f.Unknown || f.Code != "connection" {
		t.Errorf("stopped: %+v", f)
	}
	if err := w.web.Start(); err != nil {
		t.Fatal(err)
	}
	settle(t, w.connector, p)
	checkOnce(t, w.client, 1)
}

// The system goes away between the look and the write: the write was not heard either.
func TestWriteToGoneSystemIsKnown(t *testing.T) {
	posted := false
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &nethttp.Server{Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		posted = posted || r.Method == nethttp.MethodPost
		l.Close()
		w.Header().Set("Connection", "close")
		sandbox.Write(w, nethttp.StatusOK, map[string]any{"items": []any{}})
	})}
	go server.Serve(l)
	defer server.Close()
	c := open(t, connectorhttp.Config{URL: "http://" + l.Addr().String(), Definition: "sandbox-erp"})
	_, err = c.Apply(t.Context(), issueOf("SO1", "S1", line("10", "SKU-1001", "10", "")))
	if f := fault(t, err); f.Unknown || f.Code != "connection" || posted {
		t.Errorf("%+v, posted %v", f, posted)
	}
}

// A write whose connection goes away is not sent once more by Go's transport, which would do so by itself because it bears an Idempotency-Key: the
// system may not heed that.
func TestAWriteIsSentOnceWhenItsConnectionGoesAway(t *testing.T) {
	var posted atomic.Int32
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Method == nethttp.MethodGet {
			sandbox.Write(w, nethttp.StatusOK, map[string]any{"items": []any{}})
			return
		}
		if r.Header.Get("Idempotency-Key") == "" {
			t.Error("the request bears no key: this shows nothing")
		}
		posted.Add(1)
		conn, _, err := nethttp.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	}))
	defer server.Close()
	text, err := os.ReadFile("definitions/sandbox-erp.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "erp.yaml")
	const issues = "path: '\"/api/goods-issues\"'\n        body"
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), issues, "headers: '{\"Idempotency-Key\": posting.key}'\n        "+issues, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, connectorhttp.Config{URL: server.URL, Definition: file})
	_, err = c.Apply(t.Context(), issueOf("SO1", "S1", line("10", "SKU-1001", "10", "")))
	if f := fault(t, err); !f.Unknown || posted.Load() != 1 {
		t.Errorf("sent %d times; %+v", posted.Load(), f)
	}
}
