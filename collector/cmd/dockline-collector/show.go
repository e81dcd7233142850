package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type showCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Key    string `arg:"" help:"What to show: shipment/SITE/NUMBER, return/RMA, blind_return/SITE/RECEIPT or inbound/SITE/REFERENCE; a slash within a part is written %2F."`
	JSON   bool   `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/goods."`
}

// Validate refuses what is no key of goods.
func (c *showCommand) Validate() error {
	kind, _, err := event.ParseKey(c.Key)
	if kind == state.KindOrder {
		return wrong("%q is an order: dockline-collector order show prints it", c.Key)
	}
	if err != nil || !slices.Contains(view.GoodsKinds(), kind) {
		return wrong("%q: write shipment/SITE/NUMBER, return/RMA, blind_return/SITE/RECEIPT or inbound/SITE/REFERENCE; dockline-collector find finds it by any of its numbers", c.Key)
	}
	return nil
}

// Run prints where goods under way are, and from which facts that is known.
func (c *showCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		t, err := view.OneGoods(ctx, d, c.Tenant, c.Key)
		if errors.Is(err, view.ErrNoGoods) {
			return fmt.Errorf("%w; dockline-collector find finds it by any of its numbers", err)
		}
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
		line("Line "+orElse(l.GetOrderLine(), "-"), "%s: %s authorised, %s received, %s inspected, %s disposed, %s may be credited, %s credited; %s", l.GetItem(), event.FormatQuantity(l.GetAuthorised()),
			event.FormatQuantity(l.GetReceived()), event.FormatQuantity(l.GetInspected()), event.FormatQuantity(l.GetDisposed()), event.FormatQuantity(l.GetCreditable()), event.FormatQuantity(l.GetCredited()), plain(l.GetStatus()))
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
	carrier := strings.TrimSpace(s.GetCarrier() + " " + s.GetScac())
	line("Carrier", "%s, tracking %s, bill of lading %s", orElse(carrier, "-"), orElse(s.GetTracking(), "-"), orElse(s.GetBillOfLading(), "-"))
	if s.GetEta() != nil && s.GetDeliveredAt() == nil {
		line("Expected", "%s", stampOf(s.GetEta()))
	}
	for _, e := range s.GetEtas() {
		why := ""
		if e.GetCause() != "" {
			why = " (" + e.GetCause() + ")"
		}
		line("Told "+stampOf(e.GetToldAt()), "expected %s%s", stampOf(e.GetEta()), why)
	}
	for _, p := range s.GetParcels() {
		where := plain(p.GetStatus())
		if p.GetPlace() != "" {
			where += ", " + p.GetPlace()
		}
		line("Parcel "+orElse(p.GetTracking(), p.GetHandlingUnit()), "%s", where)
	}
	for _, p := range s.GetProofs() {
		line("Signed for", "%s by %s, %s", stampOf(p.GetAt()), orElse(p.GetSigner(), "-"), orElse(p.GetPlace(), "-"))
	}
	for _, g := range s.GetGoods() {
		line("Order "+g.GetOrder()+" line "+g.GetOrderLine(), "%s: %s", g.GetItem(), goodsText(g))
	}
}

// goodsText is what left of a line, and what was told of it since. What a carrier tells of a shipment as a whole is its status, and counts no line.
func goodsText(g *docklinev1.ShipmentLineState) string {
	text := event.FormatQuantity(g.GetDeparted()) + " left"
	for _, c := range []struct {
		n    int64
		name string
	}{{g.GetVoided(), "taken back"}, {g.GetAccepted(), "accepted"}, {g.GetRefused(), "refused"}, {g.GetLost(), "lost"}, {g.GetDamaged(), "damaged"}} {
		if c.n != 0 {
			text += ", " + event.FormatQuantity(c.n) + " " + c.name
		}
	}
	return text
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
