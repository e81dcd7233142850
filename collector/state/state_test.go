package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// codes takes every item as it is, but those that begin with X; a case (CS) is a dozen.
type codes struct{}

func (codes) Item(_, code, gtin string) (string, bool) {
	if code == "" {
		code = gtin
	}
	return code, !strings.HasPrefix(code, "X")
}

func (codes) Base(_, _, unit string, millionths int64) (int64, bool) {
	switch unit {
	case "":
		return millionths, true
	case "CS":
		return 12 * millionths, true
	}
	return 0, false
}

// facts are the parts of events that concern a key, as one journal had them; for a bucket also all movements, which are folded under keys of
// their own.
func facts(key string, events ...*docklinev1.Event) []state.Fact {
	var list []state.Fact
	stock := strings.HasPrefix(key, "stock/")
	for i, e := range events {
		for _, touch := range state.Keys(e, codes{}) {
			if touch.Key == key || stock && strings.HasPrefix(touch.Key, "movement/") {
				list = append(list, state.Fact{EpochOrdinal: 1, Seq: uint64(i + 1), Event: touch.Event})
			}
		}
	}
	return list
}

func order(events ...*docklinev1.Event) state.OrderFold {
	return state.FoldOrder("SO1", facts("order/SO1", events...), codes{})
}

const unit = event.Scale

func TestKeysOfAnEventCarryTheirLinesOnly(t *testing.T) {
	pick := Pick(10, "p1", In(L("SO1", "1", "A", "2"), "B-01", ""), In(L("SO2", "1", "A", "3"), "B-01", ""), In(L("SO1", "2", "X9", "1"), "B-02", "L1"))
	got := make(map[string]string)
	for _, touch := range state.Keys(pick, codes{}) {
		var lines []string
		for _, line := range touch.Event.GetPick().GetLines() {
			lines = append(lines, line.Order+"/"+line.OrderLine)
		}
		got[touch.Key] = strings.Join(lines, " ")
		if touch.Event.GetId() != pick.GetId() || touch.Event.GetPick().GetTask() != "p1" {
			t.Errorf("%s: lost what the event says beside its lines", touch.Key)
		}
	}
	want := map[string]string{
		"order/SO1":                    "SO1/1 SO1/2",
		"order/SO2":                    "SO2/1",
		"movement/dc-east/wms/p1/pick": "SO1/1 SO2/1 SO1/2",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(pick.GetPick().GetLines()) != 3 {
		t.Error("the event itself was changed")
	}
}

func TestKeysOfOtherKinds(t *testing.T) {
	for _, c := range []struct {
		event *docklinev1.Event
		want  string
	}{
		{Accepted("SO1", "1"), "order/SO1 submission/PO-77"},
		{Submitted(1, "PO/77", "C-1001"), "submission/PO%2F77"},
		{CancelledOrder("SO1", "2"), "order/SO1"},
		{Invoice("I1", "SO1"), "order/SO1"},
		{Pack(1, "k", "HU1", L("SO1", "1", "A", "1"), L("SO3", "1", "A", "1")), "order/SO1 order/SO3"},
		{Shipment(1, "SH/1", L("SO1", "1", "A", "1")), "shipment/dc-east/SH%2F1 order/SO1 movement/shipment/dc-east/SH%2F1"},
		{Count(1, "CC1", In(L("", "", "A", "1"), "B-01", "")), "count/dc-east/CC1 stock/dc-east/B-01/A//available"},
		{Snapshot(1, In(L("", "", "A", "1"), "B-01", "")), "opening/dc-east stock/dc-east/B-01/A//available"},
		{Result(1, "release/SO1", 1, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, ""), "order/SO1"},
		{Result(1, "count/7", 1, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, ""), "record/dc-east/downlink/count%2F7%2F1"},
		{Refused(1, "k1", "number_format", ""), "record/dc-east/wms/k1"},
		{&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED}, ""},
	} {
		var keys []string
		for _, touch := range state.Keys(c.event, codes{}) {
			keys = append(keys, touch.Key)
			if _, _, err := event.ParseKey(touch.Key); err != nil {
				t.Error(err)
			}
		}
		if got := strings.Join(keys, " "); got != c.want {
			t.Errorf("%s: got %q, want %q", event.KindName(c.event.Kind), got, c.want)
		}
	}
}

func TestStatusOfAnOrder(t *testing.T) {
	accepted := Accepted("SO1", "1", L("", "1", "A", "4"), L("", "2", "B", "2"))
	pick1, pick2 := Pick(10, "p1", In(L("SO1", "1", "A", "4"), "B-01", "")), Pick(11, "p2", In(L("SO1", "2", "B", "2"), "B-02", ""))
	packAll := Pack(20, "k1", "HU1", L("SO1", "1", "A", "4"), L("SO1", "2", "B", "2"))
	ship1, ship2 := Shipment(30, "S1", L("SO1", "1", "A", "4")), Shipment(40, "S2", L("SO1", "2", "B", "2"))
	released := &docklinev1.Event{Id: "r", Kind: docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED, OccurredAt: At(1),
		Payload: &docklinev1.Event_OrderReleased{OrderReleased: &docklinev1.OrderReleased{Number: "SO1", Site: Site, CommandKey: "release/SO1", CommandVersion: 1}}}
	all := []*docklinev1.Event{accepted, released, pick1, pick2, packAll, ship1, ship2}
	for i, want := range []string{"", state.Accepted, state.Released, state.Picking, state.Picking, state.Packed, state.PartiallyShipped, state.Shipped} {
		if i == 0 {
			continue
		}
		if got := order(all[:i]...).State.GetStatus(); got != want {
			t.Errorf("after %d facts: %s, want %s", i, got, want)
		}
	}
	with := func(more ...*docklinev1.Event) string {
		return order(append(slices.Clone(all), more...)...).State.GetStatus()
	}
	if got := with(Invoice("I1", "SO1", "S1")); got != state.Shipped {
		t.Errorf("one of two shipments invoiced: %s", got)
	}
	if got := with(Invoice("I1", "SO1", "S1"), Invoice("I2", "SO1")); got != state.Closed {
		t.Errorf("both shipments invoiced: %s", got)
	}
	if got := order(accepted, CancelledOrder("SO1", "2")).State.GetStatus(); got != state.Cancelled {
		t.Errorf("cancelled: %s", got)
	}
	if got := order(ship1).State; got.GetStatus() != state.Unknown || !slices.Contains(got.GetFlags(), state.FlagOrphan) || got.GetLines()[0].GetShipped() != 4*unit {
		t.Errorf("orphan: %v", got)
	}
}

func TestCancelBeforeTheOrderIsSeen(t *testing.T) {
	cancel := CancelledOrder("SO1", "2")
	alone := order(cancel)
	if alone.State.GetStatus() != state.Cancelled || !alone.Known || !slices.Contains(alone.State.GetFlags(), state.FlagCancelBeforeSeen) {
		t.Errorf("alone: %v", alone.State)
	}
	late := order(cancel, Accepted("SO1", "1", L("", "1", "A", "4")))
	if late.State.GetStatus() != state.Cancelled || late.State.GetLines()[0].GetCancelled() != 4*unit {
		t.Errorf("the order came after its end: %v", late.State)
	}
	again := order(cancel, Accepted("SO1", "1", L("", "1", "A", "4")), Accepted("SO1", "3", L("", "1", "A", "5")))
	if again.State.GetStatus() != state.Accepted || again.State.GetLines()[0].GetOrdered() != 5*unit || again.Rank != 3 {
		t.Errorf("opened again by a later revision: %v", again.State)
	}
}

func TestPartialShipmentsTakeTheirOwnPicks(t *testing.T) {
	fold := order(
		Accepted("SO1", "1", L("", "1", "A", "10"), L("", "2", "B", "1")),
		Pick(10, "p1", In(L("SO1", "1", "A", "4"), "B-01", "L1")),
		Pick(11, "p2", Unit(In(L("SO1", "1", "A", "3"), "B-02", "L2"), "HU2")),
		Pack(12, "k2", "HU2", L("SO1", "1", "A", "3")),
		Shipment(20, "S1", Unit(L("SO1", "1", "A", "3"), "HU2")),
		Shipment(21, "S2", L("SO1", "1", "A", "5")),
		Pick(22, "p3", In(L("SO1", "1", "A", "3"), "B-03", "L1")),
	)
	if len(fold.Issues) != 2 {
		t.Fatalf("%d issues", len(fold.Issues))
	}
	for i, want := range []string{"1 A 3 L2 B-02", "1 A 1  , 1 A 4 L1 B-01"} {
		var lines []string
		for _, l := range fold.Issues[i].Lines {
			lines = append(lines, fmt.Sprint(l.OrderLine, " ", l.Item, " ", l.Quantity, " ", l.Lot, " ", l.Bin))
		}
		if got := strings.Join(lines, ", "); got != want {
			t.Errorf("shipment %d: got %q, want %q", i+1, got, want)
		}
	}
	if fold.Issues[0].Unpicked != 0 || fold.Issues[1].Unpicked != 1*unit {
		t.Errorf("unpicked: %d and %d; goods picked after a shipment left were not on it", fold.Issues[0].Unpicked, fold.Issues[1].Unpicked)
	}
	if len(fold.Issues[0].EventIDs) != 3 || len(fold.Issues[1].EventIDs) != 2 {
		t.Errorf("events: %d and %d", len(fold.Issues[0].EventIDs), len(fold.Issues[1].EventIDs))
	}
	if line := fold.State.GetLines()[0]; line.Status != state.PartiallyShipped || line.Shipped != 8*unit || line.Picked != 10*unit || fold.State.Status != state.PartiallyShipped {
		t.Errorf("line %v, order %s", line, fold.State.Status)
	}
}

func TestShortPickClosesWhenCovered(t *testing.T) {
	base := []*docklinev1.Event{
		Accepted("SO1", "1", L("", "1", "A", "5")),
		ShortPick(10, "p1", Asked(In(L("SO1", "1", "A", "3"), "B-01", ""), "5")),
	}
	open := order(base...)
	if len(open.Shorts) != 1 || open.Shorts[0].Open != 2*unit || open.State.Lines[0].Short != 2*unit || open.State.Status != state.Picking {
		t.Fatalf("open: %+v %v", open.Shorts, open.State)
	}
	for name, more := range map[string]*docklinev1.Event{
		"a later pick":    Pick(20, "p2", In(L("SO1", "1", "A", "2"), "B-02", "")),
		"a smaller order": Accepted("SO1", "2", L("", "1", "A", "3")),
		"a cancellation":  CancelledOrder("SO1", "2"),
		"a shipment":      Shipment(20, "S1", L("SO1", "1", "A", "5")),
	} {
		if got := order(append(slices.Clone(base), more)...); got.Shorts[0].Open != 0 {
			t.Errorf("%s leaves %d short", name, got.Shorts[0].Open)
		}
	}
	if got := order(append(slices.Clone(base), Pick(20, "p2", L("SO1", "1", "A", "1")))...); got.Shorts[0].Open != 1*unit {
		t.Errorf("half of it covered: %d short", got.Shorts[0].Open)
	}
}

func TestLinesWithoutNumberFillTheOrdersLines(t *testing.T) {
	fold := order(
		Accepted("SO1", "1", L("", "1", "A", "2"), L("", "2", "A", "3")),
		Pick(10, "p1", L("SO1", "", "A", "4")),
		Shipment(20, "S1", L("SO1", "", "A", "6")),
	)
	one, two := fold.State.Lines[0], fold.State.Lines[1]
	if one.Picked != 2*unit || two.Picked != 2*unit || one.Shipped != 2*unit || two.Shipped != 4*unit {
		t.Errorf("line 1 %v, line 2 %v", one, two)
	}
	if len(fold.Issues[0].Over) != 1 || fold.Issues[0].Over[0] != (state.Over{Line: 1, Quantity: 1 * unit}) {
		t.Errorf("over: %v", fold.Issues[0].Over)
	}
}

func TestWhatCannotBeToldApartIsFound(t *testing.T) {
	casesOf := func(line *docklinev1.Line, code string) *docklinev1.Line {
		line.Quantity.Unit = code
		return line
	}
	accepted := Accepted("SO1", "1", L("", "1", "A", "24"), L("", "2", "B", "1"))
	for _, c := range []struct {
		name, code string
		event      *docklinev1.Event
	}{
		{"unknown item", state.CodeUnknownItem, Shipment(10, "S1", L("SO1", "1", "X1", "1"))},
		{"unknown unit", state.CodeUnknownUnit, Shipment(10, "S1", casesOf(L("SO1", "1", "A", "1"), "PAL"))},
		{"no such line", state.CodeUnknownLine, Shipment(10, "S1", L("SO1", "9", "A", "1"))},
		{"other item on the line", state.CodeUnknownLine, Shipment(10, "S1", L("SO1", "1", "B", "1"))},
		{"unreadable quantity", state.CodeBadQuantity, Shipment(10, "S1", L("SO1", "1", "A", "many"))},
	} {
		fold := order(accepted, c.event)
		if len(fold.Findings) != 1 || fold.Findings[0].Code != c.code || !slices.Contains(fold.Findings[0].EventIDs, c.event.Id) {
			t.Errorf("%s: %+v", c.name, fold.Findings)
		}
		if len(fold.Issues) != 1 || !fold.Issues[0].Unresolved || fold.State.Lines[0].Shipped != 0 {
			t.Errorf("%s: the line was folded: %v", c.name, fold.State)
		}
	}
	dozens := order(accepted, Shipment(10, "S1", casesOf(L("SO1", "1", "A", "2"), "CS")))
	if len(dozens.Findings) != 0 || dozens.State.Lines[0].Shipped != 24*unit {
		t.Errorf("two cases: %v %v", dozens.State, dozens.Findings)
	}
}

func TestALineRefusedInTwoFilesIsOneCase(t *testing.T) {
	first, again := Refused(10, "refused/ship/1", "number_format", "ship.csv line 3: no number"), Refused(20, "refused/ship/1", "number_format", "ship2.csv line 9: no number")
	record, found := state.FoldRecord(facts(state.Keys(first, codes{})[0].Key, first, again))
	if len(found) != 0 {
		t.Errorf("it is called changed: %+v", found)
	}
	if record.Event.GetId() != again.GetId() || len(record.Told) != 2 || !slices.Contains(record.Told, first.GetId()) {
		t.Errorf("%+v", record)
	}
}

func TestARecordToldAgain(t *testing.T) {
	accepted := Accepted("SO1", "1", L("", "1", "A", "10"))
	first, second := Pick(10, "p1", L("SO1", "1", "A", "3")), Pick(10, "p1", L("SO1", "1", "A", "4"))
	fold := order(accepted, first, second)
	if fold.State.Lines[0].Picked != 3*unit || len(fold.Findings) != 1 || fold.Findings[0].Code != state.CodeChangedRecord || len(fold.Findings[0].EventIDs) != 2 {
		t.Errorf("without revision: %v %+v", fold.State, fold.Findings)
	}
	fold = order(accepted, Revised(first, "10"), Revised(second, "9"))
	if fold.State.Lines[0].Picked != 3*unit || len(fold.Findings) != 0 || len(fold.Former) != 1 {
		t.Errorf("with revisions: %v %+v", fold.State, fold.Findings)
	}
	twin := proto.CloneOf(first)
	twin.GetPick().Lines[0].Quantity.Value = "7"
	fold = order(accepted, first, twin)
	if fold.State.Lines[0].Picked != 3*unit || len(fold.Findings) != 1 || fold.Findings[0].Code != state.CodeChangedEvent {
		t.Errorf("two bodies of one event: %v %+v", fold.State, fold.Findings)
	}
}

func TestRefusedCommandIsOvertaken(t *testing.T) {
	accepted := Accepted("SO1", "1", L("", "1", "A", "10"))
	refused := Result(5, "release/SO1", 1, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "no such item")
	if fold := order(accepted, refused); len(fold.Refused) != 1 || !slices.Contains(fold.State.Flags, state.FlagCommandRefused) {
		t.Errorf("refused: %v", fold.State)
	}
	if fold := order(accepted, refused, Result(6, "release/SO1", 2, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, "")); len(fold.Refused) != 0 {
		t.Errorf("overtaken: %v", fold.State)
	}
}

func bin(openedBy string, events ...*docklinev1.Event) state.StockFold {
	b := state.Bucket{Site: Site, Bin: "B-01", Item: "A", Status: "available"}
	return FoldStock(b, facts(b.Key(), events...), codes{}, openedBy, 2*time.Second)
}

func TestVarianceOfACount(t *testing.T) {
	line := func(quantity string) *docklinev1.Line { return In(L("SO1", "1", "A", quantity), "B-01", "") }
	open := Snapshot(500, line("100"))
	for _, c := range []struct {
		name   string
		events []*docklinev1.Event
		want   string
		onHand int64
	}{
		{"agrees", []*docklinev1.Event{open, Pick(10, "p1", line("5")), Count(20, "CC1", line("95"))}, "CC1 counted 95 expected 95 waiting", 95},
		{"picks after it do not matter", []*docklinev1.Event{open, Pick(30, "p1", line("5")), Count(20, "CC1", line("98"))}, "CC1 counted 98 expected 100 waiting", 93},
		{"by movement number against the clock", []*docklinev1.Event{open, Moved(Pick(30, "p1", line("5")), 7), Moved(Count(20, "CC1", line("95")), 8)}, "CC1 counted 95 expected 95 waiting", 95},
		{"a move within clock uncertainty", []*docklinev1.Event{open, Pick(19, "p1", line("5")), Count(20, "CC1", line("100"))}, "CC1 counted 100 expected 95 recount", 95},
		{"two counts", []*docklinev1.Event{open, Count(20, "CC1", line("90")), Pick(30, "p1", line("5")), Count(40, "CC2", line("84"))},
			"CC1 counted 90 expected 100 waiting, CC2 counted 84 expected 85 waiting", 84},
		{"a recount holds", []*docklinev1.Event{open, Count(20, "CC1", line("90")), Recount(60, "CC1", 1, line("99"))}, "CC1 counted 99 expected 100 waiting", 99},
		{"a number used again the next day", []*docklinev1.Event{open, Count(20, "CC1", line("90")), Pick(30, "p1", line("5")), Keyed(Count(86420, "CC1", line("84")), "r2")},
			"CC1 counted 90 expected 100 waiting, CC1 2026-11-25T08:00:20Z counted 84 expected 85 waiting", 84},
		{"a recount the next day", []*docklinev1.Event{open, Count(20, "CC1", line("90")), Recount(86420, "CC1", 1, line("99"))}, "CC1 counted 99 expected 100 waiting", 99},
		{"parts told within a shift", []*docklinev1.Event{open, Count(20, "CC1", line("40")), Keyed(Count(9000, "CC1", line("60")), "r2")}, "CC1 counted 100 expected 100 waiting", 100},
		{"a number with a recount, used again with its recount", []*docklinev1.Event{open, Count(20, "CC1", line("90")), Recount(60, "CC1", 1, line("99")),
			Keyed(Count(86420, "CC1", line("98")), "r3"), Keyed(Recount(86460, "CC1", 1, line("97")), "r4")}, "CC1 counted 99 expected 100 waiting, CC1 2026-11-25T08:00:20Z counted 97 expected 99 waiting", 97},
		{"two lines of one count", []*docklinev1.Event{open, Count(20, "CC1", line("40"), line("60"))}, "CC1 counted 100 expected 100 waiting", 100},
		{"a second snapshot is for comparing", []*docklinev1.Event{open, Snapshot(600, line("7")), Pick(10, "p1", line("5"))}, "", 95},
	} {
		fold := bin("", c.events...)
		var got []string
		for _, v := range fold.State.Variances {
			got = append(got, fmt.Sprintf("%s counted %d expected %d %s", state.UseOf(v.Count, v.Again).Name(), v.Counted/unit, v.Expected/unit, v.Standing))
			if v.Variance != v.Counted-v.Expected {
				t.Errorf("%s: variance %d", c.name, v.Variance)
			}
		}
		if strings.Join(got, ", ") != c.want || fold.State.OnHand != c.onHand*unit || !fold.State.Opened {
			t.Errorf("%s: got %q, on hand %d", c.name, got, fold.State.OnHand/unit)
		}
	}
	if fold := bin("", Pick(10, "p1", line("5"))); fold.State.Opened || fold.State.OnHand != -5*unit || len(fold.Findings) != 0 {
		t.Errorf("not opened: %v", fold)
	}
	if fold := bin("opening", Pick(10, "p1", line("5"))); len(fold.Findings) != 1 || fold.Findings[0].Code != state.CodeNegativeStock {
		t.Errorf("opened empty: %v", fold)
	}
}

func TestCountIsFoldedByBucket(t *testing.T) {
	key := event.CountKey(Site, "CC1")
	line := func(bin, quantity string) *docklinev1.Line { return In(L("", "", "A", quantity), bin, "") }
	first, again := Count(20, "CC1", line("B-01", "4"), line("B-02", "6")), Recount(30, "CC1", 1, line("B-01", "5"))
	fold := state.FoldCount(Site, "CC1", facts(key, first, again), codes{})
	if len(fold.State.Lines) != 2 || fold.State.Lines[0].Counted != 5*unit || fold.State.Lines[1].Counted != 6*unit || len(fold.Former) != 0 {
		t.Errorf("one bin again: %v", fold.State)
	}
	fold = state.FoldCount(Site, "CC1", facts(key, first, again, Recount(40, "CC1", 2, line("B-01", "5"), line("B-02", "6"))), codes{})
	if len(fold.Former) != 2 || len(fold.Facts) != 1 || fold.State.AsOf.AsTime() != At(40).AsTime() {
		t.Errorf("all bins again: %v, former %d", fold.State, len(fold.Former))
	}
}

// TestAnyPermutationFoldsToTheSameState makes random lives of an order (partials, short picks, corrections, changed records,
// doubles, cancellations, refusals) and folds their facts in random orders.
func TestAnyPermutationFoldsToTheSameState(t *testing.T) {
	for seed := range uint64(testenv.Count("state.permutations")) {
		random := rand.New(rand.NewPCG(seed, 7))
		events := life(random)
		for _, key := range []string{"order/SO1", "stock/dc-east/B-01/A//available", "stock/dc-east/B-01/B//available", "count/dc-east/CC1", "shipment/dc-east/S1"} {
			known := facts(key, events...)
			if key == "order/SO1" {
				known = orderFacts(events...)
			}
			want := summary(t, key, known)
			for range 3 {
				random.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
				if got := summary(t, key, known); got != want {
					t.Fatalf("seed %d, %s: another order of the same facts folds to\n%s\nnot to\n%s", seed, key, got, want)
				}
			}
		}
	}
}

func summary(t *testing.T, key string, known []state.Fact) string {
	t.Helper()
	kind, parts, err := event.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var folded proto.Message
	var rest any
	switch kind {
	case state.KindOrder:
		fold := state.FoldOrder(parts[0], known, codes{})
		rest = fmt.Sprint(fold.Issues, fold.Shorts, fold.Substitutions, fold.Findings, fold.Rank, ids(fold.Facts), ids(fold.Former), ids(fold.Refused))
		folded = fold.State
	case state.KindCount:
		fold := state.FoldCount(parts[0], parts[1], known, codes{})
		rest, folded = fmt.Sprint(fold.Findings, ids(fold.Facts), ids(fold.Former)), fold.State
	case state.KindStock:
		bucket, err := state.ParseBucket(key)
		if err != nil {
			t.Fatal(err)
		}
		fold := FoldStock(bucket, known, codes{}, "", 2*time.Second)
		rest, folded = fmt.Sprint(fold.Findings, ids(fold.Facts)), fold.State
		for _, a := range fold.Asserted {
			rest = fmt.Sprint(rest, a.Name(), a.EventIDs, a.Tied, a.Last.GetId())
		}
	default:
		folded, rest = foldedGoods(t, key, known)
	}
	hash, err := state.Hash(folded)
	if err != nil {
		t.Fatal(err)
	}
	return hash + "\n" + protojson.Format(folded) + fmt.Sprint(rest)
}

func ids(events []*docklinev1.Event) []string {
	var list []string
	for _, e := range events {
		list = append(list, e.GetId())
	}
	slices.Sort(list)
	return list
}

// life is a random life of order SO1, and of the bins that it is picked from.
func life(random *rand.Rand) []*docklinev1.Event {
	events := []*docklinev1.Event{Snapshot(0, In(L("", "", "A", "50"), "B-01", ""), In(L("", "", "B", "50"), "B-01", ""))}
	events = append(events, OrderLife(random)...)
	for range random.IntN(3) {
		number, recount := fmt.Sprint("CC", 1+random.IntN(2)), uint32(random.IntN(2))
		events = append(events, Recount(random.IntN(60)+86400*random.IntN(2), number, recount, In(L("", "", "A", fmt.Sprint(1+random.IntN(4))), "B-01", "")))
	}
	return events
}
