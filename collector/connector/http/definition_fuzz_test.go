package http_test

import (
	"os"
	"path/filepath"
	"testing"

	connectorhttp "github.com/dockline/dockline/collector/connector/http"
)

// A definition that a person wrote is compiled, or refused with every fault and its line.
func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("definitions/*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatalf("no definitions: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("find: {goods_issue: {get: '\"/x?q=\" + ref', each: 'body[0'}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := connectorhttp.Parse("fuzz.yaml", text)
		if (d == nil) == (err == nil) {
			t.Fatalf("neither a definition nor a fault, or both: %v, %v", d, err)
		}
	})
}
