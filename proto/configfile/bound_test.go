package configfile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dockline/dockline/proto/configfile"
)

// laughs are ten lists, each of ten times the one before: a thousand bytes that stand for gigabytes.
func laughs(format string) string {
	var b strings.Builder
	b.WriteString("a0: &a0 {x: 1}\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, format, i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return b.String()
}

// A file that is made to end the process that reads it, or to hold it up, is refused with the line; one with aliases as people write them is
// read.
func TestFilesThatAreMadeToHarm(t *testing.T) {
	for name, text := range map[string]string{
		"an alias within its own list": "a: &a [*a]\n",
		"an alias within its own map":  "a: &a\n  b: *a\n",
		"lists of lists by alias":      laughs("a%d: &a%d [%s]\n"),
		"merged by alias":              laughs("a%d: &a%d\n  <<: [%s]\n"),
		"a long text many times":       "a: &a " + strings.Repeat("x", 32<<10) + "\nb: [" + strings.Repeat("*a, ", 8000) + "*a]\n",
		"brackets without end":         "a: " + strings.Repeat("[", 60<<10),
		"brackets":                     "a: " + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "\n",
		"braces":                       "a: " + strings.Repeat("{a: ", 12<<10) + strings.Repeat("}", 12<<10),
		"dashes":                       "a:\n  " + strings.Repeat("- ", 30<<10) + "x\n",
		"question marks":               strings.Repeat("? ", 30<<10),
		"tags":                         "a:\n  " + strings.Repeat("!!str ", 10<<10) + "x\n",
		"anchors":                      "a:\n  " + strings.Repeat("&a ", 20<<10) + "x\n",
		"aliases one in the other": func() string {
			var b strings.Builder
			b.WriteString("a0: &a0 x\n")
			for i := 1; i < 2000; i++ {
				fmt.Fprintf(&b, "a%d: &a%d [*a%d]\n", i, i, i-1)
			}
			return b.String()
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			var out map[string]any
			_, err := configfile.Decode("x.yaml", []byte(text), &out)
			if err == nil || !strings.HasPrefix(err.Error(), "x.yaml:") || len(err.Error()) > 200 {
				t.Errorf("%.200v", err)
			}
		})
	}
	var out struct {
		A, B map[string]int
		C    []map[string]int
	}
	if _, err := configfile.Decode("x.yaml", []byte("a: &a {x: 1}\nb: *a\nc: [*a, *a]\n"), &out); err != nil || out.B["x"] != 1 || len(out.C) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}
