package retention

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// classify says which term a group has: that of what is most in it.
func (g *group) classify() {
	kinds := make(map[string]bool)
	for _, key := range g.keys {
		kind, parts, err := event.ParseKey(key)
		if err != nil {
			kind = kindOf(key)
		}
		kinds[kind] = true
		if kind == state.KindOrder && len(parts) == 1 {
			g.orders = append(g.orders, parts[0])
		}
	}
	switch {
	case kinds[state.KindOrder], kinds[state.KindSubmission], kinds[state.KindShipment], kinds[state.KindReference]:
		g.class = Orders
	case kinds[state.KindReturn], kinds[state.KindBlindReturn]:
		g.class = Returns
	case kinds[state.KindInbound]:
		g.class = Inbound
	case kinds[state.KindMovement]:
		g.class = Movements
	case len(kinds) > 0:
		g.class = Records
	default:
		g.class = Events
	}
}

// ended are, by the kind of a key, the statuses in which nothing more is expected of it. A kind that is not here has none.
var ended = map[string][]string{
	state.KindOrder: {state.Closed, state.Cancelled, state.Rejected},
	state.KindShipment: {state.ShipmentDeparted, state.ShipmentDelivered, state.ShipmentClosed, state.ShipmentVoided, state.ShipmentRefused, state.ShipmentLost,
		state.ShipmentDamaged, state.ShipmentReturned, state.ShipmentCorrected},
	state.KindReturn:      {state.ReturnClosed, state.ReturnCredited, state.ReturnDenied, state.ReturnCancelled, state.ReturnCorrected},
	state.KindBlindReturn: {state.ReturnClosed, state.ReturnCredited, state.ReturnMatched, state.ReturnCorrected},
	state.KindInbound:     {state.InboundReceived, state.InboundClosed, state.InboundCorrected},
}

// judging looks through what is kept of the keys of several groups for what still needs them.
type judging struct {
	tx     *db.Tx
	tenant string
	ofKey  map[string]*group
	ofLog  map[int64]*group
	ofID   map[string]*group
	now    time.Time
}

// judge says of each group why it stays, where something does.
func (r *Retention) judge(ctx context.Context, tx *db.Tx, tenant string, list []*group) error {
	j := &judging{tx: tx, tenant: tenant, ofKey: make(map[string]*group), ofLog: make(map[int64]*group), ofID: make(map[string]*group), now: r.now()}
	for _, g := range list {
		for _, key := range g.keys {
			j.ofKey[key] = g
		}
		for _, id := range g.events {
			j.ofLog[id] = g
		}
	}
	if err := j.events(ctx); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	for _, g := range list {
		term := r.Term(tenant, g.class)
		switch {
		case g.why != "":
		case term <= 0:
			g.why = g.class + " are kept for ever"
		case g.last.Add(term).After(j.now) || g.newest.Add(term).After(j.now):
			g.why = "younger than its term"
		}
	}
	for _, look := range []func(context.Context) error{j.states, j.waiting, j.postings, j.exceptions, j.told} {
		if err := look(ctx); err != nil {
			return fmt.Errorf("what still needs it: %w", err)
		}
	}
	return nil
}

func (g *group) stay(why string) {
	if g != nil && g.why == "" {
		g.why = why
	}
}

// events reads when the events of groups were, and finds those that stay for their own sake.
func (j *judging) events(ctx context.Context) error {
	ids := make([]int64, 0, len(j.ofLog))
	for id := range j.ofLog {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	found, err := j.tx.Lookup(ctx, db.Lookup{Table: "event", Columns: []string{"log_id", "id", "kind", "recorded_at", "occurred_at", "log_offset"}, Key: []string{"log_id"}, Rows: column(ids)})
	if err != nil {
		return err
	}
	var newest int64
	if err := j.tx.QueryRow(ctx, `SELECT COALESCE(MAX(log_offset), 0) FROM event`).Scan(&newest); err != nil {
		return err
	}
	for _, row := range found {
		g := j.ofLog[row[0].(int64)]
		j.ofID[row[1].(string)] = g
		recorded, occurred := time.UnixMicro(row[3].(int64)).UTC(), time.UnixMicro(row[4].(int64)).UTC()
		if g.first.IsZero() || recorded.Before(g.first) {
			g.first = recorded
		}
		if recorded.After(g.last) {
			g.last = recorded
		}
		if occurred.After(g.newest) {
			g.newest = occurred
		}
		offset, numbered := row[5].(int64)
		switch {
		case docklinev1.EventKind(row[2].(int64)) == docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED:
			g.stay("which policy was in force when stays")
		case !numbered:
			g.stay("it has no place in the log yet")
		case offset == newest:
			g.stay("the newest event of the log stays")
		}
	}
	return nil
}

// lookup calls f for the rows of a table that have one of the keys; the first column asked for is the key.
func (j *judging) lookup(ctx context.Context, table, where string, f func(g *group, row []any), columns ...string) error {
	var rows [][]any
	for key := range j.ofKey {
		rows = append(rows, []any{j.tenant, key})
	}
	by := columns[0]
	found, err := j.tx.Lookup(ctx, db.Lookup{Table: table, Columns: columns, Key: []string{"tenant", by}, Rows: rows, Where: where})
	for _, row := range found {
		f(j.ofKey[row[0].(string)], row)
	}
	return err
}

// states finds what is not over.
func (j *judging) states(ctx context.Context) error {
	known := make(map[string]bool)
	err := j.lookup(ctx, "state", "", func(g *group, row []any) {
		key, status := row[0].(string), row[1].(string)
		known[key] = true
		kind := kindOf(key)
		if wanted := ended[kind]; wanted != nil && !slices.Contains(wanted, status) {
			g.stay(kind + " is " + status)
		}
		if kind == state.KindSubmission && len(g.orders) == 0 && status != state.Rejected {
			g.stay("what was submitted is " + status)
		}
	}, "fold_key", "status")
	if err != nil {
		return err
	}
	for key, g := range j.ofKey {
		if ended[kindOf(key)] != nil && !known[key] {
			g.stay(kindOf(key) + " is not folded")
		}
	}
	return nil
}

// waiting finds what something still waits for, or what waits for something.
func (j *judging) waiting(ctx context.Context) error {
	said := func(why string) func(*group, []any) { return func(g *group, _ []any) { g.stay(why) } }
	running := func(g *group, row []any) {
		// One that is overdue is an exception: while that is open the group stays, and when a person has closed it nothing more is waited for.
		if s := milestone.Standing(row[1].(string)); (s == milestone.Running || s == milestone.Paused) && row[3].(int64) == 0 {
			g.stay("clock " + row[2].(string) + " runs")
		}
	}
	for _, err := range []error{
		j.lookup(ctx, "dirty", "", said("it is to be folded again"), "fold_key"),
		j.lookup(ctx, "large_key", "t.since > 0", said("it is to be folded again"), "fold_key"),
		j.lookup(ctx, "stream_wait", "", said("it waits for what a site still has to tell"), "fold_key"),
		j.lookup(ctx, "milestone", "", running, "fold_key", "standing", "name", "breached"),
		j.lookup(ctx, "stock_demand", "t.quantity <> 0", said("stock is wanted for it"), "fold_key"),
		j.lookup(ctx, "dead_letter", "t.state = 'open'", said("a refused record is not settled"), "fold_key"),
		j.lookup(ctx, "ledger", "t.item >= 'unmapped:' AND t.item < 'unmapped;'", said("it moved an item that nobody knows"), "record"),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// postings finds those that are under way, and those elsewhere that depend on one of these.
func (j *judging) postings(ctx context.Context) error {
	type ref struct{ key, kind, target string }
	of := make(map[ref]*group)
	var needed [][]any
	err := j.lookup(ctx, "posting", "", func(g *group, row []any) {
		if s := row[1].(string); s != "confirmed" && s != "superseded" {
			g.stay("posting " + row[3].(string) + " is " + s)
		}
		of[ref{row[2].(string), row[3].(string), row[4].(string)}] = g
		needed = append(needed, []any{row[2], row[3], row[4], j.tenant})
	}, "fold_key", "state", "natural_key", "kind", "target")
	if err != nil {
		return err
	}
	found, err := j.tx.Lookup(ctx, db.Lookup{Table: "posting_dependency", Columns: []string{"needs_key", "needs_kind", "needs_target", "natural_key", "kind", "target"},
		Key: []string{"needs_key", "needs_kind", "needs_target", "tenant"}, Rows: needed})
	for _, row := range found {
		g := of[ref{row[0].(string), row[1].(string), row[2].(string)}]
		if by := of[ref{row[3].(string), row[4].(string), row[5].(string)}]; by != g {
			g.stay("posting " + row[4].(string) + " of something else depends on it")
		}
	}
	return err
}

// origins of exceptions about a key.
var origins = []string{"fold/", "reconcile/", "milestone/", "rebuild/"}

// exceptions finds those that are open about a key or an order.
func (j *judging) exceptions(ctx context.Context) error {
	ofOrigin := make(map[string]*group)
	var byOrigin, byOrder [][]any
	ofOrder := make(map[string]*group)
	for key, g := range j.ofKey {
		for _, origin := range origins {
			ofOrigin[origin+key] = g
			byOrigin = append(byOrigin, []any{j.tenant, origin + key})
		}
		for _, order := range g.orders {
			if ofOrder[order] == nil {
				ofOrder[order] = g
				byOrder = append(byOrder, []any{j.tenant, order})
			}
		}
	}
	for _, by := range []struct {
		column string
		rows   [][]any
		of     map[string]*group
	}{{"origin", byOrigin, ofOrigin}, {"order_number", byOrder, ofOrder}} {
		found, err := j.tx.Lookup(ctx, db.Lookup{Table: "exception", Columns: []string{by.column, "number", "code"}, Key: []string{"tenant", by.column}, Rows: by.rows,
			Where: "t.state <> 'resolved'"})
		if err != nil {
			return err
		}
		for _, row := range found {
			by.of[row[0].(string)].stay(fmt.Sprintf("exception %d (%s) is open", row[1], row[2]))
		}
	}
	return nil
}

// told finds open exceptions about an event, and declarations that wait for one.
func (j *judging) told(ctx context.Context) error {
	var ids [][]any
	for id := range j.ofID {
		ids = append(ids, []any{j.tenant, id})
	}
	found, err := j.tx.Lookup(ctx, db.Lookup{Table: "exception_event", Columns: []string{"event_id", "number"}, Key: []string{"tenant", "event_id"}, Rows: ids})
	if err != nil {
		return err
	}
	of := make(map[int64][]*group)
	var numbers []int64
	for _, row := range found {
		n := row[1].(int64)
		if of[n] == nil {
			numbers = append(numbers, n)
		}
		of[n] = append(of[n], j.ofID[row[0].(string)])
	}
	open, err := j.tx.Lookup(ctx, db.Lookup{Table: "exception", Columns: []string{"number", "code"}, Key: []string{"number"}, Rows: column(numbers), Where: "t.state <> 'resolved'"})
	if err != nil {
		return err
	}
	for _, row := range open {
		for _, g := range of[row[0].(int64)] {
			g.stay(fmt.Sprintf("exception %d (%s) is open", row[0], row[1]))
		}
	}
	waits, err := j.tx.Lookup(ctx, db.Lookup{Table: "declared", Columns: []string{"log_id"}, Key: []string{"log_id"}, Rows: j.logs(), Where: "t.waiting = 1"})
	for _, row := range waits {
		j.ofLog[row[0].(int64)].stay("it declares an event that has not come")
	}
	return err
}

func (j *judging) logs() [][]any {
	rows := make([][]any, 0, len(j.ofLog))
	for id := range j.ofLog {
		rows = append(rows, []any{id})
	}
	return rows
}
