package wmsfile

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/wms-file/delimited"
)

// proposal is a mapping guessed from a sample, with what is to be looked at.
type proposal struct {
	file  File
	notes []string
}

// shown is how many rows are looked at.
const shown = 200

// propose guesses encoding, delimiter, columns, numbers, dates, kind and key from a sample.
func propose(body content) (*proposal, error) {
	if len(body.data) == 0 {
		return nil, errors.New("the sample is empty")
	}
	if seemsRecords(body.data) {
		return proposeRecords(body)
	}
	p := newProposal(body.name, filepath.Ext(body.name))
	if p.file.Encoding = guessEncoding(body.data); p.file.Encoding == "windows-1252" {
		p.note("the encoding is a guess: the file is not UTF-8")
	}
	header, rows := p.guessDelimiter(body.data)
	if len(header) < 2 {
		return nil, errors.New("no delimiter was found in the sample: its first line is one column; it must be a header with the columns' names, separated by comma, semicolon, tab or |")
	}
	p.guess(header, rows, body.name)
	return p, nil
}

// newProposal is named for the sample, without what numbers it.
func newProposal(file, ext string) *proposal {
	name := strings.TrimRight(strings.ToLower(strings.TrimSuffix(filepath.Base(file), ext)), "0123456789-_. ")
	if name == "" {
		name = "files"
	}
	return &proposal{file: File{Name: name, Pattern: name + "*" + ext}}
}

func (p *proposal) guess(header []string, rows [][]string, file string) {
	p.guessColumns(header)
	p.guessNumbers(header, rows)
	p.guessDates(header, rows)
	p.guessKind(header, file)
	p.guessKey(header, rows)
}

func (p *proposal) note(text string) { p.notes = append(p.notes, text) }

func guessEncoding(data []byte) string {
	switch {
	case len(data) >= 2 && (data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff):
		return "utf-16"
	case len(data) > 3 && data[1] == 0 && data[3] == 0:
		return "utf-16le"
	case utf8.Valid(data[:len(data)-cutRune(data)]):
		return "utf-8"
	}
	return "windows-1252"
}

// cutRune is how many bytes at the end are the beginning of a character: a sample is often cut.
func cutRune(data []byte) int {
	for n := 1; n <= min(3, len(data)); n++ {
		if utf8.RuneStart(data[len(data)-n]) {
			if utf8.FullRune(data[len(data)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}

// guessDelimiter takes the one that gives the most columns that the rows have too.
func (p *proposal) guessDelimiter(data []byte) (header []string, rows [][]string) {
	best := 0
	for _, d := range []string{";", ",", "tab", "|"} {
		format := delimited.Format{Encoding: p.file.Encoding, Delimiter: d}
		r := delimited.NewReader(bytes.NewReader(data), format)
		first, ok := r.Next()
		if !ok {
			continue
		}
		var found [][]string
		fit := 1
		for row, ok := r.Next(); ok && len(found) < shown; row, ok = r.Next() {
			found = append(found, row.Cells)
			if len(row.Cells) == len(first.Cells) {
				fit++
			}
		}
		if score := (len(first.Cells) - 1) * fit; score > best {
			best, p.file.Delimiter, header, rows = score, d, first.Cells, found
		}
	}
	return header, rows
}

func (p *proposal) guessColumns(header []string) {
	p.file.Columns = map[string]mapping.Column{}
	taken := map[string]bool{}
	names, _ := mapping.FieldNames()
	for _, h := range header {
		h = strings.TrimSpace(h)
		if h == "" || p.file.Columns[h].Field != nil {
			continue
		}
		called := bare(h)
		if p.file.Form != "" { // a path: what holds the value says less than its own name
			called = bare(h[strings.LastIndexByte(h, '.')+1:])
		}
		for _, field := range names {
			if !taken[field] && (bare(field) == called || slices.Contains(synonyms[field], called)) {
				p.file.Columns[h] = mapping.Column{Field: mapping.Fields{field}}
				taken[field] = true
				break
			}
		}
		if p.file.Columns[h].Field == nil && !slices.Contains(clock, bare(h)) {
			p.note(fmt.Sprintf("column %q is not mapped", h))
		}
	}
	p.joinClock(header)
}

// joinClock puts a column with the time behind the one with the date.
func (p *proposal) joinClock(header []string) {
	date := p.columnOf("occurred_at")
	if date == "" {
		return
	}
	for _, h := range header {
		h = strings.TrimSpace(h)
		if _, mapped := p.file.Columns[h]; !mapped && slices.Contains(clock, bare(h)) {
			c := p.file.Columns[date]
			c.Join = []string{h}
			p.file.Columns[date] = c
			return
		}
	}
}

func (p *proposal) columnOf(field string) string {
	for h, c := range p.file.Columns {
		if slices.Contains(c.Field, field) {
			return h
		}
	}
	return ""
}

// cells are those of a column, with what is joined to it.
func (p *proposal) cells(field string, header []string, rows [][]string) []string {
	h := p.columnOf(field)
	if h == "" {
		return nil
	}
	var out []string
	for _, row := range rows {
		var parts []string
		for _, name := range append([]string{h}, p.file.Columns[h].Join...) {
			at := slices.IndexFunc(header, func(x string) bool { return strings.TrimSpace(x) == name })
			if at >= 0 && at < len(row) && strings.TrimSpace(row[at]) != "" {
				parts = append(parts, strings.TrimSpace(row[at]))
			}
		}
		if len(parts) > 0 {
			out = append(out, strings.Join(parts, " "))
		}
	}
	return out
}

func (p *proposal) guessNumbers(header []string, rows [][]string) {
	var cells []string
	for _, field := range []string{"quantity", "ordered", "short", "weight_kg"} {
		cells = append(cells, p.cells(field, header, rows)...)
	}
	best := -1
	for _, n := range []mapping.Number{{}, {Decimal: ",", Group: "."}, {Group: ","}, {Decimal: ",", Group: " "}} {
		good := 0
		for _, cell := range cells {
			if _, err := n.Parse(cell); err == nil {
				good++
			}
		}
		if good > best {
			best, p.file.Number = good, n
		}
	}
}

var dateFormats = []string{
	"iso", "yyyy-MM-dd HH:mm:ss.SSS", "dd.MM.yyyy HH:mm:ss", "dd.MM.yyyy HH:mm", "dd.MM.yyyy", "dd/MM/yyyy HH:mm:ss", "dd/MM/yyyy HH:mm", "dd/MM/yyyy", "MM/dd/yyyy HH:mm:ss", "MM/dd/yyyy HH:mm",
	"M/d/yyyy H:mm", "MM/dd/yyyy hh:mm:ss a", "MM/dd/yyyy", "dd-MM-yyyy HH:mm:ss", "dd-MM-yyyy HH:mm", "dd-MM-yyyy", "dd.MM.yy HH:mm", "yyyy/MM/dd HH:mm:ss", "yyyyMMddHHmmss", "yyyyMMdd HHmmss", "yyyyMMdd", "unix_ms", "unix",
}

func (p *proposal) guessDates(header []string, rows [][]string) {
	cells := p.cells("occurred_at", header, rows)
	best, also := 0, ""
	for _, format := range dateFormats {
		good := 0
		for _, cell := range cells {
			if mapping.FitsDate(format, cell) {
				good++
			}
		}
		switch {
		case good > best:
			best, p.file.Date, also = good, mapping.Dates{format}, ""
		case good == best && good > 0 && also == "":
			also = format
		}
	}
	p.file.Zone = "UTC"
	p.note("zone is a guess: write the time zone of the site, for example Europe/Berlin")
	if also != "" && len(p.file.Date) > 0 && strings.ContainsAny(also, "/") {
		p.note(fmt.Sprintf("the dates fit %s and %s; look which it is", p.file.Date[0], also))
	}
}

func (p *proposal) guessKind(header []string, file string) {
	has := func(field string) bool { return p.columnOf(field) != "" }
	name := strings.ToLower(file)
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool {
			return strings.Contains(name, w) || strings.HasPrefix(bare(header[0]), w)
		})
	}
	switch {
	case has("count") || says("count", "zaehl", "inventur", "comptage", "telling"):
		p.file.Kind = "count.observed"
	case has("shipment") || says("ship", "versand", "liefer", "expedition", "zending"):
		p.file.Kind, p.file.Group = "shipment.departed", true
	case says("pack"):
		p.file.Kind, p.file.Group = "pack.confirmed", true
	case has("short"):
		p.file.Kind = `short > 0 ? "pick.short" : "pick.confirmed"`
	default:
		p.file.Kind = "pick.confirmed"
	}
	p.note("kind " + p.file.Kind + " is a guess from the columns and the file's name")
}

func (p *proposal) guessKey(header []string, rows [][]string) {
	for _, field := range []string{"shipment", "task", "count", "movement"} {
		h := p.columnOf(field)
		if h == "" || field == "shipment" && p.file.Kind != "shipment.departed" {
			continue
		}
		p.file.Key = mapping.Key{h}
		if p.file.Kind == "count.observed" && field == "count" {
			for _, more := range []string{"bin", "item", "lot"} {
				if at := p.columnOf(more); at != "" {
					p.file.Key = append(p.file.Key, at)
				}
			}
		}
		p.note(fmt.Sprintf("key %s is a guess: it must be different for every record", strings.Join(p.file.Key, ", ")))
		return
	}
	p.file.Key, p.file.Group = mapping.Key{mapping.RowAndOccurrence}, false
	p.note("no key column was found: " + mapping.RowAndOccurrence + " cannot tell two equal rows of two files apart; name a key column if there is one")
	for _, h := range p.distinct(header, rows) {
		p.note(fmt.Sprintf("column %q is different in every row of the sample: if it names a record for good, write key: %s", h, h))
	}
}

// distinct are the columns that no field has, and that tell all rows of the sample apart.
func (p *proposal) distinct(header []string, rows [][]string) (out []string) {
	for i, h := range header {
		h = strings.TrimSpace(h)
		if p.file.Columns[h].Field != nil || h == "" || len(rows) < 2 || slices.Contains(clock, bare(h)) {
			continue
		}
		seen := map[string]bool{}
		for _, row := range rows {
			if i < len(row) && strings.TrimSpace(row[i]) != "" {
				seen[strings.TrimSpace(row[i])] = true
			}
		}
		if len(seen) == len(rows) {
			out = append(out, h)
		}
	}
	return out
}

// stream compiles the proposal; nil where something is still missing.
func (p *proposal) stream() *stream {
	compiled, faults := mapping.Compile(p.file.Name, p.file.Spec)
	for _, f := range faults {
		p.note(f.Path + ": " + f.Text)
	}
	if compiled == nil {
		return nil
	}
	if p.file.Form != "" {
		s, faults := load([]byte("outbound: /srv/wms/out\n" + p.yaml()))
		if len(faults) > 0 {
			p.note(faults[0].GetPath() + ": " + faults[0].GetText())
			return nil
		}
		return s.streams[0]
	}
	c := defaultConfig()
	return newStream(&setup{Config: c}, p.file, compiled)
}

// yaml writes the proposal as a section of files, with its notes in front.
func (p *proposal) yaml() string {
	var b strings.Builder
	for _, n := range p.notes {
		b.WriteString("# " + n + "\n")
	}
	columns := yaml.MapSlice{}
	names, _ := mapping.FieldNames()
	for _, field := range names {
		h := p.columnOf(field)
		if h == "" {
			continue
		}
		if c := p.file.Columns[h]; len(c.Join) > 0 {
			columns = append(columns, yaml.MapItem{Key: h, Value: yaml.MapSlice{{Key: "field", Value: field}, {Key: "join", Value: c.Join}}})
			continue
		}
		columns = append(columns, yaml.MapItem{Key: h, Value: field})
	}
	entry := yaml.MapSlice{{Key: "name", Value: p.file.Name}, {Key: "pattern", Value: p.file.Pattern}}
	if p.file.Form != "" {
		entry = append(entry, yaml.MapItem{Key: "form", Value: p.file.Form})
	} else {
		entry = append(entry, yaml.MapItem{Key: "encoding", Value: p.file.Encoding}, yaml.MapItem{Key: "delimiter", Value: p.file.Delimiter})
	}
	entry = append(entry, yaml.MapItem{Key: "kind", Value: p.file.Kind})
	if len(p.file.Key) == 1 {
		entry = append(entry, yaml.MapItem{Key: "key", Value: p.file.Key[0]})
	} else {
		entry = append(entry, yaml.MapItem{Key: "key", Value: []string(p.file.Key)})
	}
	if p.file.Group {
		entry = append(entry, yaml.MapItem{Key: "group", Value: true})
	}
	if n := p.file.Number; n != (mapping.Number{}) {
		number := yaml.MapSlice{}
		if n.Decimal != "" {
			number = append(number, yaml.MapItem{Key: "decimal", Value: n.Decimal})
		}
		entry = append(entry, yaml.MapItem{Key: "number", Value: append(number, yaml.MapItem{Key: "group", Value: n.Group})})
	}
	if len(p.file.Date) > 0 {
		entry = append(entry, yaml.MapItem{Key: "date", Value: p.file.Date[0]})
	}
	entry = append(entry, yaml.MapItem{Key: "zone", Value: p.file.Zone}, yaml.MapItem{Key: "columns", Value: columns})
	raw, err := yaml.Marshal(yaml.MapSlice{{Key: "files", Value: []yaml.MapSlice{entry}}})
	if err != nil {
		return b.String() + "# the proposal cannot be written: " + err.Error() + "\n"
	}
	return b.String() + string(raw)
}
