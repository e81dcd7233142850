package wmsfile

import (
	"os"
	"path/filepath"
	"testing"
)

// A plugin's section as a person writes it, with its mappings, is taken or refused with its faults.
func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("../*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("outbound: /x\nfiles: [{pattern: '[', kind: pick.confirmed, fields: {order: {column: A, when: 'a +'}}}]\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, faults := load(raw)
		if (s == nil) == (len(faults) == 0) {
			t.Fatalf("neither taken nor refused, or both: %v", faults)
		}
	})
}
