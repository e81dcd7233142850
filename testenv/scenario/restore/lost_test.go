package restore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDiskLostInMidDrain: after an outage what is captured now is sent first; then the disk dies with most of the backlog. The new disk's
// agent is given the cursor at the place up to which the centre has everything, not the newest, reads the files behind it again out of
// the archive, and in the end every pick is in the log once. That the old journal is gone stays visible as a gap until then.
func TestDiskLostInMidDrain(t *testing.T) {
	c := openCentre(t, "")
	s := c.addSite("dc-east", ", window: 1, rate_limit: 256")
	c.start()
	s.start()
	s.drop(500)
	c.exactly(500, time.Minute)
	s.line.Cut(true)
	const backlog = 20_000
	s.drop(backlog)
	s.captured(time.Minute)
	s.line.Cut(false)
	c.eventually("the line is back", 30*time.Second, func() bool { return c.logged() > 500 })
	s.drop(50)
	live := func() int { return c.count(`SELECT count(*) FROM event WHERE kind = 10 AND seq > 20000`) }
	c.eventually("what is captured now is in the log", time.Minute, func() bool { return live() >= 50 })
	s.agent.Kill()
	if n := c.received(); n >= 500+backlog+50 {
		t.Fatalf("the centre had all %d picks before the disk died: the test shows nothing", n)
	} else {
		t.Logf("the disk dies with %d of %d picks at the centre, live ones first", n, 500+backlog+50)
	}
	s.loseDisk()
	s.start()
	c.eventually("the lost journal is a gap and a case", 30*time.Second, func() bool { return c.open("stream_gap") > 0 })
	early := false
	c.eventually("the backlog is read again", 2*time.Minute, func() bool {
		// Numbered or not: the gap closes with the transaction that fills the last of it.
		gaps := c.count(`SELECT count(*) FROM gap WHERE closed_at = 0`)
		if c.count(`SELECT count(*) FROM event WHERE kind = 10`) == 500+backlog+50 {
			return true
		}
		early = early || gaps == 0
		return false
	})
	if early {
		t.Error("the gap closed before all was read again")
	}
	s.drop(20)
	c.exactly(500+backlog+50+20, time.Minute)
	c.eventually("the gap closes when all was read again", 30*time.Second, func() bool {
		return c.open("stream_gap") == 0 && c.count(`SELECT count(*) FROM gap WHERE closed_at = 0`) == 0
	})
}

// TestScannerLosesItsDisk is the same with a source that cannot read again: what was sent is in the log, the rest is a gap with a case
// that says how many are gone, and the site works on. Nothing closes that but a person.
func TestScannerLosesItsDisk(t *testing.T) {
	c := openCentre(t, "")
	s := c.openInProcess("dc-west")
	c.start()
	s.connect(1, 0)
	s.scan("before", 200)
	c.exactly(200, time.Minute)
	s.stop()
	s.scan("backlog", 20_000)
	s.connect(1, 256_000)
	c.eventually("the backlog drains", 30*time.Second, func() bool { return c.logged() > 200 })
	s.scan("live", 5)
	c.eventually("what is captured now is in the log", time.Minute, func() bool { return c.count(`SELECT count(*) FROM event WHERE kind = 10 AND id LIKE 'live-%'`) == 5 })
	s.stop()
	if c.received() >= 20_205 {
		t.Fatal("the centre had all picks before the disk died: the test shows nothing")
	}
	if err := s.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(s.data, "journal")); err != nil {
		t.Fatal(err)
	}
	s.openJournal()
	s.connect(16, 0)
	s.scan("new", 10)
	c.eventually("the new disk's picks are in the log", time.Minute, func() bool { return c.count(`SELECT count(*) FROM event WHERE kind = 10 AND id LIKE 'new-%'`) == 10 })
	c.eventually("the loss is a gap and a case", 30*time.Second, func() bool { return c.open("stream_gap") == 1 })
	// What the old session had on its way may come behind the new one's word of what is gone; it is not among the lost ones then.
	var stored, lost int
	c.eventually("every pick is in the log or named as lost", 10*time.Second, func() bool {
		sites := c.fleet()
		if len(sites) != 1 || len(sites[0].Gaps) != 1 {
			t.Fatalf("the site's state does not name the gap: %+v", sites)
		}
		lost = int(sites[0].Gaps[0].Missing)
		stored = c.count(`SELECT count(*) FROM event WHERE kind = 10`)
		return stored+lost == 200+20_000+5+10
	})
	t.Logf("%d picks are in the log, %d are named as lost", stored, lost)
}
