package sweep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
)

// Comparison is one kind of document of one target, both sides. It is compared without clock, database or network.
type Comparison struct {
	// System is the target's name, for people.
	System string
	Kind   connector.Kind
	// Site limits it, "" for all.
	Site     string
	Expected []Expected
	Listed   []connector.Listed
	// Began is when the list was begun: a posting that has moved since may stand on either side of it. Since is from when on a document that
	// nobody expects is extra.
	Began, Since time.Time
	// Known tells whether a site or an order is one of Dockline's, Gap what of a site's streams is missing, "" for nothing.
	Known func(site, order string) bool
	Gap   func(site string) string
}

// Compared is what it came to. Foreign are documents of orders and sites that Dockline does not know.
type Compared struct {
	Matched, Foreign int
	Findings         []Finding
}

// Compare pairs documents by our reference, or else by their numbers.
func (c Comparison) Compare() Compared {
	var out Compared
	p := c.pair()
	for i := range c.Expected {
		e := &c.Expected[i]
		f, ok := c.expected(e, p.of(e))
		if !ok {
			out.Matched++
			continue
		}
		out.Findings = append(out.Findings, f)
	}
	for i, d := range p.documents {
		if p.used[i] || d.Reversed || d.Draft || d.At.Before(c.Since) || c.Site != "" && d.Site != c.Site {
			continue
		}
		_, again := p.keys[base(d.Reference)]
		if !again && !c.Known(d.Site, d.Order) {
			out.Foreign++
			continue
		}
		out.Findings = append(out.Findings, c.extra(d))
	}
	slices.SortFunc(out.Findings, func(a, b Finding) int { return cmp.Compare(a.Subject, b.Subject) })
	return out
}

// base is the key of a reference: what was made anew has "#2" and so on behind it.
func base(reference string) string {
	key, _, _ := strings.Cut(reference, "#")
	return key
}

// pairing finds what a system listed by what is expected.
type pairing struct {
	documents   []connector.Listed
	byReference map[string][]int
	byNumber    map[string]int
	keys        map[string]bool
	used        []bool
}

// pair sorts what was listed: of a document that came in several pages the last counts. Documents of one number and several references, as drafts
// have that are not numbered yet, are several.
func (c Comparison) pair() *pairing {
	p := &pairing{byReference: map[string][]int{}, byNumber: map[string]int{}, keys: map[string]bool{}}
	seen := make(map[[2]string]int)
	for _, d := range c.Listed {
		name := [2]string{d.Number, d.Reference}
		if at, twice := seen[name]; twice && d.Number != "" {
			p.documents[at] = d
			continue
		}
		seen[name] = len(p.documents)
		if _, known := p.byNumber[d.Number]; !known {
			p.byNumber[d.Number] = len(p.documents)
		}
		p.documents = append(p.documents, d)
	}
	for i, d := range p.documents {
		if d.Reference != "" {
			p.byReference[d.Reference] = append(p.byReference[d.Reference], i)
		}
	}
	p.used = make([]bool, len(p.documents))
	for _, e := range c.Expected {
		p.keys[e.Key] = true
	}
	return p
}

// of are the documents of one posting: those with our reference, or else those under whose numbers it was confirmed, whatever stands in them now.
func (p *pairing) of(e *Expected) []connector.Listed {
	places := p.byReference[e.Reference]
	if len(places) == 0 {
		for _, number := range e.Numbers {
			if at, there := p.byNumber[number]; there && !p.used[at] && !p.keys[base(p.documents[at].Reference)] {
				places = append(places, at)
			}
		}
	}
	var out []connector.Listed
	for _, at := range places {
		p.used[at] = true
		out = append(out, p.documents[at])
	}
	return out
}

// expected compares one posting with what the system has of it; ok is false where they agree.
func (c Comparison) expected(e *Expected, documents []connector.Listed) (f Finding, ok bool) {
	f = c.about(e)
	var inForce, drafts []connector.Listed
	reversed := ""
	for _, d := range documents {
		switch {
		case d.Reversed:
			reversed = d.Number
		case d.Draft:
			drafts = append(drafts, d)
		default:
			inForce = append(inForce, d)
		}
	}
	switch {
	case len(inForce) > 1 && len(e.Numbers) < len(inForce):
		var numbers []string
		for _, d := range inForce {
			numbers = append(numbers, d.Number)
		}
		f.Result, f.Number, f.Lines = Different, strings.Join(numbers, ", "), e.Content.Lines
		f.Details = []Detail{{"documents", "1", fmt.Sprint(len(inForce))}}
		f.Text = fmt.Sprintf("%s %s is in %s %d times: %s.", capital(e.Kind), e.Key, c.System, len(inForce), f.Number)
	case len(inForce) >= 1:
		d := inForce[0]
		for _, more := range inForce[1:] {
			d.Lines = append(slices.Clone(d.Lines), more.Lines...)
		}
		f.Details, f.Lines = differences(e.Content, d)
		if d.Reference != "" && d.Reference != e.Reference {
			f.Details = append(f.Details, Detail{"reference", e.Reference, d.Reference})
		}
		if len(f.Details) == 0 {
			return f, false
		}
		f.Result, f.Number, f.Version = Different, d.Number, d.Version
		f.Text = fmt.Sprintf("%s %s, number %s in %s, is not what was posted: %s.", capital(e.Kind), e.Key, d.Number, c.System, inWords(f.Details, c.System))
	case len(drafts) > 0:
		f.Result, f.Number, f.Lines = Different, drafts[0].Number, e.Content.Lines
		f.Details = []Detail{{"state", "in force", "draft"}}
		f.Text = fmt.Sprintf("%s %s is only a draft in %s, number %s: it has no effect there yet.", capital(e.Kind), e.Key, c.System, f.Number)
	case reversed != "":
		f.Result, f.Number, f.Lines = Missing, reversed, e.Content.Lines
		f.Text = fmt.Sprintf("%s %s was taken back in %s, where its number is %s; what the sites reported still stands.", capital(e.Kind), e.Key, c.System, reversed)
	default:
		f.Result, f.Lines = Missing, e.Content.Lines
		f.Text = fmt.Sprintf("%s has no %s %s, although it confirmed it.", c.System, words(e.Kind), e.Key)
		if !e.Settled {
			f.Text = fmt.Sprintf("%s has no %s %s.", c.System, words(e.Kind), e.Key)
		}
	}
	f.Quantity = sumOf(f.Lines)
	switch {
	case !e.Settled:
		f.Cause, f.Because = Pending, []string{e.posting(c.System)}
		f.Text += " This explains it: " + e.Why + "."
	case !e.MovedAt.Before(c.Began):
		f.Cause, f.Because = Pending, []string{e.posting(c.System)}
		f.Text += " This explains it: it was posted while the sweep was reading."
	}
	return f, true
}

func (c Comparison) about(e *Expected) Finding {
	return Finding{Subject: string(e.Kind) + " " + e.Key, Kind: e.Kind, Site: e.Site, Order: e.Content.Order, Key: e.Key}
}

// posting names the posting and the events that feed it.
func (e *Expected) posting(system string) string {
	text := system + "/" + string(e.Kind) + "/" + e.Key
	if len(e.Events) > 0 {
		text += " (events " + strings.Join(e.Events, ", ") + ")"
	}
	return text
}

func (c Comparison) extra(d connector.Listed) Finding {
	name := cmp.Or(d.Reference, d.Number)
	f := Finding{Subject: string(c.Kind) + " " + name, Kind: c.Kind, Result: Extra, Site: d.Site, Order: d.Order, Number: d.Number, Lines: connector.SumLines(d.Lines, true)}
	f.Quantity = sumOf(f.Lines)
	for _, l := range f.Lines {
		f.Details = append(f.Details, Detail{lineName(l), "", amount(l.Quantity)})
	}
	f.Text = fmt.Sprintf("%s has the %s %s, which no site has reported", c.System, words(c.Kind), d.Number)
	if d.Order != "" {
		f.Text += ", for order " + d.Order
	}
	if len(f.Details) > 0 {
		f.Text += ": " + inWords(f.Details, c.System)
	}
	f.Text += "."
	if gap := c.Gap(d.Site); gap != "" && d.Site != "" {
		f.Cause = Gap
		f.Text += " This may explain it: " + gap + "."
	}
	return f
}

// differences compares what was told with a document: lines where the system tells them, and the fields that it tells.
func differences(told connector.Content, d connector.Listed) (details []Detail, lines []connector.Line) {
	if d.Order != "" && told.Order != "" && d.Order != told.Order {
		details = append(details, Detail{"order", told.Order, d.Order})
	}
	if d.Site != "" && told.Site != "" && d.Site != told.Site {
		details = append(details, Detail{"site", told.Site, d.Site})
	}
	var names []string
	for name := range d.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if ours, known := told.Fields[name]; known && !sameValue(ours, d.Fields[name]) {
			details = append(details, Detail{name, ours, d.Fields[name]})
		}
	}
	if !d.Whole || len(told.Lines) == 0 {
		return details, nil
	}
	both := map[connector.Line][2]int64{}
	add := func(list []connector.Line, side int) {
		for _, l := range connector.SumLines(list, told.ByLot) {
			key := l
			key.Quantity = 0
			n := both[key]
			n[side] = l.Quantity
			both[key] = n
		}
	}
	add(told.Lines, 0)
	add(d.Lines, 1)
	for key, n := range both {
		if n[0] != n[1] {
			key.Quantity = max(n[0]-n[1], n[1]-n[0])
			lines = append(lines, key)
		}
	}
	slices.SortFunc(lines, connector.CompareLines)
	for _, l := range lines {
		key := l
		key.Quantity = 0
		details = append(details, Detail{lineName(l), amount(both[key][0]), amount(both[key][1])})
	}
	return details, lines
}
