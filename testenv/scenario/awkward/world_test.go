// Package awkward_test tells a centre what does not fit: it is wired as the collector wires it, on either database, with a sandbox ERP and CRM
// behind its connectors, and a clock that the test moves.
package awkward_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// world is a centre with an ERP and a CRM.
type world struct {
	t      *testing.T
	d      *db.DB
	stages *collector.Stages
	// desk is the ERP as a person uses it.
	desk *erp.Client
	// service is the CRM as customer service uses it.
	service *crm.Client
	crm     *crm.Server
	clock   time.Time
	seq     uint64
	links   []collector.SurroundingSystem
}

// bins are where the items of the test lie, 100 of each.
var bins = map[string]string{"BOLT": "A-01", "NUT": "B-01", "PIN": "C-01"}

func master() *erp.Master {
	limit := decimal.NewFromInt(100)
	m := &erp.Master{Customers: []erp.Customer{{Code: "C-1", Name: "Harbour Hardware", Currency: "EUR"},
		{Code: "C-2", Name: "Limited", Currency: "EUR", PriceList: "retail", PriceListVersion: "2026-2", CreditLimit: &limit}}}
	site := erp.Site{Code: Site, Title: "East"}
	for _, item := range []string{"BOLT", "NUT", "PIN"} {
		m.Items = append(m.Items, erp.Item{Code: item, Description: item, Unit: erp.Each, Price: decimal.NewFromInt(2)})
		m.Stock = append(m.Stock, erp.StockLine{Site: Site, Bin: bins[item], Item: item, Quantity: decimal.NewFromInt(100), Unit: erp.Each})
		site.Bins = append(site.Bins, bins[item])
	}
	m.Sites = []erp.Site{site}
	return m
}

func newWorld(t *testing.T, d *db.DB, files map[string]string) *world {
	t.Helper()
	w := &world{t: t, d: d, clock: Morning.Add(time.Hour)}
	now := func() time.Time { return w.clock }
	d.Now = now
	books, err := erp.New(erp.Config{Dir: t.TempDir(), Master: master(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	service, err := crm.New(crm.Config{Dir: t.TempDir(), Now: now, Customers: []crm.Customer{{Code: "C-1", Name: "Harbour Hardware"},
		{Code: "C-2", Name: "Limited", PriceList: "retail", PriceListVersion: "2026-2", CreditLimit: "100"}}})
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, sandbox.NewServer("127.0.0.1:0", books))
	t.Cleanup(func() { _ = books.Close(); _ = service.Close() })
	w.desk = erp.NewClient(url, "")
	crmURL := serve(t, sandbox.NewServer("127.0.0.1:0", service))
	w.service, w.crm = crm.NewClient(crmURL, ""), service
	w.links = []collector.SurroundingSystem{{Name: ERP, Role: ownership.SystemOfRecord, Connector: connect(t, ERP, url)},
		{Name: "crm", Role: ownership.CRM, Connector: connect(t, "crm", crmURL)}}
	if _, err := (&fleet.Fleet{DB: d, Now: now}).AddSite(t.Context(), fleet.Registration{Tenant: Tenant, ID: Site}); err != nil {
		t.Fatal(err)
	}
	w.start(files)
	return w
}

func serve(t *testing.T, s *sandbox.Server) string {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s.URL()
}

func connect(t *testing.T, name, url string) connector.Connector {
	t.Helper()
	c, err := connectorhttp.New(connectorhttp.Config{Name: name, URL: url, Definition: "sandbox-" + name})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start starts the collector, anew where there was one, with these files of the policy in place of those that ship.
func (w *world) start(files map[string]string) {
	w.t.Helper()
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[filepath.ToSlash(name)] = &fstest.MapFile{Data: []byte(text)}
	}
	p, err := policy.Load(folder)
	if err != nil {
		w.t.Fatal(err)
	}
	w.stages, err = collector.NewStages(w.t.Context(), collector.Surroundings{DB: w.d, Tenant: Tenant, Policy: p, Systems: w.links, SweepHeals: true,
		Publish: func(context.Context, wire.Message) error { return nil }, Up: func() bool { return true }, Now: func() time.Time { return w.clock }, Random: func() float64 { return 0.5 }})
	if err != nil {
		w.t.Fatal(err)
	}
}

// work steps every stage until for a while nothing is left to do.
func (w *world) work() {
	w.t.Helper()
	for idle := 0; idle < 15; {
		moved := 0
		note := func(n int, err error) {
			if err != nil {
				w.t.Fatal(err)
			}
			moved += n
		}
		for _, i := range w.stages.Intakes {
			note(i.Step(w.t.Context()))
		}
		note(w.stages.Worker.Step(w.t.Context()))
		for _, s := range w.stages.Senders {
			note(s.Step(w.t.Context()))
		}
		if idle++; moved > 0 {
			idle = 0
		}
		w.clock = w.clock.Add(time.Second)
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.clock = w.clock.Add(d)
	w.work()
}

// tell has the site tell of events, in this order, and everybody work.
func (w *world) tell(events ...*docklinev1.Event) {
	w.t.Helper()
	var recorded []eventlog.Recorded
	for _, e := range events {
		w.seq++
		recorded = append(recorded, eventlog.Recorded{Event: proto.CloneOf(e), Epoch: "e1", EpochOrdinal: 1, Seq: w.seq})
	}
	w.tellAt(recorded...)
}

// tellAt is tell with the places that events have in the site's journal.
func (w *world) tellAt(recorded ...eventlog.Recorded) {
	w.t.Helper()
	err := w.d.Write(w.t.Context(), func(tx *db.Tx) error {
		_, err := w.stages.Filler.Log.Append(w.t.Context(), tx, recorded)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.work()
}

// order is an order that a person enters in the ERP and confirms, of so many bolts, nuts and pins.
func (w *world) order(quantities ...int64) string {
	w.t.Helper()
	number := w.draft(quantities...)
	if _, err := w.desk.ConfirmOrder(w.t.Context(), number); err != nil {
		w.t.Fatal(err)
	}
	w.work()
	return number
}

// draft is one that is not confirmed yet: nobody else hears of it.
func (w *world) draft(quantities ...int64) string {
	w.t.Helper()
	return w.draftOf("C-1", quantities...)
}

func (w *world) draftOf(customer string, quantities ...int64) string {
	w.t.Helper()
	in := erp.NewOrder{Customer: customer, Site: Site}
	for i, quantity := range quantities {
		in.Lines = append(in.Lines, erp.NewOrderLine{Item: []string{"BOLT", "NUT", "PIN"}[i], Quantity: decimal.NewFromInt(quantity)})
	}
	o, err := w.desk.CreateOrder(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return o.Number
}

// line is a line of an order, by the ERP's number of it.
func line(order, orderLine, item string, quantity int) *docklinev1.Line {
	return In(L(order, orderLine, item, fmt.Sprint(quantity)), bins[item], "")
}

// state is how an order stands.
func (w *world) state(order string) *docklinev1.OrderState {
	w.t.Helper()
	s := &docklinev1.OrderState{}
	w.read(`SELECT body FROM state WHERE tenant = ? AND fold_key = ?`, s, Tenant, event.OrderKey(order))
	return s
}

// read reads one body.
func (w *world) read(query string, into proto.Message, args ...any) {
	w.t.Helper()
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		var body []byte
		if err := tx.QueryRow(w.t.Context(), query, args...).Scan(&body); err != nil {
			return err
		}
		return proto.Unmarshal(body, into)
	})
	if err != nil {
		w.t.Fatalf("%v: %v", args, err)
	}
}

func (w *world) receipt(e *docklinev1.Event) *docklinev1.EventReceipt {
	w.t.Helper()
	r := &docklinev1.EventReceipt{}
	w.read(`SELECT body FROM receipt WHERE tenant = ? AND event_id = ?`, r, Tenant, e.GetId())
	return r
}

// cases are the exceptions that are open, by code.
func (w *world) cases() map[string]exception.Exception {
	w.t.Helper()
	open := make(map[string]exception.Exception)
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		list, err := exception.List(w.t.Context(), tx, Tenant, exception.Filter{})
		for _, e := range list {
			if e.State != exception.Resolved {
				open[e.Code] = e
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return open
}

// expectCases fails unless exactly these are open, each with an owner, a class and words that say what to do.
func (w *world) expectCases(codes ...string) {
	w.t.Helper()
	var got []string
	for code, e := range w.cases() {
		got = append(got, code)
		if e.Team == "" || e.Class == 0 || len(e.Text) < 40 || e.DueAt.IsZero() {
			w.t.Errorf("case %s lacks an owner, a class, a time or words: %+v", code, e)
		}
	}
	slices.Sort(got)
	slices.Sort(codes)
	if !slices.Equal(got, codes) {
		w.t.Errorf("open cases are %v, expected %v", got, codes)
	}
}

// issued is what stands in the ERP of an order: "S1: 10 BOLT 4, 20 NUT 1", one for each goods issue.
func (w *world) issued(order string) []string {
	w.t.Helper()
	issues, err := w.desk.Issues(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var list []string
	for _, issue := range issues {
		if issue.Order != order || issue.ReversedBy != "" {
			continue
		}
		sums := make(map[string]decimal.Decimal)
		for _, l := range issue.Lines {
			at := l.OrderLine + " " + l.Item
			sums[at] = sums[at].Add(l.Quantity)
		}
		var lines []string
		for at, sum := range sums {
			lines = append(lines, at+" "+sum.String())
		}
		slices.Sort(lines)
		list = append(list, issue.Shipment+": "+strings.Join(lines, ", "))
	}
	slices.Sort(list)
	return list
}

func (w *world) expectIssued(order string, want ...string) {
	w.t.Helper()
	if got := w.issued(order); !slices.Equal(got, want) {
		w.t.Errorf("the ERP has issues %q of %s, expected %q", got, order, want)
	}
}

func (w *world) expectStatus(order, want string) {
	w.t.Helper()
	if got := w.state(order).GetStatus(); got != want {
		w.t.Errorf("order %s is %s, expected %s", order, got, want)
	}
}

func (w *world) expectFlag(order, flag string, want bool) {
	w.t.Helper()
	if flags := w.state(order).GetFlags(); slices.Contains(flags, flag) != want {
		w.t.Errorf("order %s has flags %v; %s should be there: %v", order, flags, flag, want)
	}
}

// postings are those of an order as they stand.
func (w *world) postings(order string) (list []posting.Entry) {
	w.t.Helper()
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		list, err = posting.Of(w.t.Context(), tx, Tenant, event.OrderKey(order))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}
