package wmsfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/wms-file/delimited"
	"github.com/dockline/dockline/plugins/work"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Commands says how work is written for the WMS. What has no section is refused.
type Commands struct {
	ReleaseOrder  *Sheet `yaml:"release_order"`
	CancelOrder   *Sheet `yaml:"cancel_order"`
	RequestCount  *Sheet `yaml:"request_count"`
	AdviseInbound *Sheet `yaml:"advise_inbound"`
}

func (c Commands) empty() bool {
	return c.ReleaseOrder == nil && c.CancelOrder == nil && c.RequestCount == nil && c.AdviseInbound == nil
}

// Sheet is the form of one sort of file for the WMS.
type Sheet struct {
	// Form is csv (the default, for all delimited text) or x12: a 940, or a 943 of what is on its way.
	Form string `yaml:"form"`
	// File is its name; {number}, {version} and {key} are filled in.
	File string `yaml:"file"`

	delimited.Format `yaml:",inline"`

	Number  mapping.Number `yaml:"number"`
	Date    string         `yaml:"date"`
	Zone    string         `yaml:"zone"`
	NoTitle bool           `yaml:"no_header"`
	Columns []SheetColumn  `yaml:"columns"`
}

// SheetColumn is one column of it: a field of the work, or a fixed text.
type SheetColumn struct {
	Header   string `yaml:"header"`
	Field    string `yaml:"field"`
	Text     string `yaml:"text"`
	Required bool   `yaml:"required"`
}

// sheet is a Sheet that has been checked.
type sheet struct {
	Sheet
	clock mapping.Clock
}

func (l *loader) loadSheets(s *setup) {
	for kind, given := range map[work.Kind]*Sheet{work.ReleaseOrder: s.Commands.ReleaseOrder, work.CancelOrder: s.Commands.CancelOrder, work.RequestCount: s.Commands.RequestCount, work.AdviseInbound: s.Commands.AdviseInbound} {
		if given == nil {
			continue
		}
		path := "commands." + string(kind)
		out := sheet{Sheet: *given}
		out.Format = withDefaults(out.Format, s.Defaults.Format)
		if out.Number == (mapping.Number{}) {
			out.Number = s.Defaults.Number
		}
		if out.Date == "" && len(s.Defaults.Date) > 0 {
			out.Date = s.Defaults.Date[0]
		}
		if out.Zone == "" {
			out.Zone = s.Defaults.Zone
		}
		l.checkSheet(path, kind, s, &out)
		s.sheets[kind] = &out
	}
}

func (l *loader) checkSheet(path string, kind work.Kind, set *setup, s *sheet) {
	faults := s.Format.Faults()
	for _, key := range slices.Sorted(maps.Keys(faults)) {
		l.fault(path+"."+key, "%s", faults[key])
	}
	for _, text := range s.Number.Faults() {
		l.fault(path+".number", "%s", text)
	}
	clock, err := mapping.NewClock(s.Date, s.Zone)
	if err != nil {
		l.fault(path+".date", "%v", err)
	}
	s.clock = clock
	if s.File == "" || strings.ContainsAny(s.File, `/\`) {
		l.fault(path+".file", "%q is no name for a file in the inbound folder; write for example %s-{number}-{version}.csv", s.File, kind)
	} else if !strings.Contains(s.File, "{key}") && !(strings.Contains(s.File, "{number}") && strings.Contains(s.File, "{version}")) {
		l.fault(path+".file", "the name must hold {number} and {version} (or {key} and {version}), so that no file is written over another")
	} else if !strings.Contains(s.File, "{version}") {
		l.fault(path+".file", "the name must hold {version}, so that a change does not write over its original")
	}
	switch s.Form {
	case "", formCSV:
	case formX12:
		l.checkX12Sheet(path, kind, set, s)
		return
	default:
		l.fault(path+".form", "form %q is not known; use csv or x12", s.Form)
	}
	if len(s.Columns) == 0 {
		l.fault(path+".columns", "no columns; list them in their order, for example - {header: order, field: number}")
	}
	known := slices.Concat(work.HeadFields[kind], work.LineFields[kind])
	for i, col := range s.Columns {
		at := fmt.Sprintf("%s.columns[%d]", path, i)
		switch {
		case col.Header == "" && !s.NoTitle:
			l.fault(at, "the column has no header")
		case col.Field != "" && col.Text != "":
			l.fault(at, "the column has a field and a text; leave one of the two out")
		case col.Field != "" && !slices.Contains(known, col.Field):
			l.fault(at+".field", "field %q is not known for %s; fields are %s", col.Field, kind, strings.Join(known, ", "))
		}
	}
}

// refused is why a command can never be written; its words are for the person who asked.
type refused string

func (r refused) Error() string { return string(r) }

// name is the file's.
func (s *sheet) name(cmd *docklinev1.Command, w work.Work) string {
	return strings.NewReplacer("{number}", safe(w.Number), "{key}", safe(cmd.GetKey()), "{version}", w.Head["version"]).Replace(s.File)
}

// write gives the file's name and content.
func (s *sheet) write(cmd *docklinev1.Command) (name string, content []byte, err error) {
	w := work.Of(cmd, s.Number, s.clock)
	if w.Number == "" {
		return "", nil, refused("the command names no number of an order, count or advice")
	}
	if len(w.Rows) == 0 {
		return "", nil, refused(w.Number + " has no lines; there is nothing to do for the site")
	}
	name = s.name(cmd, w)
	var out strings.Builder
	if !s.NoTitle {
		titles := make([]string, len(s.Columns))
		for i, col := range s.Columns {
			titles[i] = col.Header
		}
		if err := s.row(&out, titles); err != nil {
			return "", nil, err
		}
	}
	for i, row := range w.Rows {
		cells := make([]string, len(s.Columns))
		for j, col := range s.Columns {
			cells[j] = col.Text + row[col.Field] + w.Head[col.Field]
			if cells[j] == "" && col.Required {
				return "", nil, refused(fmt.Sprintf("line %d of %s has no %s, which the WMS needs in column %s; add it to the order", i+1, w.Number, col.Field, col.Header))
			}
		}
		if err := s.row(&out, cells); err != nil {
			return "", nil, err
		}
	}
	raw, missing, ok := delimited.Encode(s.Encoding, out.String())
	if !ok {
		return "", nil, refused(fmt.Sprintf("%s holds the character %q, which %s does not have; correct the text, or set another encoding that the WMS reads", w.Number, missing, s.Encoding))
	}
	if s.Encoding == "utf-16" {
		raw = append([]byte{0xff, 0xfe}, raw...)
	}
	return name, raw, nil
}

func (s *sheet) row(out *strings.Builder, cells []string) error {
	line, err := s.Format.Row(cells)
	if err != nil {
		return refused(err.Error())
	}
	out.WriteString(line)
	return nil
}

// safe keeps a number from leaving the folder or from being no name on Windows. Different numbers stay different.
func safe(number string) string {
	var b strings.Builder
	for _, r := range number {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.' && b.Len() > 0:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "%%%X", r)
		}
	}
	return b.String()
}
