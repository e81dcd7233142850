package orderfile

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/plugins/wms-file/delimited"
)

// File is an order file as it is given to the site.
type File struct {
	// Name is that of the original, without .gz.
	Name    string
	Mapping *Mapping
	// Rows are the lines of it that count, in their order.
	Rows []Row
	// Text is what is dropped: every line stands where it stood in the original, lines of other days are empty.
	Text []byte
}

// Row is one line as far as it can be read; a cell that cannot be is nil or "".
type Row struct {
	// Line is its number in the original, from 1.
	Line                               int
	Order, Customer, Item, Description string
	Quantity, Price                    *decimal.Decimal
}

// Read reads an order file, unpacked where its name ends in .gz. mapping "" chooses the shipped one by the header; day "" takes all days.
func Read(path, mappingFile, day string) (*File, error) {
	text, err := unpacked(path)
	if err != nil {
		return nil, err
	}
	f := &File{Name: strings.TrimSuffix(filepath.Base(path), ".gz")}
	if mappingFile != "" {
		f.Mapping, err = LoadMapping(mappingFile)
	} else {
		f.Mapping, err = mappingFor(path, headerOf(text))
	}
	if err != nil {
		return nil, err
	}
	if f.Mapping.Join.File != "" {
		if text, err = join(path, text, f.Mapping); err != nil {
			return nil, err
		}
	}
	return f, f.take(text, day)
}

func unpacked(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return text, err
	}
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if text, err = io.ReadAll(r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

func headerOf(text []byte) []string {
	row, _ := delimited.NewReader(bytes.NewReader(text), delimited.Format{}).Next()
	return row.Cells
}

// take reads the rows and makes the text to be dropped.
func (f *File) take(text []byte, day string) error {
	r := delimited.NewReader(bytes.NewReader(text), f.Mapping.format)
	head, ok := r.Next()
	if !ok {
		return fmt.Errorf("%s is empty", f.Name)
	}
	if missing := f.Mapping.missing(head.Cells); len(missing) > 0 {
		return fmt.Errorf("%s: its header (%s) lacks %s, which the mapping names; correct the mapping's file.columns, or its file.delimiter, which is %q",
			f.Name, strings.TrimRight(string(head.Raw), "\r\n"), strings.Join(missing, ", "), cmp.Or(f.Mapping.format.Delimiter, ","))
	}
	at := f.Mapping.places(head.Cells)
	if day != "" && at["day"] < 0 {
		return fmt.Errorf("%s: a day is asked for, but the mapping names no day column that the file has", f.Name)
	}
	var out bytes.Buffer
	line := 1
	put := func(row delimited.Row) {
		for ; line < row.Line; line++ {
			out.WriteByte('\n')
		}
		out.Write(row.Raw)
		out.WriteByte('\n')
		line += 1 + bytes.Count(row.Raw, []byte("\n"))
	}
	put(head)
	days := map[string]bool{}
	for row, ok := r.Next(); ok; row, ok = r.Next() {
		if day != "" {
			cell := cellAt(row.Cells, at["day"])
			days[cell[:min(10, len(cell))]] = true
			if !strings.HasPrefix(cell, day) {
				continue
			}
		}
		put(row)
		f.Rows = append(f.Rows, f.Mapping.row(row, at))
	}
	if len(f.Rows) == 0 {
		return fmt.Errorf("%s has no lines of day %q; its days are written %s", f.Name, day, example(days))
	}
	f.Text = out.Bytes()
	return nil
}

// Cut leaves the first n lines, and as many more as complete the last order.
func (f *File) Cut(n int) {
	if n >= len(f.Rows) {
		return
	}
	for n < len(f.Rows) && f.Rows[n].Order == f.Rows[n-1].Order {
		n++
	}
	end := len(f.Text)
	if n < len(f.Rows) {
		end = 0
		for line := 1; line < f.Rows[n].Line; line++ {
			end += bytes.IndexByte(f.Text[end:], '\n') + 1
		}
	}
	f.Rows, f.Text = f.Rows[:n], f.Text[:end]
}

func example(days map[string]bool) string {
	var all []string
	for d := range days {
		all = append(all, d)
	}
	if len(all) == 0 {
		return "nowhere: it has no lines"
	}
	return slices.Min(all) + " to " + slices.Max(all)
}

// places are where the file has the columns that the test world itself reads.
func (m *Mapping) places(header []string) map[string]int {
	at := map[string]int{"day": -1}
	if m.Day != "" {
		at["day"] = place(header, m.Day)
	}
	for _, field := range []string{"order", "customer", "item", "description", "quantity", "unit_price"} {
		at[field] = -1
		if column := m.column(field); column != "" {
			at[field] = place(header, column)
		}
	}
	return at
}

func (m *Mapping) row(row delimited.Row, at map[string]int) Row {
	r := Row{Line: row.Line, Order: cellAt(row.Cells, at["order"]), Customer: cellAt(row.Cells, at["customer"]), Item: cellAt(row.Cells, at["item"]),
		Description: cellAt(row.Cells, at["description"])}
	r.Quantity, r.Price = m.number(cellAt(row.Cells, at["quantity"])), m.number(cellAt(row.Cells, at["unit_price"]))
	return r
}

func (m *Mapping) number(cell string) *decimal.Decimal {
	text, err := m.spec.Number.Parse(cell)
	if err != nil {
		return nil
	}
	n, err := decimal.NewFromString(text)
	if err != nil {
		return nil
	}
	return &n
}

func cellAt(cells []string, at int) string {
	if at < 0 || at >= len(cells) {
		return ""
	}
	return strings.TrimSpace(cells[at])
}

// join puts the cells of the other file behind each line. A head that has no line becomes a line of its own at the end, which then
// lacks its item, so that it is refused and not forgotten.
func join(path string, text []byte, m *Mapping) ([]byte, error) {
	other := filepath.Join(filepath.Dir(path), m.Join.File)
	heads, err := unpacked(other)
	if err != nil {
		return nil, fmt.Errorf("%s is to be joined to %s: %w", m.Join.File, path, err)
	}
	h, l := delimited.NewReader(bytes.NewReader(heads), m.format), delimited.NewReader(bytes.NewReader(text), m.format)
	headTitle, okHead := h.Next()
	lineTitle, okLine := l.Next()
	inHeads, inLines := place(headTitle.Cells, m.Join.On), place(lineTitle.Cells, m.Join.On)
	if !okHead || !okLine || inHeads < 0 || inLines < 0 {
		return nil, fmt.Errorf("%s and %s cannot be joined: both need a column %s", path, other, m.Join.On)
	}
	byKey, order := map[string][]string{}, []string{}
	for row, ok := h.Next(); ok; row, ok = h.Next() {
		key := cellAt(row.Cells, inHeads)
		if _, twice := byKey[key]; twice {
			return nil, fmt.Errorf("%s line %d: %s %s is there twice", other, row.Line, m.Join.On, key)
		}
		byKey[key], order = without(row.Cells, inHeads), append(order, key)
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.Comma = []rune(m.format.Separator())[0]
	faults := []error{w.Write(append(slices.Clone(lineTitle.Cells), without(headTitle.Cells, inHeads)...))}
	used := map[string]bool{}
	for row, ok := l.Next(); ok; row, ok = l.Next() {
		key := cellAt(row.Cells, inLines)
		used[key] = true
		behind := byKey[key]
		if behind == nil {
			behind = make([]string, len(headTitle.Cells)-1)
		}
		faults = append(faults, w.Write(append(slices.Clone(row.Cells), behind...)))
	}
	for _, key := range order {
		if !used[key] {
			cells := make([]string, len(lineTitle.Cells))
			cells[inLines] = key
			faults = append(faults, w.Write(append(cells, byKey[key]...)))
		}
	}
	w.Flush()
	return out.Bytes(), errors.Join(append(faults, w.Error())...)
}

func without(cells []string, at int) []string {
	if at >= len(cells) {
		return cells
	}
	return slices.Delete(slices.Clone(cells), at, at+1)
}
