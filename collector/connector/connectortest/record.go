package connectortest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
)

// records makes three records and looks for them among all that the target lists: each once, with what it says, on every reading; and while others are
// made between two pages.
func (s suite) records(t *testing.T, kind connector.Kind) {
	lister, ok := s.h.Connector.(connector.RecordLister)
	if !ok {
		t.Fatal("the connector names kinds of records, and is no RecordLister")
	}
	if s.h.Record == nil {
		t.Skip("this target's records cannot be made by a test")
	}
	l := connector.Listing{Kind: kind, Since: time.Now().Add(-time.Minute)}
	var want []connector.Listed
	for range 3 {
		want = append(want, s.h.Record(t, kind))
	}
	for _, when := range []string{"first", "again", "while others are made"} {
		seen := map[string]int{}
		more := 0
		all := s.recordPages(t, lister, l, func() {
			if more++; when == "while others are made" && more <= 3 {
				s.h.Record(t, kind)
			}
		})
		for _, d := range all {
			at := slices.IndexFunc(want, func(w connector.Listed) bool { return w.Number == d.Number })
			if at < 0 {
				continue
			}
			seen[d.Number]++
			s.sameRecord(t, want[at], d)
		}
		for _, w := range want {
			if seen[w.Number] != 1 {
				t.Errorf("%s: %s %s is listed %d times, want once", when, kind, w.Number, seen[w.Number])
			}
		}
	}
	_, err := lister.ListRecords(s.call(t), connector.Listing{Kind: "no_such_kind"})
	if f, is := errors.AsType[*connector.Fault](err); !is {
		t.Errorf("a kind of record that it does not list: %v, want a fault that says so", err)
	} else if f.Text == "" || f.Code == "" {
		t.Errorf("the fault of a kind that it does not list lacks its code or text: %+v", f)
	}
}

func (s suite) sameRecord(t *testing.T, want, d connector.Listed) {
	t.Helper()
	if d.Draft || d.Reversed {
		t.Errorf("record %s is listed as %+v; it is in force", d.Number, d)
	}
	if d.Site != "" && want.Site != "" && d.Site != want.Site {
		t.Errorf("record %s is listed for site %q, want %q", d.Number, d.Site, want.Site)
	}
	for name, value := range want.Fields {
		if d.Fields[name] != value {
			t.Errorf("record %s is listed with %s %q, want %q", d.Number, name, d.Fields[name], value)
		}
	}
	if lines := connector.SumLines(d.Lines, false); d.Whole && len(want.Lines) > 0 && !slices.Equal(lines, connector.SumLines(want.Lines, false)) {
		t.Errorf("record %s is listed with the lines %+v, want %+v", d.Number, lines, want.Lines)
	}
}

// recordPages reads all pages; between does something between two of them.
func (s suite) recordPages(t *testing.T, lister connector.RecordLister, l connector.Listing, between func()) (all []connector.Listed) {
	t.Helper()
	read := map[string]bool{}
	for range 10000 {
		page, err := lister.ListRecords(s.call(t), l)
		if err != nil {
			t.Fatalf("ListRecords %s: %v", l.Kind, err)
		}
		if all = append(all, page.Documents...); !page.More {
			return all
		}
		read[l.Page] = true
		if l.Page = page.Next; read[l.Page] {
			t.Fatalf("ListRecords %s says that there is more, on a page that was read already: %q", l.Kind, l.Page)
		}
		between()
	}
	t.Fatalf("ListRecords %s does not come to an end", l.Kind)
	return nil
}
