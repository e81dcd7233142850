package policy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/policy"
)

// The page about the folder names every file that there is, and none that there is not.
func TestThePageNamesEveryFile(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(page), "## Who goes before whom")
	var named []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+\\.yaml)` \\|").FindAllStringSubmatch(table, -1) {
		named = append(named, row[1])
	}
	slices.Sort(named)
	if files := policy.FileNames(); !slices.Equal(named, files) {
		t.Errorf("the page names %v, the files are %v", named, files)
	}
}
