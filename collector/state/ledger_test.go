package state_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// ledgerOf folds everything that events say of stock, by key, and adds up what each account holds in the end.
func ledgerOf(t *testing.T, events []*docklinev1.Event) (folded map[string]string, held map[string]int64, items map[string]int64) {
	t.Helper()
	here := make(map[string]bool)
	byKey := factsByKey(events, here)
	folded, held, items = make(map[string]string), make(map[string]int64), make(map[string]int64)
	book := func(rows []*docklinev1.LedgerRow) {
		for _, row := range rows {
			if row.GetQuantity() == 0 || row.GetFrom() == row.GetTo() {
				t.Errorf("a row moves nothing: %v", row)
			}
			for _, account := range []string{row.GetFrom(), row.GetTo()} {
				held[account] += state.InAccount(row, account)
				items[row.GetItem()] += state.InAccount(row, account)
				if _, parts, err := event.ParseKey(account); err != nil || parts[2] != row.GetItem() {
					t.Errorf("%s is no account of %s", account, row.GetItem())
				}
			}
		}
	}
	var moved []*docklinev1.LedgerRow
	for key, facts := range byKey {
		if strings.HasPrefix(key, "movement/") {
			fold := state.FoldMovement(key, facts, codes{}, here[state.FirstScan(key)])
			folded[key] = protojson.Format(fold.State) + fmt.Sprint(fold.Findings, ids(fold.Facts))
			moved = append(moved, fold.State.GetRows()...)
		}
	}
	book(moved)
	for key, facts := range byKey {
		if !strings.HasPrefix(key, "stock/") {
			continue
		}
		bucket, err := state.ParseBucket(key)
		if err != nil {
			t.Fatal(err)
		}
		around := state.Surroundings{Book: BookOf(bucket, moved, 2*time.Second), Decided: map[state.Use]string{}}
		for _, number := range []string{"CC1", "CC2"} {
			count := state.FoldCount(Site, number, byKey[event.CountKey(Site, number)], codes{}).State
			for _, line := range count.GetLines() {
				if line.GetStockKey() == key {
					around.Decided[state.UseOf(number, line.GetAgain())] = state.DecisionOf(count, line)
				}
			}
		}
		fold := state.FoldBucket(bucket, facts, codes{}, around)
		folded[key] = protojson.Format(fold.State) + fmt.Sprint(fold.Findings)
		book(fold.State.GetRows())
		if fold.State.GetOnHand() != held[key] {
			t.Errorf("%s: on hand %d, its account holds %d", key, fold.State.GetOnHand(), held[key])
		}
	}
	return folded, held, items
}

// factsByKey gives each key that an event touches its fact, and each key that any version of a record touches one of every version, as the event
// log does.
func factsByKey(events []*docklinev1.Event, here map[string]bool) map[string][]state.Fact {
	byKey, records := make(map[string][]state.Fact), make(map[string]map[string]bool)
	for _, e := range events {
		here[e.GetId()] = true
		for _, touch := range state.Keys(e, codes{}) {
			byKey[touch.Key] = append(byKey[touch.Key], state.Fact{EpochOrdinal: 1, Seq: seqOf(e), Event: touch.Event})
			if records[event.Record(e)] == nil {
				records[event.Record(e)] = make(map[string]bool)
			}
			records[event.Record(e)][touch.Key] = true
		}
	}
	for _, e := range events {
		touched := make(map[string]bool)
		for _, touch := range state.Keys(e, codes{}) {
			touched[touch.Key] = true
		}
		for key := range records[event.Record(e)] {
			if event.Record(e) != "" && !touched[key] {
				byKey[key] = append(byKey[key], state.Fact{EpochOrdinal: 1, Seq: seqOf(e), Event: event.Elsewhere(e)})
			}
		}
	}
	return byKey
}

// seqOf is the place of an event in the journal, whatever the order in which it is told.
func seqOf(e *docklinev1.Event) uint64 {
	var n uint64
	for _, c := range event.BodyHash(e)[:6] {
		n = n<<8 | uint64(c)
	}
	return n
}

// TestAnyPermutationOfStockGivesTheSameLedger tells random lives of a site's stock, of every kind, in random orders: each record has the same
// rows, each bucket the same state, each account the same balance, and the accounts of an item come to nothing.
func TestAnyPermutationOfStockGivesTheSameLedger(t *testing.T) {
	kinds := make(map[docklinev1.EventKind]bool)
	for seed := range uint64(testenv.Count("state.permutations")) {
		random := rand.New(rand.NewPCG(seed, 14))
		events := StockLife(random)
		want, wantHeld, items := ledgerOf(t, events)
		for item, sum := range items {
			if sum != 0 {
				t.Fatalf("seed %d: the accounts of %s come to %d", seed, item, sum)
			}
		}
		for _, e := range events {
			kinds[e.GetKind()] = true
		}
		for range 2 {
			events = append(events, events[random.IntN(len(events))]) // told twice
			random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			got, held, _ := ledgerOf(t, events)
			for key := range want {
				if got[key] != want[key] {
					t.Fatalf("seed %d, %s: another order of the same facts folds to\n%s\nnot to\n%s", seed, key, got[key], want[key])
				}
			}
			for account, sum := range wantHeld {
				if held[account] != sum || len(held) != len(wantHeld) {
					t.Fatalf("seed %d: %s holds %d, not %d", seed, account, held[account], sum)
				}
			}
		}
	}
	if len(kinds) < 20 {
		t.Errorf("%d kinds were told of", len(kinds))
	}
}

// TestDamageHasStatusAndClaim: what is damaged on receipt, at a pick, while packing, under way or on its return lies apart from what can be sold.
func TestDamageHasStatusAndClaim(t *testing.T) {
	damaged := func(stage string, line *docklinev1.Line) *docklinev1.Event {
		e := Pick(20, "d-"+stage, line)
		e.Kind = docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED
		e.Payload = &docklinev1.Event_StockStatusChange{StockStatusChange: &docklinev1.StockStatusChange{Number: "D-" + stage, Stage: stage, Claim: "CL-7", Lines: []*docklinev1.Line{line}}}
		return Keyed(e, "d-"+stage)
	}
	pick := Pick(10, "p1", In(L("SO1", "1", "A", "5"), "B-01", ""))
	ship := Shipment(30, "S1", L("SO1", "1", "A", "4"))
	lost := Pick(40, "t1")
	lost.Kind, lost.Payload = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED, &docklinev1.Event_Transport{Transport: &docklinev1.Transport{Shipment: "S1", Claim: "CL-8", Lines: []*docklinev1.Line{L("", "", "A", "1")}}}
	back := Pick(50, "r1")
	back.Kind, back.Payload = docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, &docklinev1.Event_Return{Return: &docklinev1.Return{Number: "RMA-1", Lines: []*docklinev1.Line{In(L("", "", "A", "2"), "R-01", "")}}}
	received := Pick(5, "g1")
	broken := In(L("", "", "A", "3"), "D-01", "")
	broken.Condition = "damaged"
	received.Kind, received.Payload = docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, &docklinev1.Event_Inbound{Inbound: &docklinev1.Inbound{Number: "GR-1", Lines: []*docklinev1.Line{broken}}}
	_, held, _ := ledgerOf(t, []*docklinev1.Event{Snapshot(0, In(L("", "", "A", "50"), "B-01", "")), pick, ship, Keyed(lost, "t1"), Keyed(back, "r1"), Keyed(received, "g1"),
		damaged("pick", In(L("", "", "A", "2"), "B-01", "")), damaged("pack", L("", "", "A", "1"))})
	for account, want := range map[string]int64{
		"stock/dc-east/B-01/A//available": 43, "stock/dc-east/B-01/A//damaged": 2, "stock/dc-east//A//damaged": 1, "stock/dc-east//A//picked": 0,
		"stock/dc-east/D-01/A//damaged": 3, "stock/dc-east/R-01/A//quarantine_return": 2,
		"account/customer/dc-east/A": 1, "account/damaged_in_transit/dc-east/A": 1, "account/supplier/dc-east/A": -3,
	} {
		if held[account] != want*unit {
			t.Errorf("%s holds %d, want %d", account, held[account]/unit, want)
		}
	}
}

// TestAVoidReachesWhatHadLeft: a number that leaves once more after it was taken back is away, a second word of the same void takes nothing more,
// and of two lots that one comes back which the void names. The order and the ledger say the same of it.
func TestAVoidReachesWhatHadLeft(t *testing.T) {
	order := Accepted("SO1", "1", L("", "1", "A", "20"))
	leaves := func(second int, key string) *docklinev1.Event {
		return Keyed(Shipment(second, "S1", In(L("SO1", "1", "A", "4"), "", "L1"), In(L("SO1", "1", "A", "3"), "", "L2")), key)
	}
	for _, c := range []struct {
		what             string
		events           []*docklinev1.Event
		away, one, other int64 // with the customer, and of each lot among what is picked
	}{
		{"left again", []*docklinev1.Event{leaves(30, "d1"), Voided(40, "S1"), leaves(50, "d2")}, 7, -4, -3},
		{"taken back twice, and left again", []*docklinev1.Event{leaves(30, "d1"), Voided(40, "S1"), Voided(45, "S1"), leaves(50, "d2")}, 7, -4, -3},
		{"taken back before it left: a clock is wrong", []*docklinev1.Event{Voided(20, "S1"), leaves(30, "d1")}, 0, 0, 0},
		{"the second lot", []*docklinev1.Event{leaves(30, "d1"), Voided(40, "S1", In(L("SO1", "1", "A", "3"), "", "L2"))}, 4, -4, 0},
		{"one of each lot", []*docklinev1.Event{leaves(30, "d1"), Voided(40, "S1", In(L("SO1", "1", "A", "1"), "", "L2"), In(L("SO1", "1", "A", "1"), "", "L1"))}, 5, -3, -2},
		{"more of a lot than left", []*docklinev1.Event{leaves(30, "d1"), Voided(40, "S1", In(L("SO1", "1", "A", "9"), "", "L2"))}, 4, -4, 0},
	} {
		_, held, _ := ledgerOf(t, c.events)
		for account, want := range map[string]int64{"account/customer/dc-east/A": c.away, "stock/dc-east//A/L1/picked": c.one, "stock/dc-east//A/L2/picked": c.other} {
			if held[account] != want*unit {
				t.Errorf("%s: %s holds %d, want %d", c.what, account, held[account]/unit, want)
			}
		}
		if l := whole(append(c.events, order)...).State.Lines[0]; l.GetOut() != c.away*unit {
			t.Errorf("%s: of the order %d are out, want %d", c.what, l.GetOut()/unit, c.away)
		}
	}
}

// TestHugeQuantitiesDoNotGoRound: more than a dock moves, by its unit, is left out and told of, and stands under its code until somebody looks.
func TestHugeQuantitiesDoNotGoRound(t *testing.T) {
	huge := In(L("SO1", "1", "A", "999999999"), "B-01", "")
	huge.Quantity.Unit = "CS"
	fold := whole(Accepted("SO1", "1", L("", "1", "A", "5")), Pick(10, "p1", huge, In(L("SO1", "1", "A", "2"), "B-01", "")))
	if l := fold.State.Lines[0]; l.GetPicked() != 2*unit || len(fold.Findings) != 1 || fold.Findings[0].Code != state.CodeBadQuantity {
		t.Errorf("picked %d, %v", l.GetPicked(), fold.Findings)
	}
	_, held, _ := ledgerOf(t, []*docklinev1.Event{Snapshot(0, In(L("", "", "A", "50"), "B-01", "")), Pick(10, "p1", huge)})
	if held["stock/dc-east/B-01/A//available"] != 50*unit {
		t.Errorf("the bin holds %d", held["stock/dc-east/B-01/A//available"])
	}
}
