package wmsfile

import (
	"fmt"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/wms-file/structured"
)

// group is the lines of one key, in order of the file.
type group struct {
	lines []line
	// bad says that a line of it cannot be read, or may be missing: an event without it would be short.
	bad  bool
	why  string
	live int // lines with a record
}

// groups gives one event a key. Where one line of a key is bad, the others are held back with it: a shipment that lacks a line
// must not be posted. A bad line that does not even tell its key holds back those before and behind it.
func (p *pass) groups() {
	var order []string
	byKey := map[string]*group{}
	last, orphan, bytes := "", 0, 0
	var strays []line
	hold := func(key string, at int) {
		if g := byKey[key]; g != nil && !g.bad {
			g.bad, g.why = true, fmt.Sprintf("line %d cannot be read and may belong to it", at)
		}
	}
	for l, ok := p.next(); ok; l, ok = p.next() {
		if bytes += len(l.Raw); bytes > maxGrouped {
			p.refuseFile([]mapping.Fault{dataFault("file_too_big", "", fmt.Sprintf("rows of one key are put together in memory, which takes up to %d MB of them; split the export", maxGrouped>>20))})
			return
		}
		key, known := p.binding.Key(l.Cells)
		if l.Fault != nil || l.faults != nil && l.faults[0].Code == "truncated" {
			known = known && len(l.Cells) >= len(p.header)
		}
		if !known {
			strays = append(strays, l)
			hold(last, l.Line)
			orphan = l.Line
			continue
		}
		g := byKey[key]
		if g == nil {
			g = &group{}
			byKey[key] = g
			order = append(order, key)
		}
		g.lines = append(g.lines, l)
		if len(l.faults) > 0 {
			g.bad, g.why = true, fmt.Sprintf("line %d of the same key is refused", l.Line)
		}
		if l.record != nil {
			g.live++
		}
		if orphan > 0 {
			hold(key, orphan)
			orphan = 0
		}
		last = key
	}
	if p.Trailer != "" && !p.closed {
		if g := byKey[last]; g != nil && !g.bad {
			g.bad, g.why = true, "the file was cut off behind it"
		}
	}
	p.tellGroups(order, byKey, strays)
}

// maxGrouped is how many bytes of rows are kept to be put together.
const maxGrouped = 64 << 20

// recordGroups gives one event a key out of the lines of each record: what belongs together stands together, so nothing is kept beyond it.
func (p *pass) recordGroups() {
	reader := p.reader.(*structured.Reader)
	var held []line
	number := 0
	for l, ok := p.next(); ok; l, ok = p.next() {
		if n := reader.Record(); n != number {
			if !p.tellRecord(held) {
				return
			}
			held, number = nil, n
		}
		held = append(held, l)
	}
	if p.tellRecord(held) {
		p.close()
	}
}

// tellRecord tells the lines of one record, or refuses it with what is wrong with any of them.
func (p *pass) tellRecord(lines []line) bool {
	var faults []mapping.Fault
	byKey := map[string][]line{}
	var order []string
	for _, l := range lines {
		faults = append(faults, l.faults...)
		if l.record != nil {
			if byKey[l.record.Key] == nil {
				order = append(order, l.record.Key)
			}
			byKey[l.record.Key] = append(byKey[l.record.Key], l)
		}
	}
	if len(faults) > 0 {
		first := lines[0]
		first.faults, first.alone = faults, false
		return p.refuse(first)
	}
	for _, key := range order {
		if !p.tell(byKey[key]) {
			return false
		}
	}
	return true
}

func (p *pass) tellGroups(order []string, byKey map[string]*group, strays []line) {
	for _, l := range strays {
		if len(l.faults) > 0 && !p.refuse(l) {
			return
		}
	}
	for _, key := range order {
		g := byKey[key]
		if g.bad && !p.holdBack(g) || !g.bad && g.live > 0 && !p.tell(g.records()) {
			return
		}
	}
	p.close()
}

// records are the lines that the condition does not leave out.
func (g *group) records() []line {
	var out []line
	for _, l := range g.lines {
		if l.record != nil {
			out = append(out, l)
		}
	}
	return out
}

func (p *pass) holdBack(g *group) bool {
	for _, l := range g.lines {
		if l.record == nil && len(l.faults) == 0 {
			continue
		}
		if len(l.faults) == 0 {
			l.faults = []mapping.Fault{dataFault("group_incomplete", "", "the line is good, but is held back: "+g.why+", and what belongs together is told together")}
		}
		l.alone = len(g.lines) == 1 && l.record == nil
		if !p.refuse(l) {
			return false
		}
	}
	return true
}
