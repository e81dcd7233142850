package view

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Impact is what an exception holds up, as far as state tells.
type Impact struct {
	// Customers and Orders are sorted. Lines counts lines of these orders.
	Customers []string `json:"customers"`
	Orders    []string `json:"orders"`
	Lines     int      `json:"lines"`
	// Values are what the goods are worth by the orders' prices, by currency, the largest number first.
	Values []Worth `json:"values"`
}

// Worth is an amount in a currency, with two decimals.
type Worth struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// waiting are the postings that a system that is down holds up.
const waiting = `state NOT IN ('confirmed', 'superseded') AND wanted = 1`

// openOrders are the statuses of orders that a site has work with.
const openOrders = `'accepted', 'held', 'backordered', 'released', 'allocated', 'picking', 'partially_packed', 'packed', 'partially_shipped'`

// impact gathers what is held up: a quantity of a line of an order, or the whole line.
type impact struct {
	tenant string
	// lines are by order and line; wholeLine is all that is open of it. An order under "" is all its lines.
	lines  map[string]map[string]int64
	orders map[string]*docklinev1.OrderState
}

const wholeLine = -1

// ImpactOf works out what exceptions hold up together: of a posting its document's lines, of an order its lines, of a shipment or return its
// goods, of a site the orders that it still has to ship, of a system what waits to be told.
func ImpactOf(ctx context.Context, tx *db.Tx, tenant string, list ...exception.Exception) (Impact, error) {
	i := &impact{tenant: tenant, lines: map[string]map[string]int64{}, orders: map[string]*docklinev1.OrderState{}}
	var postings, keys [][]any
	customers := map[string]bool{}
	for _, e := range list {
		kind, rest, _ := strings.Cut(e.Origin, "/")
		parts := strings.SplitN(rest, "/", 3)
		switch {
		case kind == "posting" && len(parts) == 3:
			postings = append(postings, []any{tenant, parts[0], parts[1], parts[2]})
		case kind == "fold":
			keys = append(keys, []any{tenant, rest})
		case kind == "target":
			if err := i.waitFor(ctx, tx, rest); err != nil {
				return Impact{}, err
			}
		case e.Order == "" && e.Site != "":
			if err := i.ofSite(ctx, tx, e.Site); err != nil {
				return Impact{}, err
			}
		}
		if e.Order != "" && (kind != "posting" || len(parts) != 3) {
			i.add(e.Order, "", wholeLine)
		}
		if e.Customer != "" {
			customers[e.Customer] = true
		}
	}
	if err := i.ofPostings(ctx, tx, postings); err != nil {
		return Impact{}, err
	}
	if err := i.ofStates(ctx, tx, keys); err != nil {
		return Impact{}, err
	}
	if err := i.load(ctx, tx); err != nil {
		return Impact{}, err
	}
	return i.sum(customers), nil
}

func (i *impact) add(order, line string, quantity int64) {
	if order == "" {
		return
	}
	if i.lines[order] == nil {
		i.lines[order] = map[string]int64{}
	}
	if had := i.lines[order][line]; had == wholeLine || quantity == wholeLine {
		i.lines[order][line] = wholeLine
	} else {
		i.lines[order][line] = had + quantity
	}
}

func (i *impact) ofPostings(ctx context.Context, tx *db.Tx, keys [][]any) error {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "posting", Columns: []string{"document"}, Key: []string{"tenant", "target", "kind", "natural_key"}, Rows: keys})
	if err != nil {
		return fmt.Errorf("impact: %w", err)
	}
	for _, v := range found {
		if err := i.document(v[0]); err != nil {
			return err
		}
	}
	return nil
}

// waitFor adds what waits to be told to a system.
func (i *impact) waitFor(ctx context.Context, tx *db.Tx, target string) error {
	rows, err := tx.Query(ctx, `SELECT document FROM posting WHERE tenant = ? AND target = ? AND `+waiting, i.tenant, target)
	if err != nil {
		return fmt.Errorf("impact of %s: %w", target, err)
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return err
		}
		if err := i.document(body); err != nil {
			return err
		}
	}
	return rows.Err()
}

// document adds the lines of a document; one without lines is about its whole order.
func (i *impact) document(body any) error {
	d := &docklinev1.Document{}
	raw, _ := body.([]byte)
	if err := proto.Unmarshal(raw, d); err != nil {
		return fmt.Errorf("impact: document: %w", err)
	}
	var order string
	var lines []*docklinev1.DocumentLine
	switch v := d.GetDocument().(type) {
	case *docklinev1.Document_GoodsIssue:
		order, lines = v.GoodsIssue.GetOrder(), v.GoodsIssue.GetLines()
	case *docklinev1.Document_InvoiceTrigger:
		order, lines = v.InvoiceTrigger.GetOrder(), v.InvoiceTrigger.GetLines()
	case *docklinev1.Document_OrderStatus:
		order = v.OrderStatus.GetOrder()
	case *docklinev1.Document_ServiceCase:
		order = v.ServiceCase.GetOrder()
	case *docklinev1.Document_OrderAmendment:
		order = v.OrderAmendment.GetOrder()
		for _, l := range v.OrderAmendment.GetLines() {
			lines = append(lines, &docklinev1.DocumentLine{OrderLine: l.GetOrderLine(), Quantity: l.GetQuantity()})
		}
	}
	if len(lines) == 0 {
		i.add(order, "", wholeLine)
	}
	for _, l := range lines {
		quantity, err := event.ParseQuantity(l.GetQuantity())
		if err != nil || l.GetOrderLine() == "" {
			quantity = wholeLine
		}
		i.add(order, l.GetOrderLine(), quantity)
	}
	return nil
}

func (i *impact) ofSite(ctx context.Context, tx *db.Tx, site string) error {
	rows, err := tx.Query(ctx, `SELECT body FROM state WHERE tenant = ? AND fold_key >= 'order/' AND fold_key < 'order0' AND status IN (`+openOrders+`)`, i.tenant)
	if err != nil {
		return fmt.Errorf("impact of %s: %w", site, err)
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		o := &docklinev1.OrderState{}
		if err := rows.Scan(&body); err != nil {
			return err
		}
		if err := proto.Unmarshal(body, o); err != nil {
			return fmt.Errorf("impact: state of an order: %w", err)
		}
		if cmp.Or(o.GetReleasedTo(), o.GetSite()) == site {
			i.add(o.GetNumber(), "", wholeLine)
			i.orders[o.GetNumber()] = o
		}
	}
	return rows.Err()
}

// ofStates adds what the states of fold keys name: an order itself, the goods of a shipment, the order of a return.
func (i *impact) ofStates(ctx context.Context, tx *db.Tx, keys [][]any) error {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "state", Columns: []string{"fold_key", "body"}, Key: []string{"tenant", "fold_key"}, Rows: keys})
	if err != nil {
		return fmt.Errorf("impact: %w", err)
	}
	for _, v := range found {
		kind, _, err := event.ParseKey(v[0].(string))
		if err != nil {
			continue
		}
		body, _ := v[1].([]byte)
		switch kind {
		case state.KindShipment:
			s := &docklinev1.ShipmentState{}
			if err := proto.Unmarshal(body, s); err != nil {
				return fmt.Errorf("impact: %s: %w", v[0], err)
			}
			for _, g := range s.GetGoods() {
				i.add(g.GetOrder(), g.GetOrderLine(), g.GetDeparted()-g.GetVoided())
			}
		case state.KindReturn:
			s := &docklinev1.ReturnState{}
			if err := proto.Unmarshal(body, s); err != nil {
				return fmt.Errorf("impact: %s: %w", v[0], err)
			}
			for _, l := range s.GetLines() {
				i.add(s.GetOrder(), l.GetOrderLine(), max(l.GetAuthorised(), l.GetReceived()))
			}
		}
	}
	return nil
}

// load reads the orders that are not there yet.
func (i *impact) load(ctx context.Context, tx *db.Tx) error {
	var keys [][]any
	for order := range i.lines {
		if i.orders[order] == nil {
			keys = append(keys, []any{i.tenant, event.Key(state.KindOrder, order)})
		}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: []string{"tenant", "fold_key"}, Rows: keys})
	if err != nil {
		return fmt.Errorf("impact: %w", err)
	}
	for _, v := range found {
		o := &docklinev1.OrderState{}
		body, _ := v[0].([]byte)
		if err := proto.Unmarshal(body, o); err != nil {
			return fmt.Errorf("impact: state of an order: %w", err)
		}
		i.orders[o.GetNumber()] = o
	}
	return nil
}

func (i *impact) sum(customers map[string]bool) Impact {
	out := Impact{Orders: slices.Sorted(maps.Keys(i.lines))}
	sums := map[string]*big.Rat{}
	for number, lines := range i.lines {
		o := i.orders[number]
		if o.GetCustomer() != "" {
			customers[o.GetCustomer()] = true
		}
		_, all := lines[""]
		for _, l := range o.GetLines() {
			quantity, named := lines[l.GetOrderLine()]
			if !named && !all {
				continue
			}
			out.Lines++
			if !named || quantity == wholeLine {
				quantity = l.GetOrdered() - l.GetCancelled() - l.GetSubstitutedOut() + l.GetSubstitutedIn()
			}
			price, ok := new(big.Rat).SetString(l.GetUnitPrice())
			if !ok || quantity <= 0 || strings.ContainsAny(l.GetUnitPrice(), "/eE") {
				continue
			}
			if sums[o.GetCurrency()] == nil {
				sums[o.GetCurrency()] = new(big.Rat)
			}
			sums[o.GetCurrency()].Add(sums[o.GetCurrency()], price.Mul(price, big.NewRat(quantity, 1_000_000)))
		}
	}
	out.Customers, out.Values = slices.Sorted(maps.Keys(customers)), []Worth{}
	currencies := slices.SortedFunc(maps.Keys(sums), func(a, b string) int { return cmp.Or(sums[b].Cmp(sums[a]), strings.Compare(a, b)) })
	for _, c := range currencies {
		out.Values = append(out.Values, Worth{sums[c].FloatString(2), c})
	}
	return out
}

// Text says the impact in a few words, "" where nothing is known of any.
func (i Impact) Text() string {
	var parts []string
	count := func(n int, one, many string) {
		if n == 1 {
			parts = append(parts, "1 "+one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	count(len(i.Customers), "customer", "customers")
	count(len(i.Orders), "order", "orders")
	count(i.Lines, "line", "lines")
	for _, v := range i.Values {
		parts = append(parts, strings.TrimSpace(v.Amount+" "+v.Currency))
	}
	return strings.Join(parts, ", ")
}
