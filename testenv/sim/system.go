package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// system is an ERP or a CRM: a target in memory, as careless as real ones, that fails as the weather is.
type system struct {
	*connectortest.Memory
	world *world
	name  string
	// invoiced are the invoices that it has told of.
	invoiced map[string]bool
	// read says that somebody has heard everything that it had to tell, since it was last set to false.
	read bool
}

func (w *world) newSystem(name string) *system {
	s := &system{world: w, name: name, invoiced: map[string]bool{}}
	s.Memory = &connectortest.Memory{Settle: 20 * time.Second, Now: w.clock, Fail: s.fail}
	return s
}

var failures = []connectortest.Failure{connectortest.Before, connectortest.Silent, connectortest.Lost, connectortest.Late, connectortest.Busy,
	connectortest.BadData, connectortest.BadProcess}

func (s *system) fail(op string, p *connector.Posting) connectortest.Failure {
	w, how := s.world, connectortest.None
	if w.chance(w.weather.target) {
		how = failures[w.r.IntN(len(failures))]
		if refusal := how >= connectortest.BadData; refusal && (op == "find" || op == "probe" || op == "pick" || op == "done") {
			how = connectortest.Before
		}
		w.fault(fmt.Sprintf("target %s", failureNames[how]))
	}
	key := ""
	if p != nil {
		key = string(p.Kind) + " " + p.Key
	}
	w.trace.add(w.now, "%s: %s %s: %s", s.name, op, key, failureNames[how])
	w.pass(time.Duration(w.r.IntN(30)) * time.Millisecond)
	if w.chance(w.weather.target / 8) {
		w.fault(targetSlow)
		w.pass(time.Duration(w.r.IntN(25_000)) * time.Millisecond)
	}
	return how
}

var failureNames = map[connectortest.Failure]string{connectortest.None: "answers", connectortest.Before: "out of reach", connectortest.Silent: "silent",
	connectortest.Lost: "answer lost", connectortest.Late: "late", connectortest.Busy: "busy", connectortest.BadData: "refuses the data", connectortest.BadProcess: "refuses"}

// Find asks the target; see plant.go for whom it lies to.
func (s *system) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	found, err := s.Memory.Find(ctx, p)
	if s.world.config.Plant == BlindRetry && err == nil {
		return []connector.Found{}, nil
	}
	return found, err
}

// Changes reports what people did in it, and fails like the rest.
func (s *system) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	w := s.world
	if w.chance(w.weather.target) {
		w.fault(changesFail)
		w.trace.add(w.now, "%s: changes since %s: out of reach", s.name, since)
		return connector.Changes{}, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "unreachable", Text: "connection refused"}
	}
	changes, err := s.Memory.Changes(ctx, since)
	s.read = s.read || err == nil && !changes.More
	w.trace.add(w.now, "%s: changes since %s: %d", s.name, since, len(changes.Events))
	return changes, err
}

// Snapshot is what its books hold on the first day.
func (s *system) Snapshot(_ context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	var out []*docklinev1.Event
	for _, site := range s.world.sites {
		if scope.Site != "" && scope.Site != site.name {
			continue
		}
		snapshot := &docklinev1.StockSnapshot{Site: site.name}
		for _, row := range site.opening {
			snapshot.Lines = append(snapshot.Lines, &docklinev1.Line{Item: row.Item, Bin: row.Bin, Lot: row.Lot, Quantity: &docklinev1.Quantity{Value: row.Quantity.String()}})
		}
		out = append(out, &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT, Subject: site.name, SourceKey: "stock/" + site.name, SourceRevision: "1",
			OccurredAt: timestamppb.New(morning), Payload: &docklinev1.Event_StockSnapshot{StockSnapshot: snapshot}})
	}
	return out, nil
}

// invoices tells of invoices that were made since: their numbers come back as facts.
func (s *system) invoices() {
	keys := s.Keys(connector.InvoiceTrigger)
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if s.invoiced[key] {
			continue
		}
		s.invoiced[key] = true
		made := s.Document(connector.InvoiceTrigger, key).GetInvoiceTrigger()
		number := "INV-" + made.GetShipment()
		s.Happen(&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED, Subject: number, SourceKey: "invoice," + number, SourceRevision: "1",
			OccurredAt: timestamppb.New(s.world.now), Payload: &docklinev1.Event_Invoice{Invoice: &docklinev1.Invoice{Number: number, Order: made.GetOrder(), Total: "10",
				Currency: "EUR", Shipments: []string{made.GetShipment()}}}})
	}
}

// office is the people at the ERP who take orders.
type office struct {
	world  *world
	orders []*docklinev1.Order
	// most is how many it takes that day.
	most int
}

var items = []string{"SKU-01", "SKU-02", "SKU-03", "SKU-04", "SKU-05"}

// accept takes an order, for one of the sites.
func (o *office) accept() {
	w := o.world
	if len(o.orders) == o.most {
		return
	}
	number := fmt.Sprintf("SO%04d", len(o.orders)+1)
	order := &docklinev1.Order{Number: number, Customer: fmt.Sprintf("C-%d", w.r.IntN(3)), Currency: "EUR", Site: w.sites[w.r.IntN(len(w.sites))].name, OrderedAt: timestamppb.New(w.now)}
	for n := range 1 + w.r.IntN(4) {
		order.Lines = append(order.Lines, &docklinev1.Line{Order: number, OrderLine: fmt.Sprint(10 * (n + 1)), Item: items[w.r.IntN(len(items))],
			Quantity: &docklinev1.Quantity{Value: fmt.Sprint(1 + w.r.IntN(9))}, UnitPrice: "5"})
	}
	o.orders = append(o.orders, order)
	w.trace.add(w.now, "erp: order %s for %s", number, order.Site)
	w.erp.Happen(&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: number, SourceKey: "sale," + number, SourceRevision: "1",
		OccurredAt: timestamppb.New(w.now), Payload: &docklinev1.Event_Order{Order: order}})
}

// openingStock is what lies in the bins on the first day.
func (w *world) openingStock() []day.StockRow {
	var rows []day.StockRow
	for _, item := range items {
		rows = append(rows, day.StockRow{Bin: "A-01", Item: item, Quantity: day.Units(int64(5 + w.r.IntN(20)))}, day.StockRow{Bin: "B-02", Item: item, Quantity: day.Units(500)})
	}
	return rows
}
