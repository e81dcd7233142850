package day

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// Dock is the state of one site's floor: its book of stock, the orders in work and what has been picked but not shipped. It is built
// again from the records of its ledger; nothing in it depends on when it was asked.
type Dock struct {
	config Config
	book   map[stockKey]Micro
	units  map[string]string
	// bins holds each item's keys in a fixed order.
	bins   map[string][]stockKey
	orders map[string]*work
	// commands holds the last one of each key.
	commands map[string]Command
	queue    []string
	last     uint64
	lastAt   time.Time
	counts   []countDue
}

type stockKey struct{ bin, item, lot string }

// work is what an order still needs.
type work struct {
	order    Order
	steps    []step
	next     int
	parcels  int
	packed   []Line
	unpacked []Line
	shipped  bool
}

// countDue is a bin to be counted, by the dock's own habit or because the centre asked under a number.
type countDue struct {
	key    stockKey
	off    Micro
	number string
}

// Record is one line of a ledger: something that happened, or a command with what became of it.
type Record struct {
	Movement *Movement `json:"movement,omitempty"`
	Command  *Command  `json:"command,omitempty"`
}

// Command is work that came from the centre. One with a refusal changed nothing.
type Command struct {
	Key     string        `json:"key"`
	Version uint64        `json:"version"`
	Refusal string        `json:"refusal,omitempty"`
	Release *Order        `json:"release,omitempty"`
	Cancel  string        `json:"cancel,omitempty"`
	Count   *CountRequest `json:"count,omitempty"`
}

// CountRequest asks for bins to be counted, under one number.
type CountRequest struct {
	Number string     `json:"number"`
	Rows   []StockRow `json:"rows"`
}

// NewDock opens the floor with its stock.
func NewDock(c Config) *Dock {
	d := &Dock{config: c, book: map[stockKey]Micro{}, units: map[string]string{}, bins: map[string][]stockKey{}, orders: map[string]*work{}, commands: map[string]Command{}}
	for _, row := range c.Stock {
		key := stockKey{row.Bin, row.Item, row.Lot}
		if _, known := d.book[key]; !known {
			d.bins[row.Item] = append(d.bins[row.Item], key)
		}
		d.book[key] += row.Quantity
		d.units[row.Item] = row.Unit
	}
	for _, keys := range d.bins {
		sort.Slice(keys, func(i, j int) bool { return fmt.Sprint(keys[i]) < fmt.Sprint(keys[j]) })
	}
	return d
}

// Answered is the last command of a key that the dock has answered.
func (d *Dock) Answered(key string) (c Command, known bool) {
	c, known = d.commands[key]
	return c, known
}

// Refusal says why a command cannot be carried out, "" where it can.
func (d *Dock) Refusal(c Command) string {
	switch {
	case c.Release != nil && d.Started(c.Release.Number) && !d.has(*c.Release):
		return "order " + c.Release.Number + " is in work; cancel it or let it be shipped first"
	case c.Cancel != "" && d.Shipped(c.Cancel):
		return "goods of order " + c.Cancel + " have left; only a return can undo that"
	}
	return ""
}

// has says whether an order was taken in as it is: to be given it once more changes nothing.
func (d *Dock) has(o Order) bool {
	w := d.orders[o.Number]
	return w != nil && slices.Equal(w.order.Lines, o.Lines)
}

// Started says whether work on the order has begun.
func (d *Dock) Started(number string) bool { w := d.orders[number]; return w != nil && w.next > 0 }

// Shipped says whether goods of the order have left.
func (d *Dock) Shipped(number string) bool { w := d.orders[number]; return w != nil && w.shipped }

// Idle says that there is nothing to do.
func (d *Dock) Idle() bool { return len(d.queue) == 0 && len(d.counts) == 0 }

// Last is the number of the last movement.
func (d *Dock) Last() uint64 { return d.last }

// Stock is the book by bin, item and lot, in a fixed order.
func (d *Dock) Stock() []StockRow {
	rows := make([]StockRow, 0, len(d.book))
	for key, quantity := range d.book {
		rows = append(rows, StockRow{Bin: key.bin, Item: key.item, Lot: key.lot, Unit: d.units[key.item], Quantity: quantity})
	}
	sort.Slice(rows, func(i, j int) bool {
		return fmt.Sprint(rows[i].Bin, rows[i].Item, rows[i].Lot) < fmt.Sprint(rows[j].Bin, rows[j].Item, rows[j].Lot)
	})
	return rows
}

// Next is what happens next, at the given moment; ok is false where there is nothing to do. It changes nothing: the caller writes the
// record down and applies it. Orders are worked on in turn, a few at a time, as a dock does.
func (d *Dock) Next(at time.Time) (m Movement, ok bool) {
	if !at.After(d.lastAt) {
		at = d.lastAt.Add(time.Microsecond)
	}
	m = Movement{Number: d.last + 1, At: at.UTC().Truncate(time.Microsecond)}
	if len(d.counts) > 0 {
		return d.count(m, d.counts[0]), true
	}
	if len(d.queue) == 0 {
		return m, false
	}
	r := random(d.config.Seed, d.config.Site, fmt.Sprint("next ", m.Number))
	w := d.orders[d.queue[r.IntN(min(4, len(d.queue)))]]
	m.Order = w.order.Number
	m.Operator = fmt.Sprintf("op-%02d", 1+r.IntN(12))
	switch s := w.steps[w.next]; s.kind {
	case Pick:
		return d.pick(m, w, s), true
	case Pack:
		m.Kind, m.ID, m.Lines = Pack, w.nextCarton(d.config.Site), slices.Clone(w.unpacked)
		m.WeightKg = fmt.Sprintf("%d.%d", 1+r.IntN(20), r.IntN(10))
		for i := range m.Lines {
			m.Lines[i].HandlingUnit, m.Lines[i].Bin = m.ID, ""
		}
	default:
		m.Kind, m.ID, m.Lines = Ship, fmt.Sprintf("SHP-%s-%06d", d.config.Site, m.Number), merged(w.packed)
		m.Carrier = []string{"DHL", "UPS", "DPD"}[r.IntN(3)]
		m.Tracking = fmt.Sprintf("1Z%012d", m.Number)
	}
	return m, true
}

func (d *Dock) count(m Movement, due countDue) Movement {
	key := due.key
	m.Kind, m.ID, m.Operator = Count, due.number, "op-99"
	if m.ID == "" {
		m.ID = fmt.Sprintf("CC-%s-%06d", d.config.Site, m.Number)
	}
	seen := max(0, d.book[key]+due.off)
	m.Lines = []Line{{Item: key.item, Unit: d.units[key.item], Lot: key.lot, Bin: key.bin, Quantity: seen, Variance: seen - d.book[key]}}
	return m
}

// pick takes from the first bin that has any; where one bin does not hold enough, the step goes on with the next.
func (d *Dock) pick(m Movement, w *work, s step) Movement {
	line := w.order.Lines[s.line]
	m.Kind, m.ID = Pick, fmt.Sprintf("PK-%s-%06d", d.config.Site, m.Number)
	l := Line{OrderLine: line.Line, Item: line.Item, Unit: line.Unit, Ordered: s.ask}
	for _, key := range d.bins[line.Item] {
		l.Bin = key.bin
		if have := d.book[key]; have > 0 && s.bring > 0 {
			l.Lot, l.Quantity = key.lot, min(have, s.bring)
			break
		}
	}
	if l.Quantity < s.ask {
		l.Reason = s.reason
		if l.Quantity < s.bring {
			l.Reason = "bin empty"
		}
	}
	if l.Quantity < s.bring && l.Quantity > 0 && d.inOtherBins(line.Item, l) {
		l.Ordered, l.Reason = l.Quantity, "" // this bin gave what it had; the rest is another pick
	}
	m.Lines = []Line{l}
	return m
}

// inOtherBins says whether a bin besides that of the line has some of the item.
func (d *Dock) inOtherBins(item string, l Line) bool {
	return slices.ContainsFunc(d.bins[item], func(k stockKey) bool {
		return (k.bin != l.Bin || k.lot != l.Lot) && d.book[k] > 0
	})
}

func (w *work) nextCarton(site string) string {
	return fmt.Sprintf("LPN-%s-%s-%d", site, w.order.Number, w.parcels+1)
}

// merged sums lines by order line and lot: a shipment tells what left, not from where.
func merged(lines []Line) []Line {
	var sums []Line
	for _, l := range lines {
		l.Bin, l.Ordered, l.Reason = "", 0, ""
		at := slices.IndexFunc(sums, func(s Line) bool { return s.OrderLine == l.OrderLine && s.Lot == l.Lot })
		if at < 0 {
			sums = append(sums, l)
			continue
		}
		sums[at].Quantity += l.Quantity
	}
	return sums
}
