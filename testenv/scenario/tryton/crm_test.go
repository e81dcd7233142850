package tryton_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/tryton"
)

// deal is an opportunity as a person reads it.
type deal struct{ number, state, comment string }

func (d *desk) deals(domain ...any) (out []deal) {
	d.t.Helper()
	for _, o := range d.list("sale.opportunity", domain, "number", "state", "comment") {
		out = append(out, deal{tryton.Text(o["number"]), tryton.Text(o["state"]), tryton.Text(o["comment"])})
	}
	return out
}

// TestCRM has an opportunity won in a real Tryton. The CRM's user sees opportunities only: the quote comes from there, its order from the ERP, and the
// order's status goes back into that opportunity, below what people wrote, version after version; a short pick is a case of its own, which is closed when
// the goods have come.
//
// Shows: S47, S5
func TestCRM(t *testing.T) {
	d := openDesk(t)
	item, bin := d.take()
	order, line, won := d.win(item, 5)
	d.work()
	if quotes := d.told(docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED, won); quotes != 1 {
		t.Errorf("the quote %s was told %d times, expected once", won, quotes)
	}
	held := d.deals([]any{"number", "=", won})
	if len(held) != 1 || held[0].state != "won" || !strings.HasPrefix(held[0].comment, "Called on Monday.\n") || !strings.Contains(held[0].comment, "order "+order+" is released") {
		t.Fatalf("the opportunity is %+v, expected it to say that order %s is released; told were %s", held, order, d.postingsOf(order))
	}
	short := some(order, line, item, bin, 3)
	d.tell(100, ShortPick(10, "P1-"+order, Asked(short, "5")), Shipment(60, "D1", some(order, line, item, bin, 3)))
	cases := d.deals([]any{"reference", "like", order + "/%"})
	if len(cases) != 1 || cases[0].state != "lead" || cases[0].number == won {
		t.Fatalf("the cases are %+v, expected one that is open", cases)
	}
	d.tell(300, Pick(200, "P2-"+order, some(order, line, item, bin, 2)), Shipment(260, "D2", some(order, line, item, bin, 2)))
	if cases = d.deals([]any{"reference", "like", order + "/%"}); len(cases) != 1 || cases[0].state != "cancelled" {
		t.Errorf("the cases are %+v, expected one that is closed", cases)
	}
	d.expectIssued(order, "D1 3", "D2 2")
	held = d.deals([]any{"number", "=", won})
	if len(held) != 1 || !strings.Contains(held[0].comment, "5 of 5 shipped") || strings.Count(held[0].comment, "order "+order+" is") != 1 {
		t.Errorf("the opportunity is %+v, expected it to say once that all was shipped", held)
	}
	if all := d.deals([]any{"reference", "=", order}); len(all) != 1 || all[0].number != won {
		t.Errorf("the status of order %s stands in %+v, expected %s only", order, all, won)
	}
}

// win has an opportunity converted, and its order confirmed, as sales people do.
func (d *desk) win(item string, quantity int) (order, line, number string) {
	d.t.Helper()
	customer, product := d.Customers["C-1001"], d.Products[item]
	addresses, _ := customer["addresses"].([]any)
	made := tryton.IDs(d.press("sale.opportunity.create", []tryton.Object{{"party": customer["id"], "address": addresses[0], "payment_term": customer["customer_payment_term"], "employee": 1,
		"description": "a trial order", "comment": "Called on Monday.", "lines": []any{[]any{"create", []tryton.Object{{"product": product["id"], "quantity": quantity, "unit": product["default_uom"]}}}}}}))
	for _, button := range []string{"opportunity", "convert"} {
		d.press("sale.opportunity."+button, made)
	}
	sale := d.list("sale.sale", []any{[]any{"origin", "=", fmt.Sprintf("sale.opportunity,%d", made[0])}}, "id")[0]
	d.press("sale.sale.write", []any{sale["id"]}, tryton.Object{"warehouse": d.Sites[Site]})
	for _, button := range []string{"quote", "confirm", "process"} {
		d.press("sale.sale."+button, []any{sale["id"]})
	}
	sale = d.list("sale.sale", []any{[]any{"id", "=", sale["id"]}}, "number", "lines")[0]
	return tryton.Text(sale["number"]), fmt.Sprint(tryton.IDs(sale["lines"])[0]), tryton.Text(d.list("sale.opportunity", []any{[]any{"id", "in", made}}, "number")[0]["number"])
}

// postingsOf says how the postings of an order stand.
func (d *desk) postingsOf(order string) (text string) {
	d.t.Helper()
	if err := d.db.Read(d.t.Context(), func(tx *db.Tx) error {
		list, err := posting.Of(d.t.Context(), tx, Tenant, event.OrderKey(order))
		for _, e := range list {
			text += fmt.Sprintf("%s %s %v; ", e.Ref, e.State, e.Fault)
		}
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	return text
}

// told is how many events of a kind about a subject are in the log.
func (d *desk) told(kind docklinev1.EventKind, subject string) (n int) {
	d.t.Helper()
	if err := d.db.Read(d.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(d.t.Context(), `SELECT COUNT(*) FROM event WHERE tenant = ? AND kind = ? AND subject = ?`, Tenant, int(kind), subject).Scan(&n)
	}); err != nil {
		d.t.Fatal(err)
	}
	return n
}
