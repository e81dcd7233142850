package tryton_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
	office "github.com/dockline/dockline/testenv/tryton"
)

// only is the connector with fewer kinds.
type only struct {
	*tryton.Connector
	kinds map[connector.Kind]connector.Style
}

func (o only) Kinds() map[connector.Kind]connector.Style { return o.kinds }

// With FULL=1 each call of each kind fails in turn, which takes Tryton many minutes; else those of the adjustments.
//
// Shows: S1, S69
func TestConformance(t *testing.T) {
	d := openDoor(t)
	w := openWay(t, d)
	s := d.settings(t)
	s.URL, s.Timeout = w.DatabaseURL(), 6*time.Second // it ends a call that hangs; every other is answered long before
	c, err := tryton.New(s)
	if err != nil {
		t.Fatal(err)
	}
	under := only{c, map[connector.Kind]connector.Style{connector.StockAdjustment: connector.CreateOnce}}
	if testenv.Full() {
		under.kinds = c.Kinds()
	}
	m := &maker{door: d, c: d.connect(t), bin: d.stocked(t, "SKU-1002", 20)}
	h := connectortest.Harness{Connector: under, Posting: m.posting, Effects: d.effects, UnknownItem: m.unknownItem, Closed: m.closed, Drafts: m.drafts,
		Reshape: func(*testing.T) func() { // Tryton refuses to read a field that it does not have
			w.Arm(office.AnyCall, 1, renamed)
			return func() { w.Arm(office.AnyCall, 0, nil) }
		},
		Inject: func(t *testing.T, what connectortest.Injection, nth int) func() bool {
			if what == connectortest.Unreachable {
				w.Stop()
				return func() bool {
					if err := w.Start(); err != nil {
						t.Error(err)
					}
					return true
				}
			}
			w.Arm("", nth, injections[what])
			return func() bool {
				struck := len(w.Armed()) == 0
				w.Arm("", 0, nil)
				return struck
			}
		},
		Happen: func(t *testing.T, n int) []string {
			var numbers []string
			for range n {
				numbers = append(numbers, d.order(t, orderLine{"SKU-1001", 1}).number)
			}
			return numbers
		},
		Book: func(t *testing.T) (site, item, quantity string) {
			sum := int64(0)
			for _, l := range d.db.Master.Stock {
				if n, err := event.ParseQuantity(l.Quantity.String()); err == nil && l.Site == "dc-west" && l.Item == "SKU-1004" {
					sum += n
				}
			}
			return "dc-west", "SKU-1004", event.FormatQuantity(sum)
		},
		CallTimeout: 2 * time.Minute, HangTimeout: 2 * time.Minute}
	if !testenv.Full() {
		h.Book = nil // TestSnapshotAddsUpToTheBooks looks at more than that
	}
	connectortest.Run(t, h)
}

// effects counts the documents in force with the posting's key.
func (d *door) effects(t *testing.T, p *connector.Posting) int {
	t.Helper()
	count := func(model string, domain ...any) int { return len(d.list(t, model, domain, nil, "id")) }
	bills := []any{"state", "in", []string{"posted", "paid"}}
	switch p.Kind {
	case connector.GoodsIssue:
		return count("stock.shipment.out", []any{"reference", "like", p.Key + "%"}, []any{"state", "=", "done"})
	case connector.InvoiceTrigger, connector.CreditRequest:
		return count("account.invoice", []any{"reference", "=", p.Key}, bills)
	case connector.InvoiceReversal, connector.CreditReversal:
		return count("account.invoice", []any{"reference", "=", "reversal of " + p.Key}, bills)
	case connector.GoodsIssueReversal:
		return count("stock.shipment.out.return", []any{"reference", "=", "reversal of " + p.Key}, []any{"state", "=", "done"})
	case connector.ReturnReceipt:
		return count("stock.shipment.out.return", []any{"reference", "=", p.Key}, []any{"state", "=", "done"})
	case connector.OrderCreate:
		return count("sale.sale", []any{"description", "=", p.Key}, []any{"state", "=", "processing"})
	case connector.OrderAmendment: // each of the suite's touches one line
		return count("sale.line", []any{"note", "like", "% " + p.Key + ": %"})
	}
	return count("stock.inventory", []any{"number", "=", p.Key}, []any{"state", "=", "done"})
}
