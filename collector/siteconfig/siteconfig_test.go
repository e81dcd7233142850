package siteconfig_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/siteconfig"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"# nothing\n":           "",
		"uplink: {window: 8}\n": "",
		"rules:\n  double_scan: [{step: pack.confirmed, within: 10s}]\n  unknown: {item: refuse}\n": "",
		"mqtt: {url: \"mqtts://x\"}\n": "configuration:1",
		"uplink:\n  window: 0\n":       "configuration:2: uplink.window",
		"log: {level: loud}\n":         "log.level",
		"journal: {limit: 1MiB}\n":     "journal.limit",
		"journal:\n  limit: 5X\n":      "configuration:2: journal.limit",
		"rules:\n  double_scan:\n    - {step: pack.confrmed, within: 10s}\n": "configuration:3: rules.double_scan[0].step",
		"plugins: [{id: a}, {id: a}]\n":                                      "is there twice",
		strings.Repeat("# a\n", 20_000):                                      "are allowed",
	} {
		err := siteconfig.Check(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestDiff(t *testing.T) {
	if d := siteconfig.Diff("a\nb\nc\n", "a\nc\nd\n"); d != "  a\n- b\n  c\n+ d\n" {
		t.Errorf("%q", d)
	}
	if d := siteconfig.Diff("", "x\n"); d != "+ x\n" {
		t.Errorf("%q", d)
	}
	if d := siteconfig.Diff("x\n", "x\n"); d != "" {
		t.Errorf("%q", d)
	}
}

// world is a database with sites that say what a test lets them say.
type world struct {
	t       *testing.T
	db      *db.DB
	now     time.Time
	rollout *siteconfig.Rollout
	sent    map[string]*docklinev1.Command
	answers map[string]string
	open    []siteconfig.Exception
}

func newWorld(t *testing.T, d *db.DB, sites map[string]int) *world {
	w := &world{t: t, db: d, now: time.UnixMicro(1_800_000_000_000_000), sent: map[string]*docklinev1.Command{}, answers: map[string]string{}}
	clock := func() time.Time { return w.now }
	w.rollout = &siteconfig.Rollout{Store: siteconfig.Store{DB: d, Now: clock}, Holder: "1", Log: slog.New(slog.DiscardHandler),
		Submit: func(_ context.Context, c *docklinev1.Command) (uint64, error) {
			w.sent[c.Site] = proto.CloneOf(c)
			return c.GetApplyConfig().GetConfigVersion() + 100, nil
		},
		Answer: func(_ context.Context, _, site string) (uint64, string, string, error) {
			if text := w.answers[site]; text != "" {
				return w.sent[site].GetApplyConfig().GetConfigVersion() + 100, "refused", text, nil
			}
			return 0, "", "", nil
		},
		Report: func(_ context.Context, _ *db.Tx, _, _ string, found []siteconfig.Exception) error {
			w.open = found
			return nil
		}}
	f := &fleet.Fleet{DB: d, Now: clock}
	for site, ring := range sites {
		if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: "acme", ID: site}); err != nil {
			t.Fatal(err)
		}
		if err := w.rollout.Join(t.Context(), "acme", site, siteconfig.DefaultGroup, ring); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// says is a heartbeat of a site.
func (w *world) says(site string, c *docklinev1.ConfigState, faults ...string) {
	w.t.Helper()
	h := &docklinev1.Heartbeat{Config: c}
	for _, code := range faults {
		h.Conditions = append(h.Conditions, &docklinev1.Condition{Code: code, Title: code, Severity: docklinev1.Severity_SEVERITY_ERROR})
	}
	raw, err := proto.Marshal(h)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		return tx.Upsert(w.t.Context(), db.Insert{Table: "presence", Columns: []string{"tenant", "site", "session", "online", "connected_at", "seen_at", "heartbeat"},
			Rows: [][]any{{"acme", site, "s", int64(1), w.now.UnixMicro(), w.now.UnixMicro(), raw}}, Conflict: []string{"tenant", "site"}, Update: []string{"online", "seen_at", "heartbeat"}})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) step() {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	if err := w.rollout.Step(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) newest() siteconfig.Version {
	w.t.Helper()
	v, err := w.rollout.Get(w.t.Context(), "acme", siteconfig.DefaultGroup, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func change(from uint64, text string, soak time.Duration) siteconfig.Change {
	return siteconfig.Change{Tenant: "acme", Group: siteconfig.DefaultGroup, YAML: text, By: "anna", Reason: "a test", From: from, Soak: soak, Trial: time.Minute}
}

// A version goes to the canary, waits until that has kept it for the soak time, and goes on; a site that is offline holds nobody up and gets it
// later; one whose health falls after it has kept a version stops it, and a newer version begins anew. On both databases.
//
// Shows: S36
func TestRollOut(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, map[string]int{"canary": 0, "east": 1, "west": 3})
		made, err := w.rollout.Set(t.Context(), change(0, "uplink: {window: 8}\n", time.Minute))
		if err != nil || made.Number != 1 || made.State != siteconfig.Rolling {
			t.Fatalf("%+v %v", made, err)
		}
		w.says("canary", &docklinev1.ConfigState{State: "own"})
		w.says("east", &docklinev1.ConfigState{State: "own"}, "line_flaps")
		w.step()
		if len(w.sent) != 1 || w.sent["canary"].GetApplyConfig().GetConfigVersion() != 1 {
			t.Fatalf("sent %v", w.sent)
		}
		runs := func(version uint64, state string) *docklinev1.ConfigState {
			return &docklinev1.ConfigState{Version: version, Sha256: made.SHA256, State: state}
		}
		w.says("canary", runs(1, "trial"))
		w.step()
		w.says("canary", &docklinev1.ConfigState{Sha256: "another", State: "trial"}) // site command config, while it watched itself
		members, err := w.rollout.Members(t.Context(), "acme", "", time.Hour)
		if err != nil || !slices.ContainsFunc(members, func(m *siteconfig.Member) bool { return strings.Contains(m.Drift, "somebody has given it another one") }) {
			t.Errorf("a configuration that was sent past the roll-out is not named: %+v %v", members, err)
		}
		w.says("canary", runs(1, "accepted"))
		w.step()
		if v := w.newest(); v.Ring != 0 {
			t.Errorf("before the soak time it is at ring %d", v.Ring)
		}
		w.now = w.now.Add(time.Minute)
		w.says("canary", runs(1, "accepted"))
		w.says("east", &docklinev1.ConfigState{State: "own"}, "line_flaps")
		w.step()
		w.step()
		if w.newest().Ring != 1 || w.sent["east"] == nil || w.sent["west"] != nil {
			t.Errorf("after it: %+v, sent %v", w.newest(), w.sent)
		}
		w.says("east", runs(1, "accepted"), "line_flaps") // that was wrong before
		w.step()
		w.now = w.now.Add(time.Minute)
		w.step()
		w.step()
		if v := w.newest(); v.Ring != 3 || v.State != siteconfig.Rolling || w.sent["west"] == nil {
			t.Errorf("%+v: west, which is offline, is the last one", v)
		}
		w.says("west", runs(1, "accepted"))
		w.step()
		w.step()
		if v := w.newest(); v.State != siteconfig.Done {
			t.Errorf("%+v", v)
		}

		// Two people.
		if _, err := w.rollout.Set(t.Context(), change(1, "uplink: {window: 9}\n", 0)); err != nil {
			t.Fatal(err)
		}
		var conflict *siteconfig.Conflict
		if _, err := w.rollout.Set(t.Context(), change(1, "uplink: {window: 10}\n", 0)); !errors.As(err, &conflict) || conflict.Newest.Number != 2 || !strings.Contains(err.Error(), "+ uplink: {window: 9}") {
			t.Errorf("two people: %v", err)
		}
		// Its health falls after it has kept it.
		w.says("canary", runs(1, "accepted"))
		w.step()
		if _, err := w.rollout.Go(t.Context(), "acme", siteconfig.DefaultGroup, "anna"); err != nil {
			t.Error(err)
		}
		v := w.newest()
		if _, err := w.rollout.Stop(t.Context(), "acme", siteconfig.DefaultGroup, "anna", "it was the wrong file"); err != nil {
			t.Error(err)
		}
		if again := w.newest(); v.Ring != 1 || again.State != siteconfig.Stopped || !strings.Contains(again.Text, "wrong file") {
			t.Errorf("%+v then %+v", v, again)
		}
		if _, err := w.rollout.Go(t.Context(), "acme", siteconfig.DefaultGroup, "anna"); !errors.Is(err, siteconfig.ErrState) {
			t.Errorf("a stopped one goes on: %v", err)
		}
		made, err = w.rollout.Set(t.Context(), change(2, "uplink: {window: 11}\n", 0))
		if err != nil {
			t.Fatal(err)
		}
		w.step()
		w.says("canary", runs(3, "accepted"))
		w.step()
		w.says("canary", runs(3, "accepted"), "journal_full")
		w.step()
		if v := w.newest(); v.State != siteconfig.Stopped || !strings.Contains(v.Text, "journal_full") || len(w.open) != 1 || w.open[0].Code != siteconfig.CodeStopped {
			t.Errorf("%+v, open %+v", v, w.open)
		}
		sites, err := w.rollout.Members(t.Context(), "acme", "", time.Hour)
		if err != nil || len(sites) != 3 {
			t.Fatalf("%v %v", sites, err)
		}
		for _, m := range sites {
			switch {
			case m.Site == "canary" && (m.Desired != 3 || m.Drift != ""), m.Site == "west" && (m.Desired != 1 || m.Drift != ""):
				t.Errorf("%+v", m)
			}
		}
		w.answers["canary"] = "configuration:1: a fault"
		if _, err = w.rollout.Set(t.Context(), change(3, "uplink: {window: 12}\n", 0)); err != nil {
			t.Fatal(err)
		}
		w.step()
		w.step()
		if v := w.newest(); v.State != siteconfig.Stopped || !strings.Contains(v.Text, "a fault") {
			t.Errorf("refused: %+v", v)
		}
		history, err := w.rollout.History(t.Context(), "acme", siteconfig.DefaultGroup)
		if err != nil || len(history) != 4 || history[0].Number != 4 || history[3].State != siteconfig.Done {
			t.Errorf("%+v %v", history, err)
		}
	})
}

// A few bytes that would end the process which decodes them, or fill its memory, are a fault like any other.
func TestATextThatIsMadeToHarmIsRefused(t *testing.T) {
	for _, text := range []string{"rules: &a [*a]\n", "rules: &a\n  b: *a\n", "plugins:\n- id: wms\n  config: &a\n    b: *a\n", "rules: " + strings.Repeat("[", 60<<10)} {
		var faults configfile.Faults
		if err := siteconfig.Check(text); !errors.As(err, &faults) || faults[0].Line == 0 {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}
