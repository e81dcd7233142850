package restore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv/world"
)

// TestClonedSite starts a second machine with a copy of a site's data folder while the first is at work. The site is flagged with the
// copy's first word, the first machine does not fight for the connection, and when a person has stopped the copy and started the first
// again, the centre says that there were two. Each event of either is in the log once, in an epoch of its own machine, and nothing counts
// as lost.
//
// Shows: E18
func TestClonedSite(t *testing.T) {
	c := openCentre(t, "")
	first := c.addSite("dc-east", "")
	c.start()
	first.start()
	first.drop(300)
	c.exactly(300, time.Minute)
	c.eventually("the journal is acknowledged", 20*time.Second, func() bool { return first.depth() == 0 })
	second := c.configure("dc-east", "copy", "")
	first.image(second.data)
	first.drop(200)
	c.exactly(500, time.Minute)
	second.drop(150)
	second.start()
	c.eventually("the site is flagged", 30*time.Second, func() bool { return c.open("forked_journal")+c.open("two_hosts") == 1 })
	c.eventually("the site's state names it", 20*time.Second, func() bool {
		sites := c.fleet()
		return len(sites) == 1 && sites[0].Fork != nil && strings.Contains(sites[0].Health, "copied")
	})
	c.exactly(650, time.Minute)
	first.drop(100)
	first.captured(time.Minute)
	second.drop(50)
	c.exactly(700, time.Minute)
	if n := takeovers(first.agent) + takeovers(second.agent); n != 1 {
		t.Errorf("the connection was taken %d times, want once", n)
	}
	second.agent.Stop()
	first.agent.Stop()
	first.start()
	c.exactly(800, time.Minute)
	c.eventually("the site is known to have two machines", 20*time.Second, func() bool { return c.open("two_hosts") == 1 && c.open("forked_journal") == 0 })
	c.eventually("nothing counts as lost", 20*time.Second, func() bool { return c.count(`SELECT count(*) FROM gap WHERE closed_at = 0`) == 0 })
	// No epoch has picks of both machines: what both held when the copy was made is in an older one.
	mixed := c.count(`SELECT count(*) FROM (SELECT epoch FROM event WHERE kind = 10 GROUP BY epoch HAVING count(DISTINCT CASE WHEN instr(body, CAST('dc-east-copy-' AS BLOB)) > 0 THEN 1 ELSE 0 END) > 1) AS m`)
	copied := c.count(`SELECT count(*) FROM event WHERE kind = 10 AND instr(body, CAST('dc-east-copy-' AS BLOB)) > 0`)
	if mixed != 0 || copied != 200 {
		t.Errorf("%d epochs hold picks of both machines; %d picks of the copy, want 200", mixed, copied)
	}
}

func takeovers(p *world.Process) int { return strings.Count(p.Log(), "has taken this client id") }
