// Package posting_test shows over the sandbox ERP that what a system must be told has its effect once: with answers lost at every request,
// with the sender killed or stopped there, and with one bad record among many good ones.
package posting_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

const (
	tenant   = "main"
	patience = 4 * time.Minute
)

// door stands before the ERP and counts the requests of integrations. What strike says of the nth of them happens to it.
type door struct {
	next http.Handler

	mu     sync.Mutex
	n      int
	strike func(n int, r *http.Request) blow
}

// blow is what happens to a request: whether it has its effect, and what is done then. With done nil it passes.
type blow struct {
	effect bool
	// done runs before the connection is cut; answered is the answer, nil without effect. Where it returns true the answer is given all the same.
	done func(answered *httptest.ResponseRecorder) bool
}

// ServeHTTP counts what integrations ask.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(sandbox.OperatorHeader) != "" || !strings.HasPrefix(r.URL.Path, "/api/") {
		d.next.ServeHTTP(w, r)
		return
	}
	d.mu.Lock()
	d.n++
	var b blow
	if d.strike != nil {
		b = d.strike(d.n, r)
	}
	d.mu.Unlock()
	if b.done == nil {
		d.next.ServeHTTP(w, r)
		return
	}
	var answered *httptest.ResponseRecorder
	if b.effect {
		answered = httptest.NewRecorder()
		d.next.ServeHTTP(answered, r)
	}
	if b.done(answered) && answered != nil {
		for name, values := range answered.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answered.Code)
		_, _ = w.Write(answered.Body.Bytes()) // the other end may be gone: that is what is tried here
		return
	}
	panic(http.ErrAbortHandler)
}

// set counts anew from here.
func (d *door) set(strike func(n int, r *http.Request) blow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n, d.strike = 0, strike
}

// nth strikes one request: cut before or after its effect, once done has run.
func nth(n int, effect bool, done func()) func(int, *http.Request) blow {
	return func(i int, _ *http.Request) blow {
		if i != n {
			return blow{}
		}
		return blow{effect: effect, done: func(*httptest.ResponseRecorder) bool {
			done()
			return false
		}}
	}
}

// desk is a database, a sandbox ERP behind a door, and orders whose postings are put by hand.
type desk struct {
	t    *testing.T
	dir  string
	url  string
	db   *db.DB
	erp  *erp.Server
	door *door
	http *sandbox.Server
	shop *erp.Client
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), door: &door{}}
	d.url = "sqlite:" + filepath.Join(d.dir, "collector.db")
	var err error
	if d.db, err = db.Open(t.Context(), d.url); err != nil {
		t.Fatal(err)
	}
	if err := d.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	master := &erp.Master{Customers: []erp.Customer{{Code: "C-1", Name: "Northwind", Currency: "EUR", ShipTo: []string{"Quay 1"}}},
		Sites: []erp.Site{{Code: "dc-east", Bins: []string{"A-01"}}}}
	for _, code := range []string{"BOLT", "NUT"} {
		master.Items = append(master.Items, erp.Item{Code: code, Unit: erp.Each, Price: decimal.NewFromInt(2)})
		master.Stock = append(master.Stock, erp.StockLine{Site: "dc-east", Bin: "A-01", Item: code, Unit: erp.Each, Quantity: decimal.NewFromInt(1_000_000)})
	}
	if d.erp, err = erp.New(erp.Config{Dir: d.dir, Master: master}); err != nil {
		t.Fatal(err)
	}
	d.door.next = d.erp
	d.http = sandbox.NewServer("127.0.0.1:0", d.door)
	if err := d.http.Start(); err != nil {
		t.Fatal(err)
	}
	d.shop = erp.NewClient(d.http.URL(), "")
	t.Cleanup(func() {
		d.http.Stop()
		if err := d.erp.Close(); err != nil {
			t.Error(err)
		}
		if err := d.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// order makes an accepted order of 10 bolts and 10 nuts.
func (d *desk) order() string {
	d.t.Helper()
	o, err := d.shop.ImportOrder(d.t.Context(), erp.NewOrder{Customer: "C-1", Site: "dc-east",
		Lines: []erp.NewOrderLine{{Item: "BOLT", Quantity: decimal.NewFromInt(10)}, {Item: "NUT", Quantity: decimal.NewFromInt(10)}}})
	if err != nil || o.Status != erp.Confirmed {
		d.t.Fatalf("order %s is %s: %v", o.Number, o.Status, err)
	}
	return o.Number
}

// put says what the fold of an order wants.
func (d *desk) put(order string, now time.Time, desired ...posting.Desired) {
	d.t.Helper()
	err := d.db.Write(d.t.Context(), func(tx *db.Tx) error {
		return posting.Put(d.t.Context(), tx, tenant, "order/"+order, "v1", desired, now)
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// entries are the postings of an order.
func (d *desk) entries(order string) (out []posting.Entry) {
	d.t.Helper()
	err := d.db.Read(context.WithoutCancel(d.t.Context()), func(tx *db.Tx) (err error) {
		out, err = posting.Of(d.t.Context(), tx, tenant, "order/"+order)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// all says whether every posting of an order is in a state.
func (d *desk) all(order string, states ...posting.State) bool {
	list := d.entries(order)
	for _, e := range list {
		ok := false
		for _, s := range states {
			ok = ok || e.State == s
		}
		if !ok {
			return false
		}
	}
	return len(list) > 0
}

func (d *desk) told(order string) func() string {
	return func() string {
		var b strings.Builder
		for _, e := range d.entries(order) {
			fmt.Fprintf(&b, "%s is %s: %s %s (attempt %d)\n", e.Ref, e.State, e.Fault.Code, e.Fault.Text, e.Attempts)
		}
		return b.String()
	}
}

// shipped wants the goods issue of one shipment and its invoice.
func shipped(order, shipment string, bolts, nuts int) []posting.Desired {
	lines := []*docklinev1.DocumentLine{}
	for _, l := range []struct {
		line, item string
		quantity   int
	}{{"10", "BOLT", bolts}, {"20", "NUT", nuts}} {
		if l.quantity > 0 {
			lines = append(lines, &docklinev1.DocumentLine{OrderLine: l.line, Item: l.item, Quantity: fmt.Sprint(l.quantity), Unit: erp.Each, Bin: "A-01"})
		}
	}
	issue := posting.Desired{Target: "erp", Kind: connector.GoodsIssue, Key: order + "/" + shipment, SerialKey: "order/" + order, Site: "dc-east", SourceVersion: 1,
		Style: connector.CreateOnce, EventIDs: []string{"departure-" + order + "-" + shipment},
		Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: order, Shipment: shipment, Site: "dc-east", Lines: lines}}}}
	invoice := posting.Desired{Target: "erp", Kind: connector.InvoiceTrigger, Key: issue.Key, SerialKey: "invoice/" + order, Site: "dc-east", SourceVersion: 1,
		Style: connector.CreateOnce, Needs: []posting.Ref{issue.Ref()}, EventIDs: issue.EventIDs,
		Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: order, Shipment: shipment}}}}
	return []posting.Desired{issue, invoice}
}

// counted wants a stock adjustment.
func counted(order string, delta string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.StockAdjustment, Key: "count-" + order, SourceVersion: 1, Style: connector.CreateOnce, Site: "dc-east",
		Document: &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{Count: "count-" + order, Site: "dc-east",
			Bin: "A-01", Item: "BOLT", Delta: delta}}}}
}

// owed wants one nut less of the order.
func owed(order string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.OrderAmendment, Key: order + "/cancel", SerialKey: "order/" + order, SourceVersion: 1, Style: connector.CreateOnce, Site: "dc-east",
		Document: &docklinev1.Document{Document: &docklinev1.Document_OrderAmendment{OrderAmendment: &docklinev1.OrderAmendment{Order: order, Action: "cancel", Reason: "short",
			Lines: []*docklinev1.OrderAmendmentLine{{OrderLine: "20", Item: "NUT", Quantity: "1"}}}}}}
}
