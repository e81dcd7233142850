package reconcile_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/reconcile"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// TestTheLedgerIsTheSameInEveryOrder tells random lives of a site's stock to a database, in random orders and portions, some of it twice: in the end
// records have the same rows, accounts the same balances, buckets the same state and the same postings. The ledger holds together every time.
func TestTheLedgerIsTheSameInEveryOrder(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for seed := range uint64(max(3, testenv.Count("state.permutations")/60)) {
			random := rand.New(rand.NewPCG(seed, 15))
			events := StockLife(random)
			places := make(map[*docklinev1.Event]uint64)
			for i, e := range events {
				places[e] = uint64(i + 1)
			}
			want := ""
			for try := range 3 {
				d := again(t, d)
				w := newWorld(t, d, map[string]string{"mapping.yaml": stockMapping})
				told := append([]*docklinev1.Event{}, events...)
				if try > 0 {
					told = append(told, events[random.IntN(len(events))])
					random.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
				}
				for len(told) > 0 {
					n := 1 + random.IntN(min(7, len(told)))
					w.place(places, told[:n])
					if random.IntN(2) == 0 {
						w.settle()
					}
					told = told[n:]
				}
				w.settle()
				w.stream(Morning.Add(time.Hour), 0)
				w.pass(20 * time.Minute)
				w.ledgerHolds(fmt.Sprintf("seed %d, try %d", seed, try))
				got := w.rows(`SELECT fold_key, hash, status FROM state ORDER BY fold_key`) +
					w.rows(`SELECT account, balance, moved FROM ledger_account WHERE balance <> 0 OR moved <> 0 ORDER BY account`) +
					w.rows(`SELECT record, event_id, item, from_account, to_account, SUM(quantity) FROM ledger GROUP BY record, event_id, item, from_account, to_account
						HAVING SUM(quantity) <> 0 ORDER BY record, event_id, from_account, to_account`) +
					sorted(strings.NewReplacer(" ready ", " ", " planned ", " ").Replace(w.postings("stock_adjust")))
				if try == 0 {
					want = got
				} else if got != want {
					t.Fatalf("seed %d, try %d: another order of arrival gives another ledger:\n%s", seed, try, difference(want, got))
				}
			}
		}
	})
}

const stockMapping = "strict: true\nitems: [{item: A, units: {CS: '12'}}, {item: B, units: {CS: '12'}}]\n"

// place appends events as their site's journal has them.
func (w *world) place(places map[*docklinev1.Event]uint64, events []*docklinev1.Event) {
	w.t.Helper()
	err := w.d.Write(w.t.Context(), func(tx *db.Tx) error {
		var recorded []eventlog.Recorded
		for _, e := range events {
			r := eventlog.Recorded{Event: proto.CloneOf(e)}
			if e.GetSite() != "" {
				r.Epoch, r.EpochOrdinal, r.Seq = "e1", 1, places[e]
			}
			recorded = append(recorded, r)
		}
		_, err := w.log.Append(w.t.Context(), tx, recorded)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// ledgerHolds checks what must be so of every ledger: items come to nothing over all accounts, accounts hold what their rows say, buckets have on
// hand what their accounts hold, and folding any key anew finds nothing.
func (w *world) ledgerHolds(when string) {
	w.t.Helper()
	if wrong := w.rows(`SELECT tenant, item, SUM(balance) FROM ledger_account GROUP BY tenant, item HAVING SUM(balance) <> 0`); wrong != "" {
		w.t.Errorf("%s: items come to something over all accounts:\n%s", when, wrong)
	}
	if wrong := w.rows(`SELECT a.account, a.balance, COALESCE(r.n, 0) FROM ledger_account a LEFT JOIN (SELECT account, SUM(n) AS n FROM (
			SELECT to_account AS account, quantity AS n FROM ledger UNION ALL SELECT from_account, -quantity FROM ledger) AS sides GROUP BY account) AS r ON r.account = a.account
		WHERE a.balance <> COALESCE(r.n, 0)`); wrong != "" {
		w.t.Errorf("%s: accounts hold something else than their rows say:\n%s", when, wrong)
	}
	for _, line := range strings.Fields(w.rows(`SELECT fold_key FROM state WHERE fold_key >= 'stock/' AND fold_key < 'stock0'`)) {
		stock := &docklinev1.StockState{}
		w.stateOf(line, stock)
		held := strings.TrimSpace(w.rows(`SELECT balance FROM ledger_account WHERE account = ?`, line))
		if held != fmt.Sprint(stock.GetOnHand()) && !(held == "" && stock.GetOnHand() == 0) {
			w.t.Errorf("%s: %s has %d on hand, its account holds %s", when, line, stock.GetOnHand(), held)
		}
	}
	keys, err := reconcile.Keys(w.t.Context(), w.d, reconcile.Key{}, 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	found, err := w.worker.Compare(w.t.Context(), keys, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range found {
		switch kind, _, _ := strings.Cut(r.Key.Key, "/"); kind {
		case "movement", "stock", "count", "opening":
		default:
			continue // told of by others
		}
		if r.Pending || len(r.Differences) > 0 {
			w.t.Errorf("%s: %s folded anew: pending %t, %v", when, r.Key.Key, r.Pending, r.Differences)
		}
	}
}

// TestDamageIsBookedWithItsClaim: goods that are found damaged at their bin lie in a bucket of their own, and the system of record is told that they can
// no longer be sold, and under which claim they are followed.
//
// Shows: S55
func TestDamageIsBookedWithItsClaim(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		damage := func(revision, quantity string) *docklinev1.Event {
			e := Revised(Pick(20, "dmg-1", In(L("", "", "A", quantity), "B-01", "L1")), revision)
			e.Kind = docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED
			e.Payload = &docklinev1.Event_StockStatusChange{StockStatusChange: &docklinev1.StockStatusChange{Number: "D-1", Stage: "pick", Claim: "CL-7", Lines: e.GetPick().GetLines()}}
			return Revised(e, revision)
		}
		w.tell(Snapshot(0, In(L("", "", "A", "10"), "B-01", "L1")), damage("1", "2"))
		for key, want := range map[string]int64{"stock/dc-east/B-01/A/L1/available": 8, "stock/dc-east/B-01/A/L1/damaged": 2} {
			stock := &docklinev1.StockState{}
			if w.stateOf(key, stock); stock.GetOnHand() != want*event.Scale {
				t.Errorf("%s has %d, want %d", key, stock.GetOnHand()/event.Scale, want)
			}
		}
		got := w.postings("stock_adjust")
		for _, part := range []string{"erp/stock_adjust/stock.damaged/D-1/A/L1/B-01/dc-east", `delta:"-2"`, `reason:"stock.damaged at pick, claim CL-7"`} {
			if !strings.Contains(got, part) {
				t.Errorf("no %s in what the system of record is told:\n%s", part, got)
			}
		}
		w.confirm("stock_adjust")
		w.tell(damage("2", "3")) // one more was found broken: the difference is booked
		if got := w.postings("stock_adjust"); !strings.Contains(got, "#2") || !strings.Contains(got, `delta:"-1"`) {
			t.Errorf("what was corrected is not booked:\n%s", got)
		}
		w.ledgerHolds("in the end")
	})
}

// TestOneMoreMovementReadsNoOthers: a bucket with many movements and a count is folded without reading what had been moved before.
func TestOneMoreMovementReadsNoOthers(t *testing.T) {
	d := testenv.SQLite(t)
	w := newWorld(t, d, nil)
	w.tell(Snapshot(0, In(L("", "", "A", "1000"), "B-01", "")))
	var events []*docklinev1.Event
	for i := range 300 {
		events = append(events, Pick(i, fmt.Sprintf("p%d", i), In(L("SO1", "1", "A", "1"), "B-01", "")))
	}
	w.tell(events...)
	w.tell(Count(500, "CC1", In(L("", "", "A", "699"), "B-01", "")))
	// What was moved before the count is closed: with its rows gone a fold of the bucket comes to the same.
	w.exec(`DELETE FROM ledger WHERE occurred_at < ?`, At(400).AsTime().UnixMicro())
	w.tell(Pick(600, "after", In(L("SO1", "1", "A", "1"), "B-01", "")))
	stock := &docklinev1.StockState{}
	w.stateOf("stock/dc-east/B-01/A//available", stock)
	if v := stock.GetVariances(); stock.GetOnHand() != 698*event.Scale || len(v) != 1 || v[0].GetVariance() != -1*event.Scale {
		t.Errorf("on hand %d, variances %v", stock.GetOnHand()/event.Scale, v)
	}
	// A late one before it opens the closing again.
	w.tell(Pick(450, "late", In(L("SO1", "1", "A", "1"), "B-01", "")))
	w.stateOf("stock/dc-east/B-01/A//available", stock)
	if v := stock.GetVariances(); stock.GetOnHand() != 698*event.Scale || len(v) != 1 || v[0].GetVariance() != 0 {
		t.Errorf("after a late movement: on hand %d, variances %v", stock.GetOnHand()/event.Scale, v)
	}
}
