package tryton_test

import (
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/collector/stock"
	"github.com/dockline/dockline/testenv/tryton"
)

func otherItem(d *desk) {
	item, bin := d.take()
	other, otherBin := d.take()
	before := d.onHand(other, otherBin)
	order, line := d.order(item, 5)
	instead := some(order, line, other, otherBin, 2)
	d.tell(200, Pick(10, "P1-"+order, some(order, line, item, bin, 3)), Substituted(20, "P2-"+order, "mia", Instead(instead, item, "2")),
		Shipment(60, "X1", some(order, line, item, bin, 3), some(order, line, other, otherBin, 2)))
	d.expectIssued(order, "X1 5")
	if after := d.onHand(other, otherBin); after != before-2 {
		d.t.Errorf("bin %s holds %v of what was sent instead, expected %v", otherBin, after, before-2)
	}
	var ordered []string
	for _, l := range d.list("sale.line", []any{[]any{"sale.number", "=", order}}, "product.code", "quantity") {
		product, _ := l["product."].(tryton.Object)
		ordered = append(ordered, tryton.Text(product["code"])+" "+tryton.Number(l["quantity"]).String())
	}
	if want := []string{item + " 3", other + " 2"}; !slices.Equal(ordered, want) {
		d.t.Errorf("Tryton's order is %q, expected %q", ordered, want)
	}
	d.expectCases(order)
}

func correctedAfterBilling(d *desk) {
	item, bin := d.take()
	before := d.onHand(item, bin)
	order, line := d.order(item, 6)
	d.leave(10, "K1", some(order, line, item, bin, 4))
	d.expectIssued(order, "K1 4")
	d.tell(300, Revised(Shipment(70, "K1", some(order, line, item, bin, 3)), "2"))
	if after := d.onHand(item, bin); after != before-3 {
		d.t.Errorf("bin %s holds %v, expected %v; told were %s", bin, after, before-3, d.postingsOf(order))
	}
	billed := 0.0
	for _, i := range d.list("account.invoice", []any{[]any{"reference", "like", order + "/K1%"}, []any{"state", "in", []string{"posted", "paid"}}}, "lines") {
		for _, l := range d.list("account.invoice.line", []any{[]any{"id", "in", i["lines"]}}, "quantity") {
			billed += tryton.Number(l["quantity"]).InexactFloat64()
		}
	}
	if billed != 3 {
		d.t.Errorf("%v are billed, expected 3", billed)
	}
	d.expectCases(order)
	d.leave(400, "K2", some(order, line, item, bin, 3))
	if after := d.onHand(item, bin); after != before-6 {
		d.t.Errorf("after the rest bin %s holds %v, expected %v; told were %s", bin, after, before-6, d.postingsOf(order))
	}
}

// promised compares what the centre promises of an item with what Tryton has free of it: what lies there, less what its orders still take.
func promised(d *desk) {
	item, bin := d.take()
	order, line := d.order(item, 10)
	d.work()
	free := d.free(item)
	expect := func(when string) {
		d.t.Helper()
		if got, want := d.promise(item), fmt.Sprint(free); got != want {
			d.t.Errorf("%s %s of %s can be promised, Tryton has %s free", when, got, item, want)
		}
	}
	expect("when the order was accepted")
	lies := d.onHand(item, bin)
	d.take4(order, line, item, bin)
	expect("when four have left, of which Tryton was not told")
	if now := d.onHand(item, bin); now != lies {
		d.t.Fatalf("Tryton was told already: %v, %v before", now, lies)
	}
	d.work()
	if now := d.onHand(item, bin); now != lies-4 {
		d.t.Errorf("bin %s holds %v, expected %v", bin, now, lies-4)
	}
	if now := d.free(item); now != free {
		d.t.Errorf("Tryton has %v free, %v before", now, free)
	}
	expect("when Tryton was told")
	more, _ := d.order(item, 7)
	d.work()
	free -= 7
	if now := d.free(item); now != free {
		d.t.Errorf("after order %s Tryton has %v free, expected %v", more, now, free)
	}
	expect("after another order")
}

// take4 has four pieces leave, and the centre work it out, without anybody telling Tryton.
func (d *desk) take4(order, line, item, bin string) {
	d.t.Helper()
	d.receive(100, Pick(10, "P-"+order, some(order, line, item, bin, 4)), Shipment(60, "A1", some(order, line, item, bin, 4)))
	for {
		n, err := d.stages.Worker.Step(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// free is what Tryton forecasts of an item in the site's storage when all that is open has left.
func (d *desk) free(item string) float64 {
	d.t.Helper()
	found, err := d.List(d.t.Context(), "product.product", []any{[]any{"code", "=", item}}, tryton.Object{"locations": []int64{d.Sites[Site]}}, "forecast_quantity")
	if err != nil || len(found) != 1 {
		d.t.Fatal(found, err)
	}
	return tryton.Number(found[0]["forecast_quantity"]).InexactFloat64()
}

// promise is what the centre says can be promised of an item at the site.
func (d *desk) promise(item string) (atp string) {
	d.t.Helper()
	if err := d.db.Read(d.t.Context(), func(tx *db.Tx) error {
		all, err := stock.Available(d.t.Context(), tx, Tenant, []string{item}, []string{Site}, d.now())
		if err == nil && len(all) == 1 {
			atp = all[0].ATP
		}
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	return atp
}
