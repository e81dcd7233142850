package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type showCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Key    string `arg:"" help:"What to show: shipment/SITE/NUMBER, return/RMA, blind_return/SITE/RECEIPT or inbound/SITE/REFERENCE; a slash within a part is written %2F."`
	JSON   bool   `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/goods."`
}

// Run prints where goods under way are, and from which facts that is known.
func (c *showCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		t, err := view.OneGoods(ctx, d, c.Tenant, c.Key)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(api.GoodsTrackOf(t))
		}
		return printGoods(os.Stdout, t)
	})
}

func printGoods(to io.Writer, t *view.GoodsTrack) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	fmt.Fprintf(w, "%s %s: %s\n", strings.ReplaceAll(t.Kind, "_", " "), t.Name(), plain(t.Status))
	for _, e := range t.Exceptions {
		if e.State != exception.Resolved {
			fmt.Fprintf(w, "\n%s, for %s.\n  %s\n", e.Title, e.Team, e.Text)
		}
	}
	fmt.Fprintln(w)
	if orders := t.Orders(); len(orders) > 0 {
		line("Orders", "%s", strings.Join(orders, ", "))
	}
	if flags := t.Flags(); len(flags) > 0 {
		line("Remarks", "%s", plain(strings.Join(flags, ", ")))
	}
	printShipment(line, t.Shipment)
	for _, l := range t.Return.GetLines() {
		line("Line "+orElse(l.GetOrderLine(), "-"), "%s: %s authorised, %s received, %s inspected, %s disposed, %s credited; %s", l.GetItem(), event.FormatQuantity(l.GetAuthorised()),
			event.FormatQuantity(l.GetReceived()), event.FormatQuantity(l.GetInspected()), event.FormatQuantity(l.GetDisposed()), event.FormatQuantity(l.GetCredited()), plain(l.GetStatus()))
	}
	for _, l := range t.Inbound.GetLines() {
		line("Line "+orElse(l.GetOrderLine(), "-"), "%s: %s expected, %s received, %s open", l.GetItem(), event.FormatQuantity(l.GetExpected()), event.FormatQuantity(l.GetReceived()), event.FormatQuantity(l.GetOpen()))
	}
	for _, d := range append(t.Return.GetDiscrepancies(), t.Inbound.GetDiscrepancies()...) {
		line("Not as announced", "%s %s of item %s, claim %s", plain(d.GetKind()), event.FormatQuantity(d.GetQuantity()), orElse(d.GetItem(), "-"), orElse(d.GetClaim(), "-"))
	}
	for _, s := range t.Steps() {
		how := ""
		if s.GetInferred() {
			how = ", inferred"
		}
		line(stampOf(s.GetAt()), "%s%s (%s)", plain(s.GetStatus()), how, strings.Join(names(t, s.GetEventIds()), ", "))
	}
	return w.Flush()
}

func printShipment(line func(string, string, ...any), s *docklinev1.ShipmentState) {
	if s == nil {
		return
	}
	line("Carrier", "%s %s, tracking %s, bill of lading %s", orElse(s.GetCarrier(), "-"), s.GetScac(), orElse(s.GetTracking(), "-"), orElse(s.GetBillOfLading(), "-"))
	if s.GetEta() != nil && s.GetDeliveredAt() == nil {
		line("Expected", "%s", stampOf(s.GetEta()))
	}
	for _, p := range s.GetParcels() {
		line("Parcel "+orElse(p.GetTracking(), p.GetHandlingUnit()), "%s %s", plain(p.GetStatus()), p.GetPlace())
	}
	for _, p := range s.GetProofs() {
		line("Signed for", "%s by %s, %s", stampOf(p.GetAt()), orElse(p.GetSigner(), "-"), orElse(p.GetPlace(), "-"))
	}
	for _, g := range s.GetGoods() {
		line("Order "+g.GetOrder()+" line "+g.GetOrderLine(), "%s: %s left, %s taken back, %s accepted, %s refused, %s lost, %s damaged", g.GetItem(), event.FormatQuantity(g.GetDeparted()),
			event.FormatQuantity(g.GetVoided()), event.FormatQuantity(g.GetAccepted()), event.FormatQuantity(g.GetRefused()), event.FormatQuantity(g.GetLost()), event.FormatQuantity(g.GetDamaged()))
	}
}

// names are the kinds of events by their ids, each with the beginning of its id.
func names(t *view.GoodsTrack, ids []string) []string {
	var list []string
	for _, id := range ids {
		name := id
		if e := t.Event(id); e != nil {
			name = event.KindName(e.Event.GetKind()) + " " + id[:min(10, len(id))]
		}
		list = append(list, name)
	}
	return list
}

func plain(status string) string { return strings.ReplaceAll(status, "_", " ") }

func stampOf(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return stamp(t.AsTime())
}
