// Package edge22_test shows that work goes down with the same promise as events go up: stored, applied once, answered.
package edge22_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const (
	site   = "dc-west"
	tenant = "main"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

func open(t *testing.T, c world.Config) *world.World {
	t.Helper()
	c.Sites = []string{site}
	return worldtest.Open(t, c)
}

// operator runs a command of the collector as a person does.
func operator(t *testing.T, w *world.World, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, world.Program(w.Config.Bin, "dockline-collector"), append(args, "--config", filepath.Join(w.Config.Dir, "collector.yaml"), "--tenant", tenant)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// commands is what the site was told, by position.
func commands(t *testing.T, w *world.World) []downlink.Sent {
	t.Helper()
	text, err := operator(t, w, "site", "command", "list", site, "--json", "--limit", "100000")
	if err != nil {
		t.Fatal(text)
	}
	var all []downlink.Sent
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b downlink.Sent) int { return int(a.Position) - int(b.Position) })
	return all
}

func until(t *testing.T, w *world.World, what string, limit time.Duration, is func() bool) {
	t.Helper()
	testenv.Eventually(t, limit, what, is, func() string {
		return "collector: " + w.Collector.LogTail() + "\nagent: " + w.Sites[site].Agent.LogTail()
	})
}

// carriedOut is what the dock's ledger says it was told: key and version, in the order of the ledger.
func carriedOut(t *testing.T, w *world.World) (keys []string, versions map[string][]uint64) {
	t.Helper()
	records, err := w.Sites[site].Ledger()
	if err != nil {
		t.Fatal(err)
	}
	versions = map[string][]uint64{}
	for _, r := range records {
		if r.Command != nil {
			keys = append(keys, r.Command.Key)
			versions[r.Command.Key] = append(versions[r.Command.Key], r.Command.Version)
		}
	}
	return keys, versions
}

// results are the events in which the site answered, by command key.
func results(t *testing.T, w *world.World) map[string][]*docklinev1.Event {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(w.Config.Dir, "collector", "collector.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	found := map[string][]*docklinev1.Event{}
	err = d.Read(t.Context(), func(tx *db.Tx) error {
		clear(found)
		rows, err := tx.Query(t.Context(), `SELECT body FROM event WHERE kind = ? ORDER BY log_id`, int64(docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var body []byte
			e := &docklinev1.Event{}
			if err := rows.Scan(&body); err != nil {
				return err
			}
			if err := proto.Unmarshal(body, e); err != nil {
				return err
			}
			found[e.GetCommandResult().GetKey()] = append(found[e.GetCommandResult().GetKey()], e)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Releases queue up while the site is offline; some orders are cancelled meanwhile, so that of their key a newer version counts. The
// line comes back, and the agent is killed again and again while it carries them out. Each is applied once, none after a newer version
// of its key, none past another of its order, and each is answered once, with its correlation id.
//
// Shows: E22
func TestEdge22(t *testing.T) {
	n := testenv.Count("downlink.releases")
	w := open(t, world.Config{Seed: 22, MovementsPerSecond: 2})
	s := w.Sites[site]
	until(t, w, "the site is online", time.Minute, func() bool {
		text, err := operator(t, w, "site", "show", site)
		return err == nil && strings.Contains(text, "online")
	})
	s.Line.Cut(true)
	orders, err := w.Orders(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	until(t, w, "all releases wait", 3*time.Minute, func() bool { return len(commands(t, w)) == n })
	client := w.ERP.(interface {
		CancelOrder(ctx context.Context, number, reason string) (erp.Order, error)
	})
	cancelled := 0
	for i := 7; i < n; i += 20 {
		if _, err := client.CancelOrder(t.Context(), orders[i].Number, "the customer called"); err != nil {
			t.Fatal(err)
		}
		cancelled++
	}
	kinds := func(kind string) (count int) {
		for _, c := range commands(t, w) {
			if c.Kind == kind && c.Position > 0 {
				count++
			}
		}
		return count
	}
	until(t, w, "the cancellations wait", time.Minute, func() bool { return kinds("cancel_order") == cancelled })
	for _, c := range commands(t, w) {
		if c.State != "waiting" {
			t.Fatalf("%s is %s although the site is offline", c.Key, c.State)
		}
	}

	s.Line.Cut(false)
	const kills = 5
	for i := range kills {
		until(t, w, "the site carries out", 2*time.Minute, func() bool { keys, _ := carriedOut(t, w); return len(keys) >= n*(i+1)/(kills+2) })
		s.Agent.Kill()
		if i == 2 {
			w.Collector.Kill()
			if err := w.Collector.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Agent.Start(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, w, "all are answered", 4*time.Minute, func() bool {
		return !slices.ContainsFunc(commands(t, w), func(c downlink.Sent) bool { return c.CompletedAt.IsZero() })
	})

	sent := commands(t, w)
	keys, versions := carriedOut(t, w)
	answers := results(t, w)
	if len(sent) != n || len(keys) != n {
		t.Errorf("%d commands, the dock was told %d, want %d each", len(sent), len(keys), n)
	}
	for _, c := range sent {
		if c.State != "applied" || !slices.Equal(versions[c.Key], []uint64{c.Version}) {
			t.Errorf("%s version %d is %s (%s), the dock was told versions %v", c.Key, c.Version, c.State, c.Text, versions[c.Key])
		}
		got := answers[c.Key]
		if len(got) != 1 {
			t.Errorf("%s was answered %d times", c.Key, len(got))
			continue
		}
		order := strings.TrimPrefix(c.Key, "release/")
		if want := event.CorrelationID(tenant, order); got[0].GetCorrelationId() != want || c.CorrelationID != want || got[0].GetCommandResult().GetVersion() != c.Version {
			t.Errorf("%s version %d was answered for version %d with correlation id %s, want %s", c.Key, c.Version, got[0].GetCommandResult().GetVersion(), got[0].GetCorrelationId(), want)
		}
	}
	// They came in the order of the list, but for those that were retried while the plugin came up again.
	inverted := 0
	for i := 1; i < len(sent); i++ {
		if slices.Index(keys, sent[i].Key) < slices.Index(keys, sent[i-1].Key) {
			inverted++
		}
	}
	testenv.Figure(t, "releases queued offline, each applied and answered once", n, "of them cancelled", cancelled, "kills", kills, "told to the dock out of the list's order", inverted)
}

// A person has the site count, read again, leave an order and take a configuration; the result comes back to where he asked.
func TestOperatorCommands(t *testing.T) {
	w := open(t, world.Config{Seed: 23})
	if _, err := w.Orders(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if r, err := w.Settle(t.Context(), 5*time.Minute); err != nil || !r.OK {
		t.Fatalf("%v %+v", err, r)
	}
	stock := w.ERP.Master().Stock
	at := slices.IndexFunc(stock, func(l erp.StockLine) bool { return l.Site == site })
	bin := stock[at].Bin + "," + stock[at].Item
	good, bad := filepath.Join(w.Config.Dir, "good.yaml"), filepath.Join(w.Config.Dir, "bad.yaml")
	for path, text := range map[string]string{good: "uplink: {rate_limit: 512}\n", bad: "uplink:\n  rate_limit: 512\n  windows: 3\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
		ok   bool
	}{
		{[]string{"recount", site, "--number", "RC1", "--bin", bin, "--reason", "a doubt"}, "applied", true},
		{[]string{"reread", site, "--plugin", "wms", "--since", "24h"}, "movements since", true},
		{[]string{"reread", site, "--plugin", "north", "--since", "24h"}, `"north" is not configured`, false},
		{[]string{"config", site, good}, "in force", true},
		{[]string{"config", site, bad}, "configuration:3: uplink.windows", false},
		{[]string{"cancel", site, "SO-NOBODY-KNOWS", "--reason", "a slip"}, "applied", true},
	} {
		text, err := operator(t, w, append(append([]string{"site", "command"}, tt.args...), "--wait", "60s")...)
		if (err == nil) != tt.ok || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %v\n%s\nwant %q", strings.Join(tt.args, " "), err, text, tt.want)
		}
	}
	// Of all items the centre now knows one alone; the site warns of what it picks, and everything goes its way.
	master := filepath.Join(w.Config.Dir, "items.csv")
	if err := os.WriteFile(master, []byte("code,name\nSKU-NOBODY-PICKS,a rumour\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := operator(t, w, "site", "master", "--kind", "item", "--whole", master); err != nil || !strings.Contains(text, "1 of 1 changed") {
		t.Errorf("master data: %v %s", err, text)
	}
	says := func(what string) func() bool {
		return func() bool {
			text, err := operator(t, w, "site", "show", site, "--json")
			return err == nil && strings.Contains(text, what)
		}
	}
	until(t, w, "the site holds the master data", time.Minute, says(`"master_through": "1"`))
	if _, err := w.Orders(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	until(t, w, "the site warns", time.Minute, says("unknown_item"))
	if text, err := operator(t, w, "site", "command", "recount", "nowhere", "--number", "X", "--bin", bin); err == nil || !strings.Contains(text, "no such site") {
		t.Errorf("to an unknown site: %s", text)
	}
	// What was read again changes nothing.
	if r, err := w.Settle(t.Context(), 5*time.Minute); err != nil || !r.OK {
		t.Errorf("%v %+v", err, r)
	}
}
