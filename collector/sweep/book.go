package sweep

import (
	"context"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// lookAgain is how often the book of a site is read again since its ledger moved meanwhile.
const lookAgain = 3

// stock compares the book of the run's next site.
func (s *Sweep) stock(ctx context.Context, t *Target, r *Run, counted func(), save saving) error {
	c := StockComparison{System: t.Name}
	var pendingBefore []Expected
	more := false
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if c.Site, more, err = s.nextSite(ctx, tx, t, r); err != nil || !more {
			return err
		}
		if c.Before, err = s.Centre.Ledger(ctx, tx, t.Tenant, c.Site); err != nil {
			return err
		}
		pendingBefore, err = s.pending(ctx, tx, r)
		return err
	})
	if err != nil {
		return err
	}
	if !more {
		r.Phase = reporting
		return save(nil)
	}
	r.place++
	if len(c.Before) == 0 {
		return save(nil) // nothing has opened its ledger yet
	}
	read, err := t.Connector.Snapshot(ctx, connector.Scope{Site: c.Site})
	if err != nil {
		return fmt.Errorf("the book of %s in %s: %w", c.Site, t.Name, err)
	}
	counted()
	if len(read) == 0 {
		return save(nil) // the system keeps no book of it
	}
	if c.Book, err = bookOf(c.Site, read); err != nil {
		return err
	}
	return save(func(tx *db.Tx) error { return s.compareStock(ctx, tx, r, c, pendingBefore) })
}

func (s *Sweep) compareStock(ctx context.Context, tx *db.Tx, r *Run, c StockComparison, before []Expected) (err error) {
	if c.After, err = s.Centre.Ledger(ctx, tx, r.Tenant, c.Site); err != nil {
		return err
	}
	if c.Counted, err = s.Centre.Counted(ctx, tx, r.Tenant, c.Site); err != nil {
		return err
	}
	if c.Unfolded, err = s.Centre.Unfolded(ctx, tx, r.Tenant, c.Site); err != nil {
		return err
	}
	after, err := s.pending(ctx, tx, r)
	if err != nil {
		return err
	}
	gaps, err := s.Centre.Gaps(ctx, tx, r.Tenant)
	if err != nil {
		return err
	}
	lacking, err := r.lacking(ctx, tx)
	if err != nil {
		return err
	}
	c.Moving, c.Gap = movingOf(c.System, append(bothTimes(before, after), lacking...)), gaps[c.Site]
	out := c.Compare()
	if r.afterPlace < lookAgain && slices.ContainsFunc(out.Findings, func(f Finding) bool { return f.moving }) {
		r.place, r.afterPlace = r.place-1, r.afterPlace+1
		return nil
	}
	r.afterPlace = 0
	r.Matched += int64(out.Matched)
	return r.add(ctx, tx, out.Findings, nil)
}

// lacking are documents that this run found missing: they have a case of their own, and may be why the book differs.
func (r *Run) lacking(ctx context.Context, tx *db.Tx) (out []Expected, err error) {
	found, err := Findings(ctx, tx, r.Number, true)
	for _, f := range found {
		if f.Result == Missing {
			out = append(out, Expected{Kind: f.Kind, Key: f.Key, Perhaps: true, Content: connector.Content{Site: f.Site, Lines: f.Lines}})
		}
	}
	return out, err
}

// bothTimes are the postings that were not settled before or after the book was read: one that was so only once, or moved, may or may not be in it.
func bothTimes(before, after []Expected) []Expected {
	type name struct{ kind, key string }
	first := map[name]Expected{}
	for _, e := range before {
		first[name{string(e.Kind), e.Key}] = e
	}
	var out []Expected
	for _, e := range after {
		at := name{string(e.Kind), e.Key}
		was, there := first[at]
		delete(first, at)
		e.Perhaps = e.Perhaps || !there || !was.MovedAt.Equal(e.MovedAt)
		out = append(out, e)
	}
	for _, e := range first {
		e.Perhaps = true
		out = append(out, e)
	}
	return out
}

// pending are the postings of a target that are not settled.
func (s *Sweep) pending(ctx context.Context, tx *db.Tx, r *Run) (all []Expected, err error) {
	a := Ask{Tenant: r.Tenant, Target: r.Target, Unsettled: true, Limit: expectedPage}
	for {
		page, err := s.Centre.Expected(ctx, tx, a)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(page) < expectedPage {
			return all, nil
		}
		a.After = page[len(page)-1].Place
	}
}

// nextSite is the site whose turn it is; false where there is none.
func (s *Sweep) nextSite(ctx context.Context, tx *db.Tx, t *Target, r *Run) (string, bool, error) {
	if !t.Stock {
		return "", false, nil
	}
	sites := []string{r.Site}
	if r.Site == "" {
		var err error
		if sites, err = s.Centre.Sites(ctx, tx, t.Tenant); err != nil {
			return "", false, err
		}
	}
	if int(r.place) >= len(sites) {
		return "", false, nil
	}
	return sites[r.place], true, nil
}

// bookOf sums a snapshot by item and lot.
func bookOf(site string, snapshot []*docklinev1.Event) (map[Position]int64, error) {
	book := map[Position]int64{}
	for _, e := range snapshot {
		for _, l := range e.GetStockSnapshot().GetLines() {
			n, err := event.ParseQuantity(l.GetQuantity().GetValue())
			if err != nil {
				return nil, fmt.Errorf("the book of %s: item %q: %w", site, l.GetItem(), err)
			}
			book[Position{site, l.GetItem(), l.GetLot()}] += n
		}
	}
	return book, nil
}
