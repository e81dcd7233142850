package connectortest

import (
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
)

// list applies three postings and looks for each of them among all that the target lists: once, in force, and with its content.
func (s suite) list(t *testing.T, kind connector.Kind, style connector.Style) {
	began := time.Now().Add(-time.Minute) // the target's clock may not be ours
	want := map[string]connector.Content{}
	versions := map[string]int64{}
	var sites []string
	for range 3 {
		p := s.h.Posting(t, kind)
		s.apply(t, p)
		want[p.Key], versions[p.Key] = connector.ContentOf(p.Document), p.SourceVersion
		sites = append(sites, want[p.Key].Site)
	}
	seen := map[string]int{}
	for _, d := range s.listed(t, connector.Listing{Kind: kind, Since: began}) {
		says, ours := want[d.Reference]
		if !ours {
			continue
		}
		seen[d.Reference]++
		if d.Number == "" || d.At.IsZero() || d.Draft || d.Reversed {
			t.Errorf("%s is listed as %+v; it is a document in force, with its number and time", d.Reference, d)
		}
		if d.Order != "" && d.Order != says.Order || d.Site != "" && says.Site != "" && d.Site != says.Site {
			t.Errorf("%s is listed for order %q at %q, want %q at %q", d.Reference, d.Order, d.Site, says.Order, says.Site)
		}
		if lines := connector.SumLines(d.Lines, says.ByLot); d.Whole && len(says.Lines) > 0 && !slices.Equal(lines, says.Lines) {
			t.Errorf("%s is listed with the lines %+v, want %+v", d.Reference, lines, says.Lines)
		}
		for name, value := range d.Fields {
			if want, known := says.Fields[name]; !known || value != want {
				t.Errorf("%s is listed with %s %q, want %q", d.Reference, name, value, want)
			}
		}
		if style == connector.Level && d.Version != versions[d.Reference] {
			t.Errorf("%s is listed with version %d, want %d", d.Reference, d.Version, versions[d.Reference])
		}
	}
	for key := range want {
		if seen[key] != 1 {
			t.Errorf("%s is listed %d times, want once", key, seen[key])
		}
	}
	for _, d := range s.listed(t, connector.Listing{Kind: kind, Since: time.Now().Add(24 * time.Hour)}) {
		if _, ours := want[d.Reference]; ours {
			t.Errorf("%s is listed although nothing has changed since tomorrow", d.Reference)
		}
	}
	if sites[0] == "" {
		return
	}
	for _, d := range s.listed(t, connector.Listing{Kind: kind, Site: "no-such-site", Since: began}) {
		if says, ours := want[d.Reference]; ours && d.Site != "" && d.Site != says.Site {
			t.Errorf("%s is listed for site %q, and it is of %q", d.Reference, d.Site, says.Site)
		}
	}
}

// listed reads all pages.
func (s suite) listed(t *testing.T, l connector.Listing) (all []connector.Listed) {
	t.Helper()
	lister, ok := s.h.Connector.(connector.Lister)
	if !ok {
		t.Fatal("the connector is no Lister")
	}
	for range 10000 {
		page, err := lister.List(s.call(t), l)
		if err != nil {
			t.Fatalf("List %s: %v", l.Kind, err)
		}
		all = append(all, page.Documents...)
		if !page.More {
			return all
		}
		if page.Next == l.Page {
			t.Fatalf("List %s says that there is more, and the next page is this one: %q", l.Kind, l.Page)
		}
		l.Page = page.Next
	}
	t.Fatalf("List %s does not come to an end", l.Kind)
	return nil
}
