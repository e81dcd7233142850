package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// grouped puts facts that mean the same, and that nothing else names, into groups.
func grouped(facts []state.Fact) (rest []state.Fact, n int) {
	named := make(map[string]int)
	for _, f := range facts {
		record := event.Record(f.Event)
		if record == "" {
			record = "\x00" + f.Event.GetId()
		}
		for _, name := range slices.Compact([]string{record, "\x01" + f.Event.GetId(), "\x01" + f.Event.GetDoubleOf(), "\x01" + f.Event.GetErrorDeclaration().GetEventId()}) {
			named[name]++
		}
	}
	groups := make(map[string]*state.Fact)
	for _, f := range facts {
		like, quantity, ok := state.Grouped(f.Event)
		if !ok || named[event.Record(f.Event)] > 1 || named["\x01"+f.Event.GetId()] > 1 {
			rest = append(rest, f)
			continue
		}
		body, _ := proto.MarshalOptions{Deterministic: true}.Marshal(like)
		if groups[string(body)] == nil {
			groups[string(body)] = &state.Fact{Event: like, Group: &state.Group{Quantities: make(map[string]int64)}}
		}
		g := groups[string(body)].Group
		g.Quantities[quantity]++
		g.Newest = append(g.Newest, state.HappeningOf(f.Event))
		n++
	}
	for _, f := range groups {
		g := f.Group
		slices.SortFunc(g.Newest, state.Happening.Compare)
		first := g.Newest[0]
		g.First, g.Newest = slices.MinFunc(g.Newest, state.Happening.CompareFirst), g.Newest[max(0, len(g.Newest)-state.MostNewest):]
		f.Event.Id, f.Event.OccurredAt, f.Event.Movement = first.ID, timestamppb.New(first.At), first.Movement
		rest = append(rest, *f)
	}
	return rest, n
}

// firsts are the first fact of each kind, which clocks of milestones ask for.
func firsts(events []*docklinev1.Event) string {
	seen := make(map[docklinev1.EventKind]string)
	for _, e := range events {
		if seen[e.GetKind()] == "" {
			seen[e.GetKind()] = e.GetId() + e.GetOccurredAt().String()
		}
	}
	return fmt.Sprint(seen)
}

// TestGroupsFoldToTheSame: where a fold of groups does not ask for the facts themselves, it is what a fold of these is, whatever they are.
func TestGroupsFoldToTheSame(t *testing.T) {
	folded, whole, together := 0, 0, 0
	for seed := range uint64(4 * testenv.Count("state.permutations")) {
		facts := orderFacts(PickedLife(rand.New(rand.NewPCG(seed, 31)))...)
		some, n := grouped(facts)
		is := state.FoldOrder(Order, some, ruled{})
		if is.Whole {
			whole++
			continue
		}
		folded, together = folded+1, together+n
		should := state.FoldOrder(Order, facts, ruled{})
		text := func(f state.OrderFold, of []state.Fact) string {
			hash, err := state.Hash(f.State)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(hash, f.State, f.Issues, f.Shorts, f.Substitutions, f.Amended, f.Findings, f.Rank, f.Cancelled, f.Known, f.Reached, firsts(f.Facts), ids(f.Refused), ids(f.Former), state.OrderDemand(f.State, of, ruled{}))
		}
		if got, want := text(is, some), text(should, facts); got != want {
			t.Fatalf("seed %d: of %d facts %d together fold to\n%s\nnot to\n%s", seed, len(facts), n, got, want)
		}
	}
	if folded < whole/2 || together < 10*folded {
		t.Errorf("%d lives were folded from groups, with %d facts in them, and %d asked for each", folded, together, whole)
	}
	testenv.Figure(t, "lives folded from groups", folded, "facts in groups", together, "lives that asked for each fact", whole)
}
