package posting_test

import (
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/testenv"
)

// TestAnswerLost loses the nth answer of the ERP, once before and once after its effect, for every n that there is; then it kills the sending
// process at the same points. Every document is there once, the reversals too.
//
// Shows: S31, S61
func TestAnswerLost(t *testing.T) {
	for _, effect := range []bool{false, true} {
		t.Run(map[bool]string{false: "before the effect", true: "after the effect"}[effect], func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
			s := d.inProcess(c)
			n := 0
			var lost atomic.Bool
			for lost.Store(true); lost.Load(); {
				n++
				lost.Store(false)
				order := d.order()
				d.door.set(nth(n, effect, func() { lost.Store(true) }))
				for _, chapter := range story(order) {
					d.put(order, c.now, chapter...)
					d.until(s, c, order, posting.Confirmed, posting.Superseded)
				}
				d.door.set(nil)
				d.once(order, storyDocuments(order))
			}
			if n < 12 {
				t.Fatalf("after %d requests nothing was lost: the story is too short to show anything", n)
			}
			t.Logf("%d answers lost, one after the other", n-1)
		})
		t.Run(map[bool]string{false: "killed before the effect", true: "killed after the effect"}[effect], func(t *testing.T) {
			t.Parallel()
			killedAtEach(t, effect)
		})
	}
}

// killedAtEach kills the sending process while its nth request is at the ERP, for every n that there is, and starts it again.
func killedAtEach(t *testing.T, effect bool) {
	d := newDesk(t)
	const call = 500 * time.Millisecond
	n := 0
	var killed atomic.Bool
	for killed.Store(true); killed.Load(); {
		n++
		killed.Store(false)
		order := d.order()
		var process *exec.Cmd
		var mu sync.Mutex
		mu.Lock()
		d.door.set(nth(n, effect, func() {
			mu.Lock()
			defer mu.Unlock()
			kill(process)
			killed.Store(true)
		}))
		process = d.process("c1", call)
		mu.Unlock()
		settled := func() bool {
			mu.Lock()
			if killed.Load() && process.ProcessState != nil {
				process = d.process("c1", call)
			}
			mu.Unlock()
			return d.all(order, posting.Confirmed, posting.Superseded)
		}
		for _, chapter := range story(order) {
			d.put(order, time.Now(), chapter...)
			testenv.Eventually(t, patience, fmt.Sprintf("order %s settled after the kill at request %d", order, n), settled, d.told(order), d.log("c1"))
		}
		d.door.set(nil)
		mu.Lock()
		kill(process)
		mu.Unlock()
		d.once(order, storyDocuments(order))
	}
	if n < 12 {
		t.Fatalf("after %d requests nobody was killed: the story is too short to show anything", n)
	}
	t.Logf("killed at %d requests, one after the other", n-1)
}

// story is what is wanted of one order, one after the other: an amendment, a shipment with its invoice and a count; then the shipment is
// corrected, and then taken back.
func story(order string) (chapters [][]posting.Desired) {
	amended := owed(order)
	for _, bolts := range []int{4, 3} {
		issued := shipped(order, "S1", bolts, 9)
		issued[0].Needs = []posting.Ref{amended.Ref()}
		chapters = append(chapters, append([]posting.Desired{amended, counted(order, "-2")}, issued...))
	}
	return append(chapters, []posting.Desired{amended, counted(order, "-2")})
}

func storyDocuments(order string) map[connector.Kind][]string {
	twice := []string{order + "/S1", order + "/S1#2"}
	return map[connector.Kind][]string{connector.OrderAmendment: {order + "/cancel"}, connector.StockAdjustment: {"count-" + order},
		connector.GoodsIssue: twice, connector.InvoiceTrigger: twice, connector.GoodsIssueReversal: twice, connector.InvoiceReversal: twice}
}
