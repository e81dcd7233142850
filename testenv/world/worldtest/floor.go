package worldtest

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/wms"
	"github.com/dockline/dockline/testenv/world"
)

// patience is how long a step may take on a busy machine.
const patience = 60 * time.Second

// Floor is a test's own work at the dock of the site of files: it decides what happens and which files tell of it.
type Floor struct {
	*wms.Hand
	// Ago is how long ago everything happened that it does.
	Ago   time.Duration
	t     *testing.T
	world *world.World
	site  *world.Site
	used  map[string]bool
}

// TakeOver ends the site's WMS, which must have nothing to do, and works in its place.
func TakeOver(t *testing.T, w *world.World) *Floor {
	t.Helper()
	f := &Floor{t: t, world: w, site: w.Sites[world.FileSite], used: map[string]bool{}}
	Until(t, "a WMS that rests", patience, func() (bool, error) { return f.site.WMS.Idle(), nil })
	var err error
	if f.Hand, err = f.site.TakeOver(); err != nil {
		t.Fatal(err)
	}
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range truth.Orders {
		for _, l := range order.Lines {
			f.used[l.Item] = true
		}
	}
	return f
}

// For works on for a subtest.
func (f *Floor) For(t *testing.T) *Floor {
	g := *f
	g.t = t
	return &g
}

// Item is an article that nobody has ordered yet and of which a bin of the site holds 20 at least, and that bin.
func (f *Floor) Item() (item, bin string) {
	f.t.Helper()
	plain := map[string]bool{}
	for _, i := range f.world.ERP.Master().Items {
		plain[i.Code] = i.Unit == erp.Each && !i.LotTracked
	}
	for _, row := range f.world.OpeningStock()[f.site.Name] {
		if plain[row.Item] && !f.used[row.Item] && row.Quantity >= day.Units(20) {
			f.used[row.Item] = true
			return row.Item, row.Bin
		}
	}
	f.t.Fatal("no article is left that nobody has ordered")
	return "", ""
}

// Order is an order in work: one pick for each line is taken from its bin.
type Order struct {
	day.Order
	// Bins are those of the lines.
	Bins []string
}

// Order has the ERP accept an order of so many pieces of an article each, and waits until its release is here.
func (f *Floor) Order(quantities ...int64) Order {
	f.t.Helper()
	var o Order
	var lines []erp.NewOrderLine
	for _, quantity := range quantities {
		item, bin := f.Item()
		o.Bins = append(o.Bins, bin)
		lines = append(lines, erp.NewOrderLine{Item: item, Quantity: decimal.NewFromInt(quantity)})
	}
	made, err := f.world.Order(f.t.Context(), f.site.Name, lines...)
	if err != nil {
		f.t.Fatal(err)
	}
	Until(f.t, "the release of "+made.Number, patience, func() (bool, error) {
		released, err := f.Releases()
		for _, r := range released {
			if r.Number == made.Number {
				o.Order = r
			}
		}
		return o.Number != "", err
	})
	return o
}

// Do lets something happen on the dock and writes it into the ledger.
func (f *Floor) Do(m day.Movement) day.Movement {
	f.t.Helper()
	if m.At.IsZero() {
		m.At = time.Now().Add(-f.Ago).UTC().Truncate(time.Microsecond)
	}
	if m.ID == "" {
		m.ID = fmt.Sprintf("HAND-%s-%d", m.Kind, time.Now().UnixNano())
	}
	done, err := f.Hand.Do(m)
	if err != nil {
		f.t.Fatal(err)
	}
	return done
}

// Pick takes a quantity of an order's line, the first being 0.
func (f *Floor) Pick(o Order, line int, quantity int64) day.Movement {
	f.t.Helper()
	l := o.Lines[line]
	return f.Do(day.Movement{Kind: day.Pick, Order: o.Number, Operator: "op-99", Lines: []day.Line{{OrderLine: l.Line, Item: l.Item, Unit: l.Unit,
		Quantity: day.Units(quantity), Bin: o.Bins[line]}}})
}

// Ship sends all of an order away.
func (f *Floor) Ship(o Order) day.Movement {
	f.t.Helper()
	m := day.Movement{Kind: day.Ship, Order: o.Number, Carrier: "DHL", Tracking: "JJD" + o.Number}
	for _, l := range o.Lines {
		m.Lines = append(m.Lines, day.Line{OrderLine: l.Line, Item: l.Item, Unit: l.Unit, Quantity: l.Quantity})
	}
	return f.Do(m)
}

// Tell drops a file of movements of one kind, and returns its name.
func (f *Floor) Tell(movements ...day.Movement) string {
	f.t.Helper()
	return f.TellRows(movements[0].Kind, f.Rows(movements...))
}

var prefixes = map[day.Kind]string{day.Pick: "picks", day.Pack: "packs", day.Ship: "ships", day.Count: "counts"}

// TellRows drops a file of these rows.
func (f *Floor) TellRows(kind day.Kind, rows [][]string) string {
	f.t.Helper()
	text, err := f.Text(kind, rows)
	if err != nil {
		f.t.Fatal(err)
	}
	name := fmt.Sprintf("%s-hand-%d.csv", prefixes[kind], time.Now().UnixNano())
	f.Drop(name, text)
	return name
}

// Drop puts a file of any content into the outbound folder.
func (f *Floor) Drop(name string, text []byte) {
	f.t.Helper()
	if err := f.Hand.Drop(name, text); err != nil {
		f.t.Fatal(err)
	}
}

// Await waits until the plugin has put a file away.
func (f *Floor) Await(name string) {
	f.t.Helper()
	Until(f.t, "the plugin takes "+name, patience, func() (bool, error) { return f.Taken(name), nil })
}

// Archived is where a file lies that was taken.
func (f *Floor) Archived(name string) string { return filepath.Join(f.site.Outbound, "archive", name) }
