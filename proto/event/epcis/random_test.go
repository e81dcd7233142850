package epcis_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
)

// codes that trouble URIs, JSON, and GS1's own alphabets, beside common ones.
var codes = []string{"A-01", "4711", "007", "1e3", "L/2", "Käse 8×40", "a b", "..", ".", "%2F", "?x=1#y", "urn:epc:id:sgtin:0614141.107346.2018", "\"'<&>\\", "日本", "0", "-5",
	"shipping", "damaged", "https://id.gs1.org/01/04006381333931", "034012345000000019", "a very long lot number of more than twenty characters", ":", "*", "\u2028"}

func code(t *rapid.T, name string) string { return rapid.SampledFrom(codes).Draw(t, name) }

func maybe(t *rapid.T, name string) string {
	if rapid.Bool().Draw(t, name+"?") {
		return code(t, name)
	}
	return ""
}

// shaken is a sample with another content: several lines, of several orders, places and outcomes, with codes of all kinds.
func shaken(t *rapid.T, e *docklinev1.Event) *docklinev1.Event {
	e = proto.CloneOf(e)
	base := event.Lines(e)
	if len(base) > 0 {
		var lines []*docklinev1.Line
		for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
			lines = append(lines, shakenLine(t, e, base[0], i))
		}
		e = event.WithLines(e, lines)
	}
	if tr := e.GetTransformation(); tr != nil {
		tr = proto.CloneOf(tr)
		for i, l := range tr.Outputs {
			tr.Outputs[i] = shakenLine(t, e, l, i)
		}
		e.Payload = &docklinev1.Event_Transformation{Transformation: tr}
	}
	e.Subject, e.SourceKey, e.Actor = code(t, "subject"), code(t, "key"), maybe(t, "actor")
	e.Ordinal = rapid.Uint32().Draw(t, "ordinal")
	e.Movement = rapid.Uint64().Draw(t, "movement")
	e.OccurredAt.Nanos = rapid.SampledFrom([]int32{0, 1, 999_999_999, 123_000_000, 123_456_000}).Draw(t, "nanos")
	e.Id = fmt.Sprintf("id-%d", rapid.Uint64().Draw(t, "id"))
	return e
}

func shakenLine(t *rapid.T, e *docklinev1.Event, base *docklinev1.Line, i int) *docklinev1.Line {
	l := proto.CloneOf(base)
	name := func(s string) string { return fmt.Sprintf("%s%d", s, i) }
	l.Order, l.OrderLine, l.Item = code(t, name("order")), maybe(t, name("line")), code(t, name("item"))
	l.Gtin = rapid.SampledFrom([]string{"", "04006381333931", "4006381333931", "no gtin", "96385074"}).Draw(t, name("gtin"))
	l.Lot, l.Bin, l.ToBin, l.HandlingUnit = maybe(t, name("lot")), code(t, name("bin")), code(t, name("to")), maybe(t, name("unit"))
	l.ToStatus = rapid.SampledFrom([]string{"damaged", "expired", "recalled", "hold", "quarantine_return"}).Draw(t, name("status"))
	l.Condition = rapid.SampledFrom([]string{"good", "opened", "damaged", "wrong_item", "expired"}).Draw(t, name("condition"))
	l.Disposition = rapid.SampledFrom([]string{"restock", "refurbish", "quarantine", "scrap", "to_vendor"}).Draw(t, name("disposition"))
	l.Quantity = &docklinev1.Quantity{Value: rapid.SampledFrom([]string{"1", "12.50", "0.000001", "999999999", "3"}).Draw(t, name("quantity")),
		Unit: rapid.SampledFrom([]string{"EA", "", "kg", "CS", "furlong"}).Draw(t, name("uom"))}
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED && rapid.Bool().Draw(t, name("less")) {
		l.Quantity.Value = "-" + l.Quantity.Value
	}
	l.Ordered = &docklinev1.Quantity{Value: "1000000000"}
	l.Refused = rapid.SampledFrom([]*docklinev1.Quantity{nil, {Value: "0.000001", Unit: l.Quantity.Unit}, {Value: "0", Unit: l.Quantity.Unit}}).Draw(t, name("refused"))
	l.Serials = nil
	for j := range rapid.IntRange(0, 3).Draw(t, name("serials")) {
		l.Serials = append(l.Serials, maybe(t, fmt.Sprintf("serial%d.%d", i, j)))
	}
	l.Serials = slices.DeleteFunc(l.Serials, func(s string) bool { return s == "" })
	return l
}

// Whatever an event says, its form gives the same fact back, its id follows from what it says and, where GS1's schema is here, it is valid.
func TestAnyContentComesBack(t *testing.T) {
	s := schemaIfHere(t)
	samples := told()
	parts, tried := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		e := shaken(r, rapid.SampledFrom(samples).Draw(r, "sample"))
		if f := event.Validate(e); f != nil {
			r.Skipf("the generator made an event that is none: %v", f)
		}
		tried++
		tenant := rapid.SampledFrom([]*epcis.Tenant{plainTenant, numbered}).Draw(r, "tenant")
		made, none := exporter(tenant).Events(e)
		if none != "" {
			r.Fatal(none)
		}
		text := document(t, made...)
		if s != nil {
			valid(t, s, text)
		}
		back := take(t, tenant, text)
		if len(back) != 1 {
			r.Fatalf("%d events came back: %v", len(back), back)
		}
		same(t, e, back[0])
		parts = max(parts, len(made))
		if t.Failed() {
			r.Fatal("see above")
		}
		again, _ := exporter(tenant).Events(back[0])
		for i := range made {
			if made[i].Get("eventID") != again[i].Get("eventID") {
				r.Fatalf("the fact that came back has the id %v, and had %v", again[i].Get("eventID"), made[i].Get("eventID"))
			}
		}
	})
	if parts < 3 || tried < 50 {
		t.Errorf("%d events were tried, and none was told in more than %d parts: the generator makes too little", tried, parts)
	}
}
