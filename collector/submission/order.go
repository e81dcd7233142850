// Package submission takes orders in at the centre, from a shop, a portal or a person: checks what they say, and makes each a fact of the event log
// once, from which everything else follows.
package submission

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// Order is an order as it is handed in.
type Order struct {
	// Number is the customer's own, or the shop's; the system of record keeps it as the customer's reference. One channel's orders of one
	// customer have different ones.
	Number string `json:"number"`
	// Customer is his number in the system of record.
	Customer string `json:"customer"`
	// Channel is where he ordered, as "shop"; "" where there is only one.
	Channel  string `json:"channel,omitempty"`
	Currency string `json:"currency,omitempty"`
	// Site is which is to ship it, where that is not for the system of record to choose.
	Site       string    `json:"site,omitempty"`
	OrderedAt  time.Time `json:"ordered_at,omitzero"`
	PromisedAt time.Time `json:"promised_at,omitzero"`
	// ShipTo are lines of text, outermost last; none is the customer's address.
	ShipTo []string `json:"ship_to,omitempty"`
	Lines  []Line   `json:"lines"`
	// By is who hands it in; "" is the API itself.
	By string `json:"by,omitempty"`
}

// Line is one line of an order.
type Line struct {
	// Line is its number; 1, 2 and so on where it has none.
	Line string `json:"line,omitempty"`
	// Item is a code, GTIN a GTIN; one of them is needed.
	Item string `json:"item,omitempty"`
	GTIN string `json:"gtin,omitempty"`
	// Quantity is in Unit, "" being the base unit.
	Quantity  Decimal `json:"quantity"`
	Unit      string  `json:"unit,omitempty"`
	UnitPrice Decimal `json:"unit_price,omitempty"`
}

// Decimal is a decimal number, written as text or as a number.
type Decimal string

// UnmarshalJSON takes 2, 2.5 and "2.5".
func (d *Decimal) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(d))
	}
	var n json.Number
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*d = Decimal(n)
	return nil
}

// Fault is what is wrong with one field, and what would be right.
type Fault struct {
	Field string `json:"field"`
	Text  string `json:"detail"`
}

// Faults are all that is wrong with an order.
type Faults []Fault

// Error names each field.
func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, one := range f {
		if texts[i] = one.Text; one.Field != "" {
			texts[i] = one.Field + ": " + one.Text
		}
	}
	return strings.Join(texts, "; ")
}

// Parse reads an order from JSON; what is wrong with it are Faults.
func Parse(text []byte) (*Order, error) {
	if at := NoText(text); at >= 0 {
		return nil, Faults{{"", fmt.Sprintf("the text is not UTF-8 from byte %d on; save it as UTF-8", at)}}
	}
	var o Order
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		return nil, Unreadable(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, Faults{{"", "there is more behind the order; hand in one order at a time"}}
	}
	return &o, o.Check()
}

// NoText is where a text ceases to be UTF-8, or -1. Package json reads every such byte as the same sign, so that two numbers would become one.
func NoText(text []byte) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// Unreadable says of what cannot be read from JSON where that is, as Faults.
func Unreadable(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		want := map[string]string{"string": "write text in quotes", "slice": "write a list in brackets", "struct": "write an object in braces"}[wrong.Type.Kind().String()]
		if want == "" {
			want = "write a " + wrong.Type.String()
		}
		article := "a"
		if strings.HasPrefix(wrong.Value, "array") || strings.HasPrefix(wrong.Value, "object") {
			article = "an"
		}
		return Faults{{wrong.Field, fmt.Sprintf("is %s %s; %s", article, wrong.Value, want)}}
	}
	if _, name, ok := strings.Cut(err.Error(), `unknown field "`); ok {
		return Faults{{strings.TrimSuffix(name, `"`), "is not known here; leave it out, or correct its name"}}
	}
	if at, ok := errors.AsType[*json.SyntaxError](err); ok {
		return Faults{{"", fmt.Sprintf("the text is no JSON from byte %d on: %v", at.Offset, err)}}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return Faults{{"", "the text ends too early"}}
	}
	if when, ok := errors.AsType[*time.ParseError](err); ok {
		return Faults{{"ordered_at, promised_at", fmt.Sprintf("%s is no time; write it as 2026-03-01T06:00:00Z", when.Value)}}
	}
	return Faults{{"", "the text is not what is expected, in JSON: " + err.Error()}}
}

// Check returns Faults, or nil.
func (o *Order) Check() error {
	var all Faults
	bad := func(field, format string, args ...any) { all = append(all, Fault{field, fmt.Sprintf(format, args...)}) }
	if o.Number == "" {
		bad("number", "is missing; give the customer's own number of the order, or the shop's")
	}
	if o.Customer == "" {
		bad("customer", "is missing; give the customer's number in the system of record")
	}
	if o.Channel != "" && !wire.ValidName(o.Channel) {
		bad("channel", "%q: use 1 to 64 letters, digits, - or _", o.Channel)
	}
	if len(o.Lines) == 0 {
		bad("lines", "are missing; an order has at least one")
	}
	legible := func(field, text string) {
		if strings.TrimSpace(text) != text {
			bad(field, "%q begins or ends with a blank; leave it out, or this would be another one than %q", text, strings.TrimSpace(text))
		}
		if strings.ContainsRune(text, utf8.RuneError) {
			bad(field, "%q holds a character that could not be read (U+FFFD); check how it is encoded, or this would be the same as others of that kind", text)
		}
	}
	legible("number", o.Number)
	legible("customer", o.Customer)
	legible("site", o.Site)
	numbers := make(map[string]bool)
	for i := range o.Lines {
		l, at := &o.Lines[i], fmt.Sprintf("lines[%d].", i)
		legible(at+"line", l.Line)
		legible(at+"item", l.Item)
		legible(at+"gtin", l.GTIN)
		legible(at+"unit", l.Unit)
		if l.Item == "" && l.GTIN == "" {
			bad(at+"item", "is missing; give item or gtin")
		}
		if n, err := event.ParseQuantity(string(l.Quantity)); err != nil || n <= 0 {
			bad(at+"quantity", "%q: write a number above 0 with at most six decimals, like 2 or 1.5", l.Quantity)
		}
		if n, err := event.ParseQuantity(string(l.UnitPrice)); l.UnitPrice != "" && (err != nil || n < 0) {
			bad(at+"unit_price", "%q: write a number from 0 with at most six decimals, like 9.90", l.UnitPrice)
		}
		number := l.number(i)
		if numbers[number] {
			bad(at+"line", "%q is the number of another line too", number)
		}
		numbers[number] = true
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

// payload is the order as an event carries it.
func (o *Order) payload() *docklinev1.Order {
	p := &docklinev1.Order{Number: o.Number, Customer: o.Customer, Currency: o.Currency, Site: o.Site, ShipTo: o.ShipTo, OrderedAt: stamp(o.OrderedAt), PromisedAt: stamp(o.PromisedAt)}
	for i, l := range o.Lines {
		p.Lines = append(p.Lines, &docklinev1.Line{OrderLine: l.number(i), Item: l.Item, Gtin: l.GTIN, Quantity: &docklinev1.Quantity{Value: plain(l.Quantity), Unit: l.Unit}, UnitPrice: plain(l.UnitPrice)})
	}
	return p
}

// number is the line's, by its place where it says none.
func (l *Line) number(place int) string {
	if l.Line != "" {
		return l.Line
	}
	return fmt.Sprint(place + 1)
}

// plain writes a number in one way, so that 1.0 and "1" are the same order.
func plain(d Decimal) string {
	if n, err := event.ParseQuantity(string(d)); d != "" && err == nil {
		return event.FormatQuantity(n)
	}
	return string(d)
}

func stamp(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}
