package x12

import (
	"errors"
	"io"
	"iter"
)

// maxFaultyBytes is how much of a set is kept that cannot be taken: enough for a person to know it.
const maxFaultyBytes = 64 << 10

// Sets gives the transaction sets of a text that Check has gone over, one after the other, those that cannot be taken with their fault. Sets of an
// interchange that cannot be taken are left out: its fault stands in the outline. An error ends it: the text cannot be read, or is another by now.
func Sets(r io.Reader, o *Outline) iter.Seq2[*Set, error] {
	return func(yield func(*Set, error) bool) {
		in := newSegments(r)
		p := &picker{outline: o, interchange: -1, group: -1}
		for {
			s, err := in.next()
			var f *Fault
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &f):
				if !in.inside {
					p.interchange++
				}
				if err := in.skip(); err != nil && !errors.Is(err, io.EOF) {
					yield(nil, err)
					return
				}
				p.open = nil
				continue
			case err != nil:
				yield(nil, err)
				return
			}
			if set := p.segment(s, in.separators); set != nil && !yield(set, nil) {
				return
			}
			if p.lost(in) {
				if err := in.skip(); err != nil && !errors.Is(err, io.EOF) {
					yield(nil, err)
					return
				}
			}
		}
	}
}

// picker puts segments together to sets.
type picker struct {
	outline            *Outline
	interchange, group int
	set                int
	isa, gs            Segment
	open               *Set
	bytes              int
}

// lost says that Check gave up the interchange at the segment that was read last, and went on with the next one.
func (p *picker) lost(in *segments) bool {
	if p.interchange < 0 || p.interchange >= len(p.outline.Interchanges) {
		return true // it is another text by now
	}
	f := p.outline.Interchanges[p.interchange].Fault
	return f != nil && f.Segment == in.at && in.open
}

func (p *picker) segment(s Segment, by Separators) *Set {
	switch s.Name() {
	case "ISA":
		p.interchange++
		p.isa, p.open, p.set = s, nil, 0
		if p.good() {
			p.group = p.outline.Interchanges[p.interchange].First - 1
		}
	case "GS":
		p.group++
		p.gs = s
	case "ST":
		p.open, p.bytes = &Set{Separators: by, ISA: p.isa, GS: p.gs, ST: s, Group: p.group}, 0
	case "SE":
		set := p.open
		p.open = nil
		if set == nil || !p.good() {
			return nil
		}
		p.set++
		return set
	default:
		p.add(s)
	}
	if s.Name() == "ST" && p.good() {
		p.open.Fault = p.outline.fault(p.interchange, p.group, p.set)
	}
	return nil
}

func (p *picker) good() bool {
	return p.interchange < len(p.outline.Interchanges) && p.outline.Interchanges[p.interchange].Fault == nil
}

func (p *picker) add(s Segment) {
	if p.open == nil || !p.good() {
		return
	}
	for _, e := range s.Elements {
		p.bytes += len(e) + 1
	}
	if p.open.Fault == nil || p.bytes <= maxFaultyBytes {
		p.open.Body = append(p.open.Body, s)
	}
}
