package reference

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the page anew")

const page = "../../docs/plugin-configuration.md"

// The page is as the schemas make it.
func TestThePageIsAsGenerated(t *testing.T) {
	made, err := Page("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, plugin := range []string{"## scanner\n", "## sim\n", "## wms-file\n", "## wms-sql\n"} {
		if !strings.Contains(made, plugin) {
			t.Errorf("the page has no section %s", plugin)
		}
	}
	if *update {
		if err := os.WriteFile(page, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	stands, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(stands) != made {
		t.Errorf("docs/plugin-configuration.md is not what the schemas say: run make reference")
	}
}
