package main

import (
	"cmp"
	"context"
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
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type orderCommand struct {
	List orderListCommand `cmd:"" help:"List orders, also by how far they have come."`
	Show orderShowCommand `cmd:"" help:"Show one order: every counter of its lines, and the facts behind its status."`

	Submit  orderSubmitCommand  `cmd:"" help:"Hand an order in."`
	Hold    orderHoldCommand    `cmd:"" help:"Hold an order: no site is told anything more of it, where ownership.yaml lets who works here say so."`
	Release orderReleaseCommand `cmd:"" help:"Release a hold of an order."`
	Cancel  orderCancelCommand  `cmd:"" help:"Ask the system of record to cancel an order, or some of it."`
	Split   orderSplitCommand   `cmd:"" help:"Have the system of record move some of an order to an order of its own."`
	Move    orderMoveCommand    `cmd:"" help:"Have the system of record give an order to another site."`
}

type orderListCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Status string `placeholder:"STATUS" help:"Only orders in this status, or of which a stage has come so far: ${orderStatuses}."`
	Site   string `help:"Only orders of this site."`
	After  string `help:"Only orders behind this number, as the list before ended."`
	Limit  int    `default:"100" help:"At most so many."`
	JSON   bool   `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/orders."`
}

// Validate refuses a status that no order can have.
func (c *orderListCommand) Validate() error {
	if known := orderStatuses(); c.Status != "" && !slices.Contains(known, c.Status) {
		return wrong("--status %q: one of %s", c.Status, strings.Join(known, ", "))
	}
	return nil
}

// orderStatuses are all that --status takes.
func orderStatuses() []string {
	all := append(state.Statuses(), state.Progresses()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// Run lists orders by number.
func (c *orderListCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var found []view.Order
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			found, err = view.OrdersAfter(ctx, tx, c.Tenant, c.After, view.OrderFilter{Status: c.Status, Site: c.Site, Limit: c.Limit})
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(api.OrdersOf(found, c.After))
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ORDER\tSTATUS\tSITE\tCUSTOMER\tLINES\tPROGRESS\tFLAGS")
		for _, o := range found {
			s := o.State
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", s.GetNumber(), s.GetStatus(), cmp.Or(s.GetReleasedTo(), s.GetSite(), "-"), cmp.Or(s.GetCustomer(), "-"),
				len(s.GetLines()), cmp.Or(strings.Join(s.GetProgress(), " "), "-"), cmp.Or(strings.Join(s.GetFlags(), " "), "-"))
		}
		return w.Flush()
	})
}

type orderShowCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Order  string `arg:"" help:"The order's number in the system of record."`
	JSON   bool   `name:"json" help:"Print everything, for scripts; the fields are those of an order in GET /api/v1/orders."`
}

// Run prints one order.
func (c *orderShowCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var o *view.Order
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			o, err = view.OneOrder(ctx, tx, c.Tenant, c.Order)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(api.OrderOf(o))
		}
		return printOrder(os.Stdout, o.State)
	})
}

func printOrder(out io.Writer, s *docklinev1.OrderState) error {
	if len(s.GetStatusFacts()) == 0 && s.GetStatus() == state.Unknown {
		fmt.Fprintf(out, "Order %s is %s: nobody has told of the order itself yet, only of what is done with it.\n", s.GetNumber(), plain(s.GetStatus()))
	} else {
		fmt.Fprintf(out, "Order %s is %s, from %s.\n", s.GetNumber(), plain(s.GetStatus()), factsText(s.GetStatusFacts(), s.GetStatusFactCount()))
	}
	for _, part := range []struct{ name, text string }{
		{"Customer", strings.TrimSpace(s.GetCustomer() + " " + s.GetCustomerName())}, {"Progress", plain(strings.Join(s.GetProgress(), ", "))}, {"Flags", plain(strings.Join(s.GetFlags(), ", "))},
		{"Promised", timeText(s.GetPromisedAt())}, {"Price list", strings.TrimSpace(s.GetPriceList() + " " + s.GetPriceListVersion())},
		{"Returns", strings.Join(s.GetReturns(), ", ")}, {"Credit memos", strings.Join(s.GetCreditMemos(), ", ")}, {"Quote", s.GetQuote()},
	} {
		if part.text != "" {
			fmt.Fprintf(out, "%s: %s\n", part.name, part.text)
		}
	}
	for _, v := range s.GetVerdicts() {
		fmt.Fprintf(out, "Checked: %s %s by %s%s, event %s\n", plain(v.GetCheck()), v.GetOutcome(), v.GetSource(), reasonText(v.GetReason()), shortID(v.GetEventId()))
	}
	for _, h := range s.GetHolds() {
		fmt.Fprintf(out, "Held: %s, by %s: %s\n", h.GetCode(), cmp.Or(h.GetOwner(), "nobody named"), cmp.Or(h.GetReason(), "no reason given"))
	}
	for _, b := range s.GetBackorders() {
		standing := "open"
		if b.GetReleased() {
			standing = "released"
		}
		fmt.Fprintf(out, "Remainder: %s, %s\n", cmp.Or(b.GetNumber(), "without a document"), standing)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LINE\tITEM\tSTATUS\tCOUNTERS\tFROM")
	for _, l := range s.GetLines() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.GetOrderLine(), l.GetItem(), plain(l.GetStatus()), countersText(l), factsText(l.GetStatusFacts(), l.GetStatusFactCount()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printChanges(out, s.GetChanges())
}

// printChanges prints how fields that systems own became what they are.
func printChanges(out io.Writer, changes []*docklinev1.FieldChange) error {
	if len(changes) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIELD\tLINE\tVALUE\tBEFORE\tTOLD\tBY\tOWNER\tEVENT")
	for _, c := range changes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.GetField(), cmp.Or(c.GetOrderLine(), "-"), cmp.Or(c.GetValue(), "-"), cmp.Or(c.GetFormerValue(), "-"),
			timeText(c.GetToldAt()), c.GetSource(), cmp.Or(c.GetOwner(), "-"), shortID(c.GetEventId()))
	}
	return w.Flush()
}

func timeText(at *timestamppb.Timestamp) string {
	if at == nil {
		return ""
	}
	return at.AsTime().Format("2006-01-02 15:04 UTC")
}

func reasonText(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func shortID(id string) string { return id[:min(len(id), 12)] }

// factsText names the newest of the facts behind a status.
func factsText(ids []string, all uint32) string {
	if len(ids) == 0 {
		return "no fact"
	}
	newest := ids[len(ids)-1]
	text := "event " + newest[:min(len(newest), 12)]
	if all > 1 {
		text += fmt.Sprintf(" and %d before", all-1)
	}
	return text
}

// countersText is those of a line's counters that are not zero.
func countersText(l *docklinev1.OrderLineState) string {
	var list []string
	for _, c := range view.Counters(l) {
		list = append(list, c.Name+" "+event.FormatQuantity(c.Quantity))
	}
	return strings.Join(list, ", ")
}
