package windowsplugin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/plugintest"
	"github.com/dockline/dockline/testenv"
)

const picks = 40

// pick is a record as JSON.
func pick(n int) string {
	return fmt.Sprintf(`{"id":%d,"order":"SO%d","sku":"SKU%d","qty":2,"at":"2026-07-04T08:00:00"}`, n, n/3, n%7)
}

const pickColumns = "kind: pick.confirmed, key: id, columns: {id: task, order: order, sku: item, qty: quantity, at: occurred_at}"

// system is one with a REST interface that is asked for picks, and is handed work; effects is how often.
func system(t *testing.T) (address string, effects func(*testing.T) int) {
	var mu sync.Mutex
	work := map[string]int{} // number of the work: its version
	count := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /picks", func(w http.ResponseWriter, _ *http.Request) {
		all := make([]string, picks)
		for i := range all {
			all[i] = pick(i)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(all, ","))
	})
	mux.HandleFunc("POST /work", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Number  string
			Version int
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, "no JSON", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		work[body.Number] = max(work[body.Number], body.Version)
		count++
	})
	mux.HandleFunc("GET /work/{number}", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if work[r.PathValue("number")] == 0 {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"version":%d}`, work[r.PathValue("number")])
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, func(*testing.T) int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

const cancelSection = `  cancel_order:
    path: '"/work"'
    body: '{"number": work.number, "version": work.version}'
    find: {path: '"/work/" + escape(work.number)', absent: [404], version: item.version}
`

// pollWorld is a system that is asked.
func pollWorld(t *testing.T, _ *windows) plugintest.World {
	address, effects := system(t)
	config := fmt.Sprintf(`zone: Europe/Berlin
poll:
  url: %s
  every: 50ms
  streams:
    - {name: picks, path: '"/picks"', items: body.items, %s}
commands:
%s`, address, pickColumns, cancelSection)
	return plugintest.World{Config: []byte(config), Events: picks, Command: cancelOrder, Patience: patience, Effects: effects}
}

// listenWorld is a system that posts each pick until it is told that it is kept. It is not read again: the sender keeps what was not answered.
func listenWorld(t *testing.T, _ *windows) plugintest.World {
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	var sender sync.WaitGroup
	ctx, over := context.WithCancel(context.WithoutCancel(t.Context()))
	sender.Go(func() {
		client := &http.Client{Timeout: patience}
		defer client.CloseIdleConnections()
		for n := 0; n < picks; {
			post, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/events/picks", port), strings.NewReader(pick(n)))
			if err != nil {
				t.Error(err)
				return
			}
			post.Header.Set("Content-Type", "application/json")
			if answer, err := client.Do(post); err == nil {
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					n++
					continue
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() {
		over()
		sender.Wait()
	})
	address, effects := system(t)
	config := fmt.Sprintf("zone: Europe/Berlin\nlisten:\n  address: 127.0.0.1:%d\n  streams:\n    - {name: picks, %s}\ncommands:\n  url: %s\n%s", port, pickColumns, address, cancelSection)
	return plugintest.World{Config: []byte(config), Events: picks, Keyless: true, Command: cancelOrder, Effects: effects, Patience: patience}
}
