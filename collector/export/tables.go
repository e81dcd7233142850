package export

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// analyticsTable is a table of an analytics export: which rows tell each other apart, and how it is read.
type analyticsTable struct {
	name    string
	key     []string
	columns []Column
	read    func(ctx context.Context, tx *db.Tx, a *Analytics, m *AnalyticsManifest, s *sheet) error
}

var analyticsTables = []analyticsTable{
	{"events", []string{"offset"}, columnsOf(`
		offset integer: place in the log, growing
		id text: id of the event
		kind text: like pick.confirmed
		site text: site, empty for what the centre's systems told
		source text: plugin or system that told it
		subject text: what it is about, as the source calls it
		correlation_id text: the same for all events of an order
		occurred_at time: when it happened, by the source's clock
		recorded_at time: when it came into the log
		event json: all of it; docs/events.md`), readEvents},
	{"states", []string{"key"}, columnsOf(`
		key text: order/N, shipment/SITE/N, return/N, inbound/SITE/N and so on
		kind text: the first part of the key
		status text: status
		site text: site, where it has one
		customer text: customer, where it has one
		facts integer: how many events it was folded from
		hash text: hash of the state; another one is another state
		policy_version text: version of the policy that it is folded under
		first_at time: when the first was told
		changed_at time: when it changed last
		state json: all of it, of orders, shipments, returns and deliveries; null of others`), readStates},
	{"order_lines", []string{"order", "line"}, columnsOf(`
		order text: number of the order
		line text: line of the order
		item text: item
		unit text: base unit; all quantities are in it
		status text: status of the line
		ordered decimal: ordered
		cancelled decimal: cancelled
		picked decimal: picked
		short decimal: could not be picked
		packed decimal: packed
		shipped decimal: left, what was taken back too
		voided decimal: of these taken back
		delivered decimal: delivered
		refused decimal: refused by the consignee
		invoiced decimal: invoiced
		returned decimal: came back
		credited decimal: credited
		backordered decimal: waits for stock
		open decimal: still to leave`), readOrderLines},
	{"postings", []string{"target", "kind", "natural_key"}, columnsOf(`
		target text: system that is told
		kind text: like goods_issue
		natural_key text: our reference in that system
		key text: key of the state that it follows from
		state text: planned, ready, sending, unknown, confirmed, diverged, correcting, rejected, blocked, superseded
		attempts integer: how often it was tried
		fault_code text: why it did not succeed last, empty where it did
		created_at time: when it was first wanted
		confirmed_at time: when the system was read back`), readPostings},
	{"exceptions", []string{"number"}, columnsOf(`
		number integer: number
		code text: code; owners.yaml lists them
		class text: technical, data or process
		severity text: info, warning or error
		state text: open, acknowledged, working, suppressed, reopened, resolved
		team text: who must act
		subject text: what it is about
		site text: site
		order text: order
		customer text: customer
		value decimal: value at risk in the order's currency, empty where there is none
		opened_at time: when it was opened
		due_at time: when it is due
		resolved_at time: when it was closed`), readExceptions},
	{"milestones", []string{"key", "name"}, columnsOf(`
		key text: key of the order, shipment or return
		name text: name of the milestone
		level text: service level
		standing text: running, paused, met, late, dropped, stopped
		breached boolean: it ran past its due
		started_at time: start of the clock
		due_at time: when it is due
		reached_at time: when it was reached
		site text: site
		region text: region
		customer text: customer`), readMilestones},
}

// each runs a query and calls f with each row, scanned into to.
func each(ctx context.Context, tx *db.Tx, query string, args []any, to []any, f func() error) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
	return rows.Err()
}

func readEvents(ctx context.Context, tx *db.Tx, a *Analytics, m *AnalyticsManifest, s *sheet) error {
	where, args := "tenant = ? AND variant = 0 AND log_offset > ? AND log_offset <= ?", []any{a.Tenant, a.After.Offset, m.Next.Offset}
	if !a.Since.IsZero() {
		where, args = where+" AND occurred_at >= ?", append(args, a.Since.UnixMicro())
	}
	if !a.Before.IsZero() {
		where, args = where+" AND occurred_at < ?", append(args, a.Before.UnixMicro())
	}
	if len(a.Kinds) > 0 {
		where += " AND kind IN " + db.List(len(a.Kinds))
		for _, kind := range a.Kinds {
			args = append(args, kind)
		}
	}
	var offset, occurred, recorded int64
	var body []byte
	return each(ctx, tx, `SELECT log_offset, occurred_at, recorded_at, body FROM event WHERE `+where+` ORDER BY log_offset`, args, []any{&offset, &occurred, &recorded, &body}, func() error {
		e := &docklinev1.Event{}
		text, err := words(body, e)
		if err != nil {
			return fmt.Errorf("event at offset %d: %w", offset, err)
		}
		return s.row(offset, e.GetId(), event.KindName(e.GetKind()), e.GetSite(), e.GetSource(), e.GetSubject(), e.GetCorrelationId(), instant(occurred), instant(recorded), text)
	})
}

// stateMessage is an empty state of a key's kind, nil where it has none that is told.
func stateMessage(kind string) proto.Message {
	switch kind {
	case "order":
		return &docklinev1.OrderState{}
	case "shipment":
		return &docklinev1.ShipmentState{}
	case "return", "blind_return":
		return &docklinev1.ReturnState{}
	case "inbound":
		return &docklinev1.InboundState{}
	}
	return nil
}

func readStates(ctx context.Context, tx *db.Tx, a *Analytics, _ *AnalyticsManifest, s *sheet) error {
	var key, hash, status, site, customer, version string
	var facts, first, changed int64
	var body []byte
	return each(ctx, tx, `SELECT fold_key, hash, status, site, customer, policy_version, fact_count, first_at, changed_at, body FROM state
		WHERE tenant = ? AND changed_at >= ? ORDER BY fold_key`, []any{a.Tenant, a.After.ChangedAt}, []any{&key, &hash, &status, &site, &customer, &version, &facts, &first, &changed, &body}, func() error {
		kind, _, _ := strings.Cut(key, "/")
		text := json.RawMessage("null")
		if m := stateMessage(kind); m != nil {
			var err error
			if text, err = words(body, m); err != nil {
				return fmt.Errorf("state of %s: %w", key, err)
			}
		}
		return s.row(key, kind, status, site, customer, facts, hash, version, instant(first), instant(changed), text)
	})
}

func readOrderLines(ctx context.Context, tx *db.Tx, a *Analytics, _ *AnalyticsManifest, s *sheet) error {
	var body []byte
	q := event.FormatQuantity
	return each(ctx, tx, `SELECT body FROM state WHERE tenant = ? AND changed_at >= ? AND fold_key > 'order/' AND fold_key < 'order0' ORDER BY fold_key`,
		[]any{a.Tenant, a.After.ChangedAt}, []any{&body}, func() error {
			o := &docklinev1.OrderState{}
			if err := proto.Unmarshal(body, o); err != nil {
				return err
			}
			for _, l := range o.GetLines() {
				if err := s.row(o.GetNumber(), l.GetOrderLine(), l.GetItem(), l.GetUnit(), l.GetStatus(), q(l.GetOrdered()), q(l.GetCancelled()), q(l.GetPicked()), q(l.GetShort()), q(l.GetPacked()),
					q(l.GetShipped()), q(l.GetVoided()), q(l.GetDelivered()), q(l.GetRefused()), q(l.GetInvoiced()), q(l.GetReturned()), q(l.GetCredited()), q(l.GetBackordered()), q(l.GetOpen())); err != nil {
					return err
				}
			}
			return nil
		})
}

func readPostings(ctx context.Context, tx *db.Tx, a *Analytics, _ *AnalyticsManifest, s *sheet) error {
	var target, kind, natural, key, state, fault string
	var attempts, created, confirmed int64
	return each(ctx, tx, `SELECT target, kind, natural_key, fold_key, state, attempts, fault_code, created_at, confirmed_at FROM posting WHERE tenant = ? AND changed_at >= ? ORDER BY id`,
		[]any{a.Tenant, a.After.ChangedAt}, []any{&target, &kind, &natural, &key, &state, &attempts, &fault, &created, &confirmed}, func() error {
			return s.row(target, kind, natural, key, state, attempts, fault, instant(created), instant(confirmed))
		})
}

func readExceptions(ctx context.Context, tx *db.Tx, a *Analytics, _ *AnalyticsManifest, s *sheet) error {
	var code, state, team, subject, site, order, customer, value string
	var number, class, severity, opened, due, resolved int64
	return each(ctx, tx, `SELECT number, code, class, severity, state, team, subject, site, order_number, customer, value, opened_at, due_at, resolved_at FROM exception
		WHERE tenant = ? AND changed_at >= ? ORDER BY number`, []any{a.Tenant, a.After.ChangedAt},
		[]any{&number, &code, &class, &severity, &state, &team, &subject, &site, &order, &customer, &value, &opened, &due, &resolved}, func() error {
			return s.row(number, code, word(docklinev1.FaultClass(class).String(), "FAULT_CLASS_"), word(docklinev1.Severity(severity).String(), "SEVERITY_"), state, team, subject, site, order, customer, value,
				instant(opened), instant(due), instant(resolved))
		})
}

func word(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }

// readMilestones writes the clocks of what has changed: they change with the state that they follow from, or by the mere passing of time.
func readMilestones(ctx context.Context, tx *db.Tx, a *Analytics, _ *AnalyticsManifest, s *sheet) error {
	var key, name, level, standing, site, region, customer string
	var breached, started, due, reached sql.NullInt64
	return each(ctx, tx, `SELECT c.fold_key, c.name, c.level, c.standing, c.breached, c.started_at, c.due_at, c.reached_at, c.site, c.region, c.customer FROM milestone c
		JOIN state f ON f.tenant = c.tenant AND f.fold_key = c.fold_key WHERE c.tenant = ? AND (f.changed_at >= ? OR c.due_at >= ?) ORDER BY c.fold_key, c.name`, []any{a.Tenant, a.After.ChangedAt, a.After.ChangedAt},
		[]any{&key, &name, &level, &standing, &breached, &started, &due, &reached, &site, &region, &customer}, func() error {
			return s.row(key, name, level, standing, breached.Int64 != 0, instant(started.Int64), instant(due.Int64), instant(reached.Int64), site, region, customer)
		})
}
