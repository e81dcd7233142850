package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// command is work for a site that is new or has changed.
type command struct {
	site string
	hash string
	body *docklinev1.Command
	// fresh: there is no row of this key at this site yet.
	fresh bool
}

// release works out what sites are to be told of an order: its own site to pick and ship it, every other site that was told before
// to leave it, and all of them when it has ended. The version grows with every change; it follows from how many facts there are
// about the order, so that the same facts give the same version, as long as the database has not been put back.
func (v *view) release(fold *state.OrderFold) {
	s := fold.State
	status := s.GetStatus()
	nothing := nothingOrdered(fold.Order)
	ended := fold.Cancelled || status == state.Rejected || nothing
	site := ""
	if fold.Order != nil && !ended {
		site = fold.Order.GetSite()
	}
	told := make(map[string]commandRow)
	for _, row := range v.batch.commands[v.foldKey] {
		told[row.site] = row
	}
	held := len(s.GetHolds()) > 0 // what is to be told of it waits until nobody holds it any more
	done := status == state.Shipped || status == state.PartiallyDelivered || status == state.Delivered || status == state.Closed
	if row, ok := told[site]; site != "" && !held && (!ok || !done) && len(fold.Order.GetLines()) > 0 {
		v.command(fold, site, row, ok, &docklinev1.Command{Work: &docklinev1.Command_ReleaseOrder{ReleaseOrder: &docklinev1.ReleaseOrder{Order: forSite(fold.Order)}}})
	}
	v.leaveOnHold(fold, site, told)
	if ended && !nothing && allShipped(s) {
		return // there is nothing left that a site could leave
	}
	for _, name := range sortedNames(told) {
		if name != site && fold.Known {
			v.command(fold, name, told[name], true, &docklinev1.Command{Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: s.GetNumber(), Reason: endReason(fold)}}})
		}
	}
}

// nothingOrdered tells that an order has lines and none has a quantity any more: all of it went to other orders, or was struck. Whoever picks for it
// must leave it, as where it was cancelled.
func nothingOrdered(o *docklinev1.Order) bool {
	for _, line := range o.GetLines() {
		if n, err := event.ParseQuantity(line.GetQuantity().GetValue()); err != nil || n != 0 {
			return false
		}
	}
	return len(o.GetLines()) > 0
}

// forSite is an order without what is between the customer and the system of record.
func forSite(o *docklinev1.Order) *docklinev1.Order {
	if len(o.GetVerdicts()) == 0 && o.GetPriceList() == "" && o.GetPriceListVersion() == "" {
		return o
	}
	o = proto.CloneOf(o)
	o.Verdicts, o.PriceList, o.PriceListVersion = nil, "", ""
	return o
}

func allShipped(s *docklinev1.OrderState) bool {
	for _, line := range s.GetLines() {
		if line.GetOut() < line.GetOrdered()-line.GetSubstitutedOut()+line.GetSubstitutedIn() {
			return false
		}
	}
	return len(s.GetLines()) > 0
}

func endReason(fold *state.OrderFold) string {
	switch {
	case fold.Cancelled:
		for i := len(fold.Facts) - 1; i >= 0; i-- {
			if c := fold.Facts[i].GetOrderCancelled(); c != nil {
				return c.GetReason()
			}
		}
		return "cancelled"
	case fold.State.GetStatus() == state.Rejected:
		return "rejected"
	case nothingOrdered(fold.Order):
		return "nothing of it is ordered any more"
	}
	return "the order was given to another site"
}

// command adds a command where its content is not what the site was told last.
func (v *view) command(fold *state.OrderFold, site string, row commandRow, exists bool, c *docklinev1.Command) {
	number := fold.State.GetNumber()
	c.Key, c.Tenant, c.Site, c.CorrelationId = state.CommandKey(number), v.tenant, site, fold.State.GetCorrelationId()
	body := must(proto.MarshalOptions{Deterministic: true}.Marshal(c))
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if exists && row.hash == hash {
		return
	}
	c.Version = max(fold.Rank, uint64(row.version)+1, uint64(v.batch.leastVersion))
	c.Traceparent = event.Traceparent(c.CorrelationId, fmt.Sprintf("%s@%s/%d", c.Key, site, c.Version))
	c.CreatedAt = timestamppb.New(v.now)
	v.outcome.commands = append(v.outcome.commands, command{site: site, hash: hash, body: c, fresh: !exists})
}

// released is the fact that a command releases an order to a site.
func released(c *docklinev1.Command) *docklinev1.Event {
	number := c.GetReleaseOrder().GetOrder().GetNumber()
	e := &docklinev1.Event{Tenant: c.GetTenant(), Source: policy.Self, Kind: docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED, Subject: number, CorrelationId: c.GetCorrelationId(),
		SourceKey: c.GetKey() + "@" + c.GetSite(), SourceRevision: fmt.Sprint(c.GetVersion()), OccurredAt: c.GetCreatedAt(), Traceparent: c.GetTraceparent(),
		Payload: &docklinev1.Event_OrderReleased{OrderReleased: &docklinev1.OrderReleased{Number: number, Site: c.GetSite(), CommandKey: c.GetKey(), CommandVersion: c.GetVersion()}}}
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	return e
}

// refusals opens a case for each command that a site refused.
func (v *view) refusals(fold *state.OrderFold) {
	for _, e := range fold.Refused {
		v.refused(e, fold.State.GetNumber(), fold.State.GetCustomer())
	}
}

func (v *view) refused(e *docklinev1.Event, order, customer string) {
	r := e.GetCommandResult()
	about, by, remedy := "Command "+r.GetKey(), "it", "Correct what the text names and give the command again, or leave it."
	if order != "" {
		about, by = "Order "+order, "the site's system"
		remedy = "Correct the order in the system of record, or the site's system; a changed order is sent again by itself."
	}
	v.raise(exception.Desired{Code: "command_refused", Class: process, Subject: fmt.Sprintf("%s %s version %d", e.GetSite(), r.GetKey(), r.GetVersion()), Site: e.GetSite(),
		Order: order, Customer: customer, EventIDs: []string{e.GetId()}, Title: fmt.Sprintf("%s was refused by site %s", about, e.GetSite()),
		Text: fmt.Sprintf("%s was sent to site %s as %s version %d, and %s refused it: %s. %s", about, e.GetSite(), r.GetKey(), r.GetVersion(), by, strings.TrimSuffix(r.GetText(), "."), remedy)})
}
