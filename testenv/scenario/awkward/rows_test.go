package awkward_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sandbox"
)

// TestEveryInventoryEventHasItsRow: whatever a dock tells of goods has its row for the system of record, which says how that stands there: pending while the
// system fails, then confirmed with its document, or refused, or why nothing is to be posted; and every order that it concerns has one for the CRM. None is
// ever absent, and what both systems hold is what their rows say.
//
// Shows: S11
func TestEveryInventoryEventHasItsRow(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		orders := []string{w.order(5), w.order(4, 3), w.order(2)}
		w.books.Faults().Next(slices.Repeat([]sandbox.Mode{sandbox.ErrorBefore}, 1000)...) // whatever is written
		wrong := line(orders[2], "10", "BOLT", 2)
		wrong.Lot = "L-none"
		quiet := []*docklinev1.Event{Allocated(10, orders[0], line(orders[0], "10", "BOLT", 5)), ShortPick(40, "P2", Asked(line(orders[2], "10", "BOLT", 0), "2")),
			Pick(45, "P3", line("", "", "PIN", 1))}
		posted := []*docklinev1.Event{Pick(30, "P1", line(orders[0], "10", "BOLT", 3)), Pack(50, "PK1", "U1", line(orders[0], "10", "BOLT", 3)),
			Shipment(60, "S1", line(orders[0], "10", "BOLT", 3)), Shipment(90, "S2", line(orders[1], "10", "BOLT", 4), line(orders[1], "20", "NUT", 3))}
		refused := Shipment(120, "S3", wrong)
		events := slices.Concat(quiet, posted, []*docklinev1.Event{refused})
		w.tell(events...)
		w.rows("while the ERP fails", events, map[docklinev1.ReceiptLevel]int{docklinev1.ReceiptLevel_RECEIPT_LEVEL_NO_DOCUMENT: len(quiet), docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED: len(posted) + 1})
		for _, order := range orders {
			for _, p := range w.postings(order) {
				if p.Target == ERP && p.State == posting.Confirmed {
					t.Errorf("%s is confirmed by an ERP that fails", p.Ref)
				}
			}
		}

		w.books.Faults().Forget()
		w.pass(2 * time.Hour)
		w.rows("when the ERP is back", events, map[docklinev1.ReceiptLevel]int{docklinev1.ReceiptLevel_RECEIPT_LEVEL_NO_DOCUMENT: len(quiet), docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED: len(posted),
			docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION: 1})
		w.expectIssued(orders[0], "S1: 10 BOLT 3")
		w.expectIssued(orders[1], "S2: 10 BOLT 4, 20 NUT 3")
		w.expectIssued(orders[2])
		for _, e := range posted {
			if documents := w.receipt(e).GetDocuments(); len(documents) == 0 || documents[0].GetNumber() == "" {
				t.Errorf("%s is confirmed without its document: %v", e.GetSubject(), documents)
			}
		}
		for i, want := range []string{"partly_shipped", "invoiced", "partly_shipped"} {
			states := map[string]posting.State{}
			for _, p := range w.postings(orders[i]) {
				states[p.Target+" "+string(p.Kind)] = p.State
			}
			if shown := w.shown(orders[i]).Status; states["crm crm_status"] != posting.Confirmed || i < 2 && shown != want {
				t.Errorf("order %s: its rows are %v, and the CRM shows %s, want %s", orders[i], states, shown, want)
			}
		}
	})
}

// rows fails unless every event has its row, so many at each level, each that is not simply under way with its words.
func (w *world) rows(when string, events []*docklinev1.Event, want map[docklinev1.ReceiptLevel]int) {
	w.t.Helper()
	got := map[docklinev1.ReceiptLevel]int{}
	var list []string
	for _, e := range events {
		r := w.receipt(e)
		got[r.GetLevel()]++
		list = append(list, fmt.Sprintf("%s %s: %s %s", e.GetKind(), e.GetSubject(), r.GetLevel(), r.GetText()))
		if words := r.GetLevel() != docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED && r.GetLevel() != docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED; words && r.GetText() == "" {
			w.t.Errorf("%s: the row of %s %s does not say why: %v", when, e.GetKind(), e.GetSubject(), r)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: %v, want %v:\n%s", when, got, want, strings.Join(list, "\n"))
	}
}
