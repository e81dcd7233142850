package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func reopened(t *testing.T, s *settings) *settings {
	t.Helper()
	again, err := openSettings(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A configuration in force that is watched survives a start, with the last good one beside it; another one that comes meanwhile goes back to
// that good one too; and what is taken back, or started too often, is a refused one that the centre hears of.
//
// Shows: E21
func TestWatchedConfigurations(t *testing.T) {
	s, err := openSettings(t.TempDir())
	must(t, err)
	trial := func(desired uint64) *given {
		return &given{Key: "config", Version: desired + 10, YAML: strings.Repeat("# ", int(desired)), Desired: desired, Trial: time.Minute, Before: standing{Running: []string{"wms"}, Online: true}}
	}
	state := func(want string, version, refused uint64) {
		t.Helper()
		if c := s.state(); c.GetState() != want || c.GetVersion() != version || c.GetRefusedVersion() != refused {
			t.Errorf("%v, want %s of version %d, refused %d", c, want, version, refused)
		}
	}
	state("own", 0, 0)
	must(t, s.try(trial(1), true), s.accept())
	s = reopened(t, s)
	state("trial", 1, 0)
	if w, _ := s.watched(); w == nil || w.Former != nil || len(w.Before.Running) != 1 {
		t.Fatalf("%+v", w)
	}
	must(t, s.keep())
	s = reopened(t, s)
	state("accepted", 1, 0)

	// Two in a row: neither is known to be good.
	must(t, s.try(trial(2), true), s.accept(), s.try(trial(3), true), s.accept())
	s = reopened(t, s)
	state("trial", 3, 0)
	must(t, s.rollBack("the line is down"))
	s = reopened(t, s)
	state("rolled_back", 1, 3)
	if !strings.Contains(s.state().GetText(), "line") {
		t.Error(s.state().GetText())
	}

	// Started again and again.
	must(t, s.try(trial(4), true), s.accept())
	for range watchedStarts {
		s = reopened(t, s)
		must(t, s.started())
		state("trial", 4, 3)
	}
	s = reopened(t, s)
	must(t, s.started())
	state("rolled_back", 1, 4)

	// A machine that stopped before what was to be watched was in force.
	must(t, s.put(watchFile, &watch{Key: "config", Version: 99, Former: s.accepted, Until: time.Now().Add(time.Minute)}))
	s = reopened(t, s)
	if w, _ := s.watched(); w != nil {
		t.Errorf("it watches %+v", w)
	}
	must(t, s.try(trial(5), true), s.accept(), s.keep())
	state("accepted", 5, 4)
}

// A power cut at any write while a configuration is accepted over one that is still watched: what is in force afterwards is watched, too, unless
// it is the one known to be good.
func TestAPowerCutWhileTwoAreWatched(t *testing.T) {
	for _, last := range []string{watchFile, acceptedFile, trialFile} {
		s, err := openSettings(t.TempDir())
		must(t, err)
		trial := func(desired uint64) *given {
			return &given{Key: "config", Version: desired + 10, Desired: desired, Trial: time.Minute, Before: standing{Running: []string{"wms"}}}
		}
		must(t, s.try(trial(1), true), s.accept(), s.keep(), s.try(trial(2), true), s.accept(), s.try(trial(3), true))
		before := map[string][]byte{}
		for _, name := range []string{acceptedFile, trialFile} {
			if before[name], err = os.ReadFile(filepath.Join(s.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		must(t, s.accept())
		// What was written after the cut is as it was before.
		switch last {
		case watchFile:
			must(t, os.WriteFile(filepath.Join(s.dir, acceptedFile), before[acceptedFile], 0o600), os.WriteFile(filepath.Join(s.dir, trialFile), before[trialFile], 0o600))
		case acceptedFile:
			must(t, os.WriteFile(filepath.Join(s.dir, trialFile), before[trialFile], 0o600))
		}
		s = reopened(t, s)
		w, g := s.watched()
		if w == nil || !g.is(w.Key, w.Version) || w.Former == nil || w.Former.Desired != 1 {
			t.Errorf("cut after %s: in force is %+v, watched %+v", last, g, w)
			continue
		}
		must(t, s.rollBack("the plugin is down"))
		if w, g := reopened(t, s).watched(); w != nil || g.Desired != 1 {
			t.Errorf("cut after %s, then taken back: in force is %+v, watched %+v", last, g, w)
		}
	}
}

func TestWhatIsLost(t *testing.T) {
	before := standing{Running: []string{"a", "b"}, Online: true}
	for want, now := range map[string]standing{"": before, "plugin b": {Running: []string{"a"}, Online: true}, "line": {Running: []string{"b", "a"}}} {
		if got := now.lost(before); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", now, got, want)
		}
	}
	if got := (standing{}).lost(standing{}); got != "" {
		t.Errorf("nothing was there before, and is lost: %q", got)
	}
	if crashed(map[string]uint32{"a": 4}, map[string]uint32{"a": 6}) != "" || crashed(map[string]uint32{"a": 4}, map[string]uint32{"a": 7}) == "" {
		t.Error("two crashes are no loop, three are one")
	}
}
