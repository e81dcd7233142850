package tryton_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
)

// A sender that was slow makes its draft of a reversal when another one, which took over from it, has long made and finished its own: the draft is dropped,
// and the shipment and its invoice are taken back once.
//
// Shows: S10, S13
func TestTwoSendersTakeBackOnce(t *testing.T) {
	d := openDoor(t)
	w := openWay(t, d)
	quick, patient := d.connect(t), d.settings(t)
	patient.URL, patient.Timeout = w.DatabaseURL(), 10*time.Minute // its call waits for all that the other one does
	slow, err := tryton.New(patient)
	if err != nil {
		t.Fatal(err)
	}
	o := d.order(t, orderLine{"SKU-1001", 5}, orderLine{"SKU-1002", 4})
	bin := d.stocked(t, "SKU-1001", 5)
	before := d.onHand(t, bin, "SKU-1001")
	issue := issueOf(o, "S1", line(o.lines[0], "SKU-1001", "4", bin))
	shipped := apply(t, quick, issue).Documents[0]
	bill := invoiceOf(o, "S1", shipped)
	billed := apply(t, quick, bill).Documents[0]
	for _, tc := range []struct {
		p      *connector.Posting
		create string
	}{{reversalOf(bill, billed), "account.invoice.create"}, {reversalOf(issue, shipped), "stock.shipment.out.return.create"}} {
		overtaken := false
		w.Arm(tc.create, 1, func(rw http.ResponseWriter, r *http.Request, forward http.Handler) {
			apply(t, quick, tc.p)
			overtaken = true
			forward.ServeHTTP(rw, r)
		})
		if _, err := slow.Apply(t.Context(), tc.p); err != nil {
			t.Errorf("%s: the slow one: %v", tc.p.Kind, err)
		}
		if !overtaken {
			t.Errorf("%s: nobody overtook it", tc.p.Kind)
		}
		if found, err := quick.Find(t.Context(), tc.p); err != nil || len(found) != 1 || !found[0].Complete {
			t.Errorf("%s: found %+v, %v; want one, complete", tc.p.Kind, found, err)
		}
	}
	if got := d.onHand(t, bin, "SKU-1001"); got != before {
		t.Errorf("the bin holds %v, want %v: what left came back once", got, before)
	}
}
