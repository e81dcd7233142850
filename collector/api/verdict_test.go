package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// Who asks for the verdict of a synchronous posting waits for what the system says, confirmed or refused with its reason, and is told where to ask
// again when that does not come in the time that the policy gives it. Of one that is near real time, or a batch, nobody waits.
//
// Shows: S20, S51
func TestVerdict(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		erp := &connectortest.Memory{Settle: time.Second}
		err := d.Write(t.Context(), func(tx *db.Tx) error { // a tenant is known by what it has
			_, err := tx.Exec(t.Context(), `INSERT INTO state (tenant, fold_key, hash, body, fact_count, policy_version, first_at, changed_at) VALUES ('acme', 'order/X', '', ?, 1, 'v1', 0, 0)`, []byte{0})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want := func(key string, class posting.Timing, within time.Duration) {
			t.Helper()
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				wish := posting.Desired{Target: "erp", Kind: connector.InvoiceTrigger, Key: key, SourceVersion: 1, Style: connector.CreateOnce, Timing: class, Within: within,
					Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: key, Shipment: "S"}}}}
				if class == posting.Batched {
					wish.NotBefore = time.Now().Add(time.Hour)
				}
				return posting.Put(t.Context(), tx, "acme", "order/"+key, "v1", []posting.Desired{wish}, time.Now())
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		erp.Fail = func(op string, p *connector.Posting) connectortest.Failure {
			if op == "create" && p.Key == "BAD" {
				return connectortest.BadData
			}
			return connectortest.None
		}
		h := api.New(api.Config{DB: d})
		ask := func(key, wait string, status int) (map[string]any, string) {
			t.Helper()
			path := "/api/v1/postings/verdict?posting=erp/invoice_trigger/" + key + wait
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			return decode(t, w, path, status), w.Header().Get("Location")
		}
		// Nobody sends yet: only the synchronous one is waited for, and as long as its class lets it take.
		want("SLOW", posting.Synchronous, 300*time.Millisecond)
		began := time.Now()
		tree, location := ask("SLOW", "", http.StatusAccepted)
		if took := time.Since(began); took < 300*time.Millisecond {
			t.Errorf("it was waited for %s, of 300 ms that it may take", took)
		}
		expect(t, tree, "ready", "state")
		if !strings.Contains(location, "erp%2Finvoice_trigger%2FSLOW") {
			t.Errorf("ask again at %q", location)
		}
		want("NEAR", posting.NearRealTime, time.Hour)
		ask("NEAR", "&wait=10h", http.StatusAccepted) // or the test would take ten hours
		want("BATCH", posting.Batched, time.Hour)
		tree, _ = ask("BATCH", "&wait=10h", http.StatusAccepted)
		if text, _ := at(t, tree, "waits_for").(string); !strings.Contains(text, "its hour comes") {
			t.Errorf("a batch waits for %q", text)
		}
		ask("NONE", "", http.StatusNotFound)

		// Somebody sends: the verdict is the answer.
		ctx, stop := context.WithCancel(t.Context())
		s := &posting.Sender{DB: d, Target: "erp", Connector: erp, Holder: "c1", Idle: 5 * time.Millisecond}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		want("GOOD", posting.Synchronous, time.Minute)
		tree, _ = ask("GOOD", "", http.StatusOK)
		expect(t, tree, "confirmed", "state")
		length(t, tree, 1, "documents")
		want("BAD", posting.Synchronous, time.Minute)
		tree, _ = ask("BAD", "", http.StatusOK)
		expect(t, tree, "rejected", "state")
		expect(t, tree, "item_unknown", "fault", "code")
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, location, nil))
		tree, _ = ask("SLOW", "&wait=20s", http.StatusOK)
		expect(t, tree, "confirmed", "state")
	})
}
