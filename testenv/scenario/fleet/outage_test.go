package fleet_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/manysites"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// An outage of the network begins and ends for all sites in the same moment. While it lasts all are offline; afterwards each is online in the
// session that it is in, and stays so.
func TestAnOutageEndsForAllSites(t *testing.T) {
	n := testenv.Count("fleet.sites")
	c := openCentre(t, "")
	c.until("online")
	line, err := testenv.OpenLine(c.broker)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	authority, err := identity.Open(filepath.Join(c.dir, "collector", "identity"))
	if err != nil {
		t.Fatal(err)
	}
	sees := &fleet.Fleet{DB: c.db}
	sites, err := manysites.Open(t.Context(), manysites.Config{Tenant: tenant, N: n, Broker: line.Addr(), Authority: authority, Fleet: sees, Heartbeat: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer sites.Close()
	right := func(what string, state fleet.State) {
		t.Helper()
		worldtest.Until(t, what, 2*patience, func() (bool, error) {
			right, err := sites.Right(t.Context(), sees, tenant, state)
			return right == n, err
		})
	}
	right("all sites are online", fleet.Online)
	line.Cut(true)
	right("all sites are offline", fleet.Offline)
	if s := c.look(); s == nil || s.State != fleet.Online {
		t.Errorf("a site with another line went with them: %+v", s)
	}
	began := time.Now()
	line.Cut(false)
	right("all sites are online again", fleet.Online)
	back := time.Since(began)
	c.steady("after the outage")
	if right, err := sites.Right(t.Context(), sees, tenant, fleet.Online); err != nil || right != n {
		t.Errorf("%d of %d sites are shown as they are, %v", right, n, err)
	}
	testenv.Figure(t, "sites", n, "back and shown so after", back.Round(10*time.Millisecond))
}
