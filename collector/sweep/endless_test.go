package sweep_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/sweep"
	"github.com/dockline/dockline/testenv"
)

// turning is an ERP whose list of amendments goes on without end, in the way that is set.
type turning struct {
	*connectortest.Memory
	how *string
	n   *int
}

func (c turning) List(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	if l.Kind != connector.OrderAmendment || *c.how == "" {
		return c.Memory.List(ctx, l)
	}
	*c.n++
	page, err := c.Memory.List(ctx, connector.Listing{Kind: l.Kind, Since: l.Since}) // its first page, whatever is asked for
	page.More, page.Next = true, fmt.Sprint(*c.n)
	switch *c.how {
	case "same page":
		page.Next = "2"
	case "empty pages":
		page.Documents = nil
	case "always new":
		page.Documents = []connector.Listed{{Number: fmt.Sprint("X", *c.n), Order: "SO404", At: began}}
	}
	return page, err
}

// A target whose list goes in a circle, or never ends, is read for so long and no longer; what was posted is asked for instead, so that the run comes to
// its end and finds what is missing. That its list has no end is one exception, which the next good sweep closes.
func TestAListWithoutEndIsBounded(t *testing.T) {
	how, n := "", 0
	w := open(t, testenv.SQLite(t), func(m *connectortest.Memory) connector.Connector { return turning{m, &how, &n} })
	for _, key := range keys(5) {
		w.post(amended(key, "1"))
	}
	w.erp.Edit(connector.OrderAmendment, "A03", nil)
	w.stages.Sweep.MostPages, w.stages.Sweep.PerMinute = 200, 1000
	for _, c := range []struct {
		how   string
		pages int
		says  string
	}{{"same page", 3, "the same page again"}, {"page not heeded", 55, "nothing that was not listed before"}, {"empty pages", 55, "nothing that was not listed before"}, {"always new", 200, "after 200 pages"}} {
		how, n = c.how, 0
		r := w.sweep()
		if !r.Done() || n > c.pages || len(r.Endless) != 1 || !strings.Contains(r.Endless[0], "erp lists order amendments without end: ") || !strings.Contains(r.Endless[0], c.says) {
			t.Errorf("%s: %d pages were read; done %t, %v", c.how, n, r.Done(), r.Endless)
		}
		if r.Matched != 4 || r.Missing != 1 || r.Extra != 0 || !slices.Contains(r.NotListed, string(connector.OrderAmendment)) {
			t.Errorf("%s: %d matched, %d missing, %d extra, not listed %v", c.how, r.Matched, r.Missing, r.Extra, r.NotListed)
		}
		if open := w.open(); !slices.Contains(open, "sweep_endless sweep erp") || len(open) != 2 {
			t.Errorf("%s: open are %v", c.how, open)
		}
	}
	how = ""
	if r := w.sweep(); len(r.Endless) > 0 || r.Missing != 1 {
		t.Errorf("a good sweep: %+v", r)
	}
	if open := w.open(); !slices.Equal(open, []string{"sweep_missing order_amend A03"}) {
		t.Errorf("after a good sweep open are %v", open)
	}
}

// A run that cannot go on is given up in the end and says so; what earlier ones found stays open, and the next good one is not compared with it.
func TestARunThatCannotGoOnIsGivenUp(t *testing.T) {
	w := open(t, testenv.SQLite(t), nil)
	w.post(amended("A01", "1"), amended("A02", "1"))
	w.erp.Edit(connector.OrderAmendment, "A01", nil)
	first := w.sweep()
	down := true
	w.erp.Fail = func(op string, _ *connector.Posting) connectortest.Failure {
		if op == "list" && down {
			return connectortest.Before
		}
		return connectortest.None
	}
	r, err := w.stages.Sweep.Begin(t.Context(), w.target(), "", sweep.Asked)
	if err != nil {
		t.Fatal(err)
	}
	for tries := 0; !r.Done(); tries++ {
		if _, err := w.stages.Sweep.Step(t.Context(), w.target(), r); err == nil || tries > 24 {
			t.Fatalf("try %d: %v, %+v", tries, err, r)
		}
		w.clock = w.clock.Add(time.Hour)
	}
	w.stages.Sweep.End(t.Context(), w.target())
	open := w.open()
	slices.Sort(open)
	if !slices.Equal(open, []string{"sweep_endless sweep erp", "sweep_missing order_amend A01"}) {
		t.Errorf("given up: open are %v", open)
	}
	w.write(func(tx *db.Tx) error {
		found, err := exception.List(t.Context(), tx, tenant, exception.Filter{Unresolved: true})
		for _, e := range found {
			if e.Code == sweep.CodeEndless && (e.Title != "The sweep of erp does not end" || !strings.Contains(e.Text, "given up after 24h")) {
				t.Errorf("it says %s: %s", e.Title, e.Text)
			}
		}
		return err
	})
	down = false
	good := w.sweep()
	if good.Before != first.Number || len(good.StillThere) != 1 || len(good.New) > 0 {
		t.Errorf("the next good one is compared with run %d, want %d; new %v, still there %v", good.Before, first.Number, good.New, good.StillThere)
	}
	if open := w.open(); !slices.Equal(open, []string{"sweep_missing order_amend A01"}) {
		t.Errorf("after a good sweep open are %v", open)
	}
}
