package console_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/console"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// The box on every page leads to the order straight away where a name leads to one; else it says what there is.
func TestFind(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		viewtest.New(t, d)
		h := console.New(console.Config{DB: d})
		contains(t, "every page", page(t, h, "/", http.StatusOK), `action="/find"`, `name="q"`)
		for _, name := range []string{"JJD0001", "jjd0001", "SH1", "SO00017"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/find?q="+name, nil))
			if at := w.Header().Get("Location"); w.Code != http.StatusSeeOther || at != "/orders/SO00017" {
				t.Errorf("%s: %d, to %q", name, w.Code, at)
			}
		}
		contains(t, "a beginning", page(t, h, "/find?q=jjd0", http.StatusOK), "JJD0001", `href="/orders/SO00017"`, "shipped")
		contains(t, "what is not there", page(t, h, "/find?q=%3Cb%3E", http.StatusOK), "Nothing is called “&lt;b&gt;”")
		contains(t, "nothing", page(t, h, "/find", http.StatusOK), "Give the number of an order")
	})
}
