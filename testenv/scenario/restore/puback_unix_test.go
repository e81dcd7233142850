//go:build unix

package restore_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// TestCollectorDiesAfterPuback: the broker is a Mosquitto, which takes what the site sends while the collector does not read, says PUBACK
// for all of it, and loses it when the collector dies. The site sees no disconnect. Nothing stalls: the journal keeps everything, sends it
// again, and when a collector is back every pick is in the log once, over the same connection.
//
// Shows: S52
func TestCollectorDiesAfterPuback(t *testing.T) {
	mosquitto := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	c := openCentre(t, fmt.Sprintf("127.0.0.1:%d", mosquitto.Port))
	s := c.addSite("dc-east", "")
	c.start()
	s.start()
	s.drop(300)
	c.exactly(300, time.Minute)
	if err := c.collector.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	before := s.line.Bytes()
	s.drop(1000)
	s.captured(time.Minute)
	c.eventually("the broker has taken what was sent", 30*time.Second, func() bool { return s.line.Bytes() > before+10_000 })
	quiet, since := s.line.Bytes(), time.Now()
	c.eventually("nothing more is sent until it is due again", 30*time.Second, func() bool {
		if now := s.line.Bytes(); now > quiet+2000 {
			quiet, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
	c.collector.Kill()
	if n := c.logged(); n != 300 {
		t.Fatalf("%d picks were in the log when the collector died, want the first 300 only", n)
	}
	s.drop(200)
	s.captured(time.Minute)
	c.start()
	c.exactly(1500, 90*time.Second)
	if n := strings.Count(s.agent.Log(), "linked to the broker"); n != 1 {
		t.Errorf("the site was linked %d times, want once: it is to see no disconnect", n)
	}
}
