package main

import (
	"cmp"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type adviseCommand struct {
	toSite
	Number   string   `required:"" help:"Number of the advice: of the transfer, or the supplier's; the same one again is a newer version of it."`
	Line     []string `required:"" placeholder:"ITEM,QUANTITY[,UNIT[,LOT]]" sep:"none" help:"What is coming; once for each item and lot."`
	Order    string   `help:"Number of the purchase or transfer order."`
	From     string   `help:"Site that it comes from."`
	Supplier string   `help:"Supplier that it comes from, where it is no site."`
	Expected string   `help:"When it is expected (2026-03-01T06:00:00Z), or in how long (36h)."`
	Carrier  string   `help:"Who brings it."`
	Trailer  string   `help:"In which trailer."`
	Unit     []string `name:"handling-unit" sep:"none" help:"SSCC of a handling unit; once for each."`
	Plugin   string   `help:"Id of the plugin to tell, where the site has several that could."`
	Reason   string   `help:"Why, for the people there."`
}

// Run tells of all of it in one command.
func (c *adviseCommand) Run(all *commands) error {
	inbound := &docklinev1.Inbound{Advice: c.Number, PurchaseOrder: c.Order, Supplier: c.Supplier, Carrier: c.Carrier, Trailer: c.Trailer, HandlingUnits: c.Unit}
	if c.Expected != "" {
		at, err := ahead("--expected", c.Expected, time.Now())
		if err != nil {
			return err
		}
		inbound.ExpectedAt = timestamppb.New(at)
	}
	for _, line := range c.Line {
		parts := strings.Split(line, ",")
		if len(parts) < 2 || len(parts) > 4 || parts[0] == "" {
			return wrong("--line %q: give ITEM,QUANTITY, ITEM,QUANTITY,UNIT or ITEM,QUANTITY,UNIT,LOT", line)
		}
		quantity, err := event.ParseQuantity(parts[1])
		if err != nil || quantity <= 0 {
			return wrong("--line %q: the quantity %q is no number above 0", line, parts[1])
		}
		parts = append(parts, "", "")
		inbound.Lines = append(inbound.Lines, &docklinev1.Line{Item: parts[0], Lot: parts[3], Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(quantity), Unit: cmp.Or(parts[2], "PCE")}})
	}
	return c.send(all, &docklinev1.Command{Plugin: c.Plugin, Work: &docklinev1.Command_AdviseInbound{AdviseInbound: &docklinev1.AdviseInbound{Inbound: inbound, FromSite: c.From, Reason: c.Reason}}})
}

// ahead reads a time, or how far ahead it is.
func ahead(flag, text string, now time.Time) (time.Time, error) {
	if in, err := time.ParseDuration(text); err == nil {
		return now.Add(in), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, wrong("%s %q: give a time like 2026-03-01T06:00:00Z, or in how long, like 36h", flag, text)
	}
	return at, nil
}
