package uplink_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// receiptsOf is a list of receipts behind a position.
func receiptsOf(previous uint64, n int) *docklinev1.ReceiptList {
	list := &docklinev1.ReceiptList{Previous: previous}
	for i := range n {
		list.Receipts = append(list.Receipts, &docklinev1.EventReceipt{EventId: "e", Position: previous + uint64(i) + 1})
	}
	return list
}

// Receipts that come one by one are stored together, and told of when they are; many, or a link that falls, wait for nothing.
func TestReceiptsAreStoredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		var stored [][2]uint64 // previous and number of each list
		held := uint64(0)
		_, l := start(t, uplink.Config{
			Journal:   store{j},
			Positions: func() (_ string, _, receipts uint64) { c.set(func() { receipts = held }); return "one", 0, receipts },
			OnReceipts: func(list *docklinev1.ReceiptList) error {
				c.set(func() {
					stored = append(stored, [2]uint64{list.Previous, uint64(len(list.Receipts))})
					if list.Previous <= held {
						held = list.Receipts[len(list.Receipts)-1].Position
					}
				})
				return nil
			},
		}, c)
		l.connect()
		pass(time.Second)
		want := func(what string, lists ...[2]uint64) {
			t.Helper()
			c.set(func() {
				if !slices.Equal(stored, lists) {
					t.Errorf("%s: stored %v, want %v", what, stored, lists)
				}
				stored = nil
			})
		}
		before := len(c.heartbeats())
		for n := range uint64(5) {
			c.tell(wire.Receipt, receiptsOf(n, 1))
			pass(100 * time.Millisecond)
		}
		want("before the delay is over")
		pass(time.Second)
		want("five lists of one", [2]uint64{0, 5})
		if now := c.heartbeats(); len(now) != before+1 || now[before].ReceiptsThrough != 5 {
			t.Errorf("%d heartbeats, the last one %v", len(now)-before, now[len(now)-1])
		}
		c.tell(wire.Receipt, receiptsOf(5, 2))
		c.tell(wire.Receipt, receiptsOf(5, 3)) // sent again
		c.tell(wire.Receipt, receiptsOf(4, 1)) // begins before what is gathered
		c.tell(wire.Receipt, receiptsOf(9, 1)) // one between is missing
		pass(2 * time.Second)
		want("lists that do not follow each other", [2]uint64{5, 5}, [2]uint64{4, 1}, [2]uint64{9, 1})
		c.tell(wire.Receipt, receiptsOf(8, 300))
		pass(300 * time.Millisecond)
		want("many", [2]uint64{8, 300})
		c.tell(wire.Receipt, receiptsOf(308, 1))
		pass(time.Millisecond)
		l.cut()
		pass(time.Millisecond)
		want("the link has fallen", [2]uint64{308, 1})
	})
}
