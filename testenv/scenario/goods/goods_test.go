// Package goods_test follows goods after they have left the dock: to their consignees, astray, and back.
package goods_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/carrier"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// patience is how long a step may take on a busy machine.
const patience = 90 * time.Second

// ends is what a shipment is when its parcel has come to the end of its way.
var ends = map[string]string{"delivered": "delivered", "lost": "lost", "returned_to_sender": "returned_to_sender"}

// TestADayEndsWithDeliveries: a dock ships the orders of a day, a carrier takes every parcel, delivers most, is late with one, loses one,
// finds one again, damages one, and brings one back that was refused. What is known of each shipment agrees with the carrier's own ledger, and
// what has gone wrong is a case until it is put right.
//
// Shows: S55
// Shows: S60
func TestADayEndsWithDeliveries(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 21, Sites: []string{world.FileSite}, Carrier: true})
	worldtest.Orders(t, w, 8)
	worldtest.Settle(t, w, 180*time.Second)
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fates := []string{carrier.Delivered, carrier.Lost, carrier.Refused, carrier.Late, carrier.Found, carrier.Damaged}
	keys, handed := map[string]string{}, 0 // of shipments, by tracking number
	for _, issue := range truth.Issues {
		if issue.Tracking == "" || keys[issue.Tracking] != "" {
			continue
		}
		keys[issue.Tracking] = event.ShipmentKey(issue.Site, issue.Shipment)
		if err := w.Carrier.Take(issue.Tracking, issue.Order, fates[handed%len(fates)]); err != nil {
			t.Fatal(err)
		}
		handed++
	}
	if handed < len(fates) {
		t.Fatalf("only %d parcels left the dock", handed)
	}
	for {
		moved, err := w.Carrier.Work()
		if err != nil {
			t.Fatal(err)
		}
		if moved == 0 {
			break
		}
	}
	w.CarrierHTTP.Stop() // its feed is away for a while, as feeds are
	if err := w.CarrierHTTP.Start(); err != nil {
		t.Fatal(err)
	}
	worldtest.Until(t, "all shipments where the carrier has them", patience, func() (bool, error) { return agree(t.Context(), w, keys) })
	for _, p := range w.Carrier.Parcels() {
		g, err := w.Goods(t.Context(), keys[p.Tracking])
		if err != nil {
			t.Fatal(err)
		}
		check(t, p, g)
	}
}

// agree tells whether every shipment stands where the carrier's own ledger has its parcel.
func agree(ctx context.Context, w *world.World, keys map[string]string) (bool, error) {
	all, err := w.AllGoods(ctx, "shipment")
	if err != nil {
		return false, err
	}
	status := map[string]string{}
	for _, g := range all {
		status[g.Key] = g.Status
	}
	for _, p := range w.Carrier.Parcels() {
		if !p.Done() || status[keys[p.Tracking]] != ends[p.Status] {
			return false, fmt.Errorf("parcel %s is %s with its carrier, shipment %s is %s", p.Tracking, p.Status, keys[p.Tracking], status[keys[p.Tracking]])
		}
	}
	return true, nil
}

// check holds a shipment against its parcel: its status has facts, a delivered one is signed for, and only what is still wrong is open.
func check(t *testing.T, p carrier.Parcel, g world.Goods) {
	t.Helper()
	if len(g.State.StatusEventIDs) == 0 || g.State.Tracking != p.Tracking || len(g.State.Orders) == 0 {
		t.Errorf("%s: %+v", p.Tracking, g)
	}
	for _, step := range g.State.Steps {
		if len(step.EventIDs) == 0 {
			t.Errorf("%s: nothing says that it was %s", g.Key, step.Status)
		}
	}
	if signed := len(g.State.Proofs) == 1 && g.State.Proofs[0].Signer == "Goods in, "+p.Consignee; signed != (p.Status == "delivered") {
		t.Errorf("%s is %s, and signed for by %+v", g.Key, p.Status, g.State.Proofs)
	}
	var open, closed []string
	for _, e := range g.Exceptions {
		if e.State == "resolved" {
			closed = append(closed, e.Code)
		} else {
			open = append(open, e.Code)
		}
	}
	want := map[string][]string{carrier.Lost: {"transport_lost"}}[p.Fate]
	if !slices.Equal(open, want) {
		t.Errorf("%s (%s): open are %v, want %v; closed %v", g.Key, p.Fate, open, want, closed)
	}
}
