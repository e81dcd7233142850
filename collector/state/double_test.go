package state_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// again is the second scan of an event, as the site marks it.
func again(e *docklinev1.Event, key string) *docklinev1.Event {
	double := Keyed(proto.CloneOf(e), key)
	double.DoubleOf = e.GetId()
	return double
}

// folded is everything that the facts come to, for every key that a test looks at, without the ids of the events.
func folded(t *testing.T, key string, events ...*docklinev1.Event) string {
	t.Helper()
	text, _, _ := strings.Cut(summary(t, key, facts(key, events...)), "\n")
	return text
}

var doubled = []string{"order/SO1", "stock/dc-east/B-01/A//available", "shipment/dc-east/S1", "count/dc-east/CC1"}

func TestASecondScanMovesNothing(t *testing.T) {
	pick := Pick(10, "p1", In(L("SO1", "1", "A", "4"), "B-01", ""))
	pack := Pack(20, "k1", "HU1", L("SO1", "1", "A", "4"))
	ship := Shipment(30, "S1", L("SO1", "1", "A", "4"))
	count := Count(40, "CC1", In(L("", "", "A", "46"), "B-01", ""))
	once := []*docklinev1.Event{Snapshot(0, In(L("", "", "A", "50"), "B-01", "")), Accepted("SO1", "1", L("", "1", "A", "8")), pick, pack, ship, count}
	twice := append([]*docklinev1.Event{again(pick, "p1b"), again(pack, "k1b"), again(pack, "k1c"), again(ship, "S1b"), again(count, "CC1b")}, once...)
	random := rand.New(rand.NewPCG(33, 1))
	for _, key := range doubled {
		want := folded(t, key, once...)
		for range 20 {
			random.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
			if got := folded(t, key, twice...); got != want {
				t.Errorf("%s: with second scans it folds to %s, not to %s", key, got, want)
			}
		}
	}
	fold := state.FoldOrder("SO1", facts("order/SO1", twice...), codes{})
	if len(fold.Findings) > 0 || len(fold.Former) != 4 {
		t.Errorf("findings %v; %d events have no say, want 4", fold.Findings, len(fold.Former))
	}
}

// Where the first scan is lost with a disk, or still on its way, the second one stands in for it, and a third does not.
func TestASecondScanStandsInForALostFirst(t *testing.T) {
	pick := Pick(10, "p1", In(L("SO1", "1", "A", "4"), "B-01", ""))
	others := []*docklinev1.Event{Snapshot(0, In(L("", "", "A", "50"), "B-01", "")), Accepted("SO1", "1", L("", "1", "A", "8"))}
	second, third := again(pick, "p1b"), again(pick, "p1c")
	for _, key := range doubled[:2] {
		one := Keyed(proto.CloneOf(pick), "p1b")
		want := summary(t, key, facts(key, append(others, one)...))
		for _, events := range [][]*docklinev1.Event{append(others, second, third), append([]*docklinev1.Event{second, third}, others...)} {
			fold := facts(key, events...)
			if got, _, _ := strings.Cut(summary(t, key, fold), "\n"); got != strings.SplitN(want, "\n", 2)[0] {
				t.Errorf("%s: the deed counts otherwise", key)
			}
		}
		if got, with := folded(t, key, append(others, second, third, pick)...), folded(t, key, append(others, pick)...); got != with {
			t.Errorf("%s: when the first comes late it is not the one that counts", key)
		}
	}
}
