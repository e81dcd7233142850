package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/x12"

	"github.com/dockline/dockline/plugins/wms-file/delimited"
)

// fileForm is a form of file, with as many records as make a few megabytes.
type fileForm struct {
	name, parser, file string
	records            int
	kind               docklinev1.EventKind
	// files is that part of the config section, write makes the file's text, parse reads it with the parser alone and counts records.
	files string
	write func(records int) ([]byte, error)
	parse func(path string) (records int, err error)
	// gate is how much of the rate is left of a plugin that has as many events ready.
	gate float64
}

// gigabyte is how many megabytes a second a file of a gigabyte asks for that is to be taken within half an hour.
const gigabyte = 1024.0 / 1800

var csvForm = fileForm{
	name: "CSV", parser: "the reader of delimited text alone", file: "picks.csv", records: 40_000, kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, write: writeCSV, parse: parseCSV, gate: csvGate,
	files: `
files:
  - name: picks
    pattern: "*.csv"
    kind: pick.confirmed
    zone: UTC
    delimiter: ";"
    key: [pick_id]
    columns: {pick_id: task, order: order, line: order_line, sku: item, qty: quantity, uom: unit, lot: lot, from_bin: bin, lpn: handling_unit, picked_at: occurred_at, movement: movement, operator: actor}
`}

var x12Form = fileForm{
	name: "X12 945", parser: "proto/x12 alone, both its passes", file: "day.edi", records: 10_000, kind: docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, write: writeX12, parse: parseX12, gate: x12Gate,
	files: `
x12: {our: {qualifier: ZZ, id: DOCKLINE}, partner: {qualifier: ZZ, id: NORDLAGER}}
files:
  - {name: edi, pattern: "*.edi", form: x12, zone: UTC, sets: [{set: "945"}]}
`}

// files measures a form on its way to the journal, from the moment at which the file has its name until its last record is accepted; the plugin
// looks every 50 ms. A group of X12 is answered by a 997 within that time. Beside it stands a plugin that makes picks of nothing, in batches of the same
// size, under the same agent: host, journal and disk are in both, and what is between them is reading and mapping.
func (s *Suite) files(ctx context.Context, form fileForm) error {
	text, err := form.write(form.records)
	if err != nil {
		return err
	}
	v, err := s.rounds(func() ([]float64, error) {
		r, err := s.fileRound(ctx, form, text)
		s.say("%s: %.2f MB/s to the journal, %.0f records a second; %.0f events a second of a plugin that reads nothing; %.1f MB/s by %s", form.name, r.megabytes, r.records, r.bare, r.alone, form.parser)
		return []float64{r.megabytes, r.records, r.bare}, err
	})
	if err != nil {
		return fmt.Errorf("wms-file: %s: %w", form.name, err)
	}
	s.absolute(form.name+" through wms-file to the journal", v[0], "MB/s", atLeast(gigabyte))
	s.beside(form.name+" through wms-file to the journal, records", v[1], "events/s", reference{name: "a plugin that reads nothing", value: v[2]}, atLeast(form.gate))
	return nil
}

// section is the config of a plugin whose folders out and in lie in folder.
func (f fileForm) section(folder string) string {
	return fmt.Sprintf("outbound: %q\ninbound: %q\npoll: 50ms\ncomplete: {by: rename}\n%s", filepath.Join(folder, "out"), filepath.Join(folder, "in"), f.files)
}

// fileRates are what one round came to, each a second: megabytes and records through the plugin, events of one that reads nothing, and megabytes
// through the parser alone.
type fileRates struct{ megabytes, records, bare, alone float64 }

func (s *Suite) fileRound(ctx context.Context, form fileForm, text []byte) (r fileRates, err error) {
	var out string
	p, err := s.openPlugin(ctx, fileProgram, func(folder string) string {
		out = filepath.Join(folder, "out")
		return form.section(folder)
	})
	if err != nil {
		return r, err
	}
	defer p.close()
	part, path := filepath.Join(out, form.file+".part"), filepath.Join(out, form.file)
	if err := os.WriteFile(part, text, 0o644); err != nil {
		return r, err
	}
	aside := filepath.Join(p.folder, form.file)
	if err := os.WriteFile(aside, text, 0o644); err != nil {
		return r, err
	}
	began := time.Now()
	if err := os.Rename(part, path); err != nil {
		return r, err
	}
	took, err := p.took(ctx, form.records, began)
	if err != nil {
		return r, err
	}
	if err := p.kept(form.kind, form.records); err != nil {
		return r, err
	}
	size := float64(len(text)) / megabyte
	r.megabytes, r.records = size/took.Seconds(), float64(form.records)/took.Seconds()
	told, err := p.load(ctx, 1, SourceConfig{Batch: fileBatch, Total: int64(form.records)})
	if err != nil {
		return r, err
	}
	r.bare, _, _, _ = together(told)
	p.process.Stop()
	passes, err := repeated(func() error {
		n, err := form.parse(aside)
		if err == nil && n != form.records {
			err = fmt.Errorf("the parser alone read %d records, want %d", n, form.records)
		}
		return err
	})
	r.alone = passes * size
	return r, err
}

// fileBatch is how many events wms-file puts into a batch.
const fileBatch = 200

func writeCSV(records int) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("pick_id;order;line;sku;qty;uom;lot;from_bin;lpn;picked_at;movement;operator\r\n")
	for n := range uint64(records) {
		f := factsOf("wms", n)
		fmt.Fprintf(&b, "%s;%s;%s;%s;%s;%s;%s;%s;%s;%s;%d;%s\r\n", f.Task, f.Order, f.Line, f.Item, f.Quantity, f.Unit, f.Lot, f.Bin, f.LPN, f.At, f.Movement, f.Operator)
	}
	return b.Bytes(), nil
}

func parseCSV(path string) (records int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	r := delimited.NewReader(file, delimited.Format{Delimiter: ";"})
	r.Skip(1)
	for row, ok := r.Next(); ok; row, ok = r.Next() {
		if row.Fault != nil {
			return records, fmt.Errorf("row %d: %s", records, row.Fault.Text)
		}
		records++
	}
	return records, r.Err()
}

// writeX12 makes an interchange of warehouse shipping advices (945) of two lines each.
func writeX12(records int) ([]byte, error) {
	parts := make([]x12.Part, records)
	for i := range parts {
		n := uint64(i) * 5
		body := [][]string{{"W06", "F", factsOf("wms", n).Order, "20261125", fmt.Sprintf("SHP-%d", i)}, {"G62", "11", "20261126", "8", "0730"}, {"W27", "M", "NWLG"}}
		total := 0
		for line := range uint64(2) {
			f := factsOf("wms", n+line)
			var quantity int
			if _, err := fmt.Sscan(f.Quantity, &quantity); err != nil {
				return nil, err
			}
			total += quantity
			body = append(body, []string{"LX", f.Line}, []string{"MAN", "GM", fmt.Sprintf("00340123450%09d", n+line)},
				[]string{"W12", "CC", f.Quantity, f.Quantity, "", "EA", "", "VN", f.Item, f.Lot}, []string{"N9", "LI", f.Line})
		}
		parts[i] = x12.Part{ID: "945", Body: append(body, []string{"W03", fmt.Sprint(total), "310", "LB"})}
	}
	return x12.Write(x12.Head{Sender: x12.Party{Qualifier: "ZZ", ID: "NORDLAGER"}, Receiver: x12.Party{Qualifier: "ZZ", ID: "DOCKLINE"}, Control: 501, Group: 501, Functional: "SW", Version: "004010", At: Began}, parts...)
}

// parseX12 goes twice over the text, as a reader must who takes nothing of an envelope that does not close.
func parseX12(path string) (records int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	outline, err := x12.Check(file)
	if err != nil {
		return 0, err
	}
	if _, err := file.Seek(0, 0); err != nil {
		return 0, err
	}
	for set, err := range x12.Sets(file, outline) {
		if err != nil {
			return records, err
		}
		if set.Fault != nil {
			return records, set.Fault
		}
		records++
	}
	return records, nil
}
