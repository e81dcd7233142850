package tryton_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
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
	c := d.connectBy(t, w)
	under := only{c, map[connector.Kind]connector.Style{connector.StockAdjustment: connector.CreateOnce}}
	if testenv.Full() {
		under.kinds = c.Kinds()
	}
	bin := d.stocked(t, "SKU-1002", 20)
	keys := 0
	posting := func(t *testing.T, kind connector.Kind) *connector.Posting {
		keys++
		if kind == connector.StockAdjustment {
			return adjustmentOf(fmt.Sprintf("CC-conformance-%d", keys), bin, "SKU-1002", "1")
		}
		o := d.order(t, orderLine{"SKU-1002", 2})
		issue := issueOf(o, "S1", line(o.lines[0], "SKU-1002", "2", bin))
		if kind == connector.GoodsIssue {
			return issue
		}
		made, err := d.connect(t).Apply(t.Context(), issue)
		if err != nil {
			t.Fatal(err)
		}
		return invoiceOf(o, "S1", made.Documents...)
	}
	h := connectortest.Harness{Connector: under, Posting: func(t *testing.T, kind connector.Kind) *connector.Posting {
		p := posting(t, kind)
		p.SourceVersion = 10
		return p
	},
		Effects: d.effects,
		UnknownItem: func(t *testing.T, kind connector.Kind) *connector.Posting {
			p := posting(t, kind)
			switch kind {
			case connector.GoodsIssue:
				p.Document.GetGoodsIssue().Lines[0].Item = "SKU-9"
			case connector.StockAdjustment:
				p.Document.GetStockAdjustment().Item = "SKU-9"
			default:
				return nil
			}
			return p
		},
		Closed: func(t *testing.T, kind connector.Kind) *connector.Posting {
			p := posting(t, kind)
			switch kind {
			case connector.GoodsIssue:
				apply(t, c, p)
				p.Key += "again"
			case connector.StockAdjustment:
				p.Document.GetStockAdjustment().Delta = "-1000000"
			default:
				return nil
			}
			return p
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
		CallTimeout: time.Minute, HangTimeout: 3 * time.Second}
	if !testenv.Full() {
		h.Book = nil // TestSnapshotAddsUpToTheBooks looks at more than that
	}
	connectortest.Run(t, h)
}

// effects counts the documents in force with the posting's key.
func (d *door) effects(t *testing.T, p *connector.Posting) int {
	t.Helper()
	switch p.Kind {
	case connector.GoodsIssue:
		return len(d.list(t, "stock.shipment.out", []any{[]any{"reference", "like", p.Key + "%"}, []any{"state", "=", "done"}}, nil, "number"))
	case connector.InvoiceTrigger:
		return len(d.list(t, "account.invoice", []any{[]any{"reference", "=", p.Key}, []any{"state", "in", []string{"posted", "paid"}}}, nil, "number"))
	}
	return len(d.list(t, "stock.inventory", []any{[]any{"number", "=", p.Key}, []any{"state", "=", "done"}}, nil, "number"))
}
