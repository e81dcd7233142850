package posting_test

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/testenv"
)

// TestLeaseExpires stops a sender (SIGSTOP) in the middle of its work, until its leases have run out and another has taken over and brought the
// posting home; then it goes on. It is stopped once when it has just heard that there is no such document and is about to make it, once when
// its request to make it is at the ERP, and once when it reads back what it made. There is one document each time.
//
// Shows: S31
func TestLeaseExpires(t *testing.T) {
	t.Run("about to make the document", func(t *testing.T) {
		t.Parallel()
		// Find is asked for once: what is done next is to make the document.
		stoppedAt(t, http.MethodGet, 1)
	})
	t.Run("about to hear what it made", func(t *testing.T) {
		t.Parallel()
		stoppedAt(t, http.MethodGet, 2)
	})
	t.Run("its request is at the ERP", func(t *testing.T) {
		t.Parallel()
		stoppedAt(t, http.MethodPost, 1)
	})
}

// stoppedAt stops the first sender while its nth request of a method is at the ERP, whose answer it finds when it goes on.
func stoppedAt(t *testing.T, method string, n int) {
	d := newDesk(t)
	order := d.order()
	issue := shipped(order, "S1", 4, 9)[:1]
	var first *exec.Cmd
	var mu sync.Mutex
	stopped := false
	mu.Lock()
	seen := 0
	d.door.set(func(_ int, r *http.Request) blow {
		if r.Method != method {
			return blow{}
		}
		if seen++; seen != n {
			return blow{}
		}
		return blow{effect: true, done: func(*httptest.ResponseRecorder) bool {
			mu.Lock()
			defer mu.Unlock()
			// One that still ran could take the answer and be stopped within a transaction, and the database would wait for it.
			if err := testenv.Halt(first.Process); err != nil {
				t.Error(err)
			}
			stopped = true
			return true // the answer waits at the stopped process
		}}
	})
	d.put(order, time.Now(), issue...)
	first = d.process("first", time.Second)
	mu.Unlock()
	testenv.Eventually(t, patience, "the first sender is stopped", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return stopped
	}, d.told(order), d.log("first"))

	d.process("second", time.Second)
	testenv.Eventually(t, patience, "the second sender has brought it home", func() bool { return d.all(order, posting.Confirmed) }, d.told(order), d.log("second"))
	before := len(d.calls(order))
	if err := first.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// What the first was about to do it has done or given up when it has written that its answer came too late.
	testenv.Eventually(t, patience, "the first sender has gone on", func() bool { return saysLate(d.log("first")()) }, d.told(order), d.log("first"))
	if after := len(d.calls(order)); after != before {
		t.Errorf("the first sender told the ERP something after it went on: %d calls, before %d", after, before)
	}
	d.once(order, map[connector.Kind][]string{connector.GoodsIssue: {issue[0].Key}})
	if e := d.entries(order)[0]; e.State != posting.Confirmed {
		t.Errorf("the posting is %s", e.State)
	}
}
