package wmsfile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dockline/dockline/plugins/wms-file/wmsfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const (
	onePick = `{"id":"P1","order":"SO1","sku":"A","qty":1,"at":"2026-07-04T08:00:00Z"}`
	oneShip = `{"no":"S1","at":"2026-07-04T08:00:00Z","lines":[{"order":"SO1","sku":"A","qty":1},{"order":"SO1","sku":"B","qty":2}]}`
	shipXML = `<Ship no="S1"><At>2026-07-04T08:00:00Z</At><Line><Order>SO1</Order><Sku>A</Sku><Qty>1</Qty></Line><Line><Order>SO1</Order><Sku>B</Sku><Qty>2</Qty></Line></Ship>`
	edi     = "ISA*00*          *00*          *ZZ*NORDLAGER      *ZZ*DOCKLINE       *261126*0815*U*00401*000000001*0*P*>~GS*RE*NORDLAGER*DOCKLINE*20261126*0815*1*X*004010~"
	receipt = "ST*944*N1~W17*F*20261126*WR-N1*PO-1~LX*1~W07*40*EA**VN*A~N9*ZZ*PAD~SE*6*N1~"
)

// padding makes a record large in a field that nobody asks for, so that a large file has not too many of them.
var padding = strings.Repeat("filler ", 1500)

// writeBig writes a file of a size, row by row.
func writeBig(t *testing.T, path, head string, row func(n int) string, tail string, size int64) (rows int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(head)
	for written := int64(0); written < size; rows++ {
		b.WriteString(row(rows))
		if b.Len() > 1<<20 {
			n, err := b.WriteTo(f)
			if err != nil {
				t.Fatal(err)
			}
			written += n
		}
	}
	b.WriteString(strings.ReplaceAll(tail, "ROWS", fmt.Sprint(rows)))
	if _, err := b.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func padded(record string) string {
	return strings.Replace(record, `"at":`, `"more":"`+padding+`","at":`, 1)
}

// heap is how much the process holds, after what can be given back was.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// A file of any size takes the memory of its largest record, in each form; one whose only line never ends is a fault, and takes no more.
//
// Shows: S38
func TestAFileOfAnySizeInTheSameMemory(t *testing.T) {
	size := int64(testenv.Count("wmsfile.big-megabytes")) << 20
	for name, c := range map[string]struct {
		file, head, tail string
		row              func(n int) string
		perRow           int
		refused          int
	}{
		"csv":   {file: "big.csv", head: "id;order;sku;qty;at;more\n", row: func(n int) string { return fmt.Sprintf("P%d;SO%d;A;1;2026-07-04T08:00:00Z;%s\n", n, n/9, padding) }, perRow: 1},
		"jsonl": {file: "big.jsonl", row: func(n int) string { return strings.ReplaceAll(padded(onePick), "P1", fmt.Sprint("P", n)) + "\n" }, perRow: 1},
		"json": {file: "big.json", head: `{"ships":[`, row: func(n int) string {
			return strings.Repeat(",", min(n, 1)) + strings.ReplaceAll(padded(oneShip), "S1", fmt.Sprint("S", n))
		}, tail: "]}", perRow: 1},
		"xml": {file: "big.xml", head: `<Ships>`, row: func(n int) string {
			return strings.ReplaceAll(strings.Replace(shipXML, "<At>", "<More>"+padding+"</More><At>", 1), "S1", fmt.Sprint("S", n))
		}, tail: "</Ships>", perRow: 1},
		"x12": {file: "big.edi", head: edi, row: func(n int) string {
			return strings.ReplaceAll(strings.Replace(receipt, "PAD", padding, 1), "N1", fmt.Sprint(n+1))
		}, tail: "GE*ROWS*1~IEA*1*000000001~", perRow: 1},
		"one line":   {file: "line.csv", head: "id;order;sku;qty;at\n", row: func(int) string { return strings.Repeat("x", 4096) }, refused: 1},
		"one value":  {file: "value.json", head: `{"ships":[{"no":"`, row: func(int) string { return strings.Repeat("x", 4096) }, tail: `"}]}`, refused: 1},
		"one header": {file: "header.csv", row: func(int) string { return strings.Repeat("x", 4096) }, refused: 1},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			rows := writeBig(t, path, c.head, c.row, c.tail, size)
			before, peak := heap(), uint64(0)
			events, refused := 0, 0
			faults, err := wmsfile.ReadFile(wmsfile.FormsConfig, path, func(e *docklinev1.Event) {
				if e.GetDeadLetter() != nil {
					refused++
				} else {
					events++
				}
				if (events+refused)%1000 == 1 {
					peak = max(peak, heap())
				}
			})
			if err != nil || events != rows*c.perRow || refused != c.refused {
				t.Errorf("%d events and %d refused of %d rows (%v): %v", events, refused, rows, err, faults)
			}
			if grown := int64(peak) - int64(before); grown > 40<<20 {
				t.Errorf("reading %d MB took %d MB of memory", size>>20, grown>>20)
			}
			if err := os.Remove(path); err != nil { // the disk is others' too
				t.Error(err)
			}
		})
	}
}
