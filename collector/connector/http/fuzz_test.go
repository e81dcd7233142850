package http_test

import (
	"context"
	nethttp "net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
)

type canned struct {
	status int
	body   []byte
}

// Whatever a system answers, the connector finds facts and documents in it, or gives an error that says what is wrong; facts that it finds can be
// kept.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{`{"system":"erp","version":"1.0"}`, `[]`, `{}`, `null`, `{"changes":[{"seq":1,"kind":"order","number":"SO1","revision":1,"at":"2026-03-02T16:30:00Z","document":{"number":"SO1","lines":[]}}],"next":1}`,
		`[{"number":"GI1","external_reference":"SO1/S1","order":"SO1","shipment":"S1","lines":[{"order_line":"10","item":"A","quantity":"4","unit":"each"}]}]`,
		`[{"site":"dc-east","bin":"A-01","item":"A","quantity":"1e400","unit":"each"}]`, `{"error":{"code":"busy","message":"later"}}`, "<html>", "\xff", `[[[[[[`} {
		f.Add(uint16(200), []byte(text))
	}
	f.Add(uint16(422), []byte(`{"error":{"code":"no_lines","message":"x"}}`))
	f.Add(uint16(503), []byte(``))
	var now atomic.Pointer[canned]
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		c := now.Load()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(c.status)
		w.Write(c.body)
	}))
	f.Cleanup(web.Close)
	c, err := connectorhttp.New(connectorhttp.Config{Name: "erp", URL: web.URL + "/", Definition: "sandbox-erp"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	p := issueOf("SO1", "S1", line("10", "SKU-1001", "4", "A-01-01"))
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		now.Store(&canned{200 + int(status)%400, body})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		// Most answers are faults, and should be: what counts is that each ends, without a panic.
		_, _ = c.Probe(ctx)
		_, _ = c.Find(ctx, p)
		if _, err := c.Apply(ctx, p); err == nil && status%400 >= 100 {
			t.Fatalf("an answer with status %d is taken for a goods issue", 200+int(status)%400)
		}
		changes, err := c.Changes(ctx, nil)
		if err == nil {
			snapshot, _ := c.Snapshot(ctx, connector.Scope{Site: "dc-east"})
			for _, e := range append(changes.Events, snapshot...) {
				if _, err := proto.Marshal(e); err != nil {
					t.Fatalf("a fact that cannot be kept: %v", err)
				}
			}
		}
	})
}
