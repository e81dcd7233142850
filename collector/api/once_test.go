package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// A request that changes something needs a key (400), is done once however often it is sent (409 while it is under way, the first answer
// afterwards, from any collector), and a key stands for one request (422).
// Shows: S32
func TestARequestIsDoneOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		var done atomic.Int64
		inside, leave := make(chan struct{}, 1), make(chan struct{})
		slow := atomic.Bool{}
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := done.Add(1)
			if slow.Load() {
				inside <- struct{}{}
				<-leave
			}
			if r.URL.Path == "/broken" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"n":%d}`, n)
		})
		now := time.Now()
		once := func() http.Handler { return (&api.Once{DB: d, Now: func() time.Time { return now }}).Wrap(handler) }
		h, other := once(), once() // two collectors
		send := func(h http.Handler, path, key, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
			if key != "" {
				r.Header.Set(api.KeyHeader, key)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		want := func(what string, w *httptest.ResponseRecorder, status int, text string, times int64) {
			t.Helper()
			if w.Code != status || !strings.Contains(w.Body.String(), text) || done.Load() != times {
				t.Errorf("%s: %d %s after %d times, want %d %s after %d", what, w.Code, w.Body, done.Load(), status, text, times)
			}
		}
		want("no key", send(h, "/orders", "", "a"), http.StatusBadRequest, "Idempotency-Key", 0)
		want("a key too long", send(h, "/orders", strings.Repeat("k", 256), "a"), http.StatusBadRequest, "255", 0)
		want("the first", send(h, "/orders", "k1", "a"), http.StatusCreated, `{"n":1}`, 1)
		for range 10 {
			again := send(other, "/orders", "k1", "a")
			if want("again", again, http.StatusCreated, `{"n":1}`, 1); again.Header().Get(api.ReplayedHeader) != "true" || again.Header().Get("Content-Type") != "application/json" {
				t.Errorf("again: %v", again.Header())
			}
		}
		want("another body", send(other, "/orders", "k1", "b"), http.StatusUnprocessableEntity, "another request", 1)
		want("the same key of another kind of request", send(h, "/returns", "k1", "b"), http.StatusCreated, `{"n":2}`, 2)
		want("a failure", send(h, "/broken", "k2", "a"), http.StatusServiceUnavailable, "", 3)
		want("the failure again", send(h, "/broken", "k2", "a"), http.StatusServiceUnavailable, "", 4)

		slow.Store(true)
		var wait sync.WaitGroup
		wait.Go(func() { want("the one under way", send(h, "/orders", "k3", "a"), http.StatusCreated, `{"n":5}`, 5) })
		<-inside
		under := send(other, "/orders", "k3", "a")
		if want("while it is under way", under, http.StatusConflict, "under way", 5); under.Header().Get("Retry-After") == "" {
			t.Error("409 does not say when to ask again")
		}
		want("another body meanwhile", send(other, "/orders", "k3", "b"), http.StatusUnprocessableEntity, "another request", 5)
		slow.Store(false)
		close(leave)
		wait.Wait()
		want("afterwards", send(other, "/orders", "k3", "a"), http.StatusCreated, `{"n":5}`, 5)

		// A collector that died in the middle leaves a request under way; a day later keys are forgotten.
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE api_request SET status = 0 WHERE request_key = 'k3'`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		want("just after it died", send(other, "/orders", "k3", "a"), http.StatusConflict, "", 5)
		now = now.Add(3 * time.Minute)
		want("when it is surely gone", send(other, "/orders", "k3", "a"), http.StatusCreated, `{"n":6}`, 6)
		now = now.Add(25 * time.Hour)
		want("the next day", send(h, "/orders", "k1", "a"), http.StatusCreated, `{"n":7}`, 7)
	})
}
