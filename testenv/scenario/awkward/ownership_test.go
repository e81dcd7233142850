package awkward_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/crm"
)

// TestOwnershipShortPick: what was not found at the shelf is a case for operations with bin, reason and task; customer service sees that goods are missing, in words that a
// customer may hear, and both are over when the goods are found.
//
// Shows: S48
func TestOwnershipShortPick(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		order := w.order(5, 4)
		short := Asked(line(order, "10", "BOLT", 3), "5")
		short.Reason = "BIN_EMPTY"
		pick := ShortPick(60, "TASK-4711", short)
		pick.Actor, pick.Device = "picker-17", "gun-3"
		w.tell(Keyed(pick, "TASK-4711"))
		if text := w.text(`SELECT text FROM exception WHERE code = 'fold_failed'`); text != "" {
			t.Fatal(text)
		}
		w.expectCases("short_pick")
		if got := w.text(`SELECT class, team FROM exception WHERE code = 'short_pick' AND state = 'open'`); got != fmt.Sprintf("%d operations", docklinev1.FaultClass_FAULT_CLASS_PROCESS) {
			t.Errorf("the case of operations: %q", got)
		}
		if text := w.text(`SELECT text FROM exception WHERE code = 'short_pick'`); !strings.Contains(text, "BIN_EMPTY") || !strings.Contains(text, Site) {
			t.Errorf("operations do not see where and why: %s", text)
		}
		seen := w.serviceCase(order)
		if seen.Status != crm.Open || seen.Cause != "short_pick" || seen.Missing != "2" || seen.Item != "BOLT" || seen.OrderLine != "10" ||
			seen.Text != "2 of item BOLT could not be picked and will come later or not at all." {
			t.Errorf("customer service sees %+v", seen)
		}
		w.tell(Pick(120, "TASK-4712", line(order, "10", "BOLT", 2)))
		w.expectCases()
		if seen = w.serviceCase(order); seen.Status != crm.Closed || seen.Missing != "0" {
			t.Errorf("the goods are found, and customer service sees %+v", seen)
		}
		w.tell(Shipment(180, "S1", line(order, "10", "BOLT", 5), line(order, "20", "NUT", 4)))
		w.pass(48 * time.Hour)
		calls, err := w.service.Calls(t.Context())
		if err != nil || len(calls) == 0 {
			t.Fatalf("%d calls, %v", len(calls), err)
		}
		for _, call := range calls {
			for _, internal := range []string{bins["BOLT"], bins["NUT"], "BIN_EMPTY", "TASK-4711", "TASK-4712", "picker-17", "gun-3", Site} {
				if strings.Contains(fmt.Sprintf("%s %s", call.Path, call.Body), internal) {
					t.Errorf("the CRM was told %q: %s %s", internal, call.Path, call.Body)
				}
			}
		}
	})
}

// TestOwnershipVerdictsOfTheERP: what the ERP found when it confirmed an order stands at the order with its reason, its source and its fact, and so do price list and
// version; the order is released all the same, for what a verdict means is the ERP's to say.
//
// Shows: S15, S51
func TestOwnershipVerdictsOfTheERP(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		for quantity, want := range map[int64]string{10: "credit pass by erp: 20 of a limit of 100", 90: "credit hold by erp: 180 of a limit of 100"} {
			number := w.draftOf("C-2", quantity)
			if _, err := w.desk.ConfirmOrder(t.Context(), number); err != nil {
				t.Fatal(err)
			}
			w.work()
			o := w.state(number)
			var list []string
			for _, v := range o.GetVerdicts() {
				list = append(list, strings.TrimSuffix(fmt.Sprintf("%s %s by %s: %s", v.GetCheck(), v.GetOutcome(), v.GetSource(), v.GetReason()), ": "))
				if v.GetEventId() == "" || v.GetAt() == nil {
					t.Errorf("a verdict without its fact: %v", v)
				}
			}
			if got := strings.Join(list, "; "); got != want+"; order pass by erp; structure pass by erp: 1 lines" {
				t.Errorf("order of %d: %s", quantity, got)
			}
			if o.GetPriceList() != "retail" || o.GetPriceListVersion() != "2026-2" || o.GetStatus() != "released" {
				t.Errorf("order of %d is %s, priced by %s %s", quantity, o.GetStatus(), o.GetPriceList(), o.GetPriceListVersion())
			}
		}
		w.expectCases()
	})
}

// serviceCase is the one case that customer service has of an order.
func (w *world) serviceCase(order string) crm.Case {
	w.t.Helper()
	cases, err := w.service.Cases(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(cases) != 1 || cases[0].Order != order {
		w.t.Fatalf("customer service has %+v", cases)
	}
	return cases[0]
}

// text is the first row of a query, its columns after one another.
func (w *world) text(query string) string {
	w.t.Helper()
	var cells []string
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(w.t.Context(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil || !rows.Next() {
			return err
		}
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(string)
		}
		if err := rows.Scan(values...); err != nil {
			return err
		}
		for _, v := range values {
			cells = append(cells, *v.(*string))
		}
		return rows.Err()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(cells, " ")
}
