package mapping

import (
	"strings"
	"testing"

	"github.com/dockline/dockline/proto/event"
)

func TestWordsAreNoExponents(t *testing.T) {
	for cell, exponent := range map[string]bool{"1e3": true, "eight": false, "eleven": false, "2E5": true} {
		if _, err := (Number{}).Parse(cell); err == nil || strings.Contains(err.Error(), "exponent") != exponent {
			t.Errorf("%s: %v", cell, err)
		}
	}
}

func TestNumberParse(t *testing.T) {
	point, comma := Number{Group: ","}, Number{Decimal: ",", Group: "."}
	for _, c := range []struct {
		number Number
		cell   string
		want   string // empty: a fault
	}{
		{Number{}, "12", "12"}, {Number{}, " 12.50 ", "12.5"}, {Number{}, "-3", "-3"}, {Number{}, "+3", "3"}, {Number{}, "3-", "-3"},
		{Number{}, "007", "7"}, {Number{}, "0.000", "0"}, {Number{}, "-0", "0"}, {Number{}, ".5", "0.5"}, {Number{}, "0.1234560", "0.123456"},
		{Number{}, "0.1234567", ""}, {Number{}, "1,5", ""}, {Number{}, "1e3", ""}, {Number{}, "", ""}, {Number{}, "-", ""}, {Number{}, "5.", ""},
		{Number{}, "1 000", ""}, {Number{}, "--5", ""}, {Number{}, "-5-", ""}, {Number{}, "12a", ""}, {Number{}, "1234567890123", ""}, {Number{}, "١٢", ""},
		{point, "1,234.5", "1234.5"}, {point, "1,23", ""}, {point, "12,34,567", ""}, {point, ",123", ""},
		{comma, "1.234,50", "1234.5"}, {comma, "1234,5", "1234.5"}, {comma, "12.5", ""}, {comma, "1.234", "1234"}, {comma, "0,25", "0.25"},
		{Number{Decimal: ",", Group: " "}, "1\u00a0234\u202f567,5", "1234567.5"},
		{Number{Group: "'"}, "1'234.5", "1234.5"},
	} {
		got, err := c.number.Parse(c.cell)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v %q: got %q, %v; want %q", c.number, c.cell, got, err, c.want)
		}
	}
}

func FuzzNumberParse(f *testing.F) {
	for _, cell := range []string{"1.234,5", "-0,000001", "12-", "\u00a05", "1e9", "999999999999,999999"} {
		f.Add(cell, true)
		f.Add(cell, false)
	}
	f.Fuzz(func(t *testing.T, cell string, german bool) {
		n := Number{Group: ","}
		if german {
			n = Number{Decimal: ",", Group: "."}
		}
		got, err := n.Parse(cell)
		if err != nil {
			return
		}
		// What is read must be what the protocol calls a quantity, in its shortest form.
		millionths, err := event.ParseQuantity(got)
		if err != nil || event.FormatQuantity(millionths) != got {
			t.Errorf("%q gave %q: %v", cell, got, err)
		}
	})
}
