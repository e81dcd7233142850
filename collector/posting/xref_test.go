package posting_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
)

// A target is given its own names of what it was told before of the same order, and nothing of other orders.
//
// Shows: S41
func TestTargetIsGivenItsOwnNames(t *testing.T) {
	each(t, func(w *world) {
		var given map[string]string
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if op == "create" && p.Kind == connector.InvoiceTrigger {
				given = p.References
			}
			return connectortest.None
		})
		s := w.sender("c1")
		w.put("order/SO10", goodsIssue("SO10", "S1", 1))
		w.put(fold, goodsIssue("SO1", "S1", 5), invoice("SO1", "S1"))
		w.pass(s, time.Second)
		number := w.entry("SO1/S1").Documents[0].GetNumber()
		if len(given) != 1 || given["goods_issue/SO1/S1"] != number {
			w.t.Errorf("given %v, want the goods issue as %s", given, number)
		}
	})
}
