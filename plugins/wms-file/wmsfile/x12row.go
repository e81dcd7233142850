package wmsfile

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/proto/x12"
)

// edPlace is where a column of an X12 mapping stands: "W12-03" is the third element of W12, "N9[BM]-02" the second of the N9 whose first is BM, "N1[ST]/N4-01"
// the first of the N4 behind that N1, "W12<VN>" the element behind the one that says VN, "MAN[GM]-02+" that of every such segment, and what stands in quotation
// marks is itself. "@row" is the number of the row within its set, "@bin" the storage place of the configuration. Several with | between them: the first that holds something.
type edPlace struct {
	segment, qualifier string
	behind             string
	element            int
	pair               string
	all, absolute      bool
	row, bin           bool
	text               string
}

var placeForm = regexp.MustCompile(`^([A-Z][A-Z0-9]{1,2})(?:\[([^\]]+)\])?(?:/([A-Z][A-Z0-9]{1,2}))?(?:-([0-9]{2})|<([^>]+)>)(\+)?$`)

// parsePlaces reads a column's name.
func parsePlaces(column string) ([]edPlace, error) {
	var out []edPlace
	for _, part := range strings.Split(column, "|") {
		part = strings.TrimSpace(part)
		p := edPlace{}
		if inner, ok := strings.CutPrefix(part, "abs("); ok && strings.HasSuffix(inner, ")") {
			p.absolute, part = true, strings.TrimSuffix(inner, ")")
		}
		found := placeForm.FindStringSubmatch(part)
		switch {
		case part == "@row":
			p.row = true
		case part == "@bin":
			p.bin = true
		case len(part) > 1 && strings.HasPrefix(part, "'") && strings.HasSuffix(part, "'"):
			p.text = part[1 : len(part)-1]
		case found == nil:
			return nil, fmt.Errorf("%q names no element: write W12-03, N9[BM]-02, N1[ST]/N4-01, W12<VN> or @row", part)
		default:
			p.segment, p.qualifier, p.behind, p.pair, p.all = found[1], found[2], found[3], found[5], found[6] != ""
			p.element, _ = strconv.Atoi(found[4])
		}
		out = append(out, p)
	}
	return out, nil
}

// scope is a run of segments: of the set's head, of a loop, of a loop within it.
type scope []x12.Segment

// edRow is what a row of the mapping sees: its own loop's segments, then those around it, the set's head last.
type edRow struct {
	scopes []scope
	number int
}

// find looks from the inside outwards, and gives the segment too: a fault is told with it.
func (r *edRow) find(places []edPlace, bin string) (string, x12.Segment) {
	for _, p := range places {
		text, at := r.one(p, bin)
		if text == "" {
			continue
		}
		if p.absolute {
			text = strings.TrimPrefix(text, "-")
		}
		return text, at
	}
	return "", x12.Segment{}
}

func (r *edRow) one(p edPlace, bin string) (string, x12.Segment) {
	switch {
	case p.row:
		return strconv.Itoa(r.number), x12.Segment{}
	case p.bin:
		return bin, x12.Segment{}
	case p.segment == "":
		return p.text, x12.Segment{}
	}
	for _, s := range r.scopes {
		var all []string
		var first x12.Segment
		for i, seg := range s {
			if seg.Name() != p.segment || p.qualifier != "" && seg.Element(1) != p.qualifier {
				continue
			}
			at := seg
			if p.behind != "" {
				if at = follower(s[i+1:], p.segment, p.behind); at.Name() == "" {
					continue
				}
			}
			text := p.read(at)
			if text == "" {
				continue
			}
			if !p.all {
				return text, at
			}
			if len(all) == 0 {
				first = at
			}
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
		if len(all) > 0 {
			return strings.Join(all, " "), first
		}
	}
	return "", x12.Segment{}
}

// follower is the segment behind another, before the next of that sort.
func follower(s scope, stop, name string) x12.Segment {
	for _, seg := range s {
		switch seg.Name() {
		case name:
			return seg
		case stop:
			return x12.Segment{}
		}
	}
	return x12.Segment{}
}

func (p edPlace) read(s x12.Segment) string {
	if p.pair == "" {
		return unit(s.Element(p.element))
	}
	for n := 1; n < len(s.Elements)-1; n++ {
		if s.Element(n) == p.pair {
			return s.Element(n + 1)
		}
	}
	return ""
}

// unit takes the application identifier from an SSCC, which has eighteen digits without it.
func unit(text string) string {
	if len(text) == 20 && strings.HasPrefix(text, "00") && strings.Trim(text, "0123456789") == "" {
		return text[2:]
	}
	return text
}

// edRows takes a set apart into rows: one for each innermost loop, or one for the set where no loop is asked for. Segments that sum up belong to the head.
func edRows(set *x12.Set, loops, summary []string) []edRow {
	head := scope{set.ISA, set.GS, set.ST}
	if len(loops) == 1 && loops[0] == "HL" {
		return levels(head, set.Body)
	}
	var rows []edRow
	open := make([]scope, len(loops)) // open[n] are the segments of the loop in hand at that depth
	depth := -1
	close := func() {
		if depth < 0 {
			return
		}
		scopes := []scope{}
		for n := depth; n >= 0; n-- {
			if open[n] != nil {
				scopes = append(scopes, open[n])
			}
		}
		rows = append(rows, edRow{scopes: scopes, number: len(rows) + 1})
	}
	for _, s := range set.Body {
		n := slices.Index(loops, s.Name())
		switch {
		case slices.Contains(summary, s.Name()):
			head = append(head, s)
		case n >= 0:
			if n <= depth {
				close()
				for m := n; m < len(open); m++ {
					open[m] = nil
				}
			}
			open[n], depth = scope{s}, n
		case depth < 0:
			head = append(head, s)
		default:
			open[depth] = append(open[depth], s)
		}
	}
	close()
	if len(loops) == 0 {
		rows = []edRow{{number: 1}}
	}
	for i := range rows {
		rows[i].scopes = append(rows[i].scopes, head)
	}
	return rows
}

// levels takes an 856 apart: a row for each item (HL03 I), which sees its pack, order and shipment above it.
func levels(head scope, body []x12.Segment) []edRow {
	type level struct {
		parent, kind string
		segments     scope
	}
	all := map[string]*level{}
	var order []string
	var open *level
	for _, s := range body {
		switch {
		case s.Name() == "HL":
			open = &level{parent: s.Element(2), kind: s.Element(3), segments: scope{s}}
			all[s.Element(1)] = open
			order = append(order, s.Element(1))
		case s.Name() == "CTT" || open == nil:
			head = append(head, s)
		default:
			open.segments = append(open.segments, s)
		}
	}
	var rows []edRow
	for _, id := range order {
		if l := all[id]; l.kind == "I" {
			row := edRow{number: len(rows) + 1}
			for steps := 0; l != nil && steps <= len(order); steps++ { // a circle of parents ends too
				row.scopes = append(row.scopes, l.segments)
				l = all[l.parent]
			}
			row.scopes = append(row.scopes, head)
			rows = append(rows, row)
		}
	}
	return rows
}
