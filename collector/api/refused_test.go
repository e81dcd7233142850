package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// An order that the system of record did not even take is told as refused, with the reason and what to do; once it is on its way again it is not.
//
// Shows: S2
func TestAnOrderThatIsNotTakenIsRefused(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &taking{t: t, d: d, now: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)}
		viewtest.New(t, d)
		h := w.api("run-1")
		if got := post(t, h, "/api/v1/orders", "k1", anOrder); got.Code != http.StatusCreated {
			t.Fatal(got.Body)
		}
		stands := func(sql string, args ...any) {
			t.Helper()
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), sql, args...)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		read := func() string {
			t.Helper()
			got := httptest.NewRecorder()
			h.ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/submissions/PO-1?tenant="+viewtest.Tenant, nil))
			return got.Body.String()
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			var id string
			if err := tx.QueryRow(t.Context(), `SELECT id FROM event WHERE source = 'api/shop'`).Scan(&id); err != nil {
				return err
			}
			return posting.Put(t.Context(), tx, viewtest.Tenant, event.SubmissionKey("PO-1"), "v1", []posting.Desired{{Target: "erp", Kind: connector.OrderCreate, Key: "shop/C-1001/PO-1", SourceVersion: 1,
				Style: connector.CreateOnce, EventIDs: []string{id}, Document: &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{OrderCreate: &docklinev1.Order{Customer: "C-1001"}}}}}, w.now)
		}); err != nil {
			t.Fatal(err)
		}
		sequencer := &eventlog.Sequencer{DB: d, Holder: "viewtest", Now: func() time.Time { return w.now }}
		if _, err := sequencer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := read(); !strings.Contains(got, `"status":"submitted"`) || !strings.Contains(got, `"reasons":[]`) {
			t.Errorf("on its way: %s", got)
		}
		stands(`UPDATE posting SET state = 'rejected', fault_class = 2, fault_code = 'xref_missing', fault_text = 'the item SKU-1 has no code in erp', fault_remedy = 'Add it with xref import, then retry.' WHERE target = 'erp' AND kind = 'order_create'`)
		if got := read(); !strings.Contains(got, `"status":"refused"`) || !strings.Contains(got, `"reasons":["erp did not take it: the item SKU-1 has no code in erp. Add it with xref import, then retry."]`) {
			t.Errorf("not taken: %s", got)
		}
		stands(`UPDATE posting SET state = 'ready' WHERE target = 'erp' AND kind = 'order_create'`)
		if got := read(); !strings.Contains(got, `"status":"submitted"`) {
			t.Errorf("on its way again: %s", got)
		}
	})
}
