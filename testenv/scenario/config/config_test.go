// Package config_test holds the configuration of sites to what is promised of it: real agents and a real collector, roll-outs by ring, and
// configurations that do harm.
package config_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
)

func TestMain(m *testing.M) { enroltest.Main(m) }

const patience = enroltest.Patience

// TestEdge21 cuts a site's line again and again: the journal's file stays the same one, whatever the line does. Then a configuration with a
// fault is sent: it is refused with the fault's line, at the site in its log, and at the centre in its answer and as an exception, and the
// one before stays in force, also when the agent is started again.
//
// Shows: E21
func TestEdge21(t *testing.T) {
	t.Parallel()
	c := enroltest.Open(t, "", "")
	s := c.Join("dc-east", "dockline-agent", 0, 5, "")
	testenv.Eventually(t, patience, "events are logged", func() bool { return c.Site("dc-east").Logged > 0 })
	before, file := journalFiles(t, s)
	cuts := testenv.Count("edge.reconnects")
	links := func() int { return strings.Count(s.Agent.Log(), "linked to the broker") }
	for n := range cuts {
		testenv.Eventually(t, patience, "the line is up", func() bool { return links() > n && s.Status().GetOnline() })
		// For so long that the agent takes it for a good line, and comes back at once after the next cut.
		captured := s.Captured()
		testenv.Eventually(t, patience, "the site works on", func() bool { return s.Captured() >= captured+13 })
		c.Line.Cut(true)
		testenv.Eventually(t, patience, "the line is down", func() bool { return !s.Status().GetOnline() })
		c.Line.Cut(false)
	}
	testenv.Eventually(t, patience, "the line is up again", func() bool { return links() > cuts })
	after, same := journalFiles(t, s)
	if before != after || !os.SameFile(file, same) {
		t.Errorf("the journal's file was %s and is %s after %d reconnects", before, after, cuts)
	}

	good := write(t, "uplink: {window: 32, heartbeat: 1s}\n")
	c.Must("site", "command", "config", "--tenant", "main", "dc-east", good, "--wait", "1m")
	epoch, _ := journalFiles(t, s)
	bad := write(t, "uplink:\n  heartbeat: 1s\n  windows: 3\n")
	out, err := c.Run("site", "command", "config", "--tenant", "main", "dc-east", bad, "--wait", "1m")
	if err == nil || !strings.Contains(out, ":3") {
		t.Errorf("the centre is not told the line: %v: %s", err, out)
	}
	if _, text := c.Exception("dc-east", "command_refused"); !strings.Contains(text, ":3") {
		t.Errorf("the exception does not name the line: %q", text)
	}
	if log := s.Agent.Log(); !strings.Contains(log, "configuration is refused") || !strings.Contains(log, "configuration:3") {
		t.Errorf("the site's log does not name the line")
	}
	if s.Condition("config_refused") == nil {
		t.Error("the site does not show it")
	}
	inForce := func() string { return s.Status().GetConfig().GetSha256() }
	want := sha(t, good)
	if got := inForce(); got != want {
		t.Errorf("in force is %s, want the one before, %s", got, want)
	}
	if now, _ := journalFiles(t, s); now != epoch {
		t.Errorf("a refused configuration changed the journal's file from %s to %s", epoch, now)
	}
	s.Agent.Stop()
	s.Start()
	testenv.Eventually(t, patience, "the one before is in force after a start", func() bool { return inForce() == want })
	logged := c.Site("dc-east").Logged
	testenv.Eventually(t, patience, "events go on", func() bool { return c.Site("dc-east").Logged > logged+5 })
	testenv.Figure(t, "reconnects", cuts, "journal files", 1)
}

// journalFiles is the newest file of the journal, by name and as it is on the disk.
func journalFiles(t *testing.T, s *enroltest.Site) (string, os.FileInfo) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Data, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	var newest os.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && !e.IsDir() && info.Size() > 1024 && strings.Contains(e.Name(), s.Status().GetEpoch()) {
			newest = info
		}
	}
	if newest == nil {
		t.Fatalf("no file of epoch %s among %v", s.Status().GetEpoch(), entries)
	}
	return newest.Name(), newest
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "site.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// rollout is what `site config rollout --json` prints.
type rollout struct {
	Version struct {
		Version       uint64
		State, Text   string
		Ring          int
		By, CreatedAt string
	}
	Sites []struct {
		Site, State, Text, Drift string
		Ring                     int
		Desired, Sent            uint64
		SentAt                   time.Time `json:"sent_at"`
		KeptAt                   time.Time `json:"kept_at"`
	}
}

type fleet struct {
	*enroltest.Centre
	t *testing.T
}

func (f fleet) rollout() (r rollout) {
	f.t.Helper()
	if err := json.Unmarshal([]byte(f.Must("site", "config", "rollout", "--tenant", "main", "--json")), &r); err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f fleet) set(text string, from string, more ...string) (string, error) {
	f.t.Helper()
	return f.Run(append([]string{"site", "config", "set", write(f.t, text), "--tenant", "main", "--by", "anna", "--reason", "a test", "--if-version", from, "--trial", "10s", "--soak", "2s"}, more...)...)
}

func (f fleet) until(version uint64, state string) (r rollout) {
	f.t.Helper()
	testenv.Eventually(f.t, 2*patience, "version is "+state, func() bool {
		r = f.rollout()
		return r.Version.Version == version && r.Version.State == state
	})
	return r
}

// TestConfigurationByRing gives configurations to a canary and two other sites. A good one reaches the canary, and the others only when the
// canary has kept it for the soak time. One with a fault is not taken at the centre. One whose fault only the site's plugin sees is refused by
// the canary, and one with which a plugin dies is taken back by it: both stop there, are exceptions, and leave everybody on the one before.
// A version that began from an older one is a conflict that shows what the other person changed. What a site runs and should not is said in
// words. Capture goes on through all of it.
//
// Shows: S36, E21
func TestConfigurationByRing(t *testing.T) {
	t.Parallel()
	f := fleet{enroltest.Open(t, "", ""), t}
	canary := f.Join("canary", "dockline-agent", 0, 5, "")
	others := []*enroltest.Site{f.Join("dc-east", "dockline-agent", 0, 5, ""), f.Join("dc-west", "dockline-agent", 0, 5, "")}
	f.Must("site", "config", "join", "main/canary", "--ring", "0")
	for _, name := range []string{"canary", "dc-east", "dc-west"} {
		testenv.Eventually(t, patience, name+" works", func() bool { return f.Site(name).Logged > 0 })
	}
	const first = "uplink:\n  window: 48\n  heartbeat: 1s\n"
	if out, err := f.set(first, "0"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := f.until(1, "done")
	var kept time.Time
	for _, s := range r.Sites {
		if s.Site == "canary" {
			kept = s.KeptAt
		}
	}
	for _, s := range r.Sites {
		if s.State != "kept" || s.Drift != "" {
			t.Errorf("%+v", s)
		}
		if s.Ring > 0 && s.SentAt.Before(kept.Add(2*time.Second)) {
			t.Errorf("%s was given it at %s, the canary had kept it at %s", s.Site, s.SentAt, kept)
		}
	}

	t.Run("a fault that the centre sees", func(t *testing.T) {
		out, err := f.set("uplink:\n  window: 48\nlog:\n  level: loud\n", "1")
		if err == nil || !strings.Contains(out, "configuration:4: log.level") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("a fault that a plugin's own schema shows to the centre", func(t *testing.T) {
		out, err := f.set(first+"plugins:\n  - id: wms\n    config:\n      per_second: 5\n      rows: many\n", "1")
		if err == nil || !strings.Contains(out, "configuration:8: plugins[0].config.rows") || !strings.Contains(out, "plugin rows 1.0.0") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("two people", func(t *testing.T) {
		out, err := f.set("uplink: {window: 16}\n", "0")
		if err == nil || !strings.Contains(out, "anna set version 1") || !strings.Contains(out, "+   window: 48") {
			t.Errorf("%v: %s", err, out)
		}
		body := `{"yaml":"uplink: {window: 16}\n","by":"bob","reason":"mine","from_version":0}`
		response, err := http.Post(f.URL+"api/v1/site-config?tenant=main", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var p struct {
			Status int
			Newest struct{ By string }
		}
		if err := json.NewDecoder(response.Body).Decode(&p); err != nil || p.Status != http.StatusConflict || p.Newest.By != "anna" {
			t.Errorf("%v %+v", err, p)
		}
		var history []struct {
			Version uint64
			By      string
		}
		if !f.Get("api/v1/site-config?tenant=main", &history) || len(history) != 1 {
			t.Errorf("history %+v", history)
		}
	})
	captured := canary.Captured()
	t.Run("a fault that the canary sees", func(t *testing.T) {
		if out, err := f.set(first+"plugins:\n  - id: wms\n    config:\n      rowz: 3\n", "1"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		stopped(t, f, 2, "configuration:7", "rowz")
		if now := canary.Captured(); now < captured {
			t.Errorf("captured %d, then %d", captured, now)
		}
	})
	t.Run("a plugin that dies", func(t *testing.T) {
		if out, err := f.set(first+"plugins:\n  - {id: wms, config: {rows: 0, per_second: 5, die_after: 3s}}\n", "2", "--trial", "40s"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		stopped(t, f, 3, "plugin wms")
		testenv.Eventually(t, patience, "the canary runs the one before", func() bool {
			state := canary.Status().GetConfig()
			return state.GetVersion() == 1 && state.GetState() == "rolled_back" && state.GetRefusedVersion() == 3
		})
		testenv.Eventually(t, patience, "that is said in words at the centre", func() bool {
			d := f.Site("canary").Has("config_drift")
			return d != nil && strings.Contains(d.Text, "to run version 3") && strings.Contains(d.Text, "It runs version 1")
		})
		logged := f.Site("canary").Logged
		testenv.Eventually(t, patience, "the canary captures with the old section", func() bool { return f.Site("canary").Logged > logged+10 })
	})
	t.Run("a good one by a person's word", func(t *testing.T) {
		if out, err := f.set("uplink: {window: 40, heartbeat: 1s}\n", "3", "--hold"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		r := f.until(4, "waiting")
		for _, s := range r.Sites {
			if s.Ring > 0 && s.Sent != 1 {
				t.Errorf("%s was given version %d before a person's word", s.Site, s.Sent)
			}
		}
		f.Must("site", "config", "rollout", "go", "--tenant", "main", "--by", "anna")
		f.until(4, "done")
		testenv.Eventually(t, patience, "nothing is open", func() bool {
			title, _ := f.Exception("canary", "config_rollout_stopped")
			return title == "" && f.Site("canary").Has("config_drift") == nil
		})
	})
	t.Run("drift", func(t *testing.T) {
		f.Must("site", "command", "config", "--tenant", "main", "dc-east", write(t, "uplink: {window: 7, heartbeat: 1s}\n"), "--wait", "1m")
		testenv.Eventually(t, patience, "it is said in words", func() bool {
			d := f.Site("dc-east").Has("config_drift")
			return d != nil && strings.Contains(d.Text, "runs a configuration that was sent to it alone") && strings.Contains(d.Text, "somebody has given it another one")
		})
	})
	for _, s := range append(others, canary) {
		logged := f.Site(s.Name).Logged
		testenv.Eventually(t, patience, s.Name+" works on", func() bool { return f.Site(s.Name).Logged > logged+5 })
	}
}

// stopped waits until a version is stopped at the canary, and looks whether people are told why and nobody else got it.
func stopped(t *testing.T, f fleet, version uint64, words ...string) {
	t.Helper()
	r := f.until(version, "stopped")
	for _, s := range r.Sites {
		if s.Ring > 0 && s.Sent >= version {
			t.Errorf("%s got version %d", s.Site, s.Sent)
		}
	}
	var text string
	testenv.Eventually(t, patience, "the exception", func() bool { _, text = f.Exception("canary", "config_rollout_stopped"); return text != "" })
	for _, word := range words {
		if !strings.Contains(text, word) || !strings.Contains(r.Version.Text, word) {
			t.Errorf("not told %q: %s; %s", word, r.Version.Text, text)
		}
	}
	t.Log(text)
}

func sha(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
