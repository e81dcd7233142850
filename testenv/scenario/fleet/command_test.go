package fleet_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
)

// A person asks the collector's program how the sites are, with a real agent online, after its line was cut, and after the collector itself
// was stopped; a script gets the same as JSON.
//
// Shows: S68
func TestSitesByCommand(t *testing.T) {
	t.Parallel()
	c := openCentre(t, "")
	c.until(fleet.Online)
	config := filepath.Join(c.dir, "collector.yaml")
	ask := func(args ...string) string {
		return c.run(append([]string{"dockline-collector", "site"}, append(args, "--config", config)...)...)
	}
	says := func(when, out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q is missing:\n%s", when, w, out)
			}
		}
	}
	says("the list", ask("list"), "TENANT", dcWest, "online")
	says("the list of one state", ask("list", "--state", "offline"), "TENANT")
	var sites []api.Site
	if err := json.Unmarshal([]byte(strip(ask("list", "--json"))), &sites); err != nil || len(sites) != 1 || sites[0].State != fleet.Online || sites[0].Session == "" || sites[0].AgentVersion == "" {
		t.Errorf("as JSON: %+v, %v", sites, err)
	}
	says("one site", ask("show", dcWest, "--tenant", tenant), "online", "Last word", "Certificate until", "History")

	c.line.Cut(true)
	c.until(fleet.Offline)
	says("one that is offline", ask("show", dcWest, "--tenant", tenant), "ERROR: Offline for", "Look at the site's network first")
	c.eventually("the history has its end", func() bool {
		points, err := (&fleet.Fleet{DB: c.db}).History(t.Context(), tenant, dcWest, time.Now().Add(-time.Hour))
		return err == nil && len(points) > 1 && !points[len(points)-1].Online
	})
	c.line.Cut(false)
	c.until(fleet.Online)
	c.eventually("the collector has said that it listens", func() bool {
		var n int
		return c.db.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow(t.Context(), `SELECT count(*) FROM listener`).Scan(&n) }) == nil && n == 1
	})
	c.collector.Stop()
	c.eventually("nobody listens", func() bool { s := c.look(); return s != nil && strings.Contains(s.Health, "nobody has listened") })
	says("without a collector", ask("list"), "nobody has listened to it since")
	says("the daily close", ask("close"), "CAPTURED")
	if out, err := json.Marshal(strip(ask("close", "--json"))); err != nil || !strings.Contains(string(out), "days") {
		t.Errorf("the close as JSON: %s, %v", out, err)
	}
}

// strip leaves of an output what is JSON: a program may say something before.
func strip(out string) string {
	if i := strings.IndexAny(out, "[{"); i >= 0 {
		return out[i:]
	}
	return out
}
