package day

import (
	"fmt"
	"slices"
)

// Apply brings a record into effect. Records come in the order of the ledger; one that does not fit is an error.
func (d *Dock) Apply(r Record) error {
	switch {
	case r.Command != nil:
		return d.command(*r.Command)
	case r.Movement != nil:
		return d.move(*r.Movement)
	}
	return fmt.Errorf("empty record")
}

func (d *Dock) command(c Command) error {
	d.commands[c.Key] = c
	switch {
	case c.Refusal != "":
	case c.Release != nil:
		return d.release(*c.Release)
	case c.Cancel != "":
		d.leave(c.Cancel)
	case c.Count != nil:
		for _, row := range c.Count.Rows {
			d.counts = append(d.counts, countDue{key: stockKey{row.Bin, row.Item, row.Lot}, number: c.Count.Number})
		}
	}
	return nil
}

// release takes an order in; a newer version of one that has not been started replaces it.
func (d *Dock) release(o Order) error {
	switch {
	case d.Started(o.Number) && d.has(o):
		return nil
	case d.Started(o.Number):
		return fmt.Errorf("order %s is in work", o.Number)
	}
	d.leave(o.Number)
	w := &work{order: o, steps: plan(d.config, o)}
	d.orders[o.Number] = w
	if len(w.steps) > 0 {
		d.queue = append(d.queue, o.Number)
	}
	return nil
}

func (d *Dock) leave(number string) {
	d.queue = slices.DeleteFunc(d.queue, func(n string) bool { return n == number })
}

func (d *Dock) move(m Movement) error {
	if m.Number != d.last+1 {
		return fmt.Errorf("movement %d follows %d", m.Number, d.last)
	}
	d.last, d.lastAt = m.Number, m.At
	if m.Kind == Count {
		d.counts = d.counts[1:]
		for _, l := range m.Lines {
			d.book[stockKey{l.Bin, l.Item, l.Lot}] = l.Quantity
		}
		return nil
	}
	w := d.orders[m.Order]
	if w == nil || w.next >= len(w.steps) {
		return fmt.Errorf("movement %d is for order %q, which is not in work", m.Number, m.Order)
	}
	switch m.Kind {
	case Pick:
		d.picked(w, m.Lines[0])
	case Pack:
		w.parcels++
		w.packed, w.unpacked = append(w.packed, m.Lines...), nil
		w.next++
	case Ship:
		w.packed, w.shipped = nil, true
		w.next++
	}
	w.skipEmpty()
	if w.next == len(w.steps) {
		d.leave(m.Order)
	}
	return nil
}

func (d *Dock) picked(w *work, l Line) {
	s := w.steps[w.next]
	if l.Quantity > 0 {
		key := stockKey{l.Bin, l.Item, l.Lot}
		d.book[key] -= l.Quantity
		kept := l
		kept.Ordered, kept.Reason = 0, ""
		w.unpacked = append(w.unpacked, kept)
		if s.countAfter {
			d.counts = append(d.counts, countDue{key: key, off: s.off})
		}
	}
	if l.Quantity < s.bring && !l.Short() { // one bin of several: the step goes on
		w.steps[w.next].ask -= l.Quantity
		w.steps[w.next].bring -= l.Quantity
		w.steps[w.next].countAfter = false
		return
	}
	w.next++
}

// skipEmpty passes over a pack and a shipment that would carry nothing, where every pick came back empty.
func (w *work) skipEmpty() {
	for w.next < len(w.steps) {
		kind := w.steps[w.next].kind
		if kind == Pack && len(w.unpacked) == 0 || kind == Ship && len(w.packed) == 0 {
			w.next++
			continue
		}
		return
	}
}
