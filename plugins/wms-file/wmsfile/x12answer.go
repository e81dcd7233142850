package wmsfile

import (
	"fmt"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/proto/x12"
)

// exchange is what an EDI file says besides events: the acknowledgements that it asks for and those that it brings, and its interchanges' numbers.
type exchange struct {
	answers []answer
	brought []*x12.Acknowledgement
	reports []x12.Report
	numbers []number
}

// number is the control number of an interchange that was taken whole.
type number struct{ sender, control string }

// answer is an acknowledgement that is owed: the envelope that it answers, and what it says: of a group, or with report of the interchange as a whole.
type answer struct {
	isa, gs x12.Segment
	says    x12.Acknowledgement
	report  *x12.Report
}

// reportsOwed are the TA1s that senders ask for by their ISA14. Who is not the partner gets none.
func (p *pass) reportsOwed(outline *x12.Outline, refused []*x12.Fault) {
	for i, each := range outline.Interchanges {
		if f := refused[i]; each.Asked() && (f == nil || f.Report != x12.CodeSender) {
			r := each.Answer(f)
			p.result.x12.answers = append(p.result.x12.answers, answer{isa: each.ISA, report: &r})
		}
	}
}

// reports takes what an interchange says of those that were sent from here. One that was rejected as a whole is told as the result of its command.
func (p *pass) reports(each x12.Interchange) (clean bool) {
	clean = true
	for _, r := range each.Reports {
		if r.Verdict != x12.Rejected {
			continue // its acknowledgement (997) says what became of what it holds
		}
		s, known := p.partner.reported(r)
		p.result.Rows++
		if !known {
			clean = false
			fault := dataFault("x12_not_sent", "TA104", fmt.Sprintf("%s: it is interchange %s, which is none of the orders sent from here; if it was an acknowledgement, see whether our and partner under x12 are what the partner expects", r.Words(), r.Control))
			if !p.refuseSet(r.At, fmt.Appendf(nil, "TA1 %s of %s", r.Control, each.ISA.Text()), []mapping.Fault{fault}) {
				return false
			}
			continue
		}
		p.result.x12.reports = append(p.result.x12.reports, r)
		if s.Key == "" {
			continue
		}
		p.result.Events++
		if !p.give(s.refusal(p.content.stamp, "TA1 of interchange "+s.Control)) {
			return false
		}
	}
	return clean
}

// answers are the acknowledgements that the file's groups are owed. A group of acknowledgements is owed none, and what cannot be read to its end is not answered.
func (p *pass) answers(outline *x12.Outline, refused []*x12.Fault, verdicts map[int]*x12.Acknowledgement) {
	for n, g := range outline.Groups {
		if g.GS.Element(1) == "FA" || refused[g.Interchange] != nil {
			continue
		}
		a := verdicts[n]
		if a == nil {
			a = &x12.Acknowledgement{Functional: g.GS.Element(1), Control: g.GS.Element(6), Version: g.GS.Element(8), Said: g.Said}
		}
		switch {
		case g.Fault != nil:
			a.Verdict, a.Codes, a.Taken = x12.Rejected, []int{g.Fault.Code}, 0
		case a.Taken == a.Received:
			a.Verdict = x12.Accepted
		case a.Taken > 0:
			a.Verdict = x12.Partly
		default:
			a.Verdict = x12.Rejected
		}
		p.result.x12.answers = append(p.result.x12.answers, answer{isa: outline.Interchanges[g.Interchange].ISA, gs: g.GS, says: *a})
	}
}

// acknowledgement takes what the partner says of what was sent. What it rejected is told as the result of the command.
func (p *pass) acknowledgement(set *x12.Set) []mapping.Fault {
	a, f := x12.ReadAcknowledgement(set)
	if f != nil {
		return []mapping.Fault{edFault(f)}
	}
	rejected, known := p.partner.judged(a)
	if !known {
		return []mapping.Fault{dataFault("x12_not_sent", "AK102", fmt.Sprintf("acknowledges group %s %s, which was not sent from here; look whether it was meant for somebody else", a.Functional, a.Control))}
	}
	p.result.x12.brought = append(p.result.x12.brought, a)
	for _, s := range rejected {
		p.result.Events++
		if !p.give(s.refusal(p.content.stamp, "997 of group "+s.Control)) {
			return nil
		}
	}
	return nil
}
