package wmsfile

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins/work"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/x12"
)

// The order status codes of W0501 (X12 data element 473).
const (
	orderNew    = "N"
	orderChange = "R"
	orderCancel = "F"
)

// checkX12Sheet holds a command's section against what X12 can say.
func (l *loader) checkX12Sheet(path string, kind work.Kind, s *setup, sheet *sheet) {
	if kind == work.RequestCount {
		l.fault(path+".form", "X12 has no set that asks for a count; write it as csv, or leave the section out")
	}
	if len(sheet.Columns) > 0 {
		l.fault(path+".columns", "what is sent as X12 has no columns; leave them out")
	}
	for at, p := range map[string]Party{"x12.our": s.X12.Our, "x12.partner": s.X12.Partner} {
		if p.ID == "" {
			l.fault(at, "this is sent as X12, and the envelope needs to name both sides; write %s: {qualifier: ZZ, id: ...}", strings.TrimPrefix(at, "x12."))
		}
	}
}

// send writes a 940 or 943 in an interchange of its own, and keeps that its acknowledgement is awaited.
func (s *sink) send(sheet *sheet, cmd *docklinev1.Command) (name string, raw []byte, err error) {
	w := work.Of(cmd, sheet.Number, sheet.clock)
	if w.Number == "" {
		return "", nil, refused("the command names no number of an order or advice")
	}
	functional, tell := "OW", s.setup.X12.order
	if cmd.GetAdviseInbound() != nil {
		functional, tell = "AR", s.setup.X12.advice
	}
	part, err := tell(cmd, w.Number)
	if err != nil {
		return "", nil, err
	}
	control, err := s.partner.next()
	if err != nil {
		return "", nil, err
	}
	e := s.setup.X12
	raw, err = x12.Write(x12.Head{Sender: e.Our.x12(), Receiver: e.Partner.x12(), Control: control, Group: control, Functional: functional, Version: e.Version, At: s.partner.now(), Test: e.Test, Acknowledge: e.AskTA1}, part)
	if err != nil {
		return "", nil, refused(err.Error())
	}
	err = s.partner.note(&sent{Functional: functional, Control: strconv.FormatUint(control, 10), Set: part.ID, Key: cmd.GetKey(), Version: cmd.GetVersion(), Number: w.Number, At: s.partner.now().UTC(), State: sentOpen})
	return sheet.name(cmd, w), raw, err
}

// order is the set: what is to be shipped to whom, or no longer.
func (e Exchange) order(cmd *docklinev1.Command, number string) (x12.Part, error) {
	if cmd.GetCancelOrder() != nil {
		return x12.Part{ID: "940", Body: [][]string{{"W05", orderCancel, number}}}, nil
	}
	o := cmd.GetReleaseOrder().GetOrder()
	if len(o.GetLines()) == 0 {
		return x12.Part{}, refused(number + " has no lines; there is nothing to do for the site")
	}
	status := orderNew
	if cmd.GetVersion() > 1 {
		status = orderChange
	}
	plain := x12.Common.Plain
	body := [][]string{{"W05", status, number, o.GetCustomerReference()}}
	to := o.GetShipTo()
	name := plain(cmp.Or(o.GetCustomerName(), strings.Join(to, " "), o.GetCustomer()), 60)
	n1 := []string{"N1", "ST", name}
	if o.GetCustomer() != "" {
		n1 = append(n1, "92", o.GetCustomer())
	}
	body = append(body, n1)
	for i := 0; i < len(to) && i < 4; i += 2 {
		n3 := []string{"N3", plain(to[i], 55)}
		if i+1 < len(to) {
			n3 = append(n3, plain(to[i+1], 55))
		}
		body = append(body, n3)
	}
	if o.GetPromisedAt() != nil {
		body = append(body, []string{"G62", "02", day(o.GetPromisedAt())})
	}
	for i, line := range o.GetLines() {
		if line.GetItem() == "" && line.GetGtin() == "" {
			return x12.Part{}, refused(fmt.Sprintf("line %d of %s has no item, which a 940 must name; add it to the order", i+1, number))
		}
		body = append(body, e.line(i+1, line)...)
	}
	return x12.Part{ID: "940", Body: body}, nil
}

func day(at *timestamppb.Timestamp) string { return at.AsTime().Format("20060102") }

func (e Exchange) line(n int, l *docklinev1.Line) [][]string {
	unit := cmp.Or(l.GetQuantity().GetUnit(), "EA")
	w01 := []string{"W01", l.GetQuantity().GetValue(), cmp.Or(e.Units[unit], unit), ""}
	if l.GetItem() != "" {
		w01 = append(w01, e.Item, l.GetItem())
	}
	if l.GetGtin() != "" {
		w01 = append(w01, "UK", l.GetGtin())
	}
	out := [][]string{{"LX", strconv.Itoa(n)}, w01}
	if text := x12.Common.Plain(l.GetDescription(), 45); text != "" {
		out = append(out, []string{"G69", text})
	}
	if l.GetOrderLine() != "" {
		out = append(out, []string{"N9", "LI", l.GetOrderLine()})
	}
	if l.GetLot() != "" {
		out = append(out, []string{"N9", "LT", l.GetLot()})
	}
	return out
}
