package posting_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/receipt"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const (
	tenant = "acme"
	fold   = "order/SO1"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a database, a target in memory and a clock; it holds every move against the table.
type world struct {
	t      *testing.T
	db     *db.DB
	clock  *clock
	target *connectortest.Memory
}

const settleTime = 20 * time.Second

func newWorld(t *testing.T, d *db.DB) *world {
	w := &world{t: t, db: d, clock: &clock{now: time.Date(2025, 11, 3, 8, 0, 0, 0, time.UTC)}}
	d.Now = w.clock.Now
	w.target = &connectortest.Memory{Settle: settleTime, Now: w.clock.Now}
	t.Cleanup(posting.OnMove(func(ref posting.Ref, from, to posting.State) {
		if from == "" && to != posting.Planned || from != "" && !posting.May(from, to) {
			t.Errorf("%s: illegal move from %q to %q", ref, from, to)
		}
	}))
	return w
}

func each(t *testing.T, run func(w *world)) {
	t.Helper()
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) { run(newWorld(t, d)) })
}

// fail lets calls go wrong while f says so.
func (w *world) fail(f func(op string, p *connector.Posting) connectortest.Failure) {
	w.target.Fail = f
}

// always lets every call of an operation go wrong.
func always(how connectortest.Failure, ops ...string) func(string, *connector.Posting) connectortest.Failure {
	return func(op string, _ *connector.Posting) connectortest.Failure {
		for _, o := range ops {
			if o == op {
				return how
			}
		}
		return connectortest.None
	}
}

// once lets the first call of an operation go wrong.
func once(how connectortest.Failure, op string) func(string, *connector.Posting) connectortest.Failure {
	did := false
	return func(o string, _ *connector.Posting) connectortest.Failure {
		if o == op && !did {
			did = true
			return how
		}
		return connectortest.None
	}
}

// sender is a new process's sender; holder is the collector's name.
func (w *world) sender(holder string, change ...func(*posting.Sender)) *posting.Sender {
	s := &posting.Sender{DB: w.db, Target: "erp", Connector: w.target, Holder: holder, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler),
		Cases: func(ctx context.Context, tx *db.Tx, tenant, origin string, cases []posting.Case) ([]string, error) {
			var desired []exception.Desired
			for _, c := range cases {
				desired = append(desired, exception.Desired{Code: c.Code, Subject: c.Subject, Class: c.Class, Severity: c.Severity,
					Title: c.Title, Text: c.Text, Site: c.Site, Order: c.Order, Customer: c.Customer, EventIDs: c.EventIDs})
			}
			synced, err := exception.Sync(ctx, tx, tenant, origin, desired, w.clock.Now())
			return synced.Events, err
		},
		Receipts: func(ctx context.Context, tx *db.Tx, tenant string, ids []string, now time.Time) error {
			return receipt.Refresh(ctx, tx, tenant, ids, []string{"erp"}, now)
		}}
	for _, f := range change {
		f(s)
	}
	return s
}

func (w *world) write(f func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) put(foldKey string, desired ...posting.Desired) {
	w.t.Helper()
	w.write(func(tx *db.Tx) error {
		return posting.Put(w.t.Context(), tx, tenant, foldKey, "v1", desired, w.clock.Now())
	})
}

// logged makes the receipts that the event log makes.
func (w *world) logged(ids ...string) {
	w.t.Helper()
	w.write(func(tx *db.Tx) error {
		for _, id := range ids {
			body, err := proto.Marshal(&docklinev1.EventReceipt{EventId: id, Version: 1, Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED})
			if err != nil {
				return err
			}
			if _, err := tx.Exec(w.t.Context(), `INSERT INTO receipt (tenant, site, event_id, version, level, body) VALUES (?, ?, ?, 1, 1, ?)`,
				tenant, "dc-east", id, body); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) receipt(id string) *docklinev1.EventReceipt {
	w.t.Helper()
	r := new(docklinev1.EventReceipt)
	err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		var body []byte
		if err := tx.QueryRow(w.t.Context(), `SELECT body FROM receipt WHERE tenant = ? AND event_id = ?`, tenant, id).Scan(&body); err != nil {
			return err
		}
		return proto.Unmarshal(body, r)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// quiet steps until there is nothing to do at this time.
func (w *world) quiet(s *posting.Sender) {
	w.t.Helper()
	for range 1000 {
		n, err := s.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	w.t.Fatal("the sender does not come to rest")
}

// pass steps and lets time pass, second by second.
func (w *world) pass(s *posting.Sender, d time.Duration) {
	w.t.Helper()
	for range int(d / time.Second) {
		w.quiet(s)
		w.clock.advance(time.Second)
	}
	w.quiet(s)
}

func (w *world) entries(foldKey string) []posting.Entry {
	w.t.Helper()
	var out []posting.Entry
	err := w.db.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		out, err = posting.Of(w.t.Context(), tx, tenant, foldKey)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) all() []posting.Entry {
	w.t.Helper()
	var out []posting.Entry
	err := w.db.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		out, err = posting.List(w.t.Context(), tx, posting.Filter{Tenant: tenant, Limit: 10000})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) entry(key string) posting.Entry {
	w.t.Helper()
	for _, e := range w.all() {
		if e.Key == key {
			return e
		}
	}
	w.t.Fatalf("there is no posting %s", key)
	return posting.Entry{}
}

func (w *world) expect(key string, state posting.State) posting.Entry {
	w.t.Helper()
	e := w.entry(key)
	if e.State != state {
		w.t.Fatalf("%s is %s (%s %s), want %s", key, e.State, e.Fault.Code, e.Fault.Text, state)
	}
	return e
}

// exceptions are the codes of the open ones.
func (w *world) exceptions() []string {
	w.t.Helper()
	codes := []string{}
	err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		codes = codes[:0]
		list, err := exception.List(w.t.Context(), tx, tenant, exception.Filter{})
		for _, e := range list {
			if e.State != exception.Resolved {
				codes = append(codes, e.Code)
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return codes
}

func (w *world) effects(kind connector.Kind, key string, want int) {
	w.t.Helper()
	if n := w.target.Effects(kind, key); n != want {
		w.t.Errorf("%s %s has had %d effects, want %d", kind, key, n, want)
	}
}

// goodsIssue is a posting of style advance.
func goodsIssue(order, shipment string, quantity int) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.GoodsIssue, Key: order + "/" + shipment, SerialKey: "order/" + order, Site: "dc-east",
		SourceVersion: 1, Style: connector.Advance, EventIDs: []string{"e-" + shipment},
		Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: order,
			Shipment: shipment, Lines: []*docklinev1.DocumentLine{{OrderLine: "1", Item: "BOLT", Quantity: fmt.Sprint(quantity), Unit: "u"}}}}}}
}

// invoice is a posting of style create-once that needs the goods issue.
func invoice(order, shipment string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.InvoiceTrigger, Key: "inv/" + order + "/" + shipment, SerialKey: "order/" + order,
		SourceVersion: 1, Style: connector.CreateOnce, EventIDs: []string{"e-" + shipment},
		Needs: []posting.Ref{goodsIssue(order, shipment, 0).Ref()},
		Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{
			Order: order, Shipment: shipment}}}}
}

func adjustment(delta string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.StockAdjustment, Key: "C1/BOLT//B1", SourceVersion: 1, Style: connector.CreateOnce,
		EventIDs: []string{"e-count"},
		Document: &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{
			Count: "C1", Bin: "B1", Item: "BOLT", Delta: delta}}}}
}

func status(order, text string, version int64) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.OrderStatus, Key: order, SourceVersion: version, Style: connector.Level,
		Document: &docklinev1.Document{Document: &docklinev1.Document_OrderStatus{OrderStatus: &docklinev1.OrderStatus{
			Order: order, Status: text}}}}
}
