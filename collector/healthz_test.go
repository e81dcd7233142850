package collector

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHealthIsThatTheDatabaseTakesWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, full := 0, false
		h := &healthz{log: slog.New(slog.DiscardHandler), well: func(context.Context) error {
			if asked++; full {
				return errors.New("disk is full at /srv/secret")
			}
			return nil
		}}
		get := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			return w
		}
		for range 10 {
			if w := get(); w.Code != http.StatusOK || w.Body.String() != "ok\n" {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		if asked != 1 {
			t.Errorf("the database was asked %d times within a moment", asked)
		}
		full = true
		time.Sleep(askAgain)
		if w := get(); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("with a full disk: %d %s", w.Code, w.Body)
		}
		full = false
		time.Sleep(askAgain)
		if w := get(); w.Code != http.StatusOK {
			t.Errorf("after it: %d %s", w.Code, w.Body)
		}
	})
}
