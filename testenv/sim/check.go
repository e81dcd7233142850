package sim

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/proto/event"
)

func (w *world) breaks(format string, args ...any) {
	if len(w.broken) < 20 {
		w.broken = append(w.broken, fmt.Sprintf(format, args...))
	}
}

// fault that a check found ends the day: what comes after it says little.
func (w *world) verdict() error {
	if len(w.broken) == 0 {
		return nil
	}
	first := w.broken[0]
	w.broken = w.broken[1:]
	return &broken{first}
}

// checkNow is what must be so at any moment.
func (w *world) checkNow(ctx context.Context) error {
	w.once()
	if err := w.distinct(ctx); err != nil {
		return err
	}
	if err := w.owned(ctx); err != nil {
		return err
	}
	return w.verdict()
}

// checkWhole is what must be so when all is quiet: everything agrees.
func (w *world) checkWhole(ctx context.Context) error {
	w.once()
	checks := []func(context.Context) error{w.distinct, w.owned, w.audited, w.nothingLost, w.heard, w.told, w.refold, w.rebuild}
	if !w.wild {
		checks = append(checks, w.causes, w.orders)
		w.books()
	}
	for _, check := range checks {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return w.verdict()
}

// once: never two documents under one key.
func (w *world) once() {
	for _, s := range []*system{w.erp, w.crm} {
		for _, kind := range slices.Sorted(maps.Keys(s.Kinds())) {
			keys := s.Keys(kind)
			slices.Sort(keys)
			for i, key := range keys {
				if i > 0 && keys[i-1] == key {
					w.breaks("one effect a key: %s has %s %s twice", s.name, kind, key)
				} else if n := s.Effects(kind, key); n > 1 {
					w.breaks("one effect a key: %s has done %s %s %d times", s.name, kind, key, n)
				}
			}
		}
	}
}

// distinct: the log has each event once.
func (w *world) distinct(ctx context.Context) error {
	doubles, err := w.centre.texts(ctx, `SELECT id FROM event WHERE variant = 0 GROUP BY tenant, id HAVING count(*) > 1 ORDER BY id`)
	for _, id := range doubles {
		w.breaks("one event once: the log has %s more than once", id)
	}
	return err
}

// owned: what a target refused, or what stands in doubt, is somebody's, under a class.
func (w *world) owned(ctx context.Context) error {
	alone, err := w.centre.texts(ctx, `SELECT state || ' ' || kind || ' ' || natural_key FROM posting p WHERE state IN ('rejected', 'blocked', 'diverged') AND case_due = 0
		AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.tenant = p.tenant AND e.state = 'open' AND e.origin = 'posting/' || p.target || '/' || p.kind || '/' || p.natural_key) ORDER BY id`)
	if err != nil {
		return err
	}
	for _, text := range alone {
		w.breaks("every problem is somebody's: posting %s has no open exception", text)
	}
	homeless, err := w.centre.texts(ctx, `SELECT code || ' ' || subject FROM exception WHERE state = 'open' AND (team = '' OR class = 0 OR title = '' OR due_at = 0) ORDER BY number`)
	for _, text := range homeless {
		w.breaks("every problem is somebody's: exception %s has no team, class, title or due time", text)
	}
	if err != nil {
		return err
	}
	stuck, err := w.centre.texts(ctx, `SELECT subject || ': ' || text FROM exception WHERE state = 'open' AND code = 'fold_failed' ORDER BY number`)
	for _, text := range stuck {
		w.breaks("every key can be folded: %s", text)
	}
	return err
}

// causes: at the end those exceptions are open whose cause is there, and no other.
func (w *world) causes(ctx context.Context) error {
	open, err := w.centre.texts(ctx, `SELECT code || ' ' || site FROM exception WHERE state = 'open' ORDER BY code, site`)
	if err != nil {
		return err
	}
	got, want := map[string]int{}, map[string]int{}
	for _, text := range open {
		switch code, _, _ := strings.Cut(text, " "); {
		case code == shortPick:
		case code == "very_many_events" && w.large > 0: // it is only said of stock, for which so few are many on such a day
		default:
			got[text]++
		}
	}
	for _, s := range w.sites {
		if s.bad > 0 {
			want[badQuantity+" "+s.name] = s.bad
		}
		if n := w.there(s, s.strange); n > 0 {
			want["unknown_order "+s.name] = n
		}
	}
	for _, text := range slices.Sorted(maps.Keys(got)) {
		if got[text] > want[text] {
			w.breaks("no exception without a cause: %d of %s are open, %d have one", got[text], text, want[text])
		}
	}
	for _, text := range slices.Sorted(maps.Keys(want)) {
		if got[text] < want[text] {
			w.breaks("every problem is somebody's: %d of %s are open, there are %d", got[text], text, want[text])
		}
	}
	return nil
}

// shortPick is open exactly for the lines that are short; orders looks at them.
const shortPick = "short_pick"

// books: what the ERP has is what left, and what counts found.
func (w *world) books() {
	for _, s := range w.sites {
		shipments, variances := map[string]map[string]day.Micro{}, map[string]day.Micro{}
		for _, m := range s.truth {
			switch m.Kind {
			case day.Ship:
				lines := map[string]day.Micro{}
				for _, l := range m.Lines {
					lines[l.OrderLine+" "+l.Item] += l.Quantity
				}
				shipments[m.Order+" "+m.ID] = lines
			case day.Count:
				for _, l := range m.Lines {
					variances[strings.Join([]string{m.ID, l.Bin, l.Item, l.Lot}, " ")] += l.Variance
				}
			}
		}
		w.issued(s, shipments)
		w.adjusted(s, variances)
	}
}

func (w *world) issued(s *site, shipments map[string]map[string]day.Micro) {
	for _, kind := range []connector.Kind{connector.GoodsIssue, connector.InvoiceTrigger} {
		found := map[string]int{}
		for _, key := range w.erp.Keys(kind) {
			d := w.erp.Document(kind, key)
			if kind == connector.InvoiceTrigger {
				found[d.GetInvoiceTrigger().GetOrder()+" "+d.GetInvoiceTrigger().GetShipment()]++
				continue
			}
			issue := d.GetGoodsIssue()
			if issue.GetSite() != s.name {
				continue
			}
			name := issue.GetOrder() + " " + issue.GetShipment()
			found[name]++
			if shipments[name] == nil {
				w.breaks("sums are equal: the ERP has a goods issue of %s, which never left %s", name, s.name)
				continue
			}
			lines := map[string]day.Micro{}
			for _, l := range issue.GetLines() {
				n, err := event.ParseQuantity(l.GetQuantity())
				if err != nil {
					w.breaks("sums are equal: goods issue %s: %v", name, err)
				}
				lines[l.GetOrderLine()+" "+l.GetItem()] += day.Micro(n)
			}
			if !maps.Equal(lines, shipments[name]) {
				w.breaks("sums are equal: the ERP's goods issue of %s is of %v, %v left", name, lines, shipments[name])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(shipments)) {
			if found[name] != 1 {
				w.breaks("sums are equal: shipment %s of %s has %d documents of kind %s in the ERP", name, s.name, found[name], kind)
			}
		}
	}
}

func (w *world) adjusted(s *site, variances map[string]day.Micro) {
	for _, key := range w.erp.Keys(connector.StockAdjustment) {
		a := w.erp.Document(connector.StockAdjustment, key).GetStockAdjustment()
		if a.GetSite() != s.name {
			continue
		}
		n, err := event.ParseQuantity(a.GetDelta())
		if err != nil {
			w.breaks("sums are equal: stock adjustment %s: %v", key, err)
		}
		variances[strings.Join([]string{a.GetCount(), a.GetBin(), a.GetItem(), a.GetLot()}, " ")] -= day.Micro(n)
	}
	for _, name := range slices.Sorted(maps.Keys(variances)) {
		if variances[name] != 0 {
			w.breaks("sums are equal: of what count %s of %s found, %s is not adjusted in the ERP", name, s.name, variances[name])
		}
	}
}

// orders: the CRM shows of every order what became of it, and a line that is short is somebody's.
func (w *world) orders(ctx context.Context) error {
	shorts, err := w.centre.texts(ctx, `SELECT DISTINCT order_number FROM exception WHERE state = 'open' AND code = 'short_pick' ORDER BY order_number`)
	if err != nil {
		return err
	}
	shipped := map[string]map[string]day.Micro{}
	for _, s := range w.sites {
		for _, m := range s.truth {
			if m.Kind == day.Ship {
				if shipped[m.Order] == nil {
					shipped[m.Order] = map[string]day.Micro{}
				}
				for _, l := range m.Lines {
					shipped[m.Order][l.OrderLine] += l.Quantity
				}
			}
		}
	}
	for _, o := range w.office.orders {
		all, any := true, false
		for _, l := range o.Lines {
			n, err := event.ParseQuantity(l.GetQuantity().GetValue())
			if err != nil {
				return err
			}
			left := shipped[o.Number][l.OrderLine]
			all, any = all && left == day.Micro(n), any || left > 0
		}
		want := []string{"released", "backordered", "allocated", "in_preparation"}
		switch {
		case all:
			want = []string{"invoiced"}
		case any:
			want = []string{"partly_shipped"}
		}
		if got := w.crm.Document(connector.OrderStatus, o.Number).GetOrderStatus().GetStatus(); !slices.Contains(want, got) {
			w.breaks("everything agrees: the CRM shows order %s as %q, it is %s", o.Number, got, strings.Join(want, " or "))
		}
		if short := slices.Contains(shorts, o.Number); short == all {
			w.breaks("every problem is somebody's: order %s is whole: %t, and a short line of it is somebody's: %t", o.Number, all, short)
		}
	}
	return nil
}

// texts reads one column.
func (c *centre) texts(ctx context.Context, query string, args ...any) (all []string, err error) {
	err = c.quietly(func() error {
		return c.db.Read(ctx, func(tx *db.Tx) error {
			all = nil
			rows, err := tx.Query(ctx, query, args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var text sql.NullString
				if err := rows.Scan(&text); err != nil {
					return err
				}
				all = append(all, text.String)
			}
			return rows.Err()
		})
	})
	return all, err
}
