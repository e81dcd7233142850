package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// reach are the facts of a key as they are loaded for its fold: its own, and those of what is linked to it, in the order in which they arrived.
func reach(key string, events ...*docklinev1.Event) []state.Fact {
	linked := make(map[string]bool)
	for _, e := range events {
		for _, link := range state.Links(e) {
			if link.PartOf == key && state.Carries(link.Key) {
				linked[link.Key] = true
			}
		}
	}
	var list []state.Fact
	for i, e := range events {
		for _, touch := range state.Keys(e, codes{}) {
			fact := state.Fact{EpochOrdinal: 1, Seq: uint64(i + 1), Event: touch.Event}
			if touch.Key != key {
				part, concerns := state.Concerning(key, touch.Event)
				if !linked[touch.Key] || !state.Follows(e.GetKind()) || !concerns {
					continue
				}
				fact.Event, fact.Via = part, touch.Key
			}
			list = append(list, fact)
		}
	}
	return list
}

// TestAnyPermutationOfGoodsFoldsToTheSameState folds random lives of shipments, returns and receipts in random orders, with doubles: what is
// folded, and all that a decision takes from it, is the same.
func TestAnyPermutationOfGoodsFoldsToTheSameState(t *testing.T) {
	for seed := range uint64(testenv.Count("state.permutations")) {
		random := rand.New(rand.NewPCG(seed, 11))
		events := GoodsLife(random)
		for _, key := range GoodsKeys {
			known := reach(key, events...)
			want := summary(t, key, known)
			for range 3 {
				random.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
				again := known
				if len(known) > 0 {
					again = append(slices.Clone(known), known[random.IntN(len(known))])
				}
				if got := summary(t, key, again); got != want {
					t.Fatalf("seed %d, %s: another order of the same facts folds to\n%s\nnot to\n%s", seed, key, got, want)
				}
			}
		}
	}
}

// TestGoodsLifeHasEveryKind, and reaches every status that a shipment, a return and a receipt may have.
func TestGoodsLifeHasEveryKind(t *testing.T) {
	told := GoodsKinds()
	for _, name := range strings.Fields(`SHIPMENT_DEPARTED SHIPMENT_VOIDED LOAD_STAGED LOAD_LOADED TRAILER_SEALED TRANSPORT_MILESTONE TRANSPORT_DELAYED TRANSPORT_REFUSED TRANSPORT_LOST
		TRANSPORT_DAMAGED DELIVERY_PROVED RETURN_REQUESTED RETURN_AUTHORISED RETURN_DENIED RETURN_CANCELLED RETURN_RECEIVED RETURN_INSPECTED RETURN_DISPOSED CREDIT_MEMO_POSTED
		INBOUND_ADVISED RECEIPT_ARRIVED RECEIPT_RECEIVED RECEIPT_DISCREPANCY`) {
		if kind := docklinev1.EventKind(docklinev1.EventKind_value["EVENT_KIND_"+name]); !slices.Contains(told, kind) {
			t.Errorf("no life tells of %s", name)
		}
	}
	reached := make(map[string]bool)
	for seed := range uint64(400) {
		events := GoodsLife(rand.New(rand.NewPCG(seed, 11)))
		for _, key := range GoodsKeys {
			s, _ := foldedGoods(t, key, reach(key, events...))
			kind, _, _ := strings.Cut(key, "/")
			reached[kind+" "+s.(interface{ GetStatus() string }).GetStatus()] = true
		}
	}
	for kind, statuses := range map[string]string{
		"shipment": `planned staged loaded departed in_transit out_for_delivery delivered partially_delivered voided refused lost damaged returning returned_to_sender corrected`,
		"return": `requested authorised denied cancelled in_transit partially_received received partially_inspected inspected partially_disposed disposed partially_credited credited
			closed`,
		"blind_return": `received matched quarantined`,
		"inbound":      `advised arrived partially_received received closed`,
	} {
		for _, status := range strings.Fields(statuses) {
			if !reached[kind+" "+status] {
				t.Errorf("no %s is ever %s", kind, status)
			}
		}
	}
}

// foldedGoods is the state that the facts of a shipment, a return or a receipt fold to, and what else a decision takes from it.
func foldedGoods(t *testing.T, key string, known []state.Fact) (proto.Message, any) {
	t.Helper()
	kind, parts, err := event.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	switch kind {
	case state.KindShipment:
		fold := state.FoldShipment(parts[0], parts[1], known, codes{})
		return fold.State, fmt.Sprint(fold.Findings, fold.Departed, ids(fold.Facts), ids(fold.Former), ids(fold.Carried), ids(fold.Voids))
	case state.KindReturn, state.KindBlindReturn:
		var fold state.ReturnFold
		if kind == state.KindReturn {
			fold = state.FoldReturn(parts[0], known, codes{})
		} else {
			fold = state.FoldBlindReturn(parts[0], parts[1], known, codes{})
		}
		return fold.State, fmt.Sprint(fold.Findings, fold.Known, fold.Matched, ids(fold.Facts), ids(fold.Former), ids(fold.Arrived), ids(fold.Received))
	case state.KindInbound:
		fold := state.FoldInbound(parts[0], parts[1], known, codes{})
		return fold.State, fmt.Sprint(fold.Findings, ids(fold.Facts), ids(fold.Former), ids(fold.Received), ids(fold.Told))
	}
	return nil, nil
}
