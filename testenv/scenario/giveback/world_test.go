// Package giveback_test takes back what was posted: over event log, folds, postings and the sandbox ERP, each in this process and on one clock.
package giveback_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/giveback"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// centre is a collector's road from event log to ERP, and back.
type centre struct {
	t      *testing.T
	db     *db.DB
	clock  time.Time
	log    *eventlog.Log
	worker *reconcile.Worker
	sender *posting.Sender
	intake *connector.Intake
	books  *erp.Client
	seq    uint64
	held   bool // nothing is sent
}

func begin(t *testing.T) *centre {
	c := &centre{t: t, db: testenv.SQLite(t), clock: Morning.Add(time.Hour)}
	c.db.Now = func() time.Time { return c.clock }
	return c
}

func open(t *testing.T) *centre {
	t.Helper()
	c := begin(t)
	now := func() time.Time { return c.clock }
	each := func(quantity int64) (items []erp.Item, stock []erp.StockLine) {
		for _, code := range []string{"BOLT", "NUT"} {
			items = append(items, erp.Item{Code: code, Unit: erp.Each, Price: decimal.NewFromInt(2)})
			stock = append(stock, erp.StockLine{Site: Site, Bin: "B-01", Item: code, Unit: erp.Each, Quantity: decimal.NewFromInt(quantity)})
		}
		return items, stock
	}
	items, stock := each(1000)
	server, err := erp.New(erp.Config{Dir: t.TempDir(), Now: now, Master: &erp.Master{Items: items, Stock: stock, Sites: []erp.Site{{Code: Site, Bins: []string{"B-01"}}},
		Customers: []erp.Customer{{Code: "C-1001", Name: "Northwind", Currency: "EUR", ShipTo: []string{"Quay 1"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	web := sandbox.NewServer("127.0.0.1:0", server)
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { web.Stop(); server.Close() })
	c.books = erp.NewClient(web.URL(), "")
	target, err := connectorhttp.New(connectorhttp.Config{URL: web.URL(), Definition: "sandbox-erp", SettleTime: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	c.connect(target)
	return c
}

// connect makes a target the ERP.
func (c *centre) connect(target connector.Connector) {
	c.t.Helper()
	t, now := c.t, func() time.Time { return c.clock }
	p := policy.Default()
	c.log = &eventlog.Log{DB: c.db, Now: now, Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
		for _, touch := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(touch))
		}
		return touches
	}, Links: func(e *docklinev1.Event) (links []eventlog.Link) {
		for _, l := range state.Links(e) {
			links = append(links, eventlog.Link(l))
		}
		return links
	}}
	c.worker = &reconcile.Worker{DB: c.db, Policy: p, Now: now, Append: c.append, Styles: func(_, name string, kind connector.Kind) (connector.Style, bool) {
		style, ok := target.Kinds()[kind]
		return style, ok && name == "erp"
	}}
	c.sender = &posting.Sender{DB: c.db, Target: "erp", Connector: target, Holder: "c1", Now: now, Log: slog.New(slog.DiscardHandler)}
	c.sender.Cases = func(ctx context.Context, tx *db.Tx, tenant, origin string, cases []posting.Case) ([]string, error) {
		desired := make([]exception.Desired, len(cases))
		for i, x := range cases {
			desired[i] = exception.Desired{Code: x.Code, Class: x.Class, Severity: x.Severity, Subject: x.Subject, Site: x.Site, Order: x.Order, Customer: x.Customer, Title: x.Title, Text: x.Text, EventIDs: x.EventIDs}.Owned(p, tenant)
		}
		synced, err := exception.Sync(ctx, tx, tenant, origin, desired, c.clock)
		return synced.Events, err
	}
	c.intake = &connector.Intake{DB: c.db, Connector: target, Name: ERP, Tenant: Tenant, Append: connector.Append(c.append), Now: now, Log: slog.New(slog.DiscardHandler)}
	if err := reconcile.Activate(t.Context(), c.db, Tenant, p, c.append, c.clock); err != nil {
		t.Fatal(err)
	}
}

func (c *centre) append(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
	var recorded []eventlog.Recorded
	for _, e := range events {
		r := eventlog.Recorded{Event: proto.CloneOf(e)}
		if e.GetSite() != "" {
			c.seq++
			r.Epoch, r.EpochOrdinal, r.Seq = "e1", 1, c.seq
		}
		recorded = append(recorded, r)
	}
	_, err := c.log.Append(ctx, tx, recorded)
	return err
}

// tell takes what a site tells, and lets everything come to rest.
func (c *centre) tell(events ...*docklinev1.Event) {
	c.t.Helper()
	if err := c.db.Write(c.t.Context(), func(tx *db.Tx) error { return c.append(c.t.Context(), tx, events) }); err != nil {
		c.t.Fatal(err)
	}
	c.rest()
}

// rest folds, sends and reads the ERP's changes, second by second, until nothing moves for a while.
func (c *centre) rest() {
	c.t.Helper()
	for quiet := 0; quiet < 5; {
		moved := 0
		for i, step := range []func(context.Context) (int, error){c.intake.Step, c.worker.Step, c.sender.Step} {
			if c.held && i == 2 {
				continue
			}
			n, err := step(c.t.Context())
			if err != nil {
				c.t.Fatal(err)
			}
			moved += n
		}
		if quiet++; moved > 0 {
			quiet = 0
		}
		c.clock = c.clock.Add(time.Second)
		if c.clock.Sub(Morning) > 12*time.Hour {
			c.t.Fatalf("it does not come to rest:\n%s", c.postings())
		}
	}
}

// order is an accepted order of ten bolts and ten nuts, of which a shipment S1 has left with so many bolts.
func (c *centre) order(shipment, bolts string) (number string, departure *docklinev1.Event) {
	c.t.Helper()
	o, err := c.books.ImportOrder(c.t.Context(), erp.NewOrder{Customer: "C-1001", Site: Site,
		Lines: []erp.NewOrderLine{{Item: "BOLT", Quantity: decimal.NewFromInt(10)}, {Item: "NUT", Quantity: decimal.NewFromInt(10)}}})
	if err != nil || o.Status != erp.Confirmed {
		c.t.Fatalf("order %s is %s: %v", o.Number, o.Status, err)
	}
	c.rest()
	departure = Shipment(20, shipment, L(o.Number, "10", "BOLT", bolts))
	c.tell(Pick(10, "P-"+shipment, In(L(o.Number, "10", "BOLT", bolts), "B-01", "")), departure)
	return o.Number, departure
}

// bolts is so many bolts of an order.
func bolts(order, quantity string) *docklinev1.Line {
	return In(L(order, "10", "BOLT", quantity), "B-01", "")
}

// rma lets so many bolts of an order come back.
func (c *centre) rma(order string, quantity int64) string {
	c.t.Helper()
	r, err := c.books.AuthoriseReturn(c.t.Context(), erp.NewReturn{Order: order, Reason: "too many",
		Lines: []erp.ReturnLine{{OrderLine: "10", Item: "BOLT", Quantity: decimal.NewFromInt(quantity)}}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.rest()
	return r.Number
}

// returned is a return as it stands.
func (c *centre) returned(key string) *docklinev1.ReturnState {
	c.t.Helper()
	s := &docklinev1.ReturnState{}
	err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		var body []byte
		if err := tx.QueryRow(c.t.Context(), `SELECT body FROM state WHERE tenant = ? AND fold_key = ?`, Tenant, key).Scan(&body); err != nil {
			return err
		}
		return proto.Unmarshal(body, s)
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// decide is a person's word about a return.
func (c *centre) decide(key string, act func(context.Context, *db.Tx, giveback.Decision) (*giveback.Decided, error)) error {
	return c.decideBy("ines", key, act)
}

func (c *centre) decideBy(by, key string, act func(context.Context, *db.Tx, giveback.Decision) (*giveback.Decided, error)) error {
	d := giveback.Decision{Tenant: Tenant, Key: key, By: by, Reason: "the customer was promised it", Source: policy.Self, Append: c.append}
	err := c.db.Write(c.t.Context(), func(tx *db.Tx) error {
		_, err := act(c.t.Context(), tx, d)
		return err
	})
	c.rest()
	return err
}

// users are added with a role each; from then on scopes decide.
func (c *centre) users(roles map[string]string) {
	c.t.Helper()
	err := c.db.Write(c.t.Context(), func(tx *db.Tx) error {
		for _, name := range slices.Sorted(maps.Keys(roles)) {
			change := people.Change{Tenant: Tenant, By: "ines", Now: c.clock}
			if err := change.Add(c.t.Context(), tx, people.User{Name: name, Roles: []string{roles[name]}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *centre) postings() string {
	var b strings.Builder
	err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		list, err := posting.List(c.t.Context(), tx, posting.Filter{Tenant: Tenant})
		for _, e := range list {
			fmt.Fprintf(&b, "%s %s %s %v\n", e.Ref, e.State, e.Fault.Text, e.Documents)
		}
		return err
	})
	if err != nil {
		c.t.Error(err)
	}
	return b.String()
}

// exceptions lists the codes of those that are open.
func (c *centre) exceptions() (codes []string) {
	c.t.Helper()
	err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		list, err := exception.List(c.t.Context(), tx, Tenant, exception.Filter{})
		for _, e := range list {
			if e.ResolvedAt.IsZero() {
				codes = append(codes, e.Code)
			}
		}
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return codes
}

func returnKey(number string) string { return event.ReturnKey(number) }
