package reconcile_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	strictMapping = `strict: true
items:
  - item: SKU-1
  - item: SKU-2
`
	moreMapping = strictMapping + `  - item: SKU-3
    codes: [{code: "9", site: dc-east}]
`
)

// lifeCase is a life under a policy.
type lifeCase struct {
	name   string
	policy map[string]string
	live   func(w *world, show func(moment string))
}

// cases are lives of an order or a bin. Each prints what was decided at its moments; the golden files hold it, the same for both
// databases.
var cases = []lifeCase{
	{name: "order picked packed shipped invoiced", live: func(w *world, show func(string)) {
		w.tell(w.name(Accepted("SO1", "1", Priced(L("", "1", "SKU-1", "5"), "2.5"), Priced(L("", "2", "SKU-2", "1"), "10")), "accepted"))
		show("accepted")
		w.tell(w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "L1")), "pick 1"), w.name(Pick(11, "p2", In(L("SO1", "2", "SKU-2", "1"), "B-02", "")), "pick 2"),
			w.name(Pack(20, "k1", "HU1", L("SO1", "1", "SKU-1", "5"), L("SO1", "2", "SKU-2", "1")), "pack"))
		show("packed")
		w.tell(w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "5"), L("SO1", "2", "SKU-2", "1")), "shipment"))
		show("shipped")
		w.confirm("goods_issue")
		w.tell(w.name(Invoice("I1", "SO1", "S1"), "invoice"))
		show("invoiced")
	}},
	{name: "partial shipments", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "10")))
		for i, quantity := range []string{"4", "3", "3"} {
			second, n := 10*(i+1), string(rune('1'+i))
			w.tell(w.name(Pick(second, "p"+n, In(L("SO1", "1", "SKU-1", quantity), "B-0"+n, "")), "pick "+n), w.name(Shipment(second+5, "S"+n, L("SO1", "1", "SKU-1", quantity)), "shipment "+n))
			show("after shipment " + n)
		}
	}},
	{name: "short pick", live: func(w *world, show func(string)) {
		short := Asked(In(L("SO1", "1", "SKU-1", "3"), "B-01", ""), "5")
		short.Reason = "bin empty"
		w.tell(Accepted("SO1", "1", Priced(L("", "1", "SKU-1", "5"), "2.5")), w.name(ShortPick(10, "p1", short), "short pick"),
			w.name(ShortPick(11, "p2", Asked(In(L("SO1", "1", "SKU-1", "0"), "B-02", ""), "2")), "empty pick"))
		show("short")
		w.tell(w.name(Pick(20, "p3", In(L("SO1", "1", "SKU-1", "2"), "B-03", "")), "later pick"))
		show("covered by a later pick")
	}},
	{name: "short pick that was covered before it was seen", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(ShortPick(10, "p1", Asked(In(L("SO1", "1", "SKU-1", "3"), "B-01", ""), "5")), "short pick"),
			w.name(Pick(20, "p2", In(L("SO1", "1", "SKU-1", "2"), "B-03", "")), "later pick"))
		show("covered")
	}},
	{name: "shipment of an unknown order", live: func(w *world, show func(string)) {
		w.tell(w.name(Pick(10, "p1", In(L("SO9", "1", "SKU-1", "5"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO9", "1", "SKU-1", "5")), "shipment"))
		show("at once")
		w.pass(11 * time.Minute)
		show("after the wait")
		w.tell(Accepted("SO9", "1", L("", "1", "SKU-1", "5")))
		show("the order is known")
	}},
	{name: "too much shipped", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", Priced(L("", "1", "SKU-1", "5"), "2")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "6"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "6")), "shipment"))
		show("held")
		w.tell(Accepted("SO1", "2", Priced(L("", "1", "SKU-1", "6"), "2")))
		show("the order covers it")
	}},
	{name: "too much shipped, policy posts", policy: map[string]string{"limits.yaml": "over_ship_tolerance: '0'\nover_ship: post\n"}, live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "6"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "6")), "shipment"))
		show("posted")
	}},
	{name: "shipment before its picks", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "5")), "shipment"))
		show("waits for picks")
		w.tell(w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), "pick"))
		show("picked")
	}},
	{name: "shipment without picks", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "5")), "shipment"))
		w.stream(Morning.Add(29*time.Second), 0)
		show("the site has not told everything")
		w.stream(Morning.Add(31*time.Second), 0)
		show("the site has told everything")
		w.confirm("goods_issue")
		w.tell(w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), "pick"))
		show("a pick is told after all")
	}},
	{name: "count before its picks", live: func(w *world, show func(string)) {
		w.tell(Snapshot(0, In(L("", "", "SKU-1", "100"), "B-01", "")), Accepted("SO1", "1", L("", "1", "SKU-1", "5")))
		w.stream(Morning.Add(10*time.Second), 0)
		w.tell(w.name(Count(100, "CC1", In(L("", "", "SKU-1", "95"), "B-01", "")), "count"))
		show("waits")
		w.pass(5 * time.Hour)
		show("waits too long")
		w.tell(w.name(Pick(50, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), "pick"))
		w.stream(Morning.Add(200*time.Second), 0)
		show("agrees")
	}},
	{name: "count with a variance", live: func(w *world, show func(string)) {
		w.tell(Snapshot(0, In(L("", "", "SKU-1", "100"), "B-01", "L1"), In(L("", "", "SKU-2", "10"), "B-02", "")))
		w.stream(Morning.Add(time.Hour), 0)
		w.tell(w.name(Count(100, "CC1", In(L("", "", "SKU-1", "98"), "B-01", "L1"), In(L("", "", "SKU-2", "10"), "B-02", "")), "count"))
		show("adjusted")
		w.confirm("stock_adjust")
		w.tell(w.name(Pick(50, "p1", In(L("SO1", "1", "SKU-1", "2"), "B-01", "L1")), "late pick"))
		show("an earlier pick arrives late")
	}},
	{name: "count by movement number", live: func(w *world, show func(string)) {
		w.tell(Snapshot(0, In(L("", "", "SKU-1", "100"), "B-01", "")), Accepted("SO1", "1", L("", "1", "SKU-1", "5")))
		w.stream(Morning, 7)
		w.tell(w.name(Moved(Count(100, "CC1", In(L("", "", "SKU-1", "94"), "B-01", "")), 9), "count"))
		show("movement 8 may be missing")
		w.tell(w.name(Moved(Pick(100, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), 8), "pick"))
		w.stream(Morning, 9)
		show("everything is told")
	}},
	{name: "count while goods move", live: func(w *world, show func(string)) {
		w.tell(Snapshot(0, In(L("", "", "SKU-1", "100"), "B-01", "")), Accepted("SO1", "1", L("", "1", "SKU-1", "5")))
		w.stream(Morning.Add(time.Hour), 0)
		w.tell(w.name(Pick(99, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), "pick"), w.name(Count(100, "CC1", In(L("", "", "SKU-1", "100"), "B-01", "")), "count"))
		show("a recount is asked for")
		w.tell(w.name(Recount(200, "CC1", 1, In(L("", "", "SKU-1", "94"), "B-01", "")), "recount"))
		show("counted again")
	}},
	{name: "unknown item", policy: map[string]string{"mapping.yaml": strictMapping}, live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5"), L("", "2", "SKU-3", "1")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", ""), In(L("SO1", "2", "9", "1"), "B-02", "")), "pick"),
			w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "5"), L("SO1", "2", "9", "1")), "shipment"))
		show("the line is left out, and the goods issue waits")
		w.activate(map[string]string{"mapping.yaml": moreMapping})
		show("mapped")
	}},
	{name: "record changed without revision", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "3"), "B-01", "")), "first"), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "4"), "B-01", "")), "second"))
		show("both are shown")
	}},
	{name: "record corrected by revision", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Revised(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "3"), "B-01", "")), "1"), "first"),
			w.name(Revised(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "4"), "B-01", "")), "2"), "second"))
		show("the later one holds")
	}},
	{name: "pick corrected to another order and bin", live: func(w *world, show func(string)) {
		first := Revised(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "3"), "B-01", "")), "1")
		w.tell(Snapshot(0, In(L("", "", "SKU-1", "50"), "B-01", ""), In(L("", "", "SKU-1", "50"), "B-02", "")), Accepted("SO1", "1", L("", "1", "SKU-1", "5")),
			Accepted("SO2", "1", L("", "1", "SKU-1", "5")), w.name(first, "first"))
		show("as first told")
		w.tell(w.name(Revised(Pick(10, "p1", In(L("SO2", "1", "SKU-1", "3"), "B-02", "")), "2"), "second"))
		show("it was another order's, from another bin")
		w.tell(w.name(Revised(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "3"), "B-01", "")), "3"), "third"))
		show("it was right after all")
	}},
	{name: "shipment corrected to another order and number", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), Accepted("SO2", "1", L("", "1", "SKU-1", "5")),
			w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), "pick"), w.name(Pick(11, "p2", In(L("SO2", "1", "SKU-1", "5"), "B-01", "")), "other pick"), w.name(Revised(Keyed(Shipment(30, "S1", L("SO1", "1", "SKU-1", "5")), "d1"), "1"), "first"))
		w.confirm("goods_issue")
		w.settle()
		show("told for the wrong order, and posted")
		w.tell(w.name(Revised(Keyed(Shipment(30, "S2", L("SO2", "1", "SKU-1", "5")), "d1"), "2"), "second"))
		show("corrected")
	}},
	{name: "pick told again for another order without revision", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), Accepted("SO2", "1", L("", "1", "SKU-1", "5")),
			w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "3"), "B-01", "")), "first"), w.name(Pick(10, "p1", In(L("SO2", "1", "SKU-1", "3"), "B-02", "")), "again"))
		show("the first one counts")
	}},
	{name: "correction under a code that the mapping learns", policy: map[string]string{"mapping.yaml": strictMapping}, live: func(w *world, show func(string)) {
		w.tell(w.name(Revised(Pick(10, "p1", In(L("SO1", "1", "9", "3"), "B-01", "")), "1"), "first"), w.name(Revised(Pick(10, "p1", In(L("SO1", "1", "8", "3"), "B-01", "")), "2"), "second"))
		show("both codes unknown")
		w.activate(map[string]string{"mapping.yaml": moreMapping})
		show("the first code is known")
	}},
	{name: "refused record", live: func(w *world, show func(string)) {
		w.tell(w.name(Refused(10, "h1", "quantity_negative", "quantity is -2; what is moved cannot be below zero"), "dead letter"))
		show("shown")
	}},
	{name: "command refused", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")))
		w.tell(w.name(Result(5, "release/SO1", 1, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "item SKU-1 is locked"), "refusal"))
		show("refused")
		w.tell(Accepted("SO1", "2", L("", "1", "SKU-2", "5")))
		w.tell(w.name(Result(9, "release/SO1", 2, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, ""), "applied"))
		show("changed and applied")
	}},
	{name: "cancelled before it was seen", live: func(w *world, show func(string)) {
		w.tell(CancelledOrder("SO1", "2"))
		show("a tombstone")
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")))
		show("the order comes after its end")
	}},
	{name: "cancelled while picked", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "5"), "B-01", "")), "pick"))
		w.tell(CancelledOrder("SO1", "2"))
		show("cancelled")
	}},
	{name: "cancelled after it left", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")), w.name(Pick(10, "p1", In(L("SO1", "1", "SKU-1", "3"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO1", "1", "SKU-1", "3")), "shipment"))
		w.tell(CancelledOrder("SO1", "2"))
		show("goods are the truth")
	}},
	{name: "fact from a stranger", live: func(w *world, show func(string)) {
		stranger := Accepted("SO1", "1", L("", "1", "SKU-1", "5"))
		stranger.Source, stranger.Id = "shop", "stranger"
		w.tell(w.name(stranger, "stranger"))
		show("kept, not applied")
	}},
	{name: "order given to another site", live: func(w *world, show func(string)) {
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")))
		moved := Accepted("SO1", "2", L("", "1", "SKU-1", "5"))
		moved.GetOrder().Site = "dc-west"
		w.tell(moved)
		show("moved")
	}},
	{name: "order handed in and accepted", live: func(w *world, show func(string)) {
		w.tell(w.name(Submitted(1, "PO-77", "C-1001", L("", "", "SKU-1", "5"), L("", "", "SKU-2", "1")), "submitted"))
		show("handed in")
		w.pass(11 * time.Minute)
		show("nobody speaks of it")
		other := Accepted("SO8", "1", L("", "1", "SKU-1", "5"))
		other.GetOrder().Customer = "C-9"
		w.tell(other)
		show("another customer has an order of that number")
		w.tell(Accepted("SO9", "1", L("", "1", "SKU-1", "5"), L("", "2", "SKU-2", "1")))
		show("accepted")
	}},
	{name: "order handed in and refused", live: func(w *world, show func(string)) {
		w.tell(w.name(Submitted(1, "PO-77", "", L("", "", "SKU-1", "5")), "submitted"), w.name(Refusing("SO1", "PO-77", "", "the order names no customer"), "refused"))
		show("refused")
		w.tell(Accepted("SO9", "1", L("", "1", "SKU-1", "5")))
		show("entered by a person")
	}},
	{name: "order handed in at the centre", live: func(w *world, show func(string)) {
		w.tell(w.name(HandedIn(1, "PO-77", "C-1001", L("", "1", "SKU-1", "5"), L("", "2", "SKU-2", "1")), "handed in"))
		show("handed in")
		w.confirm("order_create")
		w.tell(w.name(Accepted("SO9", "1", L("", "1", "SKU-1", "5"), L("", "2", "SKU-2", "1")), "accepted"))
		show("accepted")
		w.tell(w.name(HandedIn(2, "PO-78", "C-1001", L("", "1", "SKU-9", "5")), "another"))
		w.pass(11 * time.Minute)
		show("nobody speaks of another one")
	}},
	{name: "order handed in at the centre and entered by hand", live: func(w *world, show func(string)) {
		w.tell(w.name(HandedIn(1, "PO-77", "C-1001", L("", "1", "SKU-1", "5")), "handed in"), w.name(Accepted("SO9", "1", L("", "1", "SKU-1", "5")), "by hand"))
		show("the system of record has it already")
	}},
	{name: "order handed in of which another is there by hand", live: func(w *world, show func(string)) {
		w.tell(w.name(Accepted("SO9", "1", L("", "1", "SKU-2", "5")), "by hand"), w.name(HandedIn(1, "PO-77", "C-1001", L("", "1", "SKU-1", "5")), "handed in"))
		show("another")
		w.tell(w.name(Accepted("SO9", "2", L("", "1", "SKU-1", "5"), L("", "2", "FREIGHT", "1")), "corrected by hand"))
		show("the same")
	}},
	{name: "order handed in at the centre in codes that nobody knows", policy: map[string]string{"mapping.yaml": strictMapping}, live: func(w *world, show func(string)) {
		w.tell(w.name(HandedIn(1, "PO-77", "C-1001", L("", "1", "SKU-1", "5"), L("", "2", "SKU-9", "1")), "handed in"))
		show("one item is not known")
		w.activate(map[string]string{"mapping.yaml": moreMapping + "  - item: SKU-9\n"})
		show("the mapping knows it")
	}},
	{name: "gap declared by a site", live: func(w *world, show func(string)) {
		gap := &docklinev1.Event{Id: "gap", Tenant: Tenant, Site: Site, Source: "journal", Kind: docklinev1.EventKind_EVENT_KIND_STREAM_GAP, SourceKey: "gap/e0/3",
			OccurredAt: timestamppb.New(Morning), Payload: &docklinev1.Event_StreamGap{StreamGap: &docklinev1.StreamGap{Epoch: "e0", FirstSeq: 3, LastSeq: 9, Reason: "the file is damaged"}}}
		w.exec(`INSERT INTO gap (tenant, site, epoch, lo, hi, cause, opened_at) VALUES (?, ?, ?, ?, ?, ?, ?)`, Tenant, Site, "e0", 3, 9, "lost", 1)
		w.tell(gap)
		show("open")
		w.exec(`UPDATE gap SET closed_at = 1`)
		w.pass(2 * time.Minute)
		show("its events came after all")
	}},
}

// TestWhatFollowsFromTheFacts holds whole decisions, in awkward lives, against golden files on both databases.
//
// Shows: S45
// Shows: S47
// Shows: S52
// Shows: S53
// Shows: S54
func TestWhatFollowsFromTheFacts(t *testing.T) {
	for _, c := range moreCases {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				w := newWorld(t, d, c.policy)
				var b strings.Builder
				c.live(w, func(moment string) { b.WriteString("######## " + moment + "\n" + w.all()) })
				golden(t, c.name, b.String())
			})
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", strings.NewReplacer(" ", "_", ",", "").Replace(name)+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("not as in %s; got\n%s", path, got)
	}
}
