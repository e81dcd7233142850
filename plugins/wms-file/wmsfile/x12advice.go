package wmsfile

import (
	"cmp"
	"fmt"
	"strconv"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/x12"
)

// fullDetail is the reporting code (X12 data element 514) of a 943 that has its lines. A changed advice is sent whole under its number.
const fullDetail = "F"

// advice is a 943: what is on its way to the partner's warehouse. Read by the built-in mapping of the set it is the same advice.
func (e Exchange) advice(cmd *docklinev1.Command, number string) (x12.Part, error) {
	a := cmd.GetAdviseInbound()
	in := a.GetInbound()
	if len(in.GetLines()) == 0 {
		return x12.Part{}, refused(number + " has no lines; there is nothing to expect")
	}
	plain := x12.Common.Plain
	created := cmd.GetCreatedAt()
	if created == nil {
		return x12.Part{}, refused(number + " does not say when it was given, which W0603 needs")
	}
	body := [][]string{{"W06", fullDetail, cmp.Or(in.GetPurchaseOrder(), number), day(created), number}}
	if from := cmp.Or(in.GetSupplier(), a.GetFromSite()); from != "" {
		body = append(body, []string{"N1", "SF", plain(from, 60), "92", from})
	}
	for _, unit := range in.GetHandlingUnits() {
		body = append(body, []string{"N9", "LV", unit})
	}
	if in.GetTrailer() != "" {
		body = append(body, []string{"N9", "EQ", in.GetTrailer()})
	}
	if in.GetExpectedAt() != nil {
		body = append(body, []string{"G62", "17", day(in.GetExpectedAt())})
	}
	if in.GetCarrier() != "" {
		body = append(body, []string{"W27", "M", "", plain(in.GetCarrier(), 35)})
	}
	total := int64(0)
	for i, line := range in.GetLines() {
		if line.GetItem() == "" && line.GetGtin() == "" {
			return x12.Part{}, refused(fmt.Sprintf("line %d of %s has no item, which a 943 must name; add it to the advice", i+1, number))
		}
		quantity, err := event.ParseQuantity(line.GetQuantity().GetValue())
		if err != nil || quantity <= 0 {
			return x12.Part{}, refused(fmt.Sprintf("line %d of %s has the quantity %q, and a 943 says how much of it is coming", i+1, number, line.GetQuantity().GetValue()))
		}
		total += quantity
		body = append(body, e.adviceLine(i+1, line)...)
	}
	return x12.Part{ID: "943", Body: append(body, []string{"W03", event.FormatQuantity(total)})}, nil
}

func (e Exchange) adviceLine(n int, l *docklinev1.Line) [][]string {
	unit := cmp.Or(l.GetQuantity().GetUnit(), "EA")
	w04 := []string{"W04", l.GetQuantity().GetValue(), cmp.Or(e.Units[unit], unit), "", "", "", "", "", l.GetLot()}
	named := 4
	if l.GetItem() != "" {
		w04[named], w04[named+1] = e.Item, l.GetItem()
		named += 2
	}
	if l.GetGtin() != "" {
		w04[named], w04[named+1] = "UK", l.GetGtin()
	}
	out := [][]string{{"LX", strconv.Itoa(n)}, w04}
	if text := x12.Common.Plain(l.GetDescription(), 45); text != "" {
		out = append(out, []string{"G69", text})
	}
	if l.GetOrderLine() != "" {
		out = append(out, []string{"N9", "LI", l.GetOrderLine()})
	}
	if l.GetHandlingUnit() != "" {
		out = append(out, []string{"MAN", "GM", l.GetHandlingUnit()})
	}
	return out
}
