package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	connectortryton "github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/tryton"
)

// erpOrders is how many orders of a real ERP are shipped and invoiced by each way: such an ERP takes about one a second.
const erpOrders = 8

// erp measures what a real Tryton on PostgreSQL takes of a sender, beside what it takes of a client that only presses the buttons, one after the
// other, and looks at nothing.
func (s *Suite) erp(ctx context.Context) (err error) {
	server, err := testenv.StartTrytonPostgres()
	if err != nil {
		return err
	}
	defer server.Stop()
	database, err := server.CreateDatabase()
	if err != nil {
		return err
	}
	person, err := tryton.Open(ctx, database)
	if err != nil {
		return err
	}
	teller, err := s.openTeller(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, teller.close()) }()
	var bare, sent time.Duration
	for n := range erpOrders + 1 {
		b, t, err := erpPair(ctx, person, teller)
		if err != nil {
			return err
		}
		if n == 0 {
			continue // log-ins, and what Tryton keeps of its models
		}
		bare, sent = bare+b, sent+t
		s.say("order %d: %s by a bare client, %s by a sender", n, b.Round(time.Millisecond), t.Round(time.Millisecond))
	}
	rate := func(d time.Duration) float64 { return 2 * erpOrders / d.Seconds() }
	// Of one order a bare client makes seven calls, five of which write. A sender makes these too, writes the picks as they were made, looks before and reads
	// back after each step: 33 calls, most of them cheap reads. Where the gate was set it reached 0.57 of the bare client's rate.
	s.beside("goods issues and invoices posted to Tryton, each looked for, brought on and read back", rate(sent), "documents/s",
		reference{name: "the same documents made in Tryton by a bare client", value: rate(bare)}, atLeast(0.4))
	return nil
}

// erpPair ships and invoices two orders, one by each way, and says how long each took. They take turns, so that what else the machine does hurts both.
func erpPair(ctx context.Context, person *tryton.Client, teller *teller) (bare, sent time.Duration, err error) {
	var orders []erp.Order
	for range 2 {
		o, err := person.Order(ctx, erp.NewOrder{Customer: "C-1001", CustomerReference: "bench", Site: "dc-east", Lines: []erp.NewOrderLine{{Item: "SKU-1001", Quantity: decimal.NewFromInt(1)}}})
		if err != nil {
			return 0, 0, err
		}
		orders = append(orders, o)
	}
	began := time.Now()
	if err := buttons(ctx, person, orders[0]); err != nil {
		return 0, 0, err
	}
	bare = time.Since(began)
	began = time.Now()
	err = teller.tell(ctx, orders[1])
	return bare, time.Since(began), err
}

// buttons ships and invoices an order in as few calls as that takes.
func buttons(ctx context.Context, person *tryton.Client, o erp.Order) error {
	sale, err := person.List(ctx, "sale.sale", []any{[]any{"number", "=", o.Number}}, nil, "shipments")
	if err != nil || len(sale) != 1 {
		return fmt.Errorf("order %s: %d found: %w", o.Number, len(sale), err)
	}
	for _, button := range []string{"assign_force", "pick", "pack", "done"} {
		if _, err := person.Do(ctx, "stock.shipment.out."+button, nil, sale[0]["shipments"]); err != nil {
			return err
		}
	}
	if sale, err = person.List(ctx, "sale.sale", []any{[]any{"number", "=", o.Number}}, nil, "invoices"); err != nil {
		return err
	}
	_, err = person.Do(ctx, "account.invoice.post", nil, sale[0]["invoices"])
	return err
}

// teller is a sender with a database of its own.
type teller struct {
	dir    string
	db     *db.DB
	sender *posting.Sender
	told   int64
}

func (s *Suite) openTeller(ctx context.Context, database testenv.TrytonDatabase) (*teller, error) {
	dir, err := s.folder("erp")
	if err != nil {
		return nil, err
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(database.Password), 0o600); err != nil {
		return nil, err
	}
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(dir, "collector.db"))
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	c, err := connectortryton.New(connectortryton.Settings{URL: database.URL, Login: database.Login, PasswordFile: password, Timeout: time.Minute})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &teller{dir: dir, db: d, sender: &posting.Sender{DB: d, Target: "erp", Connector: c, Holder: "bench", Parallel: 1}}, nil
}

func (t *teller) close() error { return errors.Join(t.db.Close(), os.RemoveAll(t.dir)) }

// tell has the sender tell the goods issue and the invoice of an order, until both are confirmed.
func (t *teller) tell(ctx context.Context, o erp.Order) error {
	if err := t.db.Write(ctx, func(tx *db.Tx) error {
		return posting.Put(ctx, tx, "acme", "order/"+o.Number, "v1", erpWishes(o), time.Now())
	}); err != nil {
		return err
	}
	t.told += 2
	for began := time.Now(); t.sender.Stats().Confirmed < t.told; {
		n, err := t.sender.Step(ctx)
		if err != nil {
			return err
		}
		if n == 0 && time.Since(began) > 5*time.Minute {
			return fmt.Errorf("the sender rests with %d of %d confirmed", t.sender.Stats().Confirmed, t.told)
		}
	}
	return nil
}

// erpWishes are the goods issue of an order and its invoice, which comes after.
func erpWishes(o erp.Order) []posting.Desired {
	key := o.Number + "/S1"
	issue := posting.Desired{Target: "erp", Kind: connector.GoodsIssue, Key: key, Site: "dc-east", Style: connector.Advance, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: o.Number, Shipment: "S1", Site: "dc-east", DepartedAt: timestamppb.Now(),
			Lines: []*docklinev1.DocumentLine{{OrderLine: o.Lines[0].Line, Item: o.Lines[0].Item, Quantity: "1", Unit: "each"}}}}}}
	return []posting.Desired{issue, {Target: "erp", Kind: connector.InvoiceTrigger, Key: key, Site: "dc-east", Style: connector.Advance, SourceVersion: 1, Needs: []posting.Ref{issue.Ref()},
		Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: o.Number, Shipment: "S1"}}}}}
}
