package posting_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
)

// TestAccountOfThreeCollectors has three collectors on one database ask one ERP for more than its account allows: 30 requests in an hour, two at once.
// The ERP counts what comes: no more than that, whoever asks, and it is used.
//
// Shows: A2, S31
func TestAccountOfThreeCollectors(t *testing.T) {
	server, err := erp.New(erp.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var mu sync.Mutex
	var requests, under, most int
	count := func(requested, more int) {
		mu.Lock()
		defer mu.Unlock()
		requests, under = requests+requested, under+more
		most = max(most, under)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count(1, 1)
		defer count(0, -1)
		server.ServeHTTP(w, r)
	}))
	defer web.Close()
	limits := connector.Limits{Calls: 30, Per: time.Hour, Parallel: 2}
	url := testenv.PostgreSQL(t)
	var group sync.WaitGroup
	var answered, held int
	for i := range 3 {
		d, err := db.Open(t.Context(), url)
		if err == nil {
			err = d.Migrate(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		c, err := connectorhttp.New(connectorhttp.Config{Name: "erp", URL: web.URL, Definition: "sandbox-erp"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		account := &connector.Account{Name: "erp", Limits: limits, Share: &connector.Share{DB: d, Account: "erp", Collector: fmt.Sprintf("c%d", i)}}
		governed := connector.Govern(c, account)
		for range 4 {
			group.Go(func() {
				for range 5 { // 60 in all
					call, end := context.WithTimeout(t.Context(), 3*time.Second)
					_, err := governed.Probe(call)
					end()
					mu.Lock()
					var f *connector.Fault
					switch {
					case err == nil:
						answered++
					case errors.As(err, &f) && f.Code == "target_resting":
						held++
					default:
						t.Errorf("probe: %v", err)
					}
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	// On a machine that is very busy a call may be held back for want of time; none is ever made too many.
	if requests > limits.Calls || requests < limits.Calls/2 || answered > requests || answered+held != 60 {
		t.Errorf("the ERP was asked %d times, %d answers were heard and %d calls held back; the account allows %d of 60", requests, answered, held, limits.Calls)
	}
	if most > limits.Parallel {
		t.Errorf("%d calls at once, the account allows %d", most, limits.Parallel)
	}
	t.Logf("%d requests, at most %d at once; %d calls were held back", requests, most, held)
}
