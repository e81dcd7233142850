package wms

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"

	"github.com/dockline/dockline/plugins/sim/day"
)

// Format is how this WMS writes its files.
type Format struct {
	Delimiter rune
	// DecimalComma writes 12,5 for 12.5.
	DecimalComma bool
	// Windows1252 writes that encoding; else UTF-8.
	Windows1252 bool
	// TimeLayout is Go's; times are UTC.
	TimeLayout string
	// DoneMarker drops an empty FILE.done after each file; else files appear by rename.
	DoneMarker bool
}

// Plain is a comma, a point, UTF-8 and RFC 3339.
var Plain = Format{Delimiter: ',', TimeLayout: "2006-01-02T15:04:05.000000Z07:00"}

// German is what a German warehouse system is likely to write.
var German = Format{Delimiter: ';', DecimalComma: true, Windows1252: true, TimeLayout: "02.01.2006 15:04:05.000000"}

var headers = map[day.Kind][]string{
	day.Pick:  {"pick_id", "order", "line", "sku", "qty", "uom", "lot", "from_bin", "lpn", "picked_at", "movement", "operator", "short_qty", "ordered_qty", "reason"},
	day.Pack:  {"pack_id", "order", "line", "sku", "qty", "uom", "lpn", "packed_at", "weight_kg"},
	day.Ship:  {"shipment", "order", "line", "sku", "qty", "uom", "lot", "carrier", "tracking", "shipped_at"},
	day.Count: {"count", "bin", "sku", "lot", "qty", "uom", "counted_at", "movement", "operator"},
}

var fileNames = map[day.Kind]string{day.Pick: "picks", day.Pack: "packs", day.Ship: "ships", day.Count: "counts"}

// rows are the CSV rows of a movement, one a line.
func (f Format) rows(m day.Movement) [][]string {
	at, number := m.At.UTC().Format(f.TimeLayout), strconv.FormatUint(m.Number, 10)
	var rows [][]string
	for _, l := range m.Lines {
		quantity := f.number(l.Quantity)
		switch m.Kind {
		case day.Pick:
			short, ordered := "", ""
			if l.Short() {
				short = f.number(l.Ordered - l.Quantity)
			}
			if l.Ordered > 0 {
				ordered = f.number(l.Ordered)
			}
			rows = append(rows, []string{m.ID, m.Order, l.OrderLine, l.Item, quantity, l.Unit, l.Lot, l.Bin, l.HandlingUnit, at, number, m.Operator, short, ordered, l.Reason})
		case day.Pack:
			rows = append(rows, []string{m.ID, m.Order, l.OrderLine, l.Item, quantity, l.Unit, l.HandlingUnit, at, strings.ReplaceAll(m.WeightKg, ".", f.point())})
		case day.Ship:
			rows = append(rows, []string{m.ID, m.Order, l.OrderLine, l.Item, quantity, l.Unit, l.Lot, m.Carrier, m.Tracking, at})
		case day.Count:
			rows = append(rows, []string{m.ID, l.Bin, l.Item, l.Lot, quantity, l.Unit, at, number, m.Operator})
		}
	}
	return rows
}

func (f Format) point() string {
	if f.DecimalComma {
		return ","
	}
	return "."
}

func (f Format) number(q day.Micro) string { return strings.ReplaceAll(q.String(), ".", f.point()) }

// encode writes one file's text.
func (f Format) encode(kind day.Kind, rows [][]string) ([]byte, error) {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.Comma, w.UseCRLF = f.Delimiter, true
	if err := w.WriteAll(append([][]string{headers[kind]}, rows...)); err != nil {
		return nil, err
	}
	if !f.Windows1252 {
		return text.Bytes(), nil
	}
	return charmap.Windows1252.NewEncoder().Bytes(text.Bytes())
}

// drop writes what is pending, one file a kind, named for its first movement: written again after a crash it is the same file.
func (w *WMS) drop() error {
	rows, first := map[day.Kind][][]string{}, map[day.Kind]uint64{}
	for _, m := range w.pending {
		if len(rows[m.Kind]) == 0 {
			first[m.Kind] = m.Number
		}
		rows[m.Kind] = append(rows[m.Kind], w.config.Format.rows(m)...)
	}
	for _, kind := range []day.Kind{day.Pick, day.Pack, day.Ship, day.Count} {
		if len(rows[kind]) == 0 {
			continue
		}
		text, err := w.config.Format.encode(kind, rows[kind])
		if err != nil {
			return err
		}
		if err := w.config.put(fmt.Sprintf("%s-%08d.csv", fileNames[kind], first[kind]), text); err != nil {
			return err
		}
	}
	w.dropped = w.pending[len(w.pending)-1].Number
	w.pending = nil
	return writeMark(w.config.StateDir, w.dropped)
}

// put drops a file in one go, or with its marker behind it.
func (c Config) put(name string, text []byte) error {
	path := filepath.Join(c.Outbound, name)
	if c.Format.DoneMarker {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
		return os.WriteFile(path+".done", nil, 0o644)
	}
	if err := os.WriteFile(path+".tmp", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func markPath(stateDir string) string { return filepath.Join(stateDir, "dropped") }

func readMark(stateDir string) (uint64, error) {
	text, err := os.ReadFile(markPath(stateDir))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

func writeMark(stateDir string, n uint64) error {
	if err := os.WriteFile(markPath(stateDir)+".tmp", strconv.AppendUint(nil, n, 10), 0o644); err != nil {
		return err
	}
	return os.Rename(markPath(stateDir)+".tmp", markPath(stateDir))
}

// stamp reads a time as this format writes it, for tests.
func (f Format) stamp(text string) (time.Time, error) { return time.Parse(f.TimeLayout, text) }
