package view

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/retention"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ErrNoGoods: there is no state of this shipment, return or delivery.
var ErrNoGoods = errors.New("nothing is known")

// Goods is a shipment, a return or what a supplier sends as it was last folded. Exactly one of Shipment, Return and Inbound is set.
type Goods struct {
	Tenant, Key, Kind, Site, Status string
	Shipment                        *docklinev1.ShipmentState
	Return                          *docklinev1.ReturnState
	Inbound                         *docklinev1.InboundState
	// Facts is how many facts of its own it was folded from, Policy the version in force.
	Facts  int64
	Policy string
	// FirstAt and ChangedAt are when the centre first folded it and when its state last changed, UTC.
	FirstAt, ChangedAt time.Time
}

// GoodsKinds are the kinds of keys that Goods are of.
func GoodsKinds() []string {
	return []string{state.KindShipment, state.KindReturn, state.KindBlindReturn, state.KindInbound}
}

// Name is what people call it: its number, reference or receipt.
func (g *Goods) Name() string {
	switch {
	case g.Shipment != nil:
		return g.Shipment.GetNumber()
	case g.Inbound != nil:
		return g.Inbound.GetReference()
	case g.Kind == state.KindBlindReturn && len(g.Return.GetReceipts()) > 0:
		return g.Return.GetReceipts()[0]
	}
	return g.Return.GetNumber()
}

// Orders are the customers' orders that it is about.
func (g *Goods) Orders() []string {
	switch {
	case g.Shipment != nil:
		return g.Shipment.GetOrders()
	case g.Return.GetOrder() != "":
		return []string{g.Return.GetOrder()}
	}
	return nil
}

// Flags are what is remarkable about it.
func (g *Goods) Flags() []string {
	if g.Shipment != nil {
		return g.Shipment.GetFlags()
	}
	var flags []string
	discrepancies := g.Return.GetDiscrepancies()
	if g.Inbound != nil {
		discrepancies = g.Inbound.GetDiscrepancies()
	}
	for _, d := range discrepancies {
		if !slices.Contains(flags, d.GetKind()) {
			flags = append(flags, d.GetKind())
		}
	}
	return flags
}

// Steps are the statuses that it has reached, with the facts behind each.
func (g *Goods) Steps() []*docklinev1.StatusStep {
	switch {
	case g.Shipment != nil:
		return g.Shipment.GetSteps()
	case g.Inbound != nil:
		return g.Inbound.GetSteps()
	}
	return g.Return.GetSteps()
}

// Milestones are what carriers said of it.
func (g *Goods) Milestones() []*docklinev1.Milestone {
	switch {
	case g.Shipment != nil:
		return g.Shipment.GetMilestones()
	case g.Inbound != nil:
		return g.Inbound.GetMilestones()
	}
	return g.Return.GetMilestones()
}

const goodsColumns = `tenant, fold_key, status, site, body, fact_count, policy_version, first_at, changed_at`

// LatestGoods returns those of a kind, the last changed first; status "" is any, limit 0 is 100.
func LatestGoods(ctx context.Context, tx *db.Tx, tenant, kind, status string, limit int) ([]Goods, error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	where, args := `tenant = ? AND fold_key > ? AND fold_key < ?`, []any{tenant, kind + "/", kind + "0"}
	if status != "" {
		where, args = where+` AND status = ?`, append(args, status)
	}
	return goods(ctx, tx, where+` ORDER BY changed_at DESC, fold_key DESC LIMIT ?`, append(args, limit)...)
}

// GoodsCounts says how many of a kind stand in each status.
func GoodsCounts(ctx context.Context, tx *db.Tx, tenant, kind string) (map[string]int64, error) {
	rows, err := tx.Query(ctx, `SELECT status, COUNT(*) FROM state WHERE tenant = ? AND fold_key > ? AND fold_key < ? GROUP BY status`, tenant, kind+"/", kind+"0")
	if err != nil {
		return nil, fmt.Errorf("count %ss: %w", kind, err)
	}
	defer rows.Close()
	counts := make(map[string]int64)
	for rows.Next() {
		var status string
		var n int64
		if err := rows.Scan(&status, &n); err != nil {
			return nil, err
		}
		counts[status] = n
	}
	return counts, rows.Err()
}

func goods(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Goods, error) {
	rows, err := tx.Query(ctx, `SELECT `+goodsColumns+` FROM state WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read goods: %w", err)
	}
	defer rows.Close()
	var found []Goods
	for rows.Next() {
		var g Goods
		var body []byte
		var first, changed int64
		if err := rows.Scan(&g.Tenant, &g.Key, &g.Status, &g.Site, &body, &g.Facts, &g.Policy, &first, &changed); err != nil {
			return nil, err
		}
		if err := g.decode(body); err != nil {
			return nil, fmt.Errorf("%s: %w", g.Key, err)
		}
		g.FirstAt, g.ChangedAt = fromMicros(first), fromMicros(changed)
		found = append(found, g)
	}
	return found, rows.Err()
}

func (g *Goods) decode(body []byte) error {
	kind, _, err := event.ParseKey(g.Key)
	if err != nil {
		return err
	}
	g.Kind = kind
	switch kind {
	case state.KindShipment:
		g.Shipment = &docklinev1.ShipmentState{}
		return proto.Unmarshal(body, g.Shipment)
	case state.KindReturn, state.KindBlindReturn:
		g.Return = &docklinev1.ReturnState{}
		return proto.Unmarshal(body, g.Return)
	case state.KindInbound:
		g.Inbound = &docklinev1.InboundState{}
		return proto.Unmarshal(body, g.Inbound)
	}
	return fmt.Errorf("%w of keys of kind %q here; it is one of %v", ErrNoGoods, kind, GoodsKinds())
}

// GoodsTrack is all that is known of a shipment, a return or a delivery.
type GoodsTrack struct {
	Goods
	// Events are those behind its state, in the order in which they happened; those of carriers may have come by a name only.
	Events []eventlog.Entry
	// Receipts are what the sites were told of those events, by event id.
	Receipts map[string]*docklinev1.EventReceipt
	// Exceptions are the open and the resolved ones, the last changed first.
	Exceptions []exception.Exception
}

// OneGoods returns what is known of a key, or ErrNoGoods.
func OneGoods(ctx context.Context, d *db.DB, tenant, key string) (*GoodsTrack, error) {
	if _, _, err := event.ParseKey(key); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoGoods, err)
	}
	log := &eventlog.Log{DB: d}
	t := &GoodsTrack{}
	err := d.Read(ctx, func(tx *db.Tx) error {
		found, err := goods(ctx, tx, `tenant = ? AND fold_key = ?`, tenant, key)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("%w of %s%s", ErrNoGoods, key, retention.Note(ctx, tx, tenant, key))
		}
		t.Goods = found[0]
		t.Exceptions, err = exception.List(ctx, tx, tenant, exception.Filter{Origin: "fold/" + key, Limit: exceptionLimit})
		return err
	})
	if err != nil {
		return nil, err
	}
	if t.Events, err = log.OfKey(ctx, tenant, key); err != nil {
		return nil, err
	}
	if err := t.linked(ctx, log); err != nil {
		return nil, err
	}
	slices.SortStableFunc(t.Events, func(a, b eventlog.Entry) int {
		return a.Event.GetOccurredAt().AsTime().Compare(b.Event.GetOccurredAt().AsTime())
	})
	ids := make([]string, len(t.Events))
	for i, e := range t.Events {
		ids[i] = e.Event.GetId()
	}
	return t, d.Read(ctx, func(tx *db.Tx) (err error) {
		t.Receipts, err = ReceiptsOf(ctx, tx, tenant, ids)
		return err
	})
}

// linked adds the events that came by a name: those that the state names and that are not its own.
func (t *GoodsTrack) linked(ctx context.Context, log *eventlog.Log) error {
	have := make(map[string]bool)
	for _, e := range t.Events {
		have[e.Event.GetId()] = true
	}
	var ids []string
	for _, step := range t.Steps() {
		ids = append(ids, step.GetEventIds()...)
	}
	for _, m := range t.Milestones() {
		ids = append(ids, m.GetEventId())
	}
	for _, id := range ids {
		if have[id] {
			continue
		}
		have[id] = true
		bodies, err := log.Get(ctx, t.Tenant, id)
		if errors.Is(err, eventlog.ErrNoEvent) {
			continue // it has no offset yet
		}
		if err != nil {
			return err
		}
		t.Events = append(t.Events, bodies[0])
	}
	return nil
}

// Event is the event of an id, nil where it is not there.
func (t *GoodsTrack) Event(id string) *eventlog.Entry {
	for i := range t.Events {
		if t.Events[i].Event.GetId() == id {
			return &t.Events[i]
		}
	}
	return nil
}

// goodsOf are the shipments and returns of an order, as far as what links them to it still counts.
func goodsOf(ctx context.Context, tx *db.Tx, tenant, order string) ([]Goods, error) {
	return goods(ctx, tx, `tenant = ? AND fold_key IN (SELECT link_key FROM link WHERE tenant = ? AND part_of = ? AND in_force = 1) ORDER BY first_at, fold_key`,
		tenant, tenant, event.OrderKey(order))
}
