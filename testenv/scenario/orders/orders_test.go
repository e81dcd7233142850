// Package orders_test takes orders from files through a whole world: each line becomes part of an order or of a case for a person.
package orders_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/orderfile"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// open starts a world on an order file, drops the file and opens the order desk.
func open(t *testing.T, f *orderfile.File, c world.Config) *world.World {
	t.Helper()
	c.Dir = t.TempDir()
	folder, err := f.Prepare(&c)
	if err != nil {
		t.Fatal(err)
	}
	w := worldtest.Open(t, c)
	desk := &orderfile.Desk{World: w, Log: t.Output()}
	done := make(chan struct{})
	go func() { defer close(done); desk.Run(t.Context()) }()
	t.Cleanup(func() { <-done }) // the test's context ends before its clean-ups run
	if err := f.Drop(folder); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestEveryLineOfAnOrderFileIsAnOrderOrACase: a file of sixteen lines, of which some are cancelled, negative, malformed, without a
// customer or with a service. The good ones are ordered, picked, shipped and invoiced; every other one is an exception that names its
// line, and closes when a person enters the order in the ERP.
func TestEveryLineOfAnOrderFileIsAnOrderOrACase(t *testing.T) {
	f, err := orderfile.Read("testdata/orders.csv", "testdata/mapping.yaml", "")
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, f, world.Config{Seed: 3})
	r := worldtest.Settle(t, w, 5*time.Minute)
	if want := (world.Rows{Read: 14, InOrders: 6, InExceptions: 8}); *r.Rows != want || r.Orders != 4 {
		t.Errorf("rows %+v, want %+v; orders %d, want 4", *r.Rows, want, r.Orders)
	}
	texts := exceptionTexts(t, w)
	for _, want := range []string{"orders.csv line 5: column Pieces", "line 6: column Date", "line 7: column Pieces", "line 8: ", "order A-5 (no customer, lines: 1)", "order A-6 (customer K-12, lines: 2)", "line 12: "} {
		if n := len(slices.DeleteFunc(slices.Clone(texts), func(x string) bool { return !strings.Contains(x, want) })); n != 1 {
			t.Errorf("%d exceptions name %q, want 1:\n%s", n, want, strings.Join(texts, "\n"))
		}
	}
	entered := erp.NewOrder{Customer: "K-10", CustomerReference: "A-5", Site: "dc-east", Lines: []erp.NewOrderLine{{Item: "LAMP-1", Quantity: decimal.NewFromInt(1)}}}
	if _, err := w.ERP.(orderfile.Book).ImportOrder(t.Context(), entered); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		if !slices.ContainsFunc(exceptionTexts(t, w), func(x string) bool { return strings.Contains(x, "order A-5") }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the exception of order A-5 stays, although the ERP has the order")
		}
		select {
		case <-t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func exceptionTexts(t *testing.T, w *world.World) []string {
	t.Helper()
	all, err := w.Exceptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range all {
		texts = append(texts, e.Text)
	}
	return texts
}

// TestRealOrderFiles takes orders from real files, with faults in the ERP, on the docks and on the line: a day of a wholesaler with its
// cancelled invoices, damage and invoices without a customer, and the Northwind orders with the broken lines of their export. In a
// commit the first so many lines, in full the whole day and the whole file.
func TestRealOrderFiles(t *testing.T) {
	for name, c := range map[string]struct {
		file, day string
		lines     int
	}{
		"a day of Online Retail": {"online-retail-2010-12.csv.gz", "2010-12-01", testenv.Count("orders.retail-lines")},
		"Northwind":              {"northwind/order-details.csv", "", testenv.Count("orders.northwind-lines")},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := orderfile.Read(real(t, c.file), "", c.day)
			if err != nil {
				t.Fatal(err)
			}
			f.Cut(c.lines)
			w := open(t, f, world.Config{Seed: 1})
			w.ERP.Faults().Set(sandbox.Faults{Rate: 0.05, Modes: []sandbox.Mode{sandbox.ErrorBefore, sandbox.LostAnswer, sandbox.Busy}})
			w.Sites["dc-west"].Line.Cut(true)
			w.Sites[world.FileSite].Agent.Kill()
			if err := w.Sites[world.FileSite].Agent.Start(); err != nil {
				t.Fatal(err)
			}
			w.Sites["dc-west"].Line.Cut(false)
			r := worldtest.Settle(t, w, min(f.Patience(), 7*time.Minute))
			if r.Rows.Read < min(c.lines, 100) || r.Rows.InOrders == 0 || r.Rows.InExceptions == 0 || r.Rows.InOrders+r.Rows.InExceptions != r.Rows.Read {
				t.Errorf("rows %+v", *r.Rows)
			}
		})
	}
}

// real is the path of a real file that is not part of the product.
func real(t *testing.T, name string) string {
	t.Helper()
	specs := os.Getenv("DOCKLINE_SPECS")
	if specs == "" {
		specs = "../../../../shared/specs"
	}
	path := filepath.Join(specs, "workload", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the real order files are not here (DOCKLINE_SPECS): %v", err)
	}
	return path
}
