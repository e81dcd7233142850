package sweep_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/sweep"
)

func order(number string, change ...func(*sweep.Expected)) sweep.Expected {
	e := sweep.Expected{Kind: connector.OrderRecord, Key: number, Reference: number, Site: "dc-east", Settled: true, MovedAt: past, MadeAt: past, Content: connector.Content{Order: number,
		Fields: map[string]string{"status": "in force", "customer": "C-1", "price_list": "retail", connector.PriceOf("10"): "2.50"},
		Lines:  []connector.Line{{OrderLine: "10", Item: "BOLT", Quantity: 5 * each}}}}
	for _, f := range change {
		f(&e)
	}
	return e
}

func listedOrder(number string, change ...func(*connector.Listed)) connector.Listed {
	d := connector.Listed{Reference: number, Number: number, Order: number, Site: "dc-east", At: past, Whole: true, Lines: []connector.Line{{OrderLine: "10", Item: "BOLT", Quantity: 5 * each}},
		Fields: map[string]string{"status": "in force", "customer": "C-1", "price_list": "retail", connector.PriceOf("10"): "2.5"}}
	for _, f := range change {
		f(&d)
	}
	return d
}

// Orders are compared by status, line, quantity and price; what is under way explains a difference, what was never in force is nobody's case.
//
// Shows: S10
func TestOrdersAreComparedByStatusLineQuantityAndPrice(t *testing.T) {
	for _, c := range []struct {
		name   string
		held   []sweep.Expected
		listed []connector.Listed
		result sweep.Result
		cause  sweep.Cause
		detail sweep.Detail
	}{
		{name: "equal, but for a zero behind the price", held: []sweep.Expected{order("SO1")}, listed: []connector.Listed{listedOrder("SO1")}},
		{name: "in two pages", held: []sweep.Expected{order("SO1")}, listed: []connector.Listed{listedOrder("SO1", func(d *connector.Listed) { d.Lines[0].Quantity = each }), listedOrder("SO1")}},
		{name: "quantity", held: []sweep.Expected{order("SO1")}, listed: []connector.Listed{listedOrder("SO1", func(d *connector.Listed) { d.Lines[0].Quantity = 7 * each })}, result: sweep.Different, detail: sweep.Detail{What: "line 10 BOLT", Ours: "5", Theirs: "7"}},
		{name: "price", held: []sweep.Expected{order("SO1")}, listed: []connector.Listed{listedOrder("SO1", func(d *connector.Listed) { d.Fields[connector.PriceOf("10")] = "3" })}, result: sweep.Different, detail: sweep.Detail{What: "price of line 10", Ours: "2.50", Theirs: "3"}},
		{name: "cancelled there", held: []sweep.Expected{order("SO1")}, listed: []connector.Listed{listedOrder("SO1", func(d *connector.Listed) { d.Reversed, d.Fields["status"] = true, "cancelled" })}, result: sweep.Different, detail: sweep.Detail{What: "status", Ours: "in force", Theirs: "cancelled"}},
		{name: "deleted there", held: []sweep.Expected{order("SO1")}, result: sweep.Missing},
		{name: "not known here", held: []sweep.Expected{order("SO1")}, listed: []connector.Listed{listedOrder("SO1"), listedOrder("SO9")}, result: sweep.Extra},
		{name: "older than all that was told", listed: []connector.Listed{listedOrder("SO9")}},
		{name: "a draft", listed: []connector.Listed{listedOrder("SO9", func(d *connector.Listed) { d.Draft = true })}},
		{name: "cancelled before anybody was told", listed: []connector.Listed{listedOrder("SO9", func(d *connector.Listed) { d.Reversed = true })}},
		{name: "changing now", held: []sweep.Expected{order("SO1", func(e *sweep.Expected) { e.MovedAt = began })}, listed: []connector.Listed{listedOrder("SO1", func(d *connector.Listed) { d.Lines = nil })}, result: sweep.Different, cause: sweep.Pending, detail: sweep.Detail{What: "line 10 BOLT", Ours: "5", Theirs: "0"}},
		{name: "an amendment under way", held: []sweep.Expected{order("SO1", func(e *sweep.Expected) { e.Settled, e.Why = false, "erp/order_amend/A1" })}, listed: []connector.Listed{listedOrder("SO1", func(d *connector.Listed) { d.Lines = nil })}, result: sweep.Different, cause: sweep.Pending, detail: sweep.Detail{What: "line 10 BOLT", Ours: "5", Theirs: "0"}},
		{name: "lines are not counted alike", held: []sweep.Expected{order("SO1", func(e *sweep.Expected) { e.Content.Lines = nil })}, listed: []connector.Listed{listedOrder("SO1")}},
	} {
		got := sweep.Records{System: "erp", Other: "Dockline", Kind: connector.OrderRecord, Held: c.held, Listed: c.listed, Began: began, Since: past.Add(-24 * time.Hour)}.CompareOrders()
		if c.result == "" {
			if len(got.Findings) > 0 {
				t.Errorf("%s: %+v", c.name, got.Findings)
			}
			continue
		}
		if len(got.Findings) != 1 || got.Findings[0].Result != c.result || got.Findings[0].Cause != c.cause || c.detail.What != "" && !slices.Equal(got.Findings[0].Details, []sweep.Detail{c.detail}) {
			t.Errorf("%s: %+v", c.name, got.Findings)
		}
	}
}

// A field on which two systems disagree is one finding, with the field and both values; what only one of them tells, or has, is none.
//
// Shows: S10
func TestFieldsOnWhichTwoSystemsDisagree(t *testing.T) {
	held := []sweep.Expected{{Kind: connector.CustomerRecord, Key: "C-1", Settled: true, Content: connector.Content{Fields: map[string]string{"credit_limit": "5000.00", "price_list": "retail", "terms": "30d"}}},
		{Kind: connector.CustomerRecord, Key: "C-2", Settled: true}}
	listed := []connector.Listed{{Number: "C-1", Fields: map[string]string{"credit_limit": "5000", "price_list": "trade", "contacts": "Ines"}}, {Number: "C-9", Fields: map[string]string{"price_list": "x"}}}
	got := sweep.Records{System: "crm", Other: "erp", Kind: connector.CustomerRecord, Held: held, Listed: listed}.CompareFields()
	if len(got.Findings) != 1 || got.Foreign != 1 {
		t.Fatalf("%+v", got)
	}
	f := got.Findings[0]
	if f.Subject != "customer C-1 price_list" || f.Code() != sweep.CodeField || f.Field != "price_list" || f.Text != "The price list of customer C-1 is retail in erp and trade in crm." {
		t.Errorf("%+v", f)
	}
}
