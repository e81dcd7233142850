package results_test

import (
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv/results"
)

const run = `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: SKIP-SERVER: tryton: not installed\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p","Elapsed":2}
{"ImportPath":"q","Action":"build-output","Output":"q.go:1: no\n"}
{"ImportPath":"q","Action":"build-fail"}
{"Action":"output","Package":"r","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"r","Elapsed":480}
`

func TestCountsFailuresBrokenPackagesAndSkips(t *testing.T) {
	r, err := results.Read(strings.NewReader(run))
	if err != nil {
		t.Fatal(err)
	}
	if passed, failed, skipped := r.Count(); passed != 1 || failed != 3 || skipped != 1 {
		t.Errorf("%d passed, %d failed, %d skipped; want 1, 3, 1", passed, failed, skipped)
	}
	if missing := r.MissingServers(); missing[results.Test{Package: "p", Name: "TestC"}] != "tryton: not installed" {
		t.Errorf("missing servers: %v", missing)
	}
	var out strings.Builder
	r.Print(&out)
	for _, want := range []string{"a_test.go:3: wrong", "q.go:1: no", "TestHangs", "1 passed, 3 failed, 1 skipped\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}

func TestRefusesWhatGoTestDidNotPrint(t *testing.T) {
	if _, err := results.Read(strings.NewReader("make: *** no rule\n")); err == nil {
		t.Error("a line that is no JSON was taken for a test run")
	}
}
