package wmsfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file that cannot be put away has its papers written with each try. Whatever becomes of it in the end, they do not stay behind alone: not after a restart either.
func TestPapersOfAFileThatDidNotCome(t *testing.T) {
	s := newSite(t, strings.Replace(testConfig, "{by: rename}", "{by: marker}", 1))
	marker := filepath.Join(s.root, "out", "picks1.csv.done")
	if err := os.MkdirAll(filepath.Join(marker, "held"), 0o755); err != nil { // it cannot be taken away
		t.Fatal(err)
	}
	s.drop("picks1.csv", pickFile("P1;SO1;SKU;many;;2026-07-04T08:00:00;B;1"))
	s.mustStep()
	if got := strings.Join(s.list("out/error"), " "); !strings.Contains(got, "picks1.csv.txt") {
		t.Fatalf("the error folder holds %s", got)
	}
	for range 8 {
		s.pass(time.Second)
	}
	s.start()
	if err := os.Remove(filepath.Join(s.root, "out", "picks1.csv")); err != nil { // by a person
		t.Fatal(err)
	}
	for range 40 {
		s.pass(time.Second)
	}
	if got := s.list("out/error"); len(got) > 0 {
		t.Errorf("without their file there lie %v", got)
	}
}
