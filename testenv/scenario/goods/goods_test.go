// Package goods_test follows goods after they have left the dock: to their consignees, astray, and back.
package goods_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/carrier"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// patience is how long a step may take on a busy machine.
const patience = 4 * time.Minute

// ends is what a shipment is when its parcel has come to the end of its way: what was delivered is also invoiced, and so closed.
var ends = map[string]string{"delivered": "closed", "lost": "lost", "returned_to_sender": "returned_to_sender"}

// TestADayEndsWithDeliveries: a dock ships the orders of a day, a carrier takes every parcel, delivers most, is late with one, loses one,
// finds one again, damages one, and brings one back that was refused. What is known of each shipment agrees with the carrier's own ledger, and
// what has gone wrong is a case until it is put right.
//
// Shows: S55
// Shows: S60
func TestADayEndsWithDeliveries(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 21, Sites: []string{world.FileSite}, Carrier: true})
	worldtest.Orders(t, w, 8)
	worldtest.Settle(t, w, 5*time.Minute)
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fates := []string{carrier.Delivered, carrier.Lost, carrier.Refused, carrier.Late, carrier.Found, carrier.Damaged}
	keys, handed := map[string]string{}, 0 // of shipments, by tracking number
	for _, issue := range truth.Issues {
		if issue.Tracking == "" || keys[issue.Tracking] != "" {
			continue
		}
		keys[issue.Tracking] = event.ShipmentKey(issue.Site, issue.Shipment)
		if err := w.Carrier.Take(issue.Tracking, issue.Order, fates[handed%len(fates)]); err != nil {
			t.Fatal(err)
		}
		handed++
	}
	if handed < len(fates) {
		t.Fatalf("only %d parcels left the dock", handed)
	}
	for {
		moved, err := w.Carrier.Work()
		if err != nil {
			t.Fatal(err)
		}
		if moved == 0 {
			break
		}
	}
	w.CarrierHTTP.Stop() // its feed is away for a while, as feeds are
	if err := w.CarrierHTTP.Start(); err != nil {
		t.Fatal(err)
	}
	worldtest.Until(t, "all shipments where the carrier has them", patience, func() (bool, error) { return agree(t.Context(), w, keys) })
	for _, p := range w.Carrier.Parcels() {
		g, err := w.Goods(t.Context(), keys[p.Tracking])
		if err != nil {
			t.Fatal(err)
		}
		check(t, p, g)
	}
}

// desk is the returns desk of a dock: it writes what it does into files of its own.
const desk = `outbound: %q
inbound: %q
poll: 100ms
settle: 1s
complete: {by: rename}
defaults: {delimiter: ";", zone: UTC}
files:
  - name: returns
    pattern: returns*.csv
    kind: 'row["step"]'
    key: [id]
    columns: {id: movement, rma: rma, receipt: receipt, order: order, line: order_line, sku: item, qty: quantity, condition: condition, claim: claim, disposition: disposition,
      at: occurred_at}
`

// TestAReturnIsCredited: a customer sends back what was delivered, and something unannounced. The desk receives, inspects and disposes of it; the
// ERP is told of the receipt, and asked for the credit of what was put back into stock, and nobody types anything there. What is known of the return
// agrees with the ERP's own credit memos; what came unannounced is matched, and posted, when the ERP names it.
//
// Shows: S13, S60
func TestAReturnIsCredited(t *testing.T) {
	dir := t.TempDir()
	outbound, inbound := filepath.Join(dir, "out"), filepath.Join(dir, "in")
	for _, folder := range []string{outbound, inbound} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := worldtest.Open(t, world.Config{Seed: 22, Sites: []string{world.FileSite},
		Plugins: map[string][]world.Plugin{world.FileSite: {{ID: "returns", Program: "wms-file", Config: fmt.Sprintf(desk, outbound, inbound)}}}})
	worldtest.Orders(t, w, 3)
	worldtest.Settle(t, w, 5*time.Minute)
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	books := w.ERP.(books)
	issue := truth.Issues[0]
	line := erp.ReturnLine{OrderLine: issue.Lines[0].OrderLine, Item: issue.Lines[0].Item, Quantity: decimal.NewFromInt(1)}
	rma, err := books.AuthoriseReturn(t.Context(), erp.NewReturn{Order: issue.Order, Reason: "too many", Lines: []erp.ReturnLine{line}})
	if err != nil {
		t.Fatal(err)
	}
	row := func(id int, step, rma, receipt, order, orderLine, condition, disposition string) string {
		return fmt.Sprintf("%d;%s;%s;%s;%s;%s;%s;1;%s;;%s;%s\n", id, step, rma, receipt, order, orderLine, line.Item, condition, disposition, time.Now().UTC().Format(time.RFC3339))
	}
	tell := func(name string, rows ...string) {
		t.Helper()
		text := "id;step;rma;receipt;order;line;sku;qty;condition;claim;disposition;at\n" + strings.Join(rows, "")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(outbound, name)); err != nil {
			t.Fatal(err)
		}
	}
	key := event.ReturnKey(rma.Number)
	stands := func(key, status string) {
		t.Helper()
		worldtest.Until(t, key+" "+status, patience, func() (bool, error) {
			g, err := w.Goods(t.Context(), key)
			if g.Status == status && len(g.State.StatusEventIDs) > 0 {
				return true, err
			}
			return false, errors.Join(err, fmt.Errorf("it is %q", g.Status))
		})
	}
	stands(key, "authorised")
	tell("returns1.csv", row(1, "return.received", rma.Number, "RC1", issue.Order, line.OrderLine, "opened", ""), row(2, "return.received", "", "RC2", "", "", "good", ""))
	stands(key, "received")
	stands(event.BlindReturnKey(world.FileSite, "RC2"), "received")
	tell("returns2.csv", row(3, "return.inspected", rma.Number, "RC1", issue.Order, line.OrderLine, "good", ""), row(4, "return.disposed", rma.Number, "RC1", issue.Order, line.OrderLine, "", "restock"))
	stands(key, "closed")
	matching, err := books.AuthoriseReturn(t.Context(), erp.NewReturn{Order: issue.Order, Reason: "found in the mail", Receipt: "RC2", Lines: []erp.ReturnLine{line}})
	if err != nil {
		t.Fatal(err)
	}
	stands(event.BlindReturnKey(world.FileSite, "RC2"), "matched")
	stands(event.ReturnKey(matching.Number), "received")
	memos, err := books.Credits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, err := w.Goods(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(memos) != 1 || memos[0].ExternalReference == "" || len(memos[0].Receipts) != 1 || len(memos[0].Invoices) != 1 || len(g.State.CreditMemos) != 1 || g.State.CreditMemos[0].Number != memos[0].Number || g.State.CreditMemos[0].Total != memos[0].Total.String() || len(g.Exceptions) != 0 {
		t.Errorf("the ERP has %+v, the return %+v", memos, g)
	}
	var receipts []erp.ReturnReceipt
	worldtest.Until(t, "both receipts in the ERP's books", patience, func() (bool, error) {
		receipts, err = books.ReturnReceipts(t.Context())
		return len(receipts) == 2, err
	})
	if r := receipts[0]; r.Number != memos[0].Receipts[0] || r.Return != rma.Number || !slices.Equal(r.GoodsIssues, []string{issue.Number}) || receipts[1].Return != matching.Number {
		t.Errorf("the ERP's receipts are %+v", receipts)
	}
	page, err := w.Page(t.Context(), "orders/"+issue.Order)
	if err != nil || !strings.Contains(page, "return "+rma.Number) {
		t.Errorf("the order's page does not lead to its return: %v", err)
	}
}

// books are what a person at the ERP's screen does with returns.
type books interface {
	AuthoriseReturn(ctx context.Context, in erp.NewReturn) (erp.Return, error)
	ReturnReceipts(ctx context.Context) ([]erp.ReturnReceipt, error)
	Credits(ctx context.Context) ([]erp.CreditMemo, error)
}

// agree tells whether every shipment stands where the carrier's own ledger has its parcel.
func agree(ctx context.Context, w *world.World, keys map[string]string) (bool, error) {
	all, err := w.AllGoods(ctx, "shipment")
	if err != nil {
		return false, err
	}
	status := map[string]string{}
	for _, g := range all {
		status[g.Key] = g.Status
	}
	for _, p := range w.Carrier.Parcels() {
		if !p.Done() || status[keys[p.Tracking]] != ends[p.Status] {
			return false, fmt.Errorf("parcel %s is %s with its carrier, shipment %s is %s", p.Tracking, p.Status, keys[p.Tracking], status[keys[p.Tracking]])
		}
	}
	return true, nil
}

// check holds a shipment against its parcel: its status has facts, a delivered one is signed for, and only what is still wrong is open.
func check(t *testing.T, p carrier.Parcel, g world.Goods) {
	t.Helper()
	if len(g.State.StatusEventIDs) == 0 || g.State.Tracking != p.Tracking || len(g.State.Orders) == 0 {
		t.Errorf("%s: %+v", p.Tracking, g)
	}
	for _, step := range g.State.Steps {
		if len(step.EventIDs) == 0 {
			t.Errorf("%s: nothing says that it was %s", g.Key, step.Status)
		}
	}
	if signed := len(g.State.Proofs) == 1 && g.State.Proofs[0].Signer == "Goods in, "+p.Consignee; signed != (p.Status == "delivered") {
		t.Errorf("%s is %s, and signed for by %+v", g.Key, p.Status, g.State.Proofs)
	}
	var open, closed []string
	for _, e := range g.Exceptions {
		if e.State == "resolved" {
			closed = append(closed, e.Code)
		} else {
			open = append(open, e.Code)
		}
	}
	want := map[string][]string{carrier.Lost: {"transport_lost"}}[p.Fate]
	if !slices.Equal(open, want) {
		t.Errorf("%s (%s): open are %v, want %v; closed %v", g.Key, p.Fate, open, want, closed)
	}
}
