package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// clocked is an order, shipment or return as its milestones see it.
type clocked struct {
	object, name string
	// site tells what is done about it; customer and order are those that it is of, value what it is worth.
	site, customer, order, value string
	evidence                     milestone.Evidence
}

// hasClocks tells the kinds of keys that milestones can be of.
func hasClocks(key string) bool {
	kind, _, _ := strings.Cut(key, "/")
	return kind == state.KindOrder || kind == state.KindShipment || kind == state.KindReturn || kind == state.KindBlindReturn
}

func (k foldKey) milestone() milestone.Key { return milestone.Key{Tenant: k.tenant, Key: k.key} }

// clocks is the origin of exceptions about the milestones of a key.
func (k foldKey) clocks() string { return "milestone/" + k.key }

func (b *batch) loadClocks(ctx context.Context, keys []foldKey) (err error) {
	var asked []milestone.Key
	for _, key := range keys {
		if hasClocks(key.key) {
			asked = append(asked, key.milestone())
		}
	}
	b.clocks, err = milestone.Load(ctx, b.tx, asked)
	return err
}

// takeActs takes what people told clocks out of the facts: it says nothing of the goods.
func (v *view) takeActs() (acts []milestone.Act) {
	v.facts = slices.DeleteFunc(v.facts, func(f state.Fact) bool {
		m := f.Event.GetMilestoneChange()
		if m == nil {
			return false
		}
		a := milestone.Act{ID: f.Event.GetId(), At: f.Event.GetOccurredAt().AsTime(), By: f.Event.GetActor(), Name: m.GetName(), Action: m.GetAction(), Reason: m.GetReason(),
			For: time.Duration(m.GetSeconds()) * time.Second}
		if m.GetUntil() != nil {
			a.Until = m.GetUntil().AsTime()
		}
		if !slices.ContainsFunc(acts, func(had milestone.Act) bool { return had.ID == a.ID }) {
			acts = append(acts, a)
		}
		return true
	})
	return acts
}

// milestones runs the clocks of what was folded. What follows from the facts alone is kept; that one ran past its due follows from absence.
func (v *view) milestones(of clocked) {
	of.evidence.Acts = v.acts
	for _, d := range v.policy.Milestones(v.scope(of.site, of.customer), of.object) {
		var cal milestone.Calendar = milestone.Always
		if c := v.policy.Calendar(d.Calendar); c != nil {
			cal = c
		}
		clock, started := milestone.Evaluate(d, of.evidence, cal)
		if !started || clock.DueAt.IsZero() && clock.Standing != milestone.Paused {
			continue // nobody has said when it is due
		}
		e := milestone.Entry{Clock: clock, Tenant: v.tenant, Key: v.key, Site: of.site, Region: v.policy.Region(of.site), Customer: of.customer, Order: of.order, Policy: v.policy.Version}
		v.judge(of, &e)
		v.outcome.clocks = append(v.outcome.clocks, e)
	}
}

// judge says whether a clock ran past its due, and makes cases of what people must know.
func (v *view) judge(of clocked, e *milestone.Entry) {
	if e.Standing != milestone.Running {
		return
	}
	late := !e.ExpectedAt.IsZero() && e.ExpectedAt.After(e.DueAt)
	switch {
	case v.now.Before(e.DueAt):
		v.wake(e.DueAt)
		if late {
			v.missed(of, e, fmt.Sprintf("It is expected %s.", said(e.ExpectedAt)))
		} else if !e.WarnAt.IsZero() {
			v.dueSoon(of, e)
		}
		return
	case v.mayBeReached(of, e):
		if late {
			v.missed(of, e, fmt.Sprintf("It is expected %s.", said(e.ExpectedAt)))
		}
		return
	}
	e.Breached = true
	text := ""
	if late {
		text = fmt.Sprintf("It is expected %s.", said(e.ExpectedAt))
	}
	v.missed(of, e, text)
}

// mayBeReached tells whether it may have been reached in time without anybody having heard of it: while the site has not told everything up to
// then, and is waited for.
func (v *view) mayBeReached(of clocked, e *milestone.Entry) bool {
	if of.site == "" || !v.toldBySites(e.Of, e.Stop) || len(v.lagging(of.site, e.DueAt, 0)) == 0 {
		return false
	}
	until := e.DueAt.Add(e.Waits())
	if !v.now.Before(until) {
		return false
	}
	v.outcome.clockWaits[of.site] = true
	v.wake(until)
	if !v.batch.waits[v.foldKey][of.site] {
		v.wake(v.now.Add(firstLook))
	}
	return true
}

// siteSteps are the points of each object that its site tells.
var siteSteps = map[string][]string{
	milestone.Order: {state.ReachedPicking, state.ReachedPicked, state.ReachedPacked, state.ReachedFirst, state.ReachedShipped},
	milestone.Shipment: {state.ShipmentPlanned, state.ShipmentPicking, state.ShipmentPacked, state.ShipmentStaged, state.ShipmentLoaded, state.ShipmentDeparted,
		state.ShipmentVoided},
	milestone.Return: {state.ReturnReceived, state.ReturnInspected, state.ReturnQuarantined, state.ReturnDisposed},
}

// toldBySites tells whether a site may tell one of these points.
func (v *view) toldBySites(object string, points []string) bool {
	return slices.ContainsFunc(points, func(name string) bool {
		if kind, ok := event.ParseKind(name); ok {
			return slices.Contains(v.policy.Ownership.Owners(kind), ownership.Site)
		}
		return slices.Contains(siteSteps[object], name)
	})
}

func (v *view) dueSoon(of clocked, e *milestone.Entry) {
	if v.now.Before(e.WarnAt) {
		v.wake(e.WarnAt)
		return
	}
	v.clockCase(of, e, milestone.DueSoon, fmt.Sprintf("%s: %s is due %s", of.name, words(e.Name), said(e.DueAt)),
		fmt.Sprintf("%s is to be %s by %s, and is not yet. This closes by itself when it is reached.", of.name, words(e.Name), said(e.DueAt)))
}

func (v *view) missed(of clocked, e *milestone.Entry, more string) {
	whose := ""
	if of.customer != "" {
		whose = " of customer " + of.customer
	}
	title := fmt.Sprintf("%s is not %s: it was due %s", of.name, words(e.Name), said(e.DueAt))
	if !e.Breached {
		title = fmt.Sprintf("%s will not be %s by %s", of.name, words(e.Name), said(e.DueAt))
	}
	text := fmt.Sprintf("%s%s was to be %s by %s; its time began %s.", of.name, whose, words(e.Name), said(e.DueAt), said(e.StartedAt))
	if more != "" {
		text += " " + more
	}
	if e.Breached && v.toldBySites(e.Of, e.Stop) && of.site != "" {
		text += fmt.Sprintf(" Look at site %s whether it was done and not told.", of.site)
	}
	text += " This closes by itself when it is reached"
	if e.Level != "" {
		text += fmt.Sprintf("; the service level %q counts when", e.Level)
	}
	v.clockCase(of, e, cmp.Or(e.Code, milestone.DefaultCode), title, text+".")
}

// clockCase is an exception about a milestone.
func (v *view) clockCase(of clocked, e *milestone.Entry, code, title, text string) {
	had := len(v.outcome.exceptions)
	v.raise(exception.Desired{Code: code, Class: process, Subject: e.Name, Site: of.site, Order: of.order, Customer: of.customer, Value: of.value, Title: title, Text: text})
	d := v.outcome.exceptions[had]
	v.outcome.exceptions = v.outcome.exceptions[:had]
	d.Team = cmp.Or(e.Team, d.Team)
	if e.Severity != "" && code != milestone.DueSoon {
		d.Severity = policy.Owner{Severity: e.Severity}.SeverityOf()
	}
	v.outcome.breaches = append(v.outcome.breaches, d)
}

func said(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

// clocksOfOrder are the points and holds of an order.
func (v *view) clocksOfOrder(fold *state.OrderFold) {
	s := fold.State
	of := clocked{object: milestone.Order, name: "Order " + s.GetNumber(), site: cmp.Or(s.GetReleasedTo(), s.GetSite()), customer: s.GetCustomer(), order: s.GetNumber(), value: worthOf(s)}
	for _, r := range fold.Reached {
		of.evidence.Points = append(of.evidence.Points, milestone.Point(r))
	}
	of.facts(fold.Facts)
	of.evidence.Intervals = append(holdsOf(fold.Facts), waitsOf(fold.Facts)...)
	of.time("promised_at", s.GetPromisedAt())
	of.time("ordered_at", s.GetOrderedAt())
	v.milestones(of)
}

// clocksOfShipment are the steps of a shipment. It is delivered when all its parcels are.
func (v *view) clocksOfShipment(fold *state.ShipmentFold) {
	s := fold.State
	of := clocked{object: milestone.Shipment, name: fmt.Sprintf("Shipment %s of site %s", s.GetNumber(), s.GetSite()), site: s.GetSite(), order: orderOf(s)}
	for _, step := range s.GetSteps() {
		switch {
		case step.GetStatus() == state.ShipmentDelivered && s.GetDeliveredAt() == nil, step.GetInferred():
		case step.GetStatus() == state.ShipmentDelivered:
			of.point(step.GetStatus(), s.GetDeliveredAt(), step.GetEventIds())
		case step.GetStatus() == state.ShipmentVoided && s.GetStatus() != state.ShipmentVoided:
		case step.GetStatus() != state.ShipmentVoided && s.GetStatus() == state.ShipmentVoided && step.GetStatus() == state.ShipmentDeparted:
		default:
			of.point(step.GetStatus(), step.GetAt(), step.GetEventIds())
		}
	}
	of.facts(fold.Facts)
	for _, e := range fold.Facts {
		of.time("carrier_cutoff", e.GetShipment().GetCarrierCutoff())
	}
	v.milestones(of)
}

// clocksOfReturn are the steps of a return. It is inspected, disposed of and credited when all that was received is.
func (v *view) clocksOfReturn(fold *state.ReturnFold, name string) {
	s := fold.State
	of := clocked{object: milestone.Return, name: name, site: s.GetSite(), customer: s.GetCustomer(), order: s.GetOrder()}
	sums := make(map[string]int64)
	var received int64
	for _, l := range s.GetLines() {
		received += l.GetReceived()
		sums[state.ReturnInspected] += min(l.GetInspected(), l.GetReceived())
		sums[state.ReturnDisposed] += min(l.GetDisposed(), l.GetReceived())
		sums[state.ReturnCredited] += min(l.GetCredited(), l.GetReceived())
	}
	at := make(map[string]*timestamppb.Timestamp, len(fold.Facts))
	for _, e := range fold.Facts {
		at[e.GetId()] = e.GetOccurredAt()
	}
	for _, step := range s.GetSteps() {
		when := step.GetAt()
		if done, counted := sums[step.GetStatus()]; counted {
			if done < received {
				continue
			}
			for _, id := range step.GetEventIds() {
				if t := at[id]; t != nil && t.AsTime().After(when.AsTime()) {
					when = t
				}
			}
		}
		of.point(step.GetStatus(), when, step.GetEventIds())
	}
	of.facts(fold.Facts)
	of.time("expires_at", s.GetExpiresAt())
	v.milestones(of)
}

func (c *clocked) point(name string, at *timestamppb.Timestamp, ids []string) {
	c.evidence.Points = append(c.evidence.Points, milestone.Point{Name: name, At: at.AsTime(), EventIDs: ids})
}

// facts are points by their kind, each at its first; and the times that they name.
func (c *clocked) facts(events []*docklinev1.Event) {
	first, etas := make(map[docklinev1.EventKind]*docklinev1.Event), make(map[string]*timestamppb.Timestamp)
	for _, e := range events { // as they happened
		if first[e.GetKind()] == nil {
			first[e.GetKind()] = e
		}
		for _, custom := range e.GetCustom() {
			if at, err := time.Parse(time.RFC3339, custom.GetValue()); err == nil {
				c.time("custom."+custom.GetName(), timestamppb.New(at))
			}
		}
		if t := e.GetTransport(); t.GetEta() != nil {
			etas[t.GetTracking()] = t.GetEta()
		}
	}
	for _, eta := range etas {
		if had, ok := c.evidence.Times["eta"]; !ok || eta.AsTime().After(had) { // all of it is there when the last is
			c.time("eta", eta)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(first)) {
		c.point(event.KindName(kind), first[kind].GetOccurredAt(), []string{first[kind].GetId()})
	}
}

func (c *clocked) time(name string, at *timestamppb.Timestamp) {
	if at == nil {
		return
	}
	if c.evidence.Times == nil {
		c.evidence.Times = make(map[string]time.Time)
	}
	c.evidence.Times[name] = at.AsTime()
}

// holdsOf is when the order was held, by code: "held" and "held:CREDIT".
func holdsOf(events []*docklinev1.Event) (list []milestone.Interval) {
	open := make(map[string]int)
	for _, e := range events {
		code := e.GetHold().GetCode()
		if e.GetHold() == nil {
			continue
		}
		at, held := open[code]
		switch {
		case e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED && held:
			list[at].To, list[at].EventIDs = e.GetOccurredAt().AsTime(), append(list[at].EventIDs, e.GetId())
			delete(open, code)
		case e.GetKind() != docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED && !held:
			open[code] = len(list)
			list = append(list, milestone.Interval{Name: "held:" + code, From: e.GetOccurredAt().AsTime(), EventIDs: []string{e.GetId()}})
		}
	}
	for _, i := range list {
		i.Name = "held"
		list = append(list, i)
	}
	return list
}

// waitsOf is when the order waited for goods, and for an answer to who asked to take it back.
func waitsOf(events []*docklinev1.Event) (list []milestone.Interval) {
	open := make(map[string]int)
	begin := func(name, what string, e *docklinev1.Event) {
		if _, waits := open[what]; !waits {
			open[what] = len(list)
			list = append(list, milestone.Interval{Name: name, From: e.GetOccurredAt().AsTime(), EventIDs: []string{e.GetId()}})
		}
	}
	end := func(what string, e *docklinev1.Event) {
		if at, waits := open[what]; waits {
			list[at].To, list[at].EventIDs = e.GetOccurredAt().AsTime(), append(list[at].EventIDs, e.GetId())
			delete(open, what)
		}
	}
	for _, e := range events {
		switch e.GetKind() {
		case docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED:
			begin("backordered", "backorder "+e.GetBackorder().GetNumber(), e)
		case docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED:
			end("backorder "+e.GetBackorder().GetNumber(), e)
		case docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED:
			begin("cancel_requested", "cancel", e)
		case docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REFUSED, docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:
			end("cancel", e)
		}
	}
	return list
}

// worthOf is what is still wanted of an order at its prices, "" where it has none.
func worthOf(s *docklinev1.OrderState) string {
	sum, priced := new(big.Int), false
	for _, l := range s.GetLines() {
		cents, ok := new(big.Int).SetString(strings.Replace(worth(max(0, l.GetNet()-l.GetDelivered()), l.GetUnitPrice()), ".", "", 1), 10)
		if ok {
			sum.Add(sum, cents)
			priced = true
		}
	}
	if !priced || !sum.IsInt64() {
		return ""
	}
	return fmt.Sprintf("%d.%02d", sum.Int64()/100, sum.Int64()%100)
}
