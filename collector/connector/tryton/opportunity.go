package tryton

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	modelOpportunity    = "sale.opportunity"
	documentOpportunity = "opportunity"
	// mark begins what Dockline writes below a person's own comment of an opportunity; nothing stands behind it.
	mark = "--- Dockline, version "
)

// opportunity is one of Tryton's CRM. What Dockline restates stands in its comment, behind the mark.
type opportunity struct {
	id                       int64
	number, reference, state string
	description, stamp       string
	comment, told            string
	version                  int64
}

var opportunityFields = []string{"number", "reference", "state", "description", "comment", "_timestamp"}

func opportunitiesOf(found []row) (out []opportunity) {
	for _, r := range found {
		o := opportunity{id: r.id("id"), number: r.text("number"), reference: r.text("reference"), state: r.text("state"), description: r.text("description"), stamp: r.text("_timestamp")}
		comment, told, _ := strings.Cut(r.text("comment"), mark)
		o.comment = strings.TrimRight(comment, "\n")
		version, text, _ := strings.Cut(told, "\n")
		o.version, _ = strconv.ParseInt(version, 10, 64) // none: 0
		o.told = text
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b opportunity) int { return cmp.Compare(a.id, b.id) })
	return out
}

// restated is what a status or a case says in an opportunity.
type restated struct {
	// number is that of the opportunity that the order came of, "" for none that is known.
	number, reference string
	customer          string
	description, text string
	closed, ofItsOwn  bool
	version           int64
}

// restatedOf is what a posting says. A case is an opportunity of its own; a status stands in the one that the order came of, or else in one of its own.
func restatedOf(p *connector.Posting) restated {
	if c := p.Document.GetServiceCase(); c != nil {
		return restated{reference: p.Key, customer: c.GetCustomer(), description: "Order " + c.GetOrder() + ": " + c.GetCause(), text: c.GetText(), closed: c.GetClosed(),
			ofItsOwn: true, version: p.SourceVersion}
	}
	s := p.Document.GetOrderStatus()
	lines := []string{"order " + s.GetOrder() + " is " + s.GetStatus()}
	for _, l := range s.GetLines() {
		lines = append(lines, fmt.Sprintf("line %s %s: %s of %s shipped", l.GetOrderLine(), l.GetItem(), l.GetShipped(), l.GetOrdered()))
	}
	for what, list := range map[string][]string{"invoices": s.GetInvoices(), "tracking": s.GetTracking()} {
		if len(list) > 0 {
			lines = append(lines, what+": "+connector.Joined(list))
		}
	}
	slices.Sort(lines[1:])
	number := cmp.Or(p.Names["crm/quote"], p.Names["crm/opportunity"], p.Names["system_of_record/opportunity"])
	return restated{number: number, reference: p.Key, customer: s.GetCustomer(), description: "Order " + s.GetOrder(), text: strings.Join(lines, "\n"), version: p.SourceVersion}
}

// holder is the opportunity that holds a restatement; nil for none yet.
func (c *Connector) holder(ctx context.Context, w restated) ([]opportunity, error) {
	found, err := c.client.searchRead(ctx, modelOpportunity, nil, []any{[]any{"reference", "=", w.reference}}, 0, opportunityFields...)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && w.number != "" && !w.ofItsOwn {
		if found, err = c.client.searchRead(ctx, modelOpportunity, nil, []any{[]any{"number", "=", w.number}}, 0, opportunityFields...); err != nil {
			return nil, err
		}
	}
	return opportunitiesOf(found), nil
}

// says tells whether the opportunity holds the restatement.
func (o opportunity) says(w restated) bool {
	return o.reference != "" && o.told == w.text && o.version == w.version && (!w.ofItsOwn || (o.state == "cancelled") == w.closed)
}

func (c *Connector) findRestated(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	w := restatedOf(p)
	all, err := c.holder(ctx, w)
	if err != nil {
		return nil, err
	}
	var out []connector.Found
	for _, o := range all {
		if o.version == 0 {
			continue // an opportunity that nothing was written to
		}
		f := connector.Found{Document: c.document(documentOpportunity, o.number), SourceVersion: o.version, Complete: o.says(w)}
		if !f.Complete {
			f.Difference = fmt.Sprintf("opportunity %s holds version %d", o.number, o.version)
		}
		out = append(out, f)
	}
	return out, nil
}

// applyRestated writes a status or a case below what people wrote, unless a newer one stands there, and reads it back.
func (c *Connector) applyRestated(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	w := restatedOf(p)
	for range 3 {
		all, err := c.holder(ctx, w)
		switch {
		case err != nil:
			return connector.Result{}, err
		case len(all) > 1:
			return connector.Result{}, duplicate(p, "opportunity")
		case len(all) == 0:
			err = c.makeOpportunity(ctx, w)
		case all[0].says(w):
			return c.result(documentOpportunity, all[0].number), nil
		case all[0].version > w.version || all[0].version == w.version && all[0].told != w.text:
			r := c.result(documentOpportunity, all[0].number)
			r.Newer = all[0].version
			return r, nil
		default:
			err = c.restate(ctx, all[0], w)
		}
		if err != nil {
			return connector.Result{}, err
		}
	}
	return connector.Result{}, technical("step_ignored", "Tryton does not keep what is written into the opportunity of "+p.Key, "it will be tried again; see the opportunity if it stays", nil)
}

func (w restated) comment(own string) string {
	return strings.TrimLeft(own+"\n\n", "\n") + mark + strconv.FormatInt(w.version, 10) + "\n" + w.text
}

func (c *Connector) makeOpportunity(ctx context.Context, w restated) error {
	values := map[string]any{"reference": w.reference, "description": w.description, "comment": w.comment("")}
	if w.customer != "" {
		who, err := c.client.searchRead(ctx, modelParty, nil, []any{[]any{"code", "=", w.customer}}, 1, "id")
		if err != nil {
			return err
		}
		if len(who) == 1 {
			values["party"] = who[0].id("id")
		}
	}
	_, err := c.client.call(ctx, "model."+modelOpportunity+".create", nil, []any{values})
	return err
}

// restate writes the comment, and opens or closes a case: a lead that is cancelled is closed.
func (c *Connector) restate(ctx context.Context, o opportunity, w restated) error {
	if o.told != w.text || o.version != w.version || o.reference == "" {
		values := map[string]any{"comment": w.comment(o.comment)}
		if o.reference == "" {
			values["reference"] = w.reference
		}
		if err := c.client.write(ctx, modelOpportunity, o.id, o.stamp, values); err != nil {
			return err
		}
	}
	switch {
	case w.ofItsOwn && w.closed && o.state != "cancelled":
		return c.client.button(ctx, modelOpportunity, "cancel", o.id)
	case w.ofItsOwn && !w.closed && o.state == "cancelled":
		return c.client.button(ctx, modelOpportunity, "lead", o.id)
	}
	return nil
}

// quoteEvents report opportunities that were converted or won: what is offered there is what the customer has agreed to.
func (c *Connector) quoteEvents(ctx context.Context, ids []int64) ([]*docklinev1.Event, error) {
	found, err := c.client.read(ctx, modelOpportunity, nil, ids, "number", "state", "party", "party.code", "party.name", "lines", "create_date", "end_date")
	if err != nil || len(found) == 0 {
		return nil, err
	}
	slices.SortFunc(found, func(a, b row) int { return cmp.Compare(a.id("id"), b.id("id")) })
	var lines []int64
	for _, r := range found {
		lines = append(lines, r.ids("lines")...)
	}
	read, err := c.client.read(ctx, "sale.opportunity.line", nil, lines, "opportunity", "product", "product.code", "quantity", "unit.symbol")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(read, func(a, b row) int { return cmp.Compare(a.id("id"), b.id("id")) })
	var out []*docklinev1.Event
	for _, r := range found {
		if r.text("state") != "converted" && r.text("state") != "won" {
			continue
		}
		q := &docklinev1.Quote{Number: r.text("number"), Customer: r.sub("party").text("code"), CustomerName: r.sub("party").text("name")}
		for _, l := range read {
			if l.id("opportunity") == r.id("id") && l.id("product") != 0 {
				q.Lines = append(q.Lines, &docklinev1.Line{Item: l.sub("product").text("code"),
					Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(l.quantity("quantity")), Unit: c.unit(l.sub("unit").text("symbol"))}})
			}
		}
		e := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED, Subject: q.GetNumber(), Payload: &docklinev1.Event_Quote{Quote: q},
			Documents: []*docklinev1.DocumentReference{c.document(documentOpportunity, q.GetNumber())}}
		out = append(out, revise(e, fmt.Sprintf("opportunity/%d", r.id("id")), r.time("create_date")))
	}
	return out, nil
}
