package posting_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/posting"
)

// TestWithdrawnWhileItIsTold: nobody wants a posting any more whose call is under way, and the call has no effect. It is not told again, and what
// comes after it in its order is.
func TestWithdrawnWhileItIsTold(t *testing.T) {
	for name, failure := range map[string]connectortest.Failure{"technical fault": connectortest.Before, "asked for patience": connectortest.Busy,
		"refused": connectortest.BadData, "no answer": connectortest.Silent} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				first, next := invoiceAlone("SO1", "S1"), invoiceAlone("SO1", "S2")
				withdrawn := false
				w.target.Fail = func(op string, p *connector.Posting) connectortest.Failure {
					if op != "create" || p.Key != first.Key {
						return connectortest.None
					}
					if !withdrawn {
						withdrawn = true
						w.put(fold, next)
					}
					return failure
				}
				w.put(fold, first, next)
				w.pass(w.sender("c1"), time.Minute)
				w.expect(first.Key, posting.Superseded)
				w.expect(next.Key, posting.Confirmed)
				w.effects(first.Kind, first.Key, 0)
				if codes := w.exceptions(); len(codes) > 0 {
					w.t.Errorf("open are %v", codes)
				}
			})
		})
	}
}

// TestWithdrawnBeforeItsTurnInAPortion: it was claimed with others, a fault ended the portion before its call, and nobody wants it any more.
func TestWithdrawnBeforeItsTurnInAPortion(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1", func(s *posting.Sender) { s.CallTimeout = 10 * time.Second })
		w.put("order/W", invoiceAlone("W", "S0"))
		w.pass(s, time.Second) // how long a call takes is known: more than one is claimed for each
		a, b, after := invoiceAlone("A", "S1"), invoiceAlone("B", "S1"), invoiceAlone("B", "S2")
		failed := false
		w.target.Fail = func(op string, p *connector.Posting) connectortest.Failure {
			if op != "create" || failed {
				return connectortest.None
			}
			failed = true
			w.put("order/B", after)
			return connectortest.Before
		}
		w.put("order/A", a)
		w.put("order/B", b, after)
		w.pass(s, time.Minute)
		w.expect(a.Key, posting.Confirmed)
		w.expect(b.Key, posting.Superseded)
		w.expect(after.Key, posting.Confirmed)
	})
}

func invoiceAlone(order, shipment string) posting.Desired {
	d := invoice(order, shipment)
	d.Needs = nil
	return d
}
