package restore_test

import (
	"path/filepath"
	"testing"
	"time"
)

// TestRestoredSnapshot puts the data folder of a site back to an image that was taken of it at work, while everything went on for as long
// as it did. 500 picks are captured from there without a line; with the line, every pick is in the log once: those before the image,
// those after it, which the collector has under numbers that are given a second time now, and those captured offline.
//
// Shows: S52, E18
func TestRestoredSnapshot(t *testing.T) {
	c := openCentre(t, "")
	s := c.addSite("dc-east", "")
	c.start()
	s.start()
	s.drop(300)
	c.exactly(300, time.Minute)
	c.eventually("the journal is acknowledged", 20*time.Second, func() bool { return s.depth() == 0 })
	image := filepath.Join(c.dir, "image")
	s.image(image)
	s.drop(310)
	c.exactly(610, time.Minute)
	s.agent.Kill()
	s.line.Cut(true)
	s.putBack(image)
	s.start()
	s.drop(500)
	s.captured(time.Minute)
	s.line.Cut(false)
	c.exactly(1110, 90*time.Second)
	c.eventually("the copied journal is flagged", 20*time.Second, func() bool { return c.open("forked_journal") == 1 })
	c.eventually("nothing counts as lost", 20*time.Second, func() bool { return c.count(`SELECT count(*) FROM gap WHERE closed_at = 0`) == 0 })
	if two := c.open("two_hosts"); two != 0 {
		t.Error("a disk that was put back is taken for a second machine")
	}
	s.drop(10)
	c.exactly(1120, time.Minute)
}
