package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// orderAct is something that a person does with an order from here.
type orderAct struct {
	sets []exception.Set
	// choose fills in the choices that there are for an order; nil for none.
	choose func(ctx context.Context, tx *db.Tx, tenant string, o *docklinev1.OrderState, sets []exception.Set) error
	do     func(ctx context.Context, tx *db.Tx, d *Desk, w work) (string, error)
}

// work is an act upon an order, as it is done.
type work struct {
	tenant string
	order  *docklinev1.OrderState
	exception.Acting
	// kept is set where what was said counts for nothing until its owner does it.
	kept *bool
}

// orderActs are those of the moves of orders that are done from here, by name. What an order is said to be held or asked back is a fact that the API
// tells, which counts as far as ownership.yaml lets it; what changes the order itself is asked of the system of record.
var orderActs = map[string]orderAct{
	"hold": {do: hold, sets: []exception.Set{{Name: "code", Help: "which hold, as credit or address; one is released alone. customer_service where it is not said"},
		{Name: "until", Help: "until when, a time like 2026-12-01T08:00:00Z; people are told, and it does not end by itself"}}},
	"release_hold": {do: releaseHold, choose: openHolds, sets: []exception.Set{{Name: "code", Help: "which hold; the one that there is where it is not said"}}},
	"request_cancel": {do: requestCancel, sets: []exception.Set{{Name: "requester", Help: "who wishes it, as customer; who does this where it is not said"},
		{Name: "lines", Help: "which lines and how much of each, as 1=2,3=0.5; the whole order where it is not said"}}},
	"split":          {do: split, sets: []exception.Set{{Name: "lines", Help: "which lines and how much of each, as 1=2,3=0.5", Required: true}}},
	"move":           {do: moveOrder, choose: otherSites, sets: []exception.Set{{Name: "to", Help: "which site is to ship it", Required: true}}},
	"cancel_at_site": {do: leaveOrder, sets: []exception.Set{{Name: "plugin", Help: "whom to tell, where several could"}}},
}

func (a orderAct) takes(ctx context.Context, tx *db.Tx, tenant string, o *docklinev1.OrderState) ([]exception.Set, error) {
	sets := slices.Clone(a.sets)
	if a.choose == nil {
		return sets, nil
	}
	return sets, a.choose(ctx, tx, tenant, o, sets)
}

// possible is an error where a value is needed and there is none to choose.
func (a orderAct) possible(sets []exception.Set) error {
	for _, s := range sets {
		if a.choose != nil && s.Required && len(s.Choices) == 0 {
			return fmt.Errorf("%w: there is nothing to choose from: %s", exception.ErrNotNow, s.Help)
		}
	}
	return nil
}

// ActOnOrder does something with an order within the caller's transaction, where the person may and where it can be done now, and records it. It
// returns a sentence that says what has become of it, and whether it counts: what others own is kept for them, and changes nothing.
func (d *Desk) ActOnOrder(ctx context.Context, tx *db.Tx, tenant, number, name string, a exception.Acting) (said string, applied bool, err error) {
	act, known := orderActs[name]
	if !known {
		return "", false, fmt.Errorf("order %s: %q: %w; there are %s", number, name, exception.ErrNoAction, strings.Join(slices.Sorted(maps.Keys(orderActs)), ", "))
	}
	moves := objectMoves[state.KindOrder]
	m := moves[slices.IndexFunc(moves, func(m move) bool { return m.name == name })]
	if err := people.Allow(ctx, tx, tenant, a.By, m.scope); err != nil {
		return "", false, err
	}
	e := &exception.Exception{Tenant: tenant, Order: number}
	_, o, err := decider{d.Policy}.order(ctx, tx, e)
	if err != nil {
		return "", false, err
	}
	if offer := m.offer(tenant, o.GetStatus(), o.GetReleasedTo()); offer.Not != "" {
		return "", false, fmt.Errorf("order %s: %s %w: %s", number, name, exception.ErrNotNow, offer.Not)
	}
	sets, err := act.takes(ctx, tx, tenant, o)
	if err != nil {
		return "", false, err
	}
	if err := cmp.Or(act.possible(sets), exception.Takes(sets, a)); err != nil {
		return "", false, fmt.Errorf("order %s: %s: %w", number, name, err)
	}
	kept := false
	said, err = act.do(ctx, tx, d, work{tenant, o, a, &kept})
	if err != nil {
		return "", false, fmt.Errorf("order %s: %s: %w", number, name, err)
	}
	return said, !kept, audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: a.By, Action: "order." + name, Object: event.OrderKey(number), Reason: a.Reason, Detail: map[string]any{"status": o.GetStatus(), "set": a.Set}}, a.Now)
}

// says appends what the API tells of an order, and says whether it counts: what others own is kept, not applied, and a case of their team.
func (d *Desk) says(ctx context.Context, tx *db.Tx, w work, kind docklinev1.EventKind, fact *docklinev1.Event, done string) (string, error) {
	fact.Source, fact.Kind = policy.API, kind
	if err := d.tell(ctx, tx, w, fact); err != nil {
		return "", err
	}
	if ok, denied := d.Policy.OwnershipOf(w.tenant, fact).May(kind, ownership.API, ownership.Word(fact)); !ok {
		*w.kept = true
		return fmt.Sprintf("kept, and not applied: by ownership.yaml only %s may tell %s; its team has a case of it, and it counts when it is done there", rolesText(denied.Owners), event.KindName(kind)), nil
	}
	return done, nil
}

func rolesText(roles []ownership.Role) string {
	texts := make([]string, len(roles))
	for i, r := range roles {
		texts[i] = strings.ReplaceAll(string(r), "_", " ")
	}
	return "the " + strings.Join(texts, " or the ")
}

// tell appends a fact about an order.
func (d *Desk) tell(ctx context.Context, tx *db.Tx, w work, fact *docklinev1.Event) error {
	number := w.order.GetNumber()
	fact.Tenant, fact.Subject, fact.Actor, fact.OccurredAt, fact.CorrelationId = w.tenant, number, w.By, timestamppb.New(w.Now), event.CorrelationID(w.tenant, number)
	fact.SourceKey, fact.SourceRevision = cmp.Or(fact.SourceKey, "order/"+number), w.Now.UTC().Format(time.RFC3339Nano)
	fact.Id = event.ID(event.Cause{Tenant: fact.Tenant, Source: fact.Source, SourceKey: fact.SourceKey, Revision: fact.SourceRevision, Kind: event.KindName(fact.Kind)})
	if fault := event.Validate(fact); fault != nil {
		return fmt.Errorf("%w: %s", exception.ErrIncorrect, fault.Text)
	}
	log := &eventlog.Log{Links: links, Now: func() time.Time { return w.Now }, Keys: func(e *docklinev1.Event) []eventlog.Touch { return touchesOf(e, d.Policy) }}
	return appending(log)(ctx, tx, []*docklinev1.Event{fact})
}

func hold(ctx context.Context, tx *db.Tx, d *Desk, w work) (string, error) {
	h := &docklinev1.Hold{Number: w.order.GetNumber(), Code: cmp.Or(w.Set["code"], "customer_service"), Owner: w.By, Reason: w.Reason}
	if text := w.Set["until"]; text != "" {
		until, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return "", fmt.Errorf("%w: until %q: write a time like 2026-12-01T08:00:00Z", exception.ErrIncorrect, text)
		}
		h.Until = timestamppb.New(until)
	}
	return d.says(ctx, tx, w, docklinev1.EventKind_EVENT_KIND_ORDER_HELD, &docklinev1.Event{SourceKey: "hold/" + h.Number + "/" + h.Code + "/" + w.Now.UTC().Format(time.RFC3339Nano), Payload: &docklinev1.Event_Hold{Hold: h}},
		fmt.Sprintf("held (%s): no site is told anything more of it until that is released%s", h.Code, alreadyTold(w.order)))
}

// alreadyTold warns of what a hold does not stop.
func alreadyTold(o *docklinev1.OrderState) string {
	switch site := o.GetReleasedTo(); {
	case site == "":
		return ""
	case reconcile.Begun(o):
		return fmt.Sprintf("; site %s has begun it and may go on with it: cancel_at_site has it leave the order, and what leaves all the same becomes an exception", site)
	default:
		return fmt.Sprintf("; site %s, which was told of it before, is told to leave it until then", site)
	}
}

func openHolds(_ context.Context, _ *db.Tx, _ string, o *docklinev1.OrderState, sets []exception.Set) error {
	for _, h := range o.GetHolds() {
		sets[0].Choices = append(sets[0].Choices, h.GetCode())
	}
	return nil
}

func releaseHold(ctx context.Context, tx *db.Tx, d *Desk, w work) (string, error) {
	code := w.Set["code"]
	if holds := w.order.GetHolds(); code == "" && len(holds) == 1 {
		code = holds[0].GetCode()
	}
	if code == "" {
		return "", fmt.Errorf("%w: there is more than one hold; say which (code)", exception.ErrIncorrect)
	}
	h := &docklinev1.Hold{Number: w.order.GetNumber(), Code: code, Owner: w.By, Reason: w.Reason}
	return d.says(ctx, tx, w, docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED, &docklinev1.Event{SourceKey: "hold/" + h.Number + "/" + h.Code + "/" + w.Now.UTC().Format(time.RFC3339Nano), Payload: &docklinev1.Event_Hold{Hold: h}},
		fmt.Sprintf("the hold %s is released", code))
}

func requestCancel(ctx context.Context, tx *db.Tx, d *Desk, w work) (string, error) {
	r := &docklinev1.CancelRequest{Number: w.order.GetNumber(), Requester: cmp.Or(w.Set["requester"], w.By), Reason: w.Reason}
	var err error
	if w.Set["lines"] != "" {
		if r.Lines, err = w.lines(); err != nil {
			return "", err
		}
	}
	return d.says(ctx, tx, w, docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED, &docklinev1.Event{SourceKey: "cancel/" + r.Number + "/" + w.Now.UTC().Format(time.RFC3339Nano), Payload: &docklinev1.Event_CancelRequest{CancelRequest: r}},
		"asked for: the system of record grants it or refuses, and its team has a case until then")
}

// lines reads lines and quantities, 1=2,3=0.5, of what is open of the order.
func (w work) lines() ([]*docklinev1.Line, error) {
	var lines []*docklinev1.Line
	seen := make(map[string]bool)
	for text := range strings.SplitSeq(w.Set["lines"], ",") {
		number, quantity, ok := strings.Cut(strings.TrimSpace(text), "=")
		at := slices.IndexFunc(w.order.GetLines(), func(l *docklinev1.OrderLineState) bool { return l.GetOrderLine() == number })
		if !ok || at < 0 {
			return nil, fmt.Errorf("%w: lines %q: write LINE=QUANTITY of lines that the order has, like %s=2", exception.ErrIncorrect, text, firstLine(w.order))
		}
		if seen[number] {
			return nil, fmt.Errorf("%w: lines: line %s is named twice; say how much of it in all", exception.ErrIncorrect, number)
		}
		seen[number] = true
		line := w.order.GetLines()[at]
		base, err := quantityOf(quantity, "quantity of line "+number, 0)
		if err == nil && base > line.GetOpen() {
			err = fmt.Errorf("%w: lines: only %s of line %s is open", exception.ErrIncorrect, event.FormatQuantity(line.GetOpen()), number)
		}
		if err == nil && base == 0 {
			err = fmt.Errorf("%w: lines: say how much of line %s, like %s=2", exception.ErrIncorrect, number, number)
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, &docklinev1.Line{Order: w.order.GetNumber(), OrderLine: number, Item: line.GetItem(), Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(base)}})
	}
	return lines, nil
}

// takesAll tells that lines are everything that is open of the order.
func (w work) takesAll(lines []*docklinev1.Line) bool {
	for _, open := range w.order.GetLines() {
		at := slices.IndexFunc(lines, func(l *docklinev1.Line) bool { return l.GetOrderLine() == open.GetOrderLine() })
		if open.GetOpen() > 0 && (at < 0 || lines[at].GetQuantity().GetValue() != event.FormatQuantity(open.GetOpen())) {
			return false
		}
	}
	return true
}

func firstLine(o *docklinev1.OrderState) string {
	if len(o.GetLines()) == 0 {
		return "1"
	}
	return o.GetLines()[0].GetOrderLine()
}

// decide appends what a person decided about the order, which the system of record is asked to do.
func (d *Desk) decide(ctx context.Context, tx *db.Tx, w work, decided *docklinev1.Decision) error {
	decided.Key, decided.About, decided.Reason, decided.Site = event.OrderKey(w.order.GetNumber()), reconcile.AboutOrder, w.Reason, orElse(w.order.GetReleasedTo(), w.order.GetSite())
	return d.tell(ctx, tx, w, &docklinev1.Event{Source: policy.Self, Kind: docklinev1.EventKind_EVENT_KIND_EXCEPTION_DECIDED, SourceKey: "decided/" + w.order.GetNumber(),
		Payload: &docklinev1.Event_Decision{Decision: decided}})
}

func split(ctx context.Context, tx *db.Tx, d *Desk, w work) (string, error) {
	lines, err := w.lines()
	if err != nil {
		return "", err
	}
	if w.takesAll(lines) {
		return "", fmt.Errorf("%w: lines: that is all that is open of the order, and would leave nothing of it; leave something, or move the order", exception.ErrIncorrect)
	}
	var texts []string
	for _, l := range lines {
		texts = append(texts, fmt.Sprintf("%s of line %s", l.GetQuantity().GetValue(), l.GetOrderLine()))
	}
	return fmt.Sprintf("the system of record is asked to move %s to an order of its own, which is then released like any other", strings.Join(texts, ", ")),
		d.decide(ctx, tx, w, &docklinev1.Decision{Action: reconcile.SplitOrder, Lines: lines})
}

// otherSites are those of the tenant that do not have the order.
func otherSites(ctx context.Context, tx *db.Tx, tenant string, o *docklinev1.OrderState, sets []exception.Set) error {
	rows, err := tx.Query(ctx, `SELECT id FROM site WHERE tenant = ? AND id <> ? ORDER BY id`, tenant, orElse(o.GetReleasedTo(), o.GetSite()))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		sets[0].Choices = append(sets[0].Choices, id)
	}
	return errors.Join(rows.Err(), rows.Close())
}

func moveOrder(ctx context.Context, tx *db.Tx, d *Desk, w work) (string, error) {
	if from := orElse(w.order.GetReleasedTo(), w.order.GetSite()); from == w.Set["to"] {
		return "", fmt.Errorf("%w: site %s has it already", exception.ErrIncorrect, from)
	}
	return fmt.Sprintf("the system of record is asked to have site %s ship it; the sites are told when it does", w.Set["to"]),
		d.decide(ctx, tx, w, &docklinev1.Decision{Action: reconcile.MoveOrder, ToSite: w.Set["to"]})
}

func leaveOrder(ctx context.Context, tx *db.Tx, _ *Desk, w work) (string, error) {
	c := &docklinev1.Command{Tenant: w.tenant, Site: w.order.GetReleasedTo(), Plugin: w.Set["plugin"], Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: w.order.GetNumber(), Reason: w.Reason}}}
	key, version, err := downlink.SubmitIn(ctx, tx, c, w.Now)
	return fmt.Sprintf("%s version %d waits for site %s", key, version, c.GetSite()), err
}
