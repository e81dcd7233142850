package order_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const patience = 4 * time.Minute

// TestWhatTheDockDidReachesTheOrder lets a dock fulfil orders otherwise than they were written, and looks at the documents in the ERP: an order
// in three shipments, another item than was ordered, and remainders that are kept, cancelled and split off, by customer.
//
// Shows: S52
// Shows: S53
// Shows: S54
// Shows: S60
func TestWhatTheDockDidReachesTheOrder(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { fulfil(t, "") })
	t.Run("postgresql", func(t *testing.T) { fulfil(t, testenv.PostgreSQL(t)) })
}

func fulfil(t *testing.T, database string) {
	master := erp.NewMaster(17)
	var customers []string
	for _, c := range master.Customers {
		if !c.Blocked {
			customers = append(customers, c.Code)
		}
	}
	rules := "default: {substitution: allow}\ncustomers:\n"
	for i, rule := range []string{"keep", "cancel", "split"} {
		rules += fmt.Sprintf("  %s: {remainder: %s}\n", customers[i+1], rule)
	}
	w := worldtest.Open(t, world.Config{Seed: 17, Master: master, Sites: []string{world.FileSite}, Database: database, Policy: map[string]string{"fulfilment.yaml": rules}})
	d := &dock{t: t, w: w, Floor: worldtest.TakeOver(t, w)}
	d.partial(customers[0])
	d.substituted(customers[0])
	for i, rule := range []string{"keep", "cancel", "split"} {
		d.remainder(customers[i+1], rule)
	}
}

// dock is a floor, and the ERP that its orders are in.
type dock struct {
	*worldtest.Floor
	t *testing.T
	w *world.World
}

// order has the ERP accept an order of ten pieces of an article for a customer, and waits until it is released.
func (d *dock) order(customer string) worldtest.Order {
	d.t.Helper()
	item, bin := d.Item()
	o := worldtest.Order{Bins: []string{bin}}
	made, err := d.w.ERP.Order(d.t.Context(), erp.NewOrder{Customer: customer, Site: world.FileSite, Lines: []erp.NewOrderLine{{Item: item, Quantity: decimal.NewFromInt(10)}}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.until("the release of "+made.Number, func() (bool, error) {
		released, err := d.Releases()
		for _, r := range released {
			if r.Number == made.Number {
				o.Order = r
			}
		}
		return o.Number != "", err
	})
	return o
}

func (d *dock) until(what string, reached func() (bool, error)) {
	d.t.Helper()
	worldtest.Until(d.t, what, patience, reached)
}

// erp is the order as the ERP has it, with its documents.
func (d *dock) erp(number string) (o erp.Order, issues []erp.GoodsIssue, amendments []erp.Amendment, backorders []erp.Backorder) {
	d.t.Helper()
	client := erp.NewClient(d.w.ERP.(interface{ URL() string }).URL(), "")
	o, err := client.Order(d.t.Context(), number)
	if err != nil {
		d.t.Fatal(err)
	}
	allIssues, err1 := client.Issues(d.t.Context())
	allAmendments, err2 := client.Amendments(d.t.Context())
	allBackorders, err3 := client.Backorders(d.t.Context())
	if err1 != nil || err2 != nil || err3 != nil {
		d.t.Fatal(err1, err2, err3)
	}
	other := func(order string) bool { return order != number }
	return o, slices.DeleteFunc(allIssues, func(i erp.GoodsIssue) bool { return other(i.Order) }),
		slices.DeleteFunc(allAmendments, func(a erp.Amendment) bool { return other(a.Order) }), slices.DeleteFunc(allBackorders, func(b erp.Backorder) bool { return other(b.Order) })
}

// ship sends some of an order's first line away.
func (d *dock) ship(o worldtest.Order, item string, quantity int64) {
	d.t.Helper()
	l := o.Lines[0]
	d.Await(d.Tell(d.Do(day.Movement{Kind: day.Ship, Order: o.Number, Carrier: "DHL", Tracking: fmt.Sprintf("JJD%s-%d", o.Number, time.Now().UnixNano()),
		Lines: []day.Line{{OrderLine: l.Line, Item: item, Unit: l.Unit, Quantity: day.Units(quantity)}}})))
}

// settled waits until every posting of an order to the ERP is confirmed, and that many there are, and the order stands as it should.
func (d *dock) settled(number, status string, postings int) {
	d.t.Helper()
	var track world.Track
	last := ""
	d.t.Cleanup(func() {
		if d.t.Failed() {
			d.t.Log(last)
		}
	})
	d.until(fmt.Sprintf("%s %s with %d documents", number, status, postings), func() (bool, error) {
		var err error
		if track, err = d.w.Track(d.t.Context(), number); err != nil {
			return false, nil // it is not there yet
		}
		last = fmt.Sprintf("%s is %s, exceptions %+v", number, track.Status, track.Exceptions)
		for _, p := range track.Postings {
			last += fmt.Sprintf("; %s %s %s is %s", p.Target, p.Kind, p.Key, p.State)
		}
		confirmed := 0
		for _, p := range track.Postings {
			if p.Target == "erp" && p.State != "confirmed" {
				return false, nil
			} else if p.Target == "erp" {
				confirmed++
			}
		}
		return confirmed == postings && track.Status == status, nil
	})
}

// asked waits until `order list` names an order under a status or a progress.
func (d *dock) asked(status, number string) {
	d.t.Helper()
	d.until(fmt.Sprintf("order list --status %s names %s", status, number), func() (bool, error) {
		out, err := world.RunProgram(d.t.Context(), world.Program(d.w.Config.Bin, "dockline-collector"), "order", "list", "--tenant", d.w.Config.Tenant, "--status", status,
			"--config", filepath.Join(d.w.Config.Dir, "collector.yaml"))
		return strings.Contains(out, number+" "), err
	})
}

// partial: one line leaves in three shipments, each its own goods issue.
func (d *dock) partial(customer string) {
	o := d.order(customer)
	for i, quantity := range []int64{4, 3, 3} {
		d.Await(d.Tell(d.Pick(o, 0, quantity)))
		d.ship(o, o.Lines[0].Item, quantity)
		if i == 1 {
			d.settled(o.Number, "partially_shipped", 4)
			d.asked("partially_shipped", o.Number)
			d.asked("partially_invoiced", o.Number)
		}
	}
	d.settled(o.Number, "closed", 6)
	order, issues, _, _ := d.erp(o.Number)
	if len(issues) != 3 || order.Status != erp.Closed || !order.Lines[0].Issued.Equal(decimal.NewFromInt(10)) {
		d.t.Errorf("partial: %d goods issues, order %+v", len(issues), order)
	}
}

// substituted: the dock picks 4 of another article in place of 2, and sends all away. The ERP's order is amended first, and the goods issue names
// the line that the ERP made.
func (d *dock) substituted(customer string) {
	o := d.order(customer)
	other, bin := d.Item()
	l := o.Lines[0]
	d.importPick(o.Number, docklineLine(o.Number, l.Line, l.Item, other, bin))
	d.Await(d.Tell(d.Pick(o, 0, 8)))
	m := day.Movement{Kind: day.Ship, Order: o.Number, Carrier: "DHL", Tracking: "JJD" + o.Number, Lines: []day.Line{
		{OrderLine: l.Line, Item: l.Item, Unit: l.Unit, Quantity: day.Units(8)}, {OrderLine: l.Line, Item: other, Unit: l.Unit, Quantity: day.Units(4)}}}
	d.Await(d.Tell(d.Do(m)))
	d.settled(o.Number, "closed", 3)
	order, issues, amendments, _ := d.erp(o.Number)
	if len(amendments) != 1 || len(issues) != 1 || len(order.Lines) != 2 {
		d.t.Fatalf("substitution: amendments %+v, goods issues %+v, order %+v", amendments, issues, order)
	}
	if issues[0].PostedAt.Before(amendments[0].PostedAt) {
		d.t.Errorf("the goods issue of %s came before the amendment of %s", issues[0].PostedAt, amendments[0].PostedAt)
	}
	line := order.Lines[1]
	if line.StandsForLine != l.Line || line.Item != other || !line.Issued.Equal(decimal.NewFromInt(4)) || !line.StandsForQuantity.Equal(decimal.NewFromInt(2)) || order.Status != erp.Closed {
		d.t.Errorf("substitution: order %+v", order)
	}
}

// docklineLine is two pieces of an order's line for which four of another article came.
func docklineLine(order, orderLine, item, other, bin string) *docklinev1.Line {
	return &docklinev1.Line{Order: order, OrderLine: orderLine, Item: other, Quantity: &docklinev1.Quantity{Value: "4"}, Bin: bin, OriginalItem: item,
		OriginalQuantity: &docklinev1.Quantity{Value: "2"}}
}

// importPick hands in what the dock's other system tells, as an EPCIS document.
func (d *dock) importPick(order string, line *docklinev1.Line) {
	d.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	e := &docklinev1.Event{Tenant: d.w.Config.Tenant, Site: world.FileSite, Source: "voice", Kind: docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED, Subject: order,
		SourceKey: "swap-" + order, SourceRevision: "1", OccurredAt: timestamppb.New(now.Add(-time.Minute)), CapturedAt: timestamppb.New(now.Add(-time.Minute)),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: "swap-" + order, Lines: []*docklinev1.Line{line}}}}
	e.Id = event.IDOf(e)
	path := filepath.Join(d.t.TempDir(), "pick.json")
	file, err := os.Create(path)
	if err != nil {
		d.t.Fatal(err)
	}
	out, err := epcis.NewWriter(file, now)
	if err != nil {
		d.t.Fatal(err)
	}
	exporter := &epcis.Exporter{}
	made, none := exporter.Events(e)
	if none != "" {
		d.t.Fatal(none)
	}
	for _, object := range made {
		if err := out.Write(object); err != nil {
			d.t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		d.t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		d.t.Fatal(err)
	}
	said, err := world.RunProgram(d.t.Context(), world.Program(d.w.Config.Bin, "dockline-collector"), "import", path, "--tenant", d.w.Config.Tenant,
		"--config", filepath.Join(d.w.Config.Dir, "collector.yaml"))
	if err != nil {
		d.t.Fatalf("%v %s", err, said)
	}
}

// remainder: the dock finds six of ten, ships them, and the rule of the customer says what becomes of the four.
func (d *dock) remainder(customer, rule string) {
	o := d.order(customer)
	l := o.Lines[0]
	d.Await(d.Tell(d.Do(day.Movement{Kind: day.Pick, Order: o.Number, Operator: "op-99", Lines: []day.Line{{OrderLine: l.Line, Item: l.Item, Unit: l.Unit,
		Quantity: day.Units(6), Ordered: day.Units(10), Bin: o.Bins[0], Reason: "bin empty"}}})))
	d.ship(o, l.Item, 6)
	status := map[string]string{"keep": "partially_shipped", "cancel": "closed", "split": "closed"}[rule]
	d.settled(o.Number, status, 3) // goods issue, invoice, amendment
	order, issues, amendments, backorders := d.erp(o.Number)
	four := decimal.NewFromInt(4)
	if len(issues) != 1 || len(amendments) != 1 || !amendments[0].Lines[0].Quantity.Equal(four) {
		d.t.Fatalf("%s: goods issues %+v, amendments %+v", rule, issues, amendments)
	}
	switch rule {
	case "keep":
		if len(backorders) != 1 || order.Status != erp.Confirmed || !order.Lines[0].Open.Equal(four) {
			d.t.Errorf("kept: backorders %+v, order %+v", backorders, order)
		}
		d.asked("partially_backordered", o.Number)
	case "cancel":
		if len(backorders) != 0 || order.Status != erp.Closed || !order.Lines[0].Cancelled.Equal(four) {
			d.t.Errorf("cancelled: backorders %+v, order %+v", backorders, order)
		}
	case "split":
		if len(backorders) != 1 || order.Status != erp.Closed {
			d.t.Fatalf("split off: backorders %+v, order %+v", backorders, order)
		}
		rest, _, _, _ := d.erp(backorders[0].Number)
		if rest.Status != erp.Confirmed || !rest.Lines[0].Open.Equal(four) {
			d.t.Errorf("split off: the new order is %+v", rest)
		}
		d.until("the release of "+rest.Number, func() (bool, error) {
			released, err := d.Releases()
			return slices.ContainsFunc(released, func(r day.Order) bool { return r.Number == rest.Number }), err
		})
	}
}
