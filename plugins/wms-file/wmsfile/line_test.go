package wmsfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

	"github.com/dockline/dockline/plugins/wms-file/wmsfile"
	"github.com/dockline/dockline/testenv"
)

const hugeConfig = `
outbound: ROOT/out
complete: {by: rename}
max_mb: 65536
defaults: {delimiter: ";", zone: UTC}
files:
  - name: picks
    pattern: picks*.csv
    kind: pick.confirmed
    key: [id]
    columns: {id: task, order: order, sku: item, qty: quantity, at: occurred_at, bin: bin, mov: movement}
`

// A file that is one endless line is refused whole with what to do, in the memory of any other, and named by the health; it is kept as it came, and the file behind it is taken.
//
// Shows: S38
func TestAFileOfOneLine(t *testing.T) {
	size := int64(testenv.Count("wmsfile.line-megabytes")) << 20
	for name, head := range map[string]string{"behind a header": wmsfile.PickHeader, "without a header": ""} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := wmsfile.SiteAt(t, hugeConfig, root)
			if err := os.Mkdir(filepath.Join(root, "out"), 0o755); err != nil {
				t.Fatal(err)
			}
			line := filepath.Join(root, "out", "picks1.csv")
			writeBig(t, line, head, func(int) string { return strings.Repeat("x;", 2048) }, "", size)
			written, err := os.Stat(line)
			if err != nil {
				t.Fatal(err)
			}
			good := filepath.Join(root, "out", "picks2.csv")
			if err := os.WriteFile(good, []byte(wmsfile.PickHeader+"P1;SO1;SKU1;2;;2026-07-04T08:00:00;B1;1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			before := heap()
			done := make(chan error, 1)
			go func() { done <- s.Step(time.Second) }()
			peak := uint64(0)
			for running := true; running; {
				select {
				case err := <-done:
					if err != nil {
						t.Fatal(err)
					}
					running = false
				case <-time.After(20 * time.Millisecond):
				}
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
			if grown := int64(peak) - int64(before); grown > 60<<20 { // with what is to be collected
				t.Errorf("a line of %d MB took %d MB of memory", size>>20, grown>>20)
			}
			var letters []*docklinev1.DeadLetter
			events := 0
			for _, e := range s.Told() {
				if l := e.GetDeadLetter(); l != nil {
					letters = append(letters, l)
				} else {
					events++
				}
			}
			if events != 1 || len(letters) != 1 || letters[0].GetCode() != "line_too_long" || !strings.Contains(letters[0].GetText(), "is another sign the line end") || len(letters[0].GetRaw()) > 64<<10 {
				t.Errorf("%d events, letters %.300v", events, letters)
			}
			kept, err := os.Stat(filepath.Join(root, "out", "error", "picks1.csv"))
			if err != nil || kept.Size() != written.Size() {
				t.Errorf("of %d bytes are kept: %v, %v", written.Size(), kept, err)
			}
			words, err := os.ReadFile(filepath.Join(root, "out", "error", "picks1.csv.txt"))
			if err != nil || !bytes.Contains(words, []byte("more than 1 MiB")) || !bytes.Contains(words, []byte("What to do")) {
				t.Errorf("%v: the text says\n%s", err, words)
			}
			if c := s.Conditions(); len(c) != 1 || c[0].GetCode() != "files_refused" {
				t.Errorf("conditions %v", c)
			}
		})
	}
}
