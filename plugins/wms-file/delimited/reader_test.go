package delimited

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// show writes rows as "line:cell|cell" or "line:!code@cell", one after the other.
func show(data string, f Format) string {
	var out []string
	r := NewReader(strings.NewReader(data), f)
	for row, ok := r.Next(); ok; row, ok = r.Next() {
		if row.Fault != nil {
			out = append(out, fmt.Sprintf("%d:!%s@%d", row.Line, row.Fault.Code, row.Fault.Cell))
			continue
		}
		out = append(out, fmt.Sprintf("%d:%s", row.Line, strings.Join(row.Cells, "|")))
	}
	return strings.Join(out, " ")
}

func TestReader(t *testing.T) {
	semicolon, multiline := Format{Delimiter: ";"}, Format{Delimiter: ";", Multiline: true}
	for name, c := range map[string]struct {
		data   string
		format Format
		want   string
	}{
		"plain":                        {"a,b\n1,2\n", Format{}, "1:a|b 2:1|2"},
		"line ends of every sort":      {"a\r\nb\rc\nd", Format{}, "1:a 2:b 3:c 4:d"},
		"empty lines are passed over":  {"a\n\n  \nb\n", Format{}, "1:a 4:b"},
		"empty cells":                  {";;\n;", semicolon, "1:|| 2:|"},
		"quoted":                       {`"a;b";"say ""hi"""` + "\n", semicolon, `1:a;b|say "hi"`},
		"quotes within stand":          {`3" pipe;5' board` + "\n", semicolon, `1:3" pipe|5' board`},
		"open quote stays in its line": {"a;\"b\nc;d\n\"e\"\n", semicolon, "1:!quote@2 2:c|d 3:e"},
		"text behind a quote":          {"\"a\"x;b\nc;d", semicolon, "1:!quote@1 2:c|d"},
		"open quote at the end":        {"a;\"b", semicolon, "1:!quote@2"},
		"lines within quotes":          {"\"a\r\nb\";c\nd;e", multiline, "1:a\nb|c 3:d|e"},
		"open quote with multiline":    {"a;\"b\nc;d\ne;f", multiline, "1:!quote@2 2:c|d 3:e|f"},
		"open quote with a later one":  {"a;\"b\nc;\"d\"\ne;f", multiline, "1:!quote@2 2:c|d 3:e|f"},
		"tab":                          {"a\tb", Format{Delimiter: "tab"}, "1:a|b"},
		"no quote":                     {`"a;b"`, Format{Delimiter: ";", Quote: "none"}, `1:"a|b"`},
		"delimiter beyond ASCII":       {"a¦b", Format{Delimiter: "¦"}, "1:a|b"},
		"utf-8 mark":                   {"\xef\xbb\xbfa,b", Format{Encoding: "windows-1252"}, "1:a|b"},
		"invalid utf-8":                {"ok,1\nM\xfcller,2\nok,3", Format{}, "1:ok|1 2:!encoding@1 3:ok|3"},
		"cut utf-8":                    {"ok\nM\xc3", Format{}, "1:ok 2:!encoding@1"},
		"windows-1252":                 {"M\xfcller \x80 5", Format{Encoding: "windows-1252"}, "1:Müller € 5"},
		"undefined in windows-1252":    {"a\nb\x81", Format{Encoding: "windows-1252"}, "1:a 2:!encoding@1"},
		"iso-8859-1":                   {"M\xfcller", Format{Encoding: "iso-8859-1"}, "1:Müller"},
		"windows text as iso-8859-1":   {"5 \x80\nb", Format{Encoding: "iso-8859-1"}, "1:!encoding@1 2:b"},
		"utf-8 as windows-1252":        {"Müller\nMuster", Format{Encoding: "windows-1252"}, "1:!encoding@0 2:Muster"},
		"cp850":                        {"M\x81ller", Format{Encoding: "cp850"}, "1:Müller"},
		"utf-16 with mark":             {"\xff\xfea\x00,\x00\xfc\x00\r\x00\n\x00b\x00", Format{}, "1:a|ü 2:b"},
		"utf-16 big endian":            {"\x00a\x00\n\x00b", Format{Encoding: "utf-16be"}, "1:a 2:b"},
		"utf-16 beyond the plane":      {"\x3d\xd8\x00\xde", Format{Encoding: "utf-16"}, "1:😀"},
		"utf-16 lone half":             {"a\x00\n\x00\x3d\xd8\n\x00b\x00", Format{Encoding: "utf-16"}, "1:a 2:!encoding@1 3:b"},
		"utf-16 odd length":            {"a\x00\n\x00b", Format{Encoding: "utf-16"}, "1:a 2:!encoding@1"},
		"utf-16 read as utf-8":         {"a\x00b\x00", Format{}, "1:!encoding@1"},
		"DOS end mark":                 {"a\nb\n\x1a", Format{}, "1:a 2:b"},
		"nothing":                      {"", Format{}, ""},
		"blank only":                   {"\n\n", Format{}, ""},
	} {
		if got := show(c.data, c.format); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestRawBytesAreKept(t *testing.T) {
	r := NewReader(strings.NewReader("ok;1\r\nM\xfcller;\"x\r\nlast"), Format{Delimiter: ";"})
	want := []string{"ok;1", "M\xfcller;\"x", "last"}
	for i, w := range want {
		row, ok := r.Next()
		if !ok || !bytes.Equal(row.Raw, []byte(w)) || row.Ended != (i < 2) {
			t.Errorf("row %d: %q, ended %v", i, row.Raw, row.Ended)
		}
	}
}

func TestSkip(t *testing.T) {
	r := NewReader(strings.NewReader("a \"title\n\nhead\n"), Format{})
	r.Skip(2)
	if row, ok := r.Next(); !ok || row.Line != 3 || row.Cells[0] != "head" {
		t.Errorf("got %+v", row)
	}
}

func TestLongQuoteDoesNotSwallowTheFile(t *testing.T) {
	data := "a;\"b\n" + strings.Repeat("c;d\n", 2*maxQuotedLines) + "e;\"f\"\n"
	rows, faults := 0, 0
	r := NewReader(strings.NewReader(data), Format{Delimiter: ";", Multiline: true})
	for row, ok := r.Next(); ok; row, ok = r.Next() {
		rows++
		if row.Fault != nil {
			faults++
		}
	}
	if rows != 2*maxQuotedLines+2 || faults != 1 {
		t.Errorf("%d rows with %d faults", rows, faults)
	}
}

func TestFormatFaults(t *testing.T) {
	got := Format{Encoding: "ebcdic", Delimiter: ";;", Quote: "''"}.Faults()
	if len(got) != 3 || got["encoding"] == "" || got["delimiter"] == "" || got["quote"] == "" {
		t.Errorf("got %v", got)
	}
	if got := (Format{Encoding: "utf-16", Delimiter: "tab", Quote: "none"}).Faults(); len(got) != 0 {
		t.Errorf("a good format has %v", got)
	}
}

func TestEncodeIsReadBack(t *testing.T) {
	for _, encoding := range Encodings() {
		raw, missing, ok := Encode(encoding, "Müller;5")
		if !ok {
			t.Errorf("%s lacks %q", encoding, missing)
			continue
		}
		row, _ := NewReader(bytes.NewReader(raw), Format{Encoding: encoding, Delimiter: ";"}).Next()
		if len(row.Cells) != 2 || row.Cells[0] != "Müller" || row.Fault != nil {
			t.Errorf("%s: %q, %v", encoding, row.Cells, row.Fault)
		}
	}
	if _, missing, ok := Encode("windows-1252", "a漢"); ok || missing != '漢' {
		t.Errorf("a character that windows-1252 lacks: %q, %v", missing, ok)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("a;\"b\nc\";d\n\"\"\"\";x\r\n"), uint8(0), true)
	f.Add([]byte("\xff\xfea\x00\n\x00\x3d\xd8"), uint8(1), false)
	f.Add([]byte("M\xfcller;\x81\n"), uint8(4), false)
	names := Encodings()
	f.Fuzz(func(t *testing.T, data []byte, encoding uint8, multiline bool) {
		format := Format{Encoding: names[int(encoding)%len(names)], Delimiter: ";", Multiline: multiline}
		r := NewReader(bytes.NewReader(data), format)
		seen, line := 0, 0
		for row, ok := r.Next(); ok; row, ok = r.Next() {
			if row.Line <= line {
				t.Fatalf("line %d after line %d", row.Line, line)
			}
			line = row.Line
			seen += len(row.Raw)
			for _, cell := range row.Cells {
				if row.Fault == nil && !utf8.ValidString(cell) {
					t.Errorf("cell %q is not text", cell)
				}
			}
			if row.Fault != nil && row.Fault.Text == "" {
				t.Error("a fault without words")
			}
		}
		if seen > len(data) {
			t.Errorf("%d bytes read of %d", seen, len(data))
		}
	})
}
