package wmsfile

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/x12"
)

// maxListed is up to how many sets of a group are named in its acknowledgement one by one; of more only those that are refused.
const maxListed = 5000

// interchanges gives the events of an EDI file, set by set. A set with anything wrong in it is refused as a whole, and an interchange that may lack a part too.
func (p *pass) interchanges() {
	outline, err := p.outline()
	if err != nil {
		p.result.broken = err
		return
	}
	refused := p.duplicates(outline)
	clean := true
	for i := range outline.Interchanges {
		if f := refused[i]; f != nil {
			clean = false
			p.result.Rows++
			if !p.refuseSet(f.Segment, fmt.Appendf(nil, "%s of %s", outline.Interchanges[i].ISA.Text(), p.content.hash), []mapping.Fault{edFault(f)}) {
				return
			}
		}
	}
	for _, g := range outline.Groups {
		if g.Sets == 0 && g.Fault != nil && refused[g.Interchange] == nil {
			clean = false
			p.result.Rows++
			if !p.refuseSet(g.Fault.Segment, []byte(g.GS.Text()), []mapping.Fault{edFault(g.Fault)}) {
				return
			}
		}
	}
	for i, each := range outline.Interchanges {
		if refused[i] == nil && !p.reports(each) {
			clean = false
		}
		if p.stopped {
			return
		}
	}
	in, err := p.content.open()
	if err != nil {
		p.result.broken = err
		return
	}
	p.in = in
	verdicts := map[int]*x12.Acknowledgement{}
	for set, err := range x12.Sets(in, outline) {
		if err != nil {
			p.result.broken = err
			return
		}
		group := outline.Groups[set.Group]
		if refused[group.Interchange] != nil {
			continue
		}
		p.result.Rows++
		faults, notes := p.set(set)
		if p.stopped {
			return
		}
		if set.ID() != "997" && set.ID() != "999" {
			a := verdicts[set.Group]
			if a == nil {
				a = &x12.Acknowledgement{Functional: set.GS.Element(1), Control: set.GS.Element(6), Version: set.GS.Element(8), Said: group.Said, Received: group.Sets}
				verdicts[set.Group] = a
			}
			judge(a, set, faults, notes, group.Sets <= maxListed)
		}
		if len(faults) == 0 {
			continue
		}
		clean = false
		if !p.refuseSet(set.ST.At, []byte(set.Text()), faults) {
			return
		}
	}
	p.reportsOwed(outline, refused)
	p.answers(outline, refused, verdicts)
	for i, each := range outline.Interchanges {
		if clean && refused[i] == nil {
			p.result.x12.numbers = append(p.result.x12.numbers, number{senderOf(each.ISA), each.ISA.Element(13)})
		}
	}
}

func (p *pass) outline() (*x12.Outline, error) {
	in, err := p.content.open()
	if err != nil {
		return nil, err
	}
	outline, err := x12.Check(in)
	if closed := in.Close(); err == nil {
		err = closed
	}
	if err == nil && len(outline.Interchanges) == 0 {
		err = io.ErrUnexpectedEOF
	}
	return outline, err
}

// senderOf is who an interchange is from.
func senderOf(isa x12.Segment) string { return isa.Element(5) + ":" + isa.Element(6) }

// duplicates adds to the faults of interchanges: a number that came before, with other content, and a sender who is not the partner.
func (p *pass) duplicates(outline *x12.Outline) []*x12.Fault {
	out := make([]*x12.Fault, len(outline.Interchanges))
	seen := map[number]bool{}
	for i, each := range outline.Interchanges {
		n := number{senderOf(each.ISA), each.ISA.Element(13)}
		partner := p.exchange.Partner
		switch {
		case each.Fault != nil:
			out[i] = each.Fault
		case partner.ID != "" && (each.ISA.Element(6) != partner.ID || each.ISA.Element(5) != partner.Qualifier):
			out[i] = each.ISA.Fault(6, "is %q, and the partner of the configuration is %s:%s", n.sender, partner.Qualifier, partner.ID)
			out[i].Report = x12.CodeSender
		case seen[n] || p.partner.cameBefore(n, p.content.hash):
			out[i] = each.ISA.Fault(13, "is %s, and an interchange of %s with that number and other content was taken before: a number is given once; have it sent again under a new one", n.control, n.sender)
			out[i].Report = x12.CodeDuplicateControl
		}
		seen[n] = true
	}
	return out
}

func edFault(f *x12.Fault) mapping.Fault {
	return dataFault("x12_envelope", f.Element, f.Text)
}

// refuseSet makes a dead letter of a set, or of an interchange.
func (p *pass) refuseSet(at int, raw []byte, faults []mapping.Fault) bool {
	p.result.Refused++
	for _, f := range faults {
		p.result.note(LineFault{at, f.Column, f.Code, f.Text})
	}
	occurrence := p.again(raw)
	return p.give(p.deadLetter(p.content, refusal{line: at, raw: raw, occurrence: occurrence, faults: faults}))
}

// set tells what a set says, or why it cannot be taken: then nothing of it is told.
func (p *pass) set(set *x12.Set) ([]mapping.Fault, []x12.Note) {
	if set.Fault != nil {
		return []mapping.Fault{edFault(set.Fault)}, nil
	}
	if id := set.ID(); id == "997" || id == "999" {
		return p.acknowledgement(set), nil
	}
	var tellers []*edMapping
	for _, m := range p.sets {
		if m.Set == set.ID() {
			tellers = append(tellers, m)
		}
	}
	if len(tellers) == 0 {
		return []mapping.Fault{dataFault("x12_set_unknown", "ST01", fmt.Sprintf("%s is a transaction set that this site does not read; add it under sets, or have it sent elsewhere", set.ID()))}, nil
	}
	var events []*docklinev1.Event
	var faults []mapping.Fault
	var notes []x12.Note
	var rows []edRow
	for i, m := range tellers {
		if i == 0 || !m.sameRows(tellers[i-1]) {
			rows = edRows(set, m.Loops, m.Summary)
		}
		told, wrong, where := p.tellSet(m, set, rows)
		events = append(events, told...)
		for i, f := range wrong {
			if !slices.Contains(faults, f) { // several mappings read the same element
				faults = append(faults, f)
				notes = append(notes, where[i])
			}
		}
	}
	if len(faults) == 0 && len(events) == 0 {
		faults = []mapping.Fault{dataFault("x12_set_empty", "", "the set has nothing that could be told: the loop with its lines is missing, or holds what no mapping takes")}
	}
	if len(faults) > 0 {
		return faults, notes
	}
	for _, e := range events {
		p.result.Events++
		if !p.give(e) {
			return nil, nil
		}
	}
	return nil, nil
}

// tellSet makes the events of one mapping of a set. With every fault comes where in the set it stands.
func (p *pass) tellSet(m *edMapping, set *x12.Set, rows []edRow) (events []*docklinev1.Event, faults []mapping.Fault, notes []x12.Note) {
	var together [][]*mapping.Record // what makes one event each
	groups := map[string]int{}
	for i := range rows {
		row := &rows[i]
		record, wrong := m.binding.Map(m.cells(row, p.exchange.Bin))
		if len(wrong) > 0 {
			at := m.origins(row, p.exchange.Bin)
			for _, f := range wrong {
				fault, note := m.name(f, at, set)
				faults, notes = append(faults, fault), append(notes, note)
			}
		}
		if record == nil {
			continue
		}
		record.Line = row.scopes[0][0].At
		record.Place = p.place(p.content.name, record.Line, "")
		n, known := groups[record.Key]
		if !m.Group || !known {
			n, groups[record.Key] = len(together), len(together)
			together = append(together, nil)
		}
		together[n] = append(together[n], record)
	}
	for _, records := range together {
		e, wrong := m.mapping.Event(0, records...)
		for _, f := range wrong {
			faults, notes = append(faults, f), append(notes, x12.Note{Segment: "ST", Position: 1, SegmentCode: 8})
		}
		if len(wrong) == 0 {
			events = append(events, e)
		}
	}
	return events, faults, notes
}

// sameRows says that two mappings of a set take it apart alike.
func (m *edMapping) sameRows(o *edMapping) bool {
	return slices.Equal(m.Loops, o.Loops) && slices.Equal(m.Summary, o.Summary)
}

func (m *edMapping) cells(row *edRow, bin string) []string {
	cells := make([]string, len(m.header))
	for i, places := range m.columns {
		cells[i], _ = row.find(places, bin)
	}
	return cells
}

// origins are the segments that a row's cells come from, or would stand in.
func (m *edMapping) origins(row *edRow, bin string) map[string]x12.Segment {
	at := map[string]x12.Segment{}
	for i, places := range m.columns {
		_, s := row.find(places, bin)
		if s.Name() == "" {
			s = row.missing(places)
		}
		at[m.header[i]] = s
	}
	return at
}

// missing is where an element that is not there would stand: the segment of its name, or the row's first.
func (r *edRow) missing(places []edPlace) x12.Segment {
	for _, s := range r.scopes {
		for _, seg := range s {
			if seg.Name() == places[0].segment {
				return seg
			}
		}
	}
	return r.scopes[0][0]
}

// name says a mapping's fault in the words of X12: with the element, and for the acknowledgement with its position in the set.
func (m *edMapping) name(f mapping.Fault, at map[string]x12.Segment, set *x12.Set) (mapping.Fault, x12.Note) {
	header := f.Column
	if header != "" && at[header].Name() == "" {
		header = strings.Split(header, ", ")[0] // a key of several
	}
	s := at[header]
	note := x12.Note{Segment: "ST", Position: 1, SegmentCode: 8}
	if s.Name() == "" {
		return f, note
	}
	note.Segment, note.Position = s.Name(), s.At-set.ST.At+1
	if i := slices.Index(m.header, header); i >= 0 {
		if n := m.columns[i][0].element; n > 0 && m.columns[i][0].segment == s.Name() {
			note.Element, note.ElementCode, note.Value = n, elementCode(f.Code), s.Element(n)
			f.Column = fmt.Sprintf("%s%02d", s.Name(), n)
		} else {
			f.Column = s.Name()
		}
	}
	f.Text = fmt.Sprintf("segment %d: %s", s.At, f.Text)
	return f, note
}

// elementCode is what a 997 says of an element (X12 data element 723).
func elementCode(code string) int {
	switch code {
	case "field_missing", "key_missing", "revision_missing":
		return 1
	case "number_format", "whole_number_format", "quantity_negative":
		return 6
	case "date_format":
		return 8
	default:
		return 7
	}
}

// judge adds what became of a set to its group's acknowledgement.
func judge(a *x12.Acknowledgement, set *x12.Set, faults []mapping.Fault, notes []x12.Note, list bool) {
	v := x12.SetVerdict{ID: set.ID(), Control: set.ST.Element(2), Verdict: x12.Accepted}
	if len(faults) == 0 {
		a.Taken++
	} else {
		v.Verdict, v.Notes = x12.Rejected, notes
		switch {
		case set.Fault != nil && set.Fault.Code > 0:
			v.Codes = []int{set.Fault.Code}
		case faults[0].Code == "x12_set_unknown":
			v.Codes = []int{1}
		default:
			v.Codes = []int{5}
		}
	}
	if list || len(faults) > 0 && len(a.Sets) < maxListed {
		a.Sets = append(a.Sets, v)
	}
}
