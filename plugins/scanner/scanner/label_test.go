package scanner

import (
	"strings"
	"testing"
)

// Labels that break GS1's rules for what stands together are taken with a remark, refused with the reason, or not looked at, as configured. What another label of
// the same goods may have is missing only once the event is whole.
//
// Shows: S35
func TestWhatStandsTogetherOnALabel(t *testing.T) {
	const (
		order, carton, content = "PO9", "]C100340123450000000017", "]C1020401234567890137" + "12"
		both                   = "]C1010401234567890137" + "12"
		receive                = "{ai: \"02\", take: {gtin: ai.02, quantity: ai.37, handling_unit: ai.00, lot: ai.10, expires_at: date.17}, emit: received, keep: [purchase_order], next: pallet}"
		twoLabels              = "{ai: \"02\", take: {gtin: ai.02, quantity: ai.37}, next: pallet}\n          - {ai: \"00\", take: {handling_unit: ai.00}, emit: received, keep: [purchase_order], next: pallet}"
		withGTIN               = "{ai: \"01\", take: {gtin: ai.01, quantity: ai.37}, emit: received, next: receipt}"
	)
	for name, c := range map[string]struct {
		flow, forbidden, missing string
		codes                    []string
		result                   result
		says                     string
	}{
		"one label, whole":              {receive, "refuse", "refuse", []string{order, "]C10034012345000000001702040123456789013712"}, whole, ""},
		"two labels, whole":             {twoLabels, "refuse", "refuse", []string{order, content, carton}, whole, ""},
		"content without its SSCC":      {receive, "warn", "warn", []string{order, content}, whole, "AI 37 (count of contained goods) needs AI 00 with 02, or 00 with 8026 beside it, in this code or in one that is scanned before it."},
		"the same where it is refused":  {receive, "warn", "refuse", []string{order, content}, bad, "AI 37 (count of contained goods) needs AI 00"},
		"the same where nobody cares":   {receive, "warn", "ignore", []string{order, content}, whole, ""},
		"a scan that is not yet all":    {twoLabels, "refuse", "refuse", []string{order, content}, good, ""},
		"undone, it counts no longer":   {strings.Replace(twoLabels, "{ai: \"00\"", "{ai: \"01\", take: {gtin: ai.01}, set: {quantity: \"1\"}, emit: received, next: receipt}\n          - {ai: \"00\"", 1), "refuse", "refuse", []string{order, content, "*UNDO*", "]E04012345678901"}, whole, ""},
		"forbidden in one code":         {withGTIN, "warn", "ignore", []string{order, both}, whole, "AI 01 (GTIN) and AI 37 (count of contained goods) must not mark the same goods."},
		"forbidden and refused":         {withGTIN, "refuse", "ignore", []string{order, both}, bad, "must not mark the same goods. The goods need another label."},
		"forbidden where nobody cares":  {withGTIN, "ignore", "ignore", []string{order, both}, whole, ""},
		"a carton after what is kept":   {receive, "refuse", "refuse", []string{order, "]C10034012345000000001702040123456789013712", "]C10034012345000000002402040123456789013712"}, whole, ""},
		"two cartons are no two labels": {twoLabels, "refuse", "refuse", []string{order, content, carton, content, "]C100340123450000000024"}, whole, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := sampleSetup(t, receive, c.flow, "{forbidden: warn, missing: warn}", "{forbidden: "+c.forbidden+", missing: "+c.missing+"}")
			for i := range s.Inputs {
				if s.Inputs[i].ID == "receiving" {
					s.Inputs[i].Labels = s.Inputs[0].Labels
				}
			}
			b := newBench(t, s, "receiving")
			a := b.scans(c.codes...)
			if a.result != c.result || (c.says == "") != (a.remark == "" && a.result != bad) || !strings.Contains(a.text+a.remark, c.says) {
				t.Errorf("%d, %q, %q; want %d, %q", a.result, a.text, a.remark, c.result, c.says)
			}
			if a.result == bad && b.work.State != "pallet" {
				t.Errorf("a refused scan has led to the state %s", b.work.State)
			}
		})
	}
}
