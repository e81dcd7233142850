package collector_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector"
)

func withEPCIS(t *testing.T, text string) (*collector.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return collector.LoadConfig(path)
}

func TestTheWorldKnowsSitesByTheConfiguration(t *testing.T) {
	c, err := withEPCIS(t, `epcis:
  - tenant: acme
    base: https://id.example.com
    party: "4012345000009"
    sites:
      - {site: dc-east, gln: "4012345000054", granularity: steps, time_zone: Europe/Berlin}
      - {site: dc-west, granularity: whole}
`)
	if err != nil {
		t.Fatal(err)
	}
	acme, other := c.EPCISTenant("acme"), c.EPCISTenant("other")
	east, west := acme.Sites["dc-east"], acme.Sites["dc-west"]
	if acme.Base != "https://id.example.com" || acme.Party != "4012345000009" || east.GLN != "4012345000054" || !east.Steps || east.Zone.String() != "Europe/Berlin" ||
		west.Steps || west.Zone.String() != "UTC" {
		t.Errorf("read as %+v", acme)
	}
	if other.Name != "other" || len(other.Sites) != 0 {
		t.Errorf("one that is not there: %+v", other)
	}
}

func TestEveryFaultOfWhatTheWorldKnowsIsTold(t *testing.T) {
	_, err := withEPCIS(t, `epcis:
  - tenant: acme
    base: no-uri
    party: "4012345000008"
    sites:
      - {site: dc-east, gln: "4012345000054"}
      - {site: dc-east, gln: "401234500005"}
      - {site: dc-west, gln: "4012345000054", granularity: fine}
      - {site: dc-north, gln: "4012345000054"}
      - {site: "a b"}
  - tenant: acme
  - tenant: zoned
    sites: [{site: dc-east, time_zone: Mars/Olympus}]
`)
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{"base", "party", "dc-east", "is there twice", "4012345000054 is the number of", "granularity", `"a b"`, "Mars/Olympus", "collector.yaml:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told of:\n%v", want, err)
		}
	}
}
