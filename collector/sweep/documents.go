package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// skew is how much later than a posting was confirmed its document may bear a time of before the window.
const skew = time.Hour

// list reads a page of one kind. A kind that the connector does not list is asked for posting by posting.
func (s *Sweep) list(ctx context.Context, t *Target, r *Run, kind connector.Kind, counted func(), save saving) error {
	if !isRecord(kind) && !slices.Contains(connector.Lists(t.Connector), kind) {
		r.Phase, r.afterPlace = asking, 0
		r.NotListed = append(r.NotListed, string(kind))
		return save(nil)
	}
	if r.pages == 0 {
		r.readAt = s.now().Truncate(time.Microsecond)
	}
	l := connector.Listing{Kind: kind, Site: r.Site, Since: s.since(r, kind).Add(-skew), Page: r.page}
	if kind == connector.CustomerRecord {
		l.Since = time.Time{} // a copy may differ from what nobody has touched for years
	}
	page, err := t.list(ctx, l)
	if f, ok := errors.AsType[*connector.Fault](err); ok && r.pages > 0 && f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
		// The target knows the page no more, or never did: this kind is listed from the beginning when it is tried again.
		r.fromTheBeginning()
		return errors.Join(fmt.Errorf("list %s of %s: %w", kind, t.Name, err), save(r.forgetDocumentsIn(ctx)))
	}
	if err != nil {
		return fmt.Errorf("list %s of %s: %w", kind, t.Name, err)
	}
	counted()
	return save(func(tx *db.Tx) error {
		fresh, err := r.keep(ctx, tx, page.Documents)
		switch {
		case err != nil:
			return err
		case !page.More:
			r.Phase = comparing
			r.fromTheBeginning()
			return nil
		}
		if why := r.turned(page, fresh, s.mostPages()); why != "" {
			return r.listedWithoutEnd(ctx, tx, t, kind, why)
		}
		return nil
	})
}

// since is from when on a kind is looked at: records are older than what the target was first told.
func (s *Sweep) since(r *Run, kind connector.Kind) time.Time {
	if isRecord(kind) {
		return r.StartedAt.Add(-s.back())
	}
	return r.Since
}

// list reads a page of documents, or of records.
func (t *Target) list(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	if isRecord(l.Kind) {
		return t.Connector.(connector.RecordLister).ListRecords(ctx, l)
	}
	return t.Connector.(connector.Lister).List(ctx, l)
}

// compare holds what was listed of a kind against what is expected.
func (s *Sweep) compare(ctx context.Context, tx *db.Tx, t *Target, r *Run, kind connector.Kind) error {
	listed, err := r.documents(ctx, tx)
	if err != nil {
		return err
	}
	expected, err := s.expected(ctx, tx, r, kind, listed)
	if err != nil {
		return err
	}
	known, err := s.known(ctx, tx, r, listed)
	if err != nil {
		return err
	}
	gaps, err := s.Centre.Gaps(ctx, tx, r.Tenant)
	if err != nil {
		return err
	}
	c := Comparison{System: t.Name, Kind: kind, Site: r.Site, Expected: expected, Listed: listed, Began: r.readAt, Since: r.Since, Known: known,
		Gap: func(site string) string { return gaps[site] }}.Compare()
	r.Matched, r.Foreign = r.Matched+int64(c.Matched), r.Foreign+int64(c.Foreign)
	missing := func(f *Finding) bool { return f.Result == Missing && f.Cause == Unexplained }
	if r.next(); slices.ContainsFunc(c.Findings, func(f Finding) bool { return missing(&f) }) {
		r.Phase, r.place = asking, r.place-1
	}
	if err := r.add(ctx, tx, c.Findings, missing); err != nil {
		return err
	}
	return r.forgetDocuments(ctx, tx)
}

// expected reads the postings of the window, and those that a listed document names.
func (s *Sweep) expected(ctx context.Context, tx *db.Tx, r *Run, kind connector.Kind, listed []connector.Listed) (all []Expected, err error) {
	have := make(map[string]bool)
	a := Ask{Tenant: r.Tenant, Target: r.Target, Site: r.Site, Kind: kind, Since: r.Since, Limit: expectedPage}
	for {
		page, err := s.Centre.Expected(ctx, tx, a)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			have[e.Key] = true
			a.After = e.Place
		}
		if all = append(all, page...); len(page) < expectedPage {
			break
		}
	}
	named := Ask{Tenant: r.Tenant, Target: r.Target, Kind: kind, Keys: []string{}}
	for _, d := range listed {
		if key := base(d.Reference); key != "" && !have[key] {
			have[key] = true
			named.Keys = append(named.Keys, key)
		}
	}
	if len(named.Keys) == 0 {
		return all, nil
	}
	older, err := s.Centre.Expected(ctx, tx, named)
	return append(all, older...), err
}

// known tells which sites and orders of what was listed are Dockline's.
func (s *Sweep) known(ctx context.Context, tx *db.Tx, r *Run, listed []connector.Listed) (func(site, order string) bool, error) {
	sites, err := s.Centre.Sites(ctx, tx, r.Tenant)
	if err != nil {
		return nil, err
	}
	var numbers []string
	for _, d := range listed {
		if d.Order != "" {
			numbers = append(numbers, d.Order)
		}
	}
	slices.Sort(numbers)
	orders, err := s.Centre.Orders(ctx, tx, r.Tenant, slices.Compact(numbers))
	return func(site, order string) bool { return slices.Contains(sites, site) || orders[order] }, err
}
