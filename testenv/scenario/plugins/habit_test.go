package plugins_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv"
)

// naughty is the entry of a plugin with a habit, under the id "bad".
func naughty(program, habit, more string) string {
	return fmt.Sprintf("  - {id: bad, path: PROGRAMS/%s, %sconfig: {habit: %s}}", program, more, habit)
}

// quarantined waits until the bad plugin is, with a reason that has these words and tells how it is lifted, while the good one works on.
func quarantined(t *testing.T, a *agent, words ...string) {
	t.Helper()
	eventually(t, patience, "the bad plugin is quarantined", func() bool { return a.plugin("bad").GetState() == "quarantined" })
	c := a.condition("plugin_quarantined", "bad")
	for _, word := range append(words, "plugin release bad") {
		if !strings.Contains(c.GetText(), word) {
			t.Errorf("the reason does not say %q: %s", word, c.GetText())
		}
	}
	a.flows()
}

// A plugin that dies as soon as it starts is a crash loop: it is left alone with its last words as the reason. When the cause is gone, a
// person releases it, and it works at once.
//
// Shows: E14
func TestACrashLoopIsQuarantinedAndReleased(t *testing.T) {
	t.Parallel()
	mended := filepath.Join(t.TempDir(), "mended")
	a := newAgent(t, fmt.Sprintf("  - {id: bad, path: PROGRAMS/naughty, config: {habit: crash, mended: %q}}", mended))
	quarantined(t, a, "the label printer is on fire")
	if out, err := a.control("plugin", "release", "worse"); err == nil || !strings.Contains(out, `"worse"`) {
		t.Errorf("a plugin that is not there is released: %v %s", err, out)
	}
	if err := os.WriteFile(mended, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := a.control("plugin", "release", "bad"); err != nil || !strings.Contains(out, "starts again") {
		t.Fatalf("release: %v %s", err, out)
	}
	eventually(t, patience, "it works", func() bool { return a.plugin("bad").GetAcceptedTotal() > 5 })
	if c := a.condition("plugin_quarantined", "bad"); c != nil {
		t.Errorf("still said: %v", c)
	}
	if out, err := a.control("plugin", "release", "bad"); err != nil || !strings.Contains(out, "nothing to release") {
		t.Errorf("release of a plugin that runs: %v %s", err, out)
	}
}

// A plugin whose memory grows without end is ended at its limit, and quarantined when it does so again and again.
//
// Shows: E14
func TestALeakIsStoppedAtItsLimit(t *testing.T) {
	t.Parallel()
	a := newAgent(t, naughty("naughty", "leak", "memory_limit: 80MiB, "))
	eventually(t, patience, "what it takes is told", func() bool {
		bad := a.plugin("bad")
		return bad.GetMemoryBytes() > 20<<20 && bad.GetCpuPercent() > 0 && bad.GetMemoryLimitBytes() == 80<<20
	})
	quarantined(t, a, "its memory_limit is 80 MiB", "MiB of memory")
	if bad, good := a.plugin("bad"), a.plugin("good"); bad.GetMemoryBytes() != 0 || good.GetMemoryBytes() == 0 {
		t.Errorf("memory of the one that is ended %d, of the good one %d", bad.GetMemoryBytes(), good.GetMemoryBytes())
	}
}

// A plugin that freezes gives no sign of life: it is ended, although it would not end by itself, and started again.
//
// Shows: E14
func TestAFrozenPluginIsEndedAndStartedAgain(t *testing.T) {
	t.Parallel()
	a := newAgent(t, naughty("naughty", "freeze", ""))
	eventually(t, patience, "it is ended", func() bool { return a.plugin("bad").GetRestarts() > 0 })
	if !strings.Contains(a.Log(), "it gave no sign of life 3 times in a row") {
		t.Error("the log does not say why")
	}
	a.flows()
}

// A plugin that does not answer a call, and one that does not read the answers to its batches.
//
// Shows: E14
func TestAPluginThatDoesNotListenIsEnded(t *testing.T) {
	for habit, reason := range map[string]string{"mute": "did not answer the call Check in time", "deaf": "does not read the answers to its batches"} {
		t.Run(habit, func(t *testing.T) {
			t.Parallel()
			program := map[string]string{"mute": "naughty", "deaf": "naughty-raw"}[habit]
			a := newAgent(t, naughty(program, habit, ""))
			eventually(t, patience, "it is ended", func() bool { return a.plugin("bad").GetRestarts() > 0 })
			if !strings.Contains(a.Log(), reason) {
				t.Errorf("the log does not say %q", reason)
			}
			a.flows()
		})
	}
}

// What is no message, no batch or no cursor of the contract ends the plugin, and soon leads to quarantine with the words for its author.
//
// Shows: E14
func TestGarbageIsQuarantined(t *testing.T) {
	t.Parallel()
	for habit, reason := range map[string]string{
		"bytes":  "no message of the contract",
		"number": "batch 7 where 1 was due",
		"cursor": "a cursor of 1048576 bytes, 16384 are allowed",
		"future": "in the future: look at the clock of the source",
		"giant":  "fewer events at a time",
		"many":   "a batch of 20001 events, 10000 are allowed",
	} {
		t.Run(habit, func(t *testing.T) {
			a := newAgent(t, naughty("naughty-raw", habit, ""))
			quarantined(t, a, reason)
			if restarts := a.plugin("bad").GetRestarts(); restarts != 3 {
				t.Errorf("quarantined after %d times, want 3", restarts)
			}
			a.Stop()
			if rows, cursors := a.held(); len(rows["bad/row-1"]) > 0 || cursors["bad"] != "" {
				t.Errorf("what broke the contract was taken: %d rows, cursor %.20q", len(rows["bad/row-1"]), cursors["bad"])
			}
		})
	}
}

// A plugin of which every event is refused is stopped after a thousand, which are kept.
//
// Shows: E14
func TestEndlessRefusalsAreQuarantinedAndKept(t *testing.T) {
	t.Parallel()
	a := newAgent(t, naughty("naughty", "refused", ""))
	quarantined(t, a, "were all refused", "kept as dead letters")
	bad := a.plugin("bad")
	a.Stop()
	rows, cursors := a.held()
	kept := 0
	for key := range rows {
		if strings.HasPrefix(key, "bad/") {
			kept++
		}
	}
	if bad.GetAcceptedTotal() != 0 || bad.GetRefusedTotal() < 1000 || kept != int(bad.GetRefusedTotal()) || cursors["bad"] != fmt.Sprint(kept) {
		t.Errorf("accepted %d, refused %d, kept %d, cursor %s", bad.GetAcceptedTotal(), bad.GetRefusedTotal(), kept, cursors["bad"])
	}
}

// A plugin that tells without end is held to its rate, so that the journal lasts for the others; a person sees it, nothing is lost.
//
// Shows: E14
func TestAFloodOfEventsIsHeldToItsRate(t *testing.T) {
	t.Parallel()
	a := newAgent(t, naughty("naughty", "flood", "event_rate: 10, "))
	eventually(t, patience, "the flood is seen", func() bool { return a.condition("plugin_floods", "bad") != nil })
	a.flows()
	bad := a.plugin("bad")
	if bad.GetState() != "running" || bad.GetRestarts() > 0 || bad.GetAcceptedTotal() > 20_000 {
		t.Errorf("the flood goes on: %v", bad)
	}
	a.Stop()
	rows, cursors := a.held()
	told := 0
	for key, events := range rows {
		if strings.HasPrefix(key, "bad/") {
			told++
			if len(events) != 1 {
				t.Errorf("%s is held %d times", key, len(events))
			}
		}
	}
	if cursors["bad"] != fmt.Sprint(told) {
		t.Errorf("%d rows are held, the cursor is %s", told, cursors["bad"])
	}
	testenv.Figure(t, "rows of the flood taken", told, "rows of the other plugin", len(rows)-told)
}

// A plugin that logs without end gets its lines capped and counted, and one that reports without end is bounded; both keep working.
//
// Shows: E14
func TestFloodsOfLinesAndReportsAreCapped(t *testing.T) {
	t.Parallel()
	for _, habit := range []string{"log", "status"} {
		t.Run(habit, func(t *testing.T) {
			a := newAgent(t, naughty("naughty", habit, ""))
			if habit == "log" {
				eventually(t, patience, "what was left out is told", func() bool {
					return a.condition("plugin_log_capped", "bad") != nil && a.plugin("bad").GetLogDroppedTotal() > 1000 && a.plugin("bad").GetAcceptedTotal() > 5
				})
				if !strings.Contains(a.Log(), "lines were left out") {
					t.Error("the log does not say that lines were left out")
				}
			} else {
				eventually(t, patience, "it is shown", func() bool { return a.condition("busy", "bad") != nil })
				if text := a.condition("busy", "bad").GetText(); len(text) > 3000 {
					t.Errorf("a condition of %d bytes goes to the centre", len(text))
				}
			}
			a.flows()
			if bad := a.plugin("bad"); bad.GetState() != "running" || bad.GetRestarts() > 0 {
				t.Errorf("it was ended: %v", bad)
			}
			if info, err := os.Stat(a.LogFile()); err != nil || info.Size() > 4<<20 {
				t.Errorf("the log has %d bytes: %v", info.Size(), err)
			}
		})
	}
}
