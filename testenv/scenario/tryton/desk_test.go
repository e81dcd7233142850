package tryton_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	connectortryton "github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/tryton"
)

const patience = 5 * time.Minute

// desk is a centre, wired as the collector wires it, with a real Tryton on PostgreSQL as its ERP and, by a user who sees nothing else, as its CRM; and
// a person at Tryton's own screen.
type desk struct {
	*tryton.Client
	t      *testing.T
	db     *db.DB
	way    *tryton.Way
	stages *collector.Stages
	seq    uint64
	goods  []erp.StockLine // what lies in one bin of the site each, by the piece, without lots

	mu    sync.Mutex
	ahead time.Duration // by how much the centre's clock is ahead of Tryton's
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().UTC().Add(d.ahead)
}

// pass lets time go by at the centre.
func (d *desk) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead += by
}

func openDesk(t *testing.T) *desk {
	t.Helper()
	database := testenv.TrytonPostgres(t)
	person, err := tryton.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{Client: person, t: t, db: testenv.SQLite(t)}
	d.db.Now = d.now
	if d.way, err = tryton.OpenWay(database.URL, 1); err != nil {
		t.Fatal(err)
	}
	if err := d.way.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.way.Stop)
	t.Setenv("DOCKLINE_TEST_TRYTON", database.Password)
	system, err := connectortryton.New(connectortryton.Settings{URL: d.way.DatabaseURL(), Login: database.Login, PasswordEnv: "DOCKLINE_TEST_TRYTON", Timeout: time.Minute,
		SettleTime: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	deals, err := connectortryton.New(connectortryton.Settings{Name: "crm", URL: database.URL, Login: database.CRM, PasswordEnv: "DOCKLINE_TEST_TRYTON", Opportunities: true,
		Timeout: time.Minute, SettleTime: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&fleet.Fleet{DB: d.db, Now: d.now}).AddSite(t.Context(), fleet.Registration{Tenant: Tenant, ID: Site}); err != nil {
		t.Fatal(err)
	}
	d.stages, err = collector.NewStages(t.Context(), collector.Surroundings{DB: d.db, Tenant: Tenant, Policy: policy.Default(),
		Systems: []collector.SurroundingSystem{{Name: ERP, Role: ownership.SystemOfRecord, Connector: system}, {Name: "crm", Role: ownership.CRM, Connector: deals}},
		Publish: func(context.Context, wire.Message) error { return nil }, Up: func() bool { return true }, Now: d.now, Random: func() float64 { return 0.5 }})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range database.Master.Stock {
		if l.Site == Site && l.Lot == "" && l.Unit == erp.Each && l.Quantity.GreaterThan(decimal.NewFromInt(50)) &&
			!slices.ContainsFunc(d.goods, func(o erp.StockLine) bool { return o.Item == l.Item }) {
			d.goods = append(d.goods, l)
		}
	}
	d.work() // the ledger is opened by Tryton's book
	Morning = d.now().Truncate(time.Second)
	d.pass(time.Hour) // what the site tells of has happened
	return d
}

// under has the checks of a subtest fail that subtest.
func (d *desk) under(t *testing.T) func() {
	was := d.t
	d.t = t
	return func() { d.t = was }
}

// take is an item that no other test takes, with the bin where it lies.
func (d *desk) take() (item, bin string) {
	d.t.Helper()
	if len(d.goods) == 0 {
		d.t.Fatal("the site has no more items for tests")
	}
	l := d.goods[0]
	d.goods = d.goods[1:]
	return l.Item, l.Bin
}

// work steps every stage until nothing is left to do.
func (d *desk) work() {
	d.t.Helper()
	deadline := time.Now().Add(patience)
	for idle := 0; idle < 3; {
		moved := 0
		note := func(n int, err error) {
			if err != nil {
				d.t.Fatal(err)
			}
			moved += n
		}
		for _, i := range d.stages.Intakes {
			note(i.Step(d.t.Context()))
		}
		for n := 1; n > 0; moved += n {
			var err error
			if n, err = d.stages.Worker.Step(d.t.Context()); err != nil {
				d.t.Fatal(err)
			}
		}
		for _, s := range d.stages.Senders {
			note(s.Step(d.t.Context()))
		}
		if idle++; moved > 0 {
			idle = 0
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("there is still work to do after %s", patience)
		}
		d.pass(20 * time.Second)
	}
}

// tell has the site tell of events, complete up to a second of the morning, and everybody work.
func (d *desk) tell(through int, events ...*docklinev1.Event) {
	d.t.Helper()
	d.receive(through, events...)
	d.work()
}

// receive has the events of a site in the log.
func (d *desk) receive(through int, events ...*docklinev1.Event) {
	d.t.Helper()
	var raws [][]byte
	for _, e := range events {
		raw, err := proto.Marshal(e)
		if err != nil {
			d.t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	pack, crc, err := wire.SealPack(raws)
	if err != nil {
		d.t.Fatal(err)
	}
	first := d.seq + 1
	d.seq += uint64(len(events))
	payload, err := proto.Marshal(&docklinev1.Envelope{Tenant: Tenant, Site: Site, Epoch: "e1", EpochOrdinal: 1, FirstSeq: first, LastSeq: d.seq, Count: uint32(len(events)),
		Crc: crc, Live: true, Pack: pack, Cursors: []*docklinev1.PluginCursor{{Plugin: WMS, Cursor: []byte{byte(d.seq)}, CompleteThrough: []*docklinev1.CompleteThrough{
			{Stream: "dock", Time: At(through), MovesStock: true}}}}})
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.stages.Ingest.Handle(d.t.Context(), []wire.Message{{Topic: wire.UpTopic(Tenant, Site, wire.Events), Payload: payload}}); err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.stages.Filler.Step(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// order is one that a person enters in Tryton and confirms; line is its only line.
func (d *desk) order(item string, quantity int64) (number, line string) {
	d.t.Helper()
	o, err := d.Order(d.t.Context(), erp.NewOrder{Customer: "C-1001", CustomerReference: "PO-" + item, Site: Site,
		Lines: []erp.NewOrderLine{{Item: item, Quantity: decimal.NewFromInt(quantity)}}})
	if err != nil {
		d.t.Fatal(err)
	}
	return o.Number, o.Lines[0].Line
}

// leave has goods of an order picked and shipped.
func (d *desk) leave(second int, shipment string, line *docklinev1.Line) {
	d.t.Helper()
	d.tell(second+100, Pick(second, "P-"+line.Order+shipment, line), Shipment(second+60, shipment, line))
}

// press is a person at a button, or writing into a record.
func (d *desk) press(method string, params ...any) any {
	d.t.Helper()
	result, err := d.Do(d.t.Context(), method, nil, params...)
	if err != nil {
		d.t.Fatal(err)
	}
	return result
}

func (d *desk) list(model string, domain []any, fields ...string) []tryton.Object {
	d.t.Helper()
	found, err := d.List(d.t.Context(), model, domain, nil, fields...)
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

// onHand is what Tryton's book has of an item in a bin.
func (d *desk) onHand(item, bin string) float64 {
	d.t.Helper()
	found, err := d.List(d.t.Context(), "product.product", []any{[]any{"code", "=", item}}, tryton.Object{"locations": []int64{d.Bins[Site][bin]}}, "quantity")
	if err != nil || len(found) != 1 {
		d.t.Fatal(found, err)
	}
	return tryton.Number(found[0]["quantity"]).InexactFloat64()
}

// expectIssued compares what left by an order, as a person reads it in Tryton: "S1 4, S2 6", and the invoices of it.
func (d *desk) expectIssued(order string, want ...string) {
	d.t.Helper()
	issues, err := d.Issues(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	invoices, err := d.Invoices(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	got, billed := []string{}, 0
	for _, i := range issues {
		if i.Order != order {
			continue
		}
		sum := decimal.Zero
		for _, l := range i.Lines {
			sum = sum.Add(l.Quantity)
		}
		got = append(got, i.Shipment+" "+sum.String())
		for _, b := range invoices {
			if b.ExternalReference == i.ExternalReference && b.GoodsIssue == i.Number {
				billed++
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		d.t.Errorf("Tryton has the shipments %q of %s, expected %q", got, order, want)
	}
	if billed != len(want) {
		d.t.Errorf("Tryton has invoices of %d shipments of %s, expected %d", billed, order, len(want))
	}
}

// state is how an order stands at the centre.
func (d *desk) state(order string) *docklinev1.OrderState {
	d.t.Helper()
	s := &docklinev1.OrderState{}
	err := d.db.Read(d.t.Context(), func(tx *db.Tx) error {
		var body []byte
		if err := tx.QueryRow(d.t.Context(), `SELECT body FROM state WHERE tenant = ? AND fold_key = ?`, Tenant, event.OrderKey(order)).Scan(&body); err != nil {
			return err
		}
		return proto.Unmarshal(body, s)
	})
	if err != nil {
		d.t.Fatalf("order %s: %v", order, err)
	}
	return s
}

// cases are the codes of what is open about a subject or an order.
func (d *desk) cases(of string) (codes []string) {
	d.t.Helper()
	err := d.db.Read(d.t.Context(), func(tx *db.Tx) error {
		list, err := exception.List(d.t.Context(), tx, Tenant, exception.Filter{Unresolved: true})
		for _, e := range list {
			if e.Order == of || e.Subject == of {
				codes = append(codes, e.Code)
			}
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

func (d *desk) expectCases(of string, want ...string) {
	d.t.Helper()
	if got := d.cases(of); !slices.Equal(got, want) {
		d.t.Errorf("open cases of %s are %v, expected %v", of, got, want)
	}
}
