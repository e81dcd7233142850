package awkward_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// shop hands orders in at the centre.
type shop struct {
	*world
	h http.Handler
}

// hand hands in an order for some pieces of an item, under a key, and fails unless the answer is as wanted: "201 2 new" is the second version, and
// "201 2 known" the same once more.
func (s shop) hand(key, number, item, want string) {
	s.t.Helper()
	body := fmt.Sprintf(`{"number":%q,"customer":"C-1","channel":"shop","site":%q,"lines":[{"item":%q,"quantity":2}]}`, number, Site, item)
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/api/v1/orders?tenant="+Tenant, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(api.KeyHeader, key)
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	got := fmt.Sprint(w.Code)
	if w.Code == http.StatusCreated {
		var taken struct {
			Version int
			Known   bool
		}
		if err := json.Unmarshal(w.Body.Bytes(), &taken); err != nil {
			s.t.Fatal(err)
		}
		got = fmt.Sprintf("%d %d %s", w.Code, taken.Version, map[bool]string{false: "new", true: "known"}[taken.Known])
	}
	if got != want {
		s.t.Errorf("%s of %s under %s: %s, want %s: %s", number, item, key, got, want, w.Body)
	}
}

// inERP says what the ERP has of a number: "confirmed BOLT 2", one for each order.
func (s shop) inERP(number string) (list []string) {
	s.t.Helper()
	orders, err := s.desk.Orders(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range orders {
		if o.CustomerReference != number {
			continue
		}
		text := o.Status
		for _, l := range o.Lines {
			text += " " + l.Item + " " + l.Quantity.String()
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// TestARefusedOrderIsHandedInAgain: the ERP refuses an order that a shop handed in, and the shop hands it in again, corrected, under the same number: it is the
// next version of the same order, which the ERP takes once, and the case of the refusal closes. Before it was refused, and once it is accepted, another order
// under the number is turned away; so is another body under a key that was used.
//
// Shows: S2, S32
func TestARefusedOrderIsHandedInAgain(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		now := func() time.Time { return w.clock }
		s := shop{w, api.New(api.Config{DB: d, Now: now, Process: "run-1", Submissions: collector.NewIntake(w.stages.Filler.Log, now, nil)})}
		s.hand("k1", "PO-1", "WASHER", "201 1 new")
		s.hand("k2", "PO-1", "BOLT", "409")
		w.work()
		w.expectCases("order_refused")
		if text := w.cases()["order_refused"].Text; !strings.Contains(text, "hand it in once more, corrected, under the same number") {
			t.Errorf("the case does not say what to do: %s", text)
		}
		s.hand("k1", "PO-1", "BOLT", "422")
		s.hand("k3", "PO-1", "WASHER", "201 1 known")
		s.hand("k4", "PO-1", "BOLT", "201 2 new")
		s.hand("k5", "PO-1", "BOLT", "201 2 known")
		s.hand("k6", "PO-1", "NUT", "409")
		s.hand("k7", "PO-1", "WASHER", "409")
		w.work()
		w.expectCases()
		s.hand("k8", "PO-1", "NUT", "409")

		for version, item := range []string{"WASHER", "GADGET", "PIN"} {
			s.hand("again-"+item, "PO-2", item, fmt.Sprintf("201 %d new", version+1))
			w.work()
		}
		w.expectCases()
		w.pass(24 * time.Hour)
		for number, want := range map[string]string{"PO-1": "cancelled, confirmed BOLT 2", "PO-2": "cancelled, cancelled, confirmed PIN 2"} {
			if got := strings.Join(s.inERP(number), ", "); got != want {
				t.Errorf("the ERP has of %s: %s; want %s", number, got, want)
			}
		}
		var acts []audit.Entry
		if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
			acts, err = audit.List(t.Context(), tx, Tenant, audit.Filter{Action: "order.submit"})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		corrected := 0
		for _, a := range acts {
			if strings.Contains(string(a.Detail), `"corrects"`) {
				corrected++
			}
		}
		if len(acts) != 5 || corrected != 3 {
			t.Errorf("%d acts are recorded, %d of them corrections; want 5 and 3", len(acts), corrected)
		}
	})
}
