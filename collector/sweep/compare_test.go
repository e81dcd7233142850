package sweep_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/sweep"
)

var (
	began = time.Date(2025, 11, 3, 8, 0, 0, 0, time.UTC)
	past  = began.Add(-time.Hour)
)

func everything(string, string) bool { return true }
func noGap(string) string            { return "" }

// told is a goods issue that was posted and confirmed.
func told(key string, lines ...connector.Line) sweep.Expected {
	return sweep.Expected{Kind: connector.GoodsIssue, Key: key, Reference: key, Site: "dc-east", Settled: true, MovedAt: past, Style: connector.CreateOnce, Numbers: []string{"GI-" + key},
		Content: connector.Content{Order: "SO1", Site: "dc-east", ByLot: true, Lines: connector.SumLines(lines, true), Fields: map[string]string{}}}
}

// held is the document that a system has of it.
func held(e sweep.Expected) connector.Listed {
	return connector.Listed{Reference: e.Reference, Number: "GI-" + e.Key, Order: e.Content.Order, Site: e.Site, At: past, Whole: true, Lines: slices.Clone(e.Content.Lines)}
}

func compare(expected []sweep.Expected, listed []connector.Listed) sweep.Compared {
	return sweep.Comparison{System: "erp", Kind: connector.GoodsIssue, Expected: expected, Listed: listed, Began: began, Known: everything, Gap: noGap}.Compare()
}

// hands change one document in one way each; what comes of it, and what the sentence must name.
var hands = []struct {
	name   string
	change func(e *sweep.Expected, d *connector.Listed) (also []connector.Listed, gone bool)
	result sweep.Result
	cause  sweep.Cause
	says   string
}{
	{"removed", func(*sweep.Expected, *connector.Listed) ([]connector.Listed, bool) { return nil, true }, sweep.Missing, "", "erp has no goods issue"},
	{"doubled", func(_ *sweep.Expected, d *connector.Listed) ([]connector.Listed, bool) {
		twin := *d
		twin.Number += "-again"
		return []connector.Listed{twin}, false
	}, sweep.Different, "", "is in erp 2 times"},
	{"quantity", func(_ *sweep.Expected, d *connector.Listed) ([]connector.Listed, bool) {
		d.Lines[0].Quantity += 2_000_000
		return nil, false
	}, sweep.Different, "", "is 5 in Dockline and 7 in erp"},
	{"lot", func(_ *sweep.Expected, d *connector.Listed) ([]connector.Listed, bool) {
		d.Lines[0].Lot = "L9"
		return nil, false
	}, sweep.Different, "", "lot L9 is 0 in Dockline and 5 in erp"},
	{"line", func(_ *sweep.Expected, d *connector.Listed) ([]connector.Listed, bool) {
		d.Lines = append(d.Lines, connector.Line{OrderLine: "99", Item: "NUT", Quantity: 1_000_000})
		return nil, false
	}, sweep.Different, "", "line 99 NUT"},
	{"taken back", func(_ *sweep.Expected, d *connector.Listed) ([]connector.Listed, bool) {
		d.Reversed = true
		return nil, false
	}, sweep.Missing, "", "was taken back"},
	{"draft", func(_ *sweep.Expected, d *connector.Listed) ([]connector.Listed, bool) {
		d.Draft = true
		return nil, false
	}, sweep.Different, "", "only a draft"},
	{"other order", func(_ *sweep.Expected, d *connector.Listed) ([]connector.Listed, bool) {
		d.Order = "SO9"
		return nil, false
	}, sweep.Different, "", "order is SO1 in Dockline and SO9 in erp"},
	{"other reference", func(_ *sweep.Expected, d *connector.Listed) ([]connector.Listed, bool) {
		d.Reference = "by hand"
		return nil, false
	}, sweep.Different, "", "by hand in erp"},
	{"under way", func(e *sweep.Expected, _ *connector.Listed) ([]connector.Listed, bool) {
		e.Settled, e.Why, e.Events = false, "its posting is ready", []string{"ev-1"}
		return nil, true
	}, sweep.Missing, sweep.Pending, "its posting is ready"},
	{"just told", func(e *sweep.Expected, _ *connector.Listed) ([]connector.Listed, bool) {
		e.MovedAt = began.Add(time.Second)
		return nil, true
	}, sweep.Missing, sweep.Pending, "posted while the sweep was reading"},
}

// Any set of changes, in any order of what is listed and of what is expected, in any overlap of pages, is found: each once, and nothing else.
//
// Shows: S43
func TestWhatWasChangedIsFoundAndNothingElse(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 43))
		type expectation struct {
			result sweep.Result
			cause  sweep.Cause
			says   string
		}
		want := map[string]expectation{}
		var expected []sweep.Expected
		var listed []connector.Listed
		matched := 0
		for i := range 1 + r.IntN(30) {
			e := told(fmt.Sprintf("SO1/S%d", i), connector.Line{OrderLine: "10", Item: "BOLT", Lot: "L1", Quantity: 5_000_000}, connector.Line{OrderLine: "20", Item: "NUT", Quantity: 3_000_000})
			d := held(e)
			gone := false
			var also []connector.Listed
			if h := r.IntN(2 * len(hands)); h < len(hands) {
				also, gone = hands[h].change(&e, &d)
				want["goods_issue "+e.Key] = expectation{hands[h].result, hands[h].cause, hands[h].says}
			} else {
				matched++
			}
			expected, listed = append(expected, e), append(listed, also...)
			if !gone {
				listed = append(listed, d)
				if r.IntN(4) == 0 {
					listed = append(listed, d) // it came in two pages
				}
			}
		}
		for i := range r.IntN(3) {
			d := connector.Listed{Number: fmt.Sprintf("H%d", i), Order: "SO1", Site: "dc-east", At: past, Whole: true, Lines: []connector.Line{{OrderLine: "10", Item: "BOLT", Quantity: 1_000_000}}}
			listed = append(listed, d)
			want["goods_issue "+d.Number] = expectation{sweep.Extra, "", "no site has reported"}
		}
		r.Shuffle(len(expected), func(i, j int) { expected[i], expected[j] = expected[j], expected[i] })
		r.Shuffle(len(listed), func(i, j int) { listed[i], listed[j] = listed[j], listed[i] })
		got := compare(expected, listed)
		if got.Matched != matched {
			t.Errorf("seed %d: %d matched, want %d", seed, got.Matched, matched)
		}
		for _, f := range got.Findings {
			w, ok := want[f.Subject]
			if !ok || f.Result != w.result || f.Cause != w.cause || !strings.Contains(f.Text, w.says) {
				t.Errorf("seed %d: %s is %s, %q: %s; want %+v", seed, f.Subject, f.Result, f.Cause, f.Text, w)
			}
			delete(want, f.Subject)
		}
		for subject := range want {
			t.Errorf("seed %d: %s was not found", seed, subject)
		}
	}
}

func TestWhatIsNobodysCase(t *testing.T) {
	e := told("SO1/S1", connector.Line{OrderLine: "10", Item: "BOLT", Quantity: 5_000_000})
	anew := e
	anew.Reference, anew.Numbers = "SO1/S1#2", []string{"GI-2"}
	first, second := held(e), held(anew)
	first.Reversed, second.Number = true, "GI-2"
	if got := compare([]sweep.Expected{anew}, []connector.Listed{first, second}); len(got.Findings) > 0 || got.Matched != 1 {
		t.Errorf("made anew after the first was taken back: %+v", got)
	}
	unreferenced := held(e)
	unreferenced.Reference = ""
	if got := compare([]sweep.Expected{e}, []connector.Listed{unreferenced}); len(got.Findings) > 0 || got.Matched != 1 {
		t.Errorf("confirmed under a number, without our reference: %+v", got)
	}
	foreign := connector.Listed{Number: "X1", Order: "SO404", Site: "elsewhere", At: past}
	c := sweep.Comparison{System: "erp", Kind: connector.GoodsIssue, Listed: []connector.Listed{foreign}, Began: began, Known: func(string, string) bool { return false }, Gap: noGap}
	if got := c.Compare(); len(got.Findings) > 0 || got.Foreign != 1 {
		t.Errorf("of an order and a site that nobody knows: %+v", got)
	}
	hand := connector.Listed{Number: "H1", Site: "dc-east", At: past}
	c.Listed, c.Known, c.Gap = []connector.Listed{hand}, everything, func(string) string { return "4 events of site dc-east are missing" }
	if got := c.Compare(); len(got.Findings) != 1 || got.Findings[0].Cause != sweep.Gap {
		t.Errorf("at a site with a gap: %+v", got)
	}
	c.Since = began
	if got := c.Compare(); len(got.Findings) > 0 {
		t.Errorf("of before the time that is looked at: %+v", got)
	}
}

// A status is compared field by field, for the fields that the system tells.
func TestFieldsOfACopyAreNamedWithBothValues(t *testing.T) {
	e := sweep.Expected{Kind: connector.OrderStatus, Key: "SO1", Reference: "SO1", Settled: true, MovedAt: past, Content: connector.Content{Order: "SO1",
		Fields: map[string]string{"status": "invoiced", "customer": "C-1", "tracking": "JD1, JD2", "invoices": "IN1"},
		Lines:  []connector.Line{{OrderLine: "10", Item: "BOLT", Quantity: 5_000_000}}}}
	d := connector.Listed{Reference: "SO1", Number: "SO1", At: past, Version: 9, Whole: true, Lines: []connector.Line{{OrderLine: "10", Item: "BOLT", Quantity: 4_000_000}},
		Fields: map[string]string{"status": "cancelled", "customer": "C-2", "tracking": "JD1, JD2"}}
	got := sweep.Comparison{System: "crm", Kind: connector.OrderStatus, Expected: []sweep.Expected{e}, Listed: []connector.Listed{d}, Began: began, Known: everything, Gap: noGap}.Compare()
	want := []sweep.Detail{{What: "customer", Ours: "C-1", Theirs: "C-2"}, {What: "status", Ours: "invoiced", Theirs: "cancelled"}, {What: "line 10 BOLT", Ours: "5", Theirs: "4"}}
	if len(got.Findings) != 1 || !slices.Equal(got.Findings[0].Details, want) || got.Findings[0].Version != 9 || got.Findings[0].Code() != sweep.CodeDifferent {
		t.Errorf("got %+v, want the details %+v", got, want)
	}
}
