package gs1

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Which identifiers there are, what each needs beside it and what it forbids is what GS1's own syntax dictionary says, line by line.
//
// Shows: S35
func TestPairsAreThoseOfTheDictionary(t *testing.T) {
	dir := os.Getenv("DOCKLINE_SPECS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "specs")
	}
	text, err := os.ReadFile(filepath.Join(dir, "gs1", "gs1-syntax-dictionary.txt"))
	if os.IsNotExist(err) {
		t.Skipf("the dictionary is not here (%s); TestWhatStandsTogether holds our own", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	found, pairs := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		cells := strings.Fields(line)
		if len(cells) == 0 {
			continue
		}
		var needs [][]string
		var forbids []string
		for _, cell := range cells[1:] {
			if list, ok := strings.CutPrefix(cell, "req="); ok {
				needs = both(needs, list)
				pairs++
			}
			if list, ok := strings.CutPrefix(cell, "ex="); ok {
				forbids = append(forbids, strings.Split(list, ",")...)
				pairs++
			}
		}
		for _, ai := range numbered(cells[0]) {
			id := identifiers()[ai]
			if id == nil {
				t.Errorf("AI %s is missing in the table", ai)
				continue
			}
			found[ai] = true
			if got, want := groups(id.needs), groups(needs); got != want {
				t.Errorf("AI %s needs %q, the dictionary says %q", ai, got, want)
			}
			if got, want := sorted(id.forbids), sorted(forbids); got != want {
				t.Errorf("AI %s forbids %q, the dictionary says %q", ai, got, want)
			}
		}
	}
	for ai := range identifiers() {
		if !found[ai] {
			t.Errorf("AI %s is not in the dictionary", ai)
		}
	}
	if pairs < 200 || len(found) < 400 {
		t.Errorf("only %d identifiers with %d attributes were read", len(found), pairs)
	}
}

// both is what is needed where a further list is: one group of each.
func both(needs [][]string, list string) (all [][]string) {
	for more := range strings.SplitSeq(list, ",") {
		group := strings.Split(more, "+")
		if len(needs) == 0 {
			all = append(all, group)
		}
		for _, one := range needs {
			all = append(all, append(slices.Clone(one), group...))
		}
	}
	return all
}

func groups(of [][]string) string {
	var texts []string
	for _, group := range of {
		texts = append(texts, strings.Join(slices.Sorted(slices.Values(group)), "+"))
	}
	return sorted(texts)
}

func sorted(of []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(of))), ",")
}
