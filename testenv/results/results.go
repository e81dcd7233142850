// Package results reads what `go test -json` prints and says what passed, what failed and why, and what was skipped for want of a server.
package results

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
)

// Test names one test of one package.
type Test struct{ Package, Name string }

// Results are the outcomes of one run.
type Results struct {
	// Outcome is pass, fail or skip.
	Outcome map[Test]string
	// Output holds what each failed or skipped test printed.
	Output map[Test]string
	// Broken are packages that did not build or ended without a test failing, with what they printed.
	Broken map[string]string
	// Seconds that each package took.
	Seconds map[string]float64
}

type line struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// Read takes a run's output. A line that is not JSON belongs to no test and is an error: the run itself broke.
func Read(in io.Reader) (*Results, error) {
	r := &Results{Outcome: map[Test]string{}, Output: map[Test]string{}, Broken: map[string]string{}, Seconds: map[string]float64{}}
	printed := map[Test]*strings.Builder{}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), 16<<20)
	for n := 1; scanner.Scan(); n++ {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("line %d is not from go test -json: %q", n, scanner.Text())
		}
		name := l.Package
		if name == "" {
			name = l.ImportPath
		}
		at := Test{name, l.Test}
		switch l.Action {
		case "output", "build-output":
			if printed[at] == nil {
				printed[at] = &strings.Builder{}
			}
			printed[at].WriteString(l.Output)
		case "pass", "fail", "skip":
			r.end(at, l, printed)
			delete(printed, at)
		case "build-fail":
			r.Broken[name] = text(printed[at])
		}
	}
	return r, scanner.Err()
}

func (r *Results) end(at Test, l line, printed map[Test]*strings.Builder) {
	if at.Name != "" {
		r.Outcome[at] = l.Action
		if l.Action != "pass" {
			r.Output[at] = text(printed[at])
		}
		return
	}
	r.Seconds[at.Package] = l.Elapsed
	if l.Action == "fail" && !r.hasFailure(at.Package) {
		r.Broken[at.Package] = text(printed[at])
		for test, b := range printed { // a test that never ended: time-out, panic, exit
			if test.Package == at.Package && test.Name != "" {
				r.Broken[at.Package] += "\n--- " + test.Name + "\n" + text(b)
			}
		}
	}
}

func text(b *strings.Builder) string {
	if b == nil {
		return ""
	}
	return b.String()
}

func (r *Results) hasFailure(pkg string) bool {
	for test, outcome := range r.Outcome {
		if test.Package == pkg && outcome == "fail" {
			return true
		}
	}
	return false
}

// Count returns how many tests passed, failed (a broken package is one more) and were skipped.
func (r *Results) Count() (passed, failed, skipped int) {
	for _, outcome := range r.Outcome {
		switch outcome {
		case "pass":
			passed++
		case "fail":
			failed++
		case "skip":
			skipped++
		}
	}
	return passed, failed + len(r.Broken), skipped
}

// MissingServers are the tests skipped because a server is not installed, with the reason.
func (r *Results) MissingServers() map[Test]string {
	missing := map[Test]string{}
	for test, outcome := range r.Outcome {
		if _, reason, found := strings.Cut(r.Output[test], "SKIP-SERVER: "); found && outcome == "skip" {
			missing[test], _, _ = strings.Cut(reason, "\n")
		}
	}
	return missing
}

// Print writes the failures with their output, the skips, the slowest packages and, last, the counts.
func (r *Results) Print(out io.Writer) {
	for _, test := range r.with("fail") {
		fmt.Fprintf(out, "FAIL %s %s\n%s\n", test.Package, test.Name, r.Output[test])
	}
	for pkg, printed := range r.Broken {
		fmt.Fprintf(out, "FAIL %s\n%s\n", pkg, printed)
	}
	for _, test := range r.with("skip") {
		fmt.Fprintf(out, "skip %s %s: %s\n", test.Package, test.Name, reason(r.Output[test]))
	}
	slowest := make([]string, 0, len(r.Seconds))
	for pkg := range r.Seconds {
		slowest = append(slowest, pkg)
	}
	sort.Slice(slowest, func(i, j int) bool { return r.Seconds[slowest[i]] > r.Seconds[slowest[j]] })
	for _, pkg := range slowest[:min(5, len(slowest))] {
		fmt.Fprintf(out, "%6.1f s  %s\n", r.Seconds[pkg], pkg)
	}
	passed, failed, skipped := r.Count()
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
}

// reason is the last line that a skipped test printed about itself.
func reason(printed string) string {
	for _, l := range strings.Split(printed, "\n") {
		if trimmed := strings.TrimSpace(l); strings.Contains(trimmed, ".go:") {
			return trimmed
		}
	}
	return strings.TrimSpace(printed)
}

func (r *Results) with(outcome string) []Test {
	var tests []Test
	for test, o := range r.Outcome {
		if o == outcome {
			tests = append(tests, test)
		}
	}
	sort.Slice(tests, func(i, j int) bool {
		return tests[i].Package+" "+tests[i].Name < tests[j].Package+" "+tests[j].Name
	})
	return tests
}
