package gs1

import (
	"strings"
	"testing"
	"time"
)

// Our own vectors, so that a clone alone holds the package to account. ^ stands for FNC1.
func TestGolden(t *testing.T) {
	for _, c := range []struct{ scan, want, wrong string }{
		{scan: "]C1010401234567890110A7^172612003103001250", want: "(01)04012345678901(10)A7(17)261200(3103)001250"},
		{scan: "]C100340123450000000017", want: "(00)340123450000000017"},
		{scan: "]d20104012345678901" + "21S-1^10LOT 1", wrong: "may not stand there"},
		{scan: "]e00104012345678902", wrong: "its check digit is 2, but should be 1"},
		{scan: "]Q31726130", wrong: "must have 6 characters"},
		{scan: "]Q317261301", wrong: "no calendar has"},
		{scan: "]C1890A", wrong: "no application identifier"},
		{scan: "]C110" + strings.Repeat("A", 21), wrong: "too long"},
		{scan: "]E04012345678901", want: "(01)04012345678901"},
		{scan: "]E30401234567890112", wrong: "no EAN"},
		{scan: "]E3401234567890112", want: "(01)04012345678901"},
		{scan: "]I114012345678908", want: "(01)14012345678908"},
		{scan: "]I10123", want: ""},
		{scan: "]A0BIN-07", want: ""},
		{scan: "BIN-07", want: ""},
		{scan: "https://example.com/shop/01/04012345678901/10/A%2F7?17=261231&utm=1", want: "(01)04012345678901(10)A/7(17)261231"},
		{scan: "]Q1https://example.com/about", want: ""},
		{scan: "]?1X", wrong: "symbology identifier"},
		{scan: "", wrong: "nothing was read"},
	} {
		s, err := ParseScan(strings.ReplaceAll(c.scan, "^", string(Separator)))
		switch {
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%q: %v, want %s", c.scan, err, c.wrong)
		case c.want != "" && (err != nil || s.Elements.String() != c.want):
			t.Errorf("%q is %s (%v), want %s", c.scan, s.Elements, err, c.want)
		}
	}
}

func TestWhatStandsTogether(t *testing.T) {
	for text, wrong := range map[string]string{
		"(01)04012345678901(10)A7":                       "",
		"(00)340123450000000017(02)04012345678901(37)12": "",
		"(10)A7":                                     "needs AI 01",
		"(01)04012345678901(37)12":                   "must not mark the same goods",
		"(01)04012345678901(10)A7(10)A8":             "there twice",
		"(01)04012345678901(3102)000100(3103)001":    "too short",
		"(01)04012345678901(3102)000100(3103)0010":   "too short",
		"(01)04012345678901(3102)000100(3103)001000": "must not mark",
	} {
		found, err := ParseBracketed(text, false)
		if err == nil {
			err = found.Check()
		}
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, want %q", text, err, wrong)
		}
	}
}

func TestDatesAndDecimals(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]string{"260200": "2026-02-28", "280200": "2028-02-29", "261231": "2026-12-31", "770101": "1977-01-01", "760101": "2076-01-01",
		"991231": "1999-12-31"} {
		if day, err := Date(value, now); err != nil || day.Format(time.DateOnly) != want {
			t.Errorf("%s is %v (%v), want %s", value, day, err, want)
		}
	}
	if _, err := Date("260231", now); err == nil {
		t.Error("31 February is taken")
	}
	for text, want := range map[string]string{"(3103)001250": "1.250", "(3100)000012": "12", "(3105)000000": "0.00000", "(3922)0299": "2.99", "(3932)9780299": "2.99", "(10)12": ""} {
		found, err := ParseBracketed(text, false)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := Decimal(found[0]); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

// Whatever a reader sends is taken or refused; what is taken reads the same when it is written again.
func FuzzParseScan(f *testing.F) {
	f.Add("]C1010401234567890110A7\x1d17261200")
	f.Add("]E04012345678901|]e010A7")
	f.Add("https://id.gs1.org/01/04012345678901/10/A?17=261231")
	f.Add("]d2\x1d\x1d")
	f.Add("]Q3\xff\x00")
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := ParseScan(raw)
		_, _ = ParsePlain(raw)
		_, _ = ParseBracketed(raw, true)
		if err != nil || len(s.Elements) == 0 {
			return
		}
		again, err := Parse(s.Elements.Message())
		if err != nil || again.String() != s.Elements.String() {
			t.Errorf("%q is %s, written and read again %s (%v)", raw, s.Elements, again, err)
		}
		_ = s.Elements.Check()
		if uri, err := s.Elements.Link(""); err == nil {
			if _, err := ParseLink(uri, LinkOptions{}); err != nil {
				t.Errorf("%s is written %s, which is refused: %v", s.Elements, uri, err)
			}
		}
	})
}
