package x12

import (
	"errors"
	"io"
	"strconv"
)

// Interchange is what Check found of one.
type Interchange struct {
	ISA Segment
	// Fault is why none of it can be taken: it was cut off, or a part of it may be missing.
	Fault *Fault
	// First and Groups are its groups in Outline.Groups.
	First, Groups int
	// Reports are what its sender says of interchanges that came to him (TA1).
	Reports []Report
}

// Group is what Check found of one functional group.
type Group struct {
	GS Segment
	// Interchange is its place in Outline.Interchanges.
	Interchange int
	// Fault is why none of its sets can be taken.
	Fault *Fault
	// Said is how many sets GE says that it has, Sets how many it has.
	Said, Sets int
}

// Bad is the first fault by which something of the text cannot be taken, nil where there is none.
func (o *Outline) Bad() *Fault {
	for _, i := range o.Interchanges {
		if i.Fault != nil {
			return i.Fault
		}
	}
	for _, g := range o.Groups {
		if g.Fault != nil {
			return g.Fault
		}
	}
	var first *Fault
	for _, f := range o.faults {
		if first == nil || f.Segment < first.Segment {
			first = f
		}
	}
	return first
}

// Outline is a text's envelopes, without what they hold.
type Outline struct {
	Interchanges []Interchange
	Groups       []Group
	// faults are those of sets, by the interchange and the set's number within it, from 0.
	faults map[[2]int]*Fault
	sets   int
}

// Sets counts the transaction sets.
func (o *Outline) Sets() int { return o.sets }

// fault is why a set cannot be taken whose interchange can: its own fault or that of its group.
func (o *Outline) fault(interchange, group, set int) *Fault {
	if group < len(o.Groups) && o.Groups[group].Fault != nil {
		return o.Groups[group].Fault
	}
	return o.faults[[2]int{interchange, set}]
}

// Check goes over a text and says what of it may be taken. Envelopes must close with the numbers and counts that they say: else a part may be missing.
// It fails only where the text cannot be read at all; what is wrong with the text stands in the outline.
func Check(r io.Reader) (*Outline, error) {
	c := &checker{in: newSegments(r), out: &Outline{faults: map[[2]int]*Fault{}}}
	for {
		s, err := c.in.next()
		var f *Fault
		switch {
		case errors.Is(err, io.EOF):
			c.cut()
			return c.out, nil
		case errors.As(err, &f):
			if !c.in.inside {
				c.interchange(s)
			}
			c.spoil(f)
			if err := c.resume(); err != nil {
				return c.out, err
			}
		case err != nil:
			return c.out, err
		default:
			if f := c.segment(s); f != nil {
				c.spoil(f)
				if err := c.resume(); err != nil {
					return c.out, err
				}
			}
		}
	}
}

type checker struct {
	in   *segments
	out  *Outline
	last Segment
	// group and set are those that are open; no group at -1.
	group    int
	inGroup  bool
	st       Segment
	set      int // of this interchange
	notes    int // segments of other sorts between ISA and the groups, of this interchange
	inSet    bool
	segments int
	bytes    int
	numbers  map[string]bool
	groups   map[string]bool
}

func (c *checker) interchange(isa Segment) *Interchange {
	c.out.Interchanges = append(c.out.Interchanges, Interchange{ISA: isa, First: len(c.out.Groups)})
	c.inGroup, c.inSet, c.set, c.notes, c.groups = false, false, 0, 0, map[string]bool{}
	return &c.out.Interchanges[len(c.out.Interchanges)-1]
}

func (c *checker) current() *Interchange { return &c.out.Interchanges[len(c.out.Interchanges)-1] }

// spoil marks the interchange in hand: none of it counts.
func (c *checker) spoil(f *Fault) {
	if i := c.current(); i.Fault == nil {
		if f.Report == 0 {
			f.Report = CodeStructure
		}
		i.Fault = f
	}
	c.inGroup, c.inSet = false, false
}

// resume goes on behind a fault, where another interchange may begin.
func (c *checker) resume() error {
	err := c.in.skip()
	if errors.Is(err, io.EOF) {
		return nil // the next look says so
	}
	return err
}

// cut says what the text's end leaves open.
func (c *checker) cut() {
	if len(c.out.Interchanges) > 0 && c.in.open && c.current().Fault == nil {
		c.spoil(c.last.Fault(0, "is the last segment: the interchange's end (IEA) is missing, so it was cut off").reported(CodeCutOff))
	}
}

func (c *checker) segment(s Segment) *Fault {
	defer func() { c.last = s }()
	switch s.Name() {
	case "ISA":
		c.interchange(s)
	case "GS":
		return c.begin(s)
	case "ST":
		switch {
		case !c.inGroup:
			return s.Fault(0, "stands outside of a group: GS is missing")
		case c.inSet:
			return s.Fault(0, "begins before the set %s has ended: SE is missing", c.st.Element(2))
		}
		c.st, c.inSet, c.segments, c.bytes = s, true, 1, 0
		c.out.Groups[c.group].Sets++
	case "SE":
		return c.endSet(s)
	case "GE":
		return c.endGroup(s)
	case "IEA":
		return c.end(s)
	default:
		if !c.inSet && !c.inGroup && besides(s) {
			return c.beside(s)
		}
		if !c.inSet {
			return s.Fault(0, "stands outside of a set")
		}
		c.segments++
		for _, e := range s.Elements {
			c.bytes += len(e) + 1
		}
	}
	return nil
}

// besides are the segments that may stand between ISA and its groups.
func besides(s Segment) bool { return s.Name() == "TA1" || s.Name() == "ISB" || s.Name() == "ISE" }

// maxReports bounds the reports of one interchange.
const maxReports = 10_000

func (c *checker) beside(s Segment) *Fault {
	if s.Name() != "TA1" {
		c.notes++
		return nil
	}
	r, f := report(s)
	i := c.current()
	if f == nil && len(i.Reports) >= maxReports {
		f = s.Fault(0, "is one report too many: an interchange has at most %d", maxReports)
	}
	if f != nil {
		return f.reported(CodeContent)
	}
	i.Reports = append(i.Reports, r)
	return nil
}

func (c *checker) begin(gs Segment) *Fault {
	switch {
	case c.inGroup:
		return gs.Fault(0, "begins before the group %s has ended: GE is missing", c.out.Groups[c.group].GS.Element(6))
	case len(c.out.Groups) >= MaxGroups:
		return gs.Fault(0, "is one group too many: a text has at most %d; split it", MaxGroups)
	}
	g := Group{GS: gs, Interchange: len(c.out.Interchanges) - 1}
	if number := gs.Element(6); c.groups[number] {
		g.Fault = gs.Fault(6, "is %q, as that of another group of this interchange: which of the two is meant cannot be told", number).coded(6)
	}
	c.groups[gs.Element(6)] = true
	c.group, c.inGroup, c.numbers = len(c.out.Groups), true, map[string]bool{}
	c.out.Groups = append(c.out.Groups, g)
	c.current().Groups++
	return nil
}

func (c *checker) endSet(se Segment) *Fault {
	if !c.inSet {
		return se.Fault(0, "ends a set that did not begin: ST is missing")
	}
	c.segments++
	var f *Fault
	number := c.st.Element(2)
	switch {
	case se.Element(1) != strconv.Itoa(c.segments):
		f = se.Fault(1, "says that the set has %s segments, and it has %d: some may be missing", se.Element(1), c.segments).coded(4)
	case se.Element(2) != number:
		f = se.Fault(2, "is %q, and the set began as %q", se.Element(2), number).coded(3)
	case number == "":
		f = c.st.Fault(2, "is missing: a set has a control number").coded(7)
	case c.numbers[number]:
		f = c.st.Fault(2, "is %q, as that of another set of this group: which of the two is meant cannot be told", number).coded(23)
	case c.bytes > MaxSetBytes:
		f = c.st.Fault(0, "the set has more than %d MiB; split it", MaxSetBytes>>20).coded(5)
	}
	c.numbers[number] = true
	if f != nil {
		c.out.faults[[2]int{len(c.out.Interchanges) - 1, c.set}] = f
	}
	c.set++
	c.out.sets++
	c.inSet = false
	return nil
}

func (c *checker) endGroup(ge Segment) *Fault {
	switch {
	case c.inSet:
		return ge.Fault(0, "ends the group before the set %s has ended: SE is missing", c.st.Element(2))
	case !c.inGroup:
		return ge.Fault(0, "ends a group that did not begin: GS is missing")
	}
	g := &c.out.Groups[c.group]
	g.Said, _ = strconv.Atoi(ge.Element(1))
	switch {
	case g.Fault != nil:
	case ge.Element(1) != strconv.Itoa(g.Sets):
		g.Fault = ge.Fault(1, "says that the group has %s sets, and it has %d: some may be missing", ge.Element(1), g.Sets).coded(5)
	case ge.Element(2) != g.GS.Element(6):
		g.Fault = ge.Fault(2, "is %q, and the group began as %q", ge.Element(2), g.GS.Element(6)).coded(4)
	}
	c.inGroup = false
	return nil
}

func (c *checker) end(iea Segment) *Fault {
	i := c.current()
	switch {
	case c.inSet:
		return iea.Fault(0, "ends the interchange before the set %s has ended: SE is missing", c.st.Element(2))
	case c.inGroup:
		return iea.Fault(0, "ends the interchange before the group %s has ended: GE is missing", c.out.Groups[c.group].GS.Element(6))
	case i.Fault != nil:
	case i.Groups == 0 && c.notes+len(i.Reports) == 0:
		i.Fault = iea.Fault(0, "ends an interchange that holds nothing").reported(CodeContent)
	case iea.Element(1) != strconv.Itoa(i.Groups):
		i.Fault = iea.Fault(1, "says that the interchange has %s groups, and it has %d: some may be missing", iea.Element(1), i.Groups).reported(CodeGroupCount)
	case iea.Element(2) != i.ISA.Element(13):
		i.Fault = iea.Fault(2, "is %q, and the interchange began as %q", iea.Element(2), i.ISA.Element(13)).reported(CodeControlDiffers)
	}
	return nil
}
