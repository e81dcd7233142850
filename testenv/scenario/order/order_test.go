// Package order_test follows orders through everything that happens to them.
package order_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// TestOneCorrelationIDFromAcceptanceOn: the ERP accepts orders, and from there on one id, which is the trace id too, is on every event of
// an order from whichever site and plugin, on its postings, on each call that wrote to ERP or CRM for it, and on the document in the ERP.
//
// Shows: S45
func TestOneCorrelationIDFromAcceptanceOn(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 8})
	worldtest.Orders(t, w, 12)
	worldtest.Settle(t, w, 5*time.Minute)
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calls := writes(t, w)
	owner := map[string]string{}
	for _, o := range truth.Orders {
		track, err := w.Track(t.Context(), o.Number)
		if err != nil {
			t.Fatal(err)
		}
		id := accepted(t, track)
		if before := owner[id]; before != "" {
			t.Errorf("orders %s and %s share the id %s", before, o.Number, id)
		}
		owner[id] = o.Number
		kinds := map[string]bool{}
		for _, e := range track.Events {
			kinds[e.Kind] = true
			if e.Event.CorrelationID != id || traceOf(e.Event.Traceparent) != id {
				t.Errorf("order %s: event %s %s has the id %q and the trace %q, not %s", o.Number, e.Kind, e.ID, e.Event.CorrelationID, e.Event.Traceparent, id)
			}
		}
		for _, kind := range []string{"order.accepted", "order.released", "command.completed", "pick.confirmed", "pack.confirmed", "shipment.departed", "invoice.posted"} {
			if !kinds[kind] {
				t.Errorf("order %s has no %s: what there is of it does not show the whole way (%v)", o.Number, kind, kinds)
			}
		}
		posted(t, o.Number, id, track, calls)
	}
	for _, issue := range truth.Issues {
		if owner[issue.CorrelationID] != issue.Order {
			t.Errorf("goods issue %s of order %s carries the id %q", issue.Number, issue.Order, issue.CorrelationID)
		}
	}
}

// accepted is the id of the event with which the ERP accepted the order.
func accepted(t *testing.T, track world.Track) string {
	t.Helper()
	for _, e := range track.Events {
		if e.Kind == "order.accepted" {
			if len(e.Event.CorrelationID) != 32 || e.Event.Site != "" {
				t.Errorf("the order was accepted with %+v", e)
			}
			return e.Event.CorrelationID
		}
	}
	t.Fatalf("no order.accepted in %+v", track.Events)
	return ""
}

// posted holds an order's postings, and the calls that wrote them, against its id.
func posted(t *testing.T, order, id string, track world.Track, calls []sandbox.Call) {
	t.Helper()
	targets := map[string]bool{}
	for _, p := range track.Postings {
		targets[p.Target] = true
		if p.CorrelationID != id {
			t.Errorf("order %s: posting %s %s has the id %q, not %s", order, p.Kind, p.Key, p.CorrelationID, id)
		}
	}
	traced := 0
	for _, c := range calls {
		if c.Reference == order || strings.HasPrefix(c.Reference, order+"/") {
			traced++
			if traceOf(c.Traceparent) != id {
				t.Errorf("order %s: %s %s came with the trace %q, not %s", order, c.Method, c.Path, c.Traceparent, id)
			}
		}
	}
	if !targets["erp"] || !targets["crm"] || traced < 2 {
		t.Errorf("order %s: postings to %v, %d calls in the systems' own journals", order, targets, traced)
	}
}

// writes are the calls that changed something in ERP and CRM, from their own journals, without those of people.
func writes(t *testing.T, w *world.World) []sandbox.Call {
	t.Helper()
	erp, ok := w.ERP.(interface {
		Calls(context.Context) ([]sandbox.Call, error)
	})
	if !ok {
		t.Fatal("this ERP keeps no journal of calls")
	}
	all, err := erp.Calls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shown, err := crm.NewClient(w.CRMHTTP.URL(), "").Calls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var byUs []sandbox.Call
	for _, c := range append(all, shown...) {
		if !c.Operator {
			byUs = append(byUs, c)
		}
	}
	return byUs
}

// traceOf is the trace id of a W3C traceparent.
func traceOf(traceparent string) string {
	parts := strings.Split(traceparent, "-")
	if len(parts) != 4 {
		return ""
	}
	return parts[1]
}
