package scanner_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asKilled is a copy of the data folder as a kill at this moment leaves it; the life that goes on writes elsewhere.
func asKilled(t *testing.T, dir string) string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return left
}

// An event that waits for a slow journal is not lost by two kills, whoever scans on in between.
//
// Shows: S35, E01
func TestAWaitingEventSurvivesTwoKills(t *testing.T) {
	first, dir := &host{held: true}, t.TempDir()
	config := fmt.Sprintf(listening, "address", 4, "keep")
	started(t, first, dir, config)
	dialled(t, first.device(t, "dock", true)).scan("SO1", gtin)
	until(t, "the event", func() bool { return len(first.seen()) == 1 })

	second, left := &host{held: true}, asKilled(t, dir)
	started(t, second, left, config)
	until(t, "the event again", func() bool { return len(second.seen()) == 1 })
	r := dialled(t, second.device(t, "dock", true))
	for range 2 { // what it is greeted with, and what comes of its scan
		r.scan("SO2")
		if !r.heard.Scan() {
			t.Fatal(r.heard.Err())
		}
	}

	third := &host{}
	started(t, third, asKilled(t, left), config)
	until(t, "the event a third time", func() bool { return len(third.seen()) >= 1 })
	if a, b := first.seen()[0], third.seen()[0]; a.GetSourceKey() != b.GetSourceKey() || b.GetSubject() != "SO1" {
		t.Errorf("%s was sent at first and %s (%s) at last", a.GetSourceKey(), b.GetSourceKey(), b.GetSubject())
	}
}

// Whoever calls again while the event of before the restart waits is told so, and hears when it is stored.
func TestWhoWaitedBeforeARestartHearsOfIt(t *testing.T) {
	first, dir := &host{held: true}, t.TempDir()
	config := fmt.Sprintf(listening, "address", 4, "keep")
	started(t, first, dir, config)
	dialled(t, first.device(t, "dock", true)).scan("SO1", gtin)
	until(t, "the event", func() bool { return len(first.seen()) == 1 })

	second := &host{held: true}
	started(t, second, asKilled(t, dir), config)
	second.untilCondition(t, "scan_not_stored")
	r := dialled(t, second.device(t, "dock", true))
	r.hears("WAIT", "STORED")
	second.hold(false)
	r.hears("STORED SO1")
}

// What is half done is not dropped while the journal is what people wait for; afterwards it has its full time, and its end is told.
func TestHalfDoneWorkOutlastsASlowJournal(t *testing.T) {
	h := &host{held: true}
	config := strings.NewReplacer("200ms", "3s", "timeout: 1h", "timeout: 1s", "emit: picked, next: order", "emit: picked, keep: [order], next: item").Replace(fmt.Sprintf(listening, "address", 4, "keep"))
	started(t, h, t.TempDir(), config)
	r := dialled(t, h.device(t, "dock", true))
	r.scan("SO1", gtin)
	r.hears("WAIT", "DROPPED") // three times as long as anybody may leave work alone
	h.hold(false)
	r.hears("STORED SO1")
	r.hears("DROPPED: pick (order SO1)")
	h.untilCondition(t, "scan_dropped")
}

// Who scans the same code again on purpose while the journal is slow has scanned it again: what counts is when, not when its turn comes.
func TestADoubleScanIsToldByWhenItWasScanned(t *testing.T) {
	h := &host{held: true, clock: &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}}
	config := strings.NewReplacer("200ms", "1m", "timeout: 1h", "double_scan: 5s", "emit: picked, next: order", "emit: picked, keep: [order], next: item").Replace(fmt.Sprintf(listening, "address", 4, "keep"))
	started(t, h, t.TempDir(), config)
	r := dialled(t, h.device(t, "dock", true))
	r.scan("SO1", gtin)
	until(t, "the first event", func() bool { return len(h.seen()) == 1 })
	for range 2 {
		at := h.clock.on(10 * time.Second)
		r.scan(gtin)
		until(t, "it has been scanned", func() bool { return h.lastSeen("dock").Equal(at) })
	}
	h.hold(false)
	until(t, "three events", func() bool { return len(h.seen()) == 3 })
	for i, e := range h.seen() {
		if want := time.Date(2026, 3, 2, 8, 0, 10*i, 0, time.UTC); !e.GetOccurredAt().AsTime().Equal(want) {
			t.Errorf("event %d occurred at %s, was scanned at %s", i, e.GetOccurredAt().AsTime(), want)
		}
	}
}

// stopping begins to stop and returns when readers cannot call any longer; the channel is closed when all has ended.
func stopping(t *testing.T, stop func(), address string) chan struct{} {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		stop()
	}()
	until(t, "nobody is let in", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	return over
}

// behind is how many scans may wait for the journal.
const behind = 16

// scansBehind scans an order whose event the journal has and does not answer, and as much behind it as may wait.
func (r *reader) scansBehind(h *host) {
	r.t.Helper()
	r.scan("SO1", gtin)
	until(r.t, "the first event", func() bool { return len(h.seen()) == 1 })
	for n := range behind / 2 {
		r.scan(fmt.Sprint("SO", n+2), gtin)
	}
	r.scan("SO99")
	r.hears("Not taken: the scan before", "STORED")
}

// A stop finishes what people have scanned while the journal answers.
func TestAStopFinishesWhatWasScanned(t *testing.T) {
	h := &host{held: true}
	stop := started(t, h, t.TempDir(), strings.Replace(fmt.Sprintf(listening, "connection", 4, "keep"), "200ms", "1m", 1))
	address := h.device(t, "dock", true)
	r := dialled(t, address)
	r.scansBehind(h)
	over := stopping(t, stop, address)
	h.hold(false)
	for n := range 1 + behind/2 {
		r.hears(fmt.Sprint("STORED SO", n+1), "Not taken")
	}
	<-over
	if n := len(h.seen()); n != 1+behind/2 {
		t.Errorf("%d events, want %d", n, 1+behind/2)
	}
}

// Where the journal does not answer before the stop is over, the event is kept or not as configured, and each scan behind it is refused aloud.
func TestAStopLeavesNothingUnsaid(t *testing.T) {
	for restart, word := range map[string]string{"keep": "It is kept", "drop": "not known"} {
		t.Run(restart, func(t *testing.T) {
			h, dir := &host{held: true}, t.TempDir()
			config := strings.Replace(fmt.Sprintf(listening, "connection", 4, restart), "200ms", "1m", 1)
			stop := started(t, h, dir, config)
			address := h.device(t, "dock", true)
			r := dialled(t, address)
			r.scansBehind(h)
			h.mu.Lock()
			h.gone = true
			h.mu.Unlock()
			over := stopping(t, stop, address)
			for range behind {
				r.hears("Not taken: the agent is stopping", "STORED")
			}
			r.hears(word, "STORED")
			<-over
			if log := h.log.String(); !strings.Contains(log, "scans were not taken") || !strings.Contains(log, fmt.Sprintf("scans=%d", behind)) {
				t.Errorf("logged: %s", log)
			}
			if restart == "keep" {
				again := &host{}
				started(t, again, dir, config)
				until(t, "the event again", func() bool { return len(again.seen()) == 1 && again.seen()[0].GetSubject() == "SO1" })
			}
		})
	}
}

// An event that was kept is told also where the configuration has changed meanwhile: its reader is gone, its flow is another, or nothing is to be kept any longer.
func TestAKeptEventOutlivesItsConfiguration(t *testing.T) {
	config := fmt.Sprintf(listening, "address", 4, "keep")
	for name, change := range map[string]*strings.Replacer{
		"another reader": strings.NewReplacer("id: dock", "id: gate"),
		"another flow":   strings.NewReplacer("next: item", "next: thing", "item: {prompt", "thing: {prompt"),
		"drop":           strings.NewReplacer("restart: keep", "restart: drop"),
	} {
		t.Run(name, func(t *testing.T) {
			first, dir := &host{held: true}, t.TempDir()
			started(t, first, dir, strings.NewReplacer("emit: picked, next: order", "emit: picked, keep: [order], next: item").Replace(config))
			dialled(t, first.device(t, "dock", true)).scan("SO1", gtin)
			until(t, "the event", func() bool { return len(first.seen()) == 1 })

			second, left := &host{held: true}, asKilled(t, dir)
			started(t, second, left, change.Replace(config))
			until(t, "the event again", func() bool { return len(second.seen()) == 1 })
			second.untilCondition(t, "scan_dropped") // the half done work behind it

			third, left := &host{}, asKilled(t, left)
			stop := started(t, third, left, change.Replace(config))
			until(t, "the event a third time", func() bool { return len(third.seen()) == 1 })
			if a, b := first.seen()[0].GetSourceKey(), third.seen()[0].GetSourceKey(); a != b {
				t.Errorf("sent as %s and as %s", a, b)
			}
			until(t, "nothing is kept any longer", func() bool { return kept(t, left) == 0 })
			stop()
		})
	}
}

// kept is how many readers' work is in a data folder.
func kept(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "work", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// A reader that is told apart by its call does not come back when it has gone: neither its operator nor its work stay for ever.
func TestReadersThatDoNotComeBackAreForgotten(t *testing.T) {
	h, dir := &host{clock: &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}}, t.TempDir()
	stop := started(t, h, dir, fmt.Sprintf(listening, "connection", 4, "keep")+"controls: {badge: '^OP([0-9]+)$'}\n")
	for range 3 {
		r := dialled(t, h.device(t, "dock", true))
		r.hears("Order?")
		r.scan("OP7")
		r.hears("Order?")
		_ = r.line.Close()
	}
	until(t, "their work is kept", func() bool { return kept(t, dir) == 3 })
	h.clock.on(2 * time.Minute)
	until(t, "it is forgotten", func() bool { return kept(t, dir) == 0 })
	stop()
}
