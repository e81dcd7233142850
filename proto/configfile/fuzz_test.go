package configfile_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/proto/configfile"
)

// A configuration that a person wrote, or that came down the line, is taken whole or refused with its faults; it never ends the program.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{"name: x\nwait: 5s\nlist: [1, 2]\nsub: {size: 10MB}\n", "name: [", "wait: never\n", "a: &a [*a]\n", "\t", "? : :\n", "name: x\nname: y\n", "\xff\xfe"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var into struct {
			Name string        `yaml:"name"`
			Wait time.Duration `yaml:"wait"`
			List []int         `yaml:"list"`
			Sub  struct {
				Size configfile.Bytes `yaml:"size"`
			} `yaml:"sub"`
		}
		file, err := configfile.Decode("some.yaml", text, &into)
		if err == nil && file == nil {
			t.Fatal("neither a file nor an error")
		}
		if file != nil {
			file.Line("sub.size")
			file.Line("list[0]")
		}
	})
}
