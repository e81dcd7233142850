package fleet_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// A day of real work: what the agents' journals count is what the log has, to the event, by files and by a simulated WMS, and the site's page
// says who captured it.
func TestADayOfWorkIsCountedAlike(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 68})
	worldtest.Orders(t, w, 12)
	worldtest.Settle(t, w, 3*patience)
	worldtest.Until(t, "equal counts of both sites", patience, func() (bool, error) {
		page, err := w.Page(t.Context(), "api/v1/days")
		if err != nil {
			return false, err
		}
		var found api.Days
		if err := json.Unmarshal([]byte(page), &found); err != nil {
			return false, err
		}
		logged, equal := int64(0), map[string]bool{}
		for _, d := range found.Days {
			logged += d.Logged
			equal[d.Site] = d.Captured == d.Logged+d.Again && d.Captured > 0 && d.Unfolded == 0
		}
		return len(equal) == 2 && equal["dc-east"] && equal["dc-west"] && logged > 24, nil
	})
	for _, site := range []string{"dc-east", "dc-west"} {
		page, err := w.Page(t.Context(), "sites/"+site)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"wms", "running", "Daily close", "History"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page of %s does not show %q", site, want)
			}
		}
	}
}
