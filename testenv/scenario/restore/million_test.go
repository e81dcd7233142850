package restore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// TestAMillionQueuedEventsDelayNobody: one site comes back with a long backlog and drains it as fast as it goes; another one at work has
// its picks in the log while the first still drains. How long each of them took is printed; the full count is a million.
func TestAMillionQueuedEventsDelayNobody(t *testing.T) {
	c := openCentre(t, "")
	large, small := c.openInProcess("dc-east"), c.addSite("dc-west", "")
	c.start()
	small.start()
	small.drop(1)
	c.exactly(1, time.Minute)
	queued := testenv.Count("restore.queued-events")
	large.scan("queued", queued)
	began := time.Now()
	large.connect(16, 0)
	ofEast := func() int { return c.count(`SELECT coalesce(max(logged), 0) FROM site_total WHERE site = 'dc-east'`) }
	ofWest := func() int { return c.count(`SELECT coalesce(max(logged), 0) FROM site_total WHERE site = 'dc-west'`) }
	c.eventually("the backlog drains", time.Minute, func() bool { return ofEast() > 0 })
	var delays []time.Duration
	made := 0
	for ; ofEast() < queued*9/10; made++ {
		n := ofWest()
		at := time.Now()
		small.drop(1)
		c.eventually("a pick of the other site", time.Minute, func() bool { return ofWest() > n })
		if took := time.Since(at); ofEast() < queued { // else the backlog was gone meanwhile, and nothing was beside it
			delays = append(delays, took)
		}
	}
	if len(delays) == 0 {
		t.Fatalf("%d queued events were gone before another site's pick came: the test shows nothing", queued)
	}
	slices.Sort(delays)
	c.eventually("the backlog is drained", 6*time.Minute, func() bool { return ofEast() == queued })
	took := time.Since(began)
	t.Logf("%d queued events of one site in %s (%.0f/s); %d picks of another beside them, from its file to the log: median %s, p99 %s, longest %s",
		queued, took.Round(time.Millisecond), float64(queued)/took.Seconds(), len(delays), delays[len(delays)/2], delays[len(delays)*99/100], delays[len(delays)-1])
	if n := c.count(`SELECT count(*) FROM event WHERE site <> ''`); n != queued+1+made {
		t.Errorf("%d events in the log, want %d", n, queued+1+made)
	}
}
