package xref

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// header are the columns of a file; direction may be left out.
var header = []string{"domain", "ours", "theirs", "direction"}

// FileFaults are the lines of a file that cannot be taken.
type FileFaults []string

func (f FileFaults) Error() string { return strings.Join(f, "\n") }

// ReadCSV reads the entries of one system: a line of column names, then one entry a line. Its error names every line that is wrong.
func ReadCSV(r io.Reader, system string) ([]Entry, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1
	names, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	names[0] = strings.TrimPrefix(names[0], "\ufeff") // as spreadsheets begin a file
	at := make(map[string]int, len(names))
	for i, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(header, name) {
			return nil, fmt.Errorf("line 1: there is no column %q; there are %s", name, strings.Join(header, ", "))
		}
		at[name] = i
	}
	for _, name := range header[:3] {
		if _, there := at[name]; !there {
			return nil, fmt.Errorf("line 1: the column %q is missing; write %s", name, strings.Join(header, ","))
		}
	}
	var entries []Entry
	var lines []int
	var faults FileFaults
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err // it names its line
		}
		line, _ := in.FieldPos(0)
		field := func(name string) string {
			if i, there := at[name]; there && i < len(record) {
				return strings.TrimSpace(record[i])
			}
			return ""
		}
		e := Entry{System: system, Domain: Domain(field("domain")), Ours: field("ours"), Theirs: field("theirs"), Direction: Direction(field("direction"))}
		if e.Direction == "" {
			e.Direction = Both
		}
		if text := e.faultOf(); text != "" {
			faults = append(faults, fmt.Sprintf("line %d: %s", line, text))
		}
		entries, lines = append(entries, e), append(lines, line)
	}
	for _, c := range clashes(entries) {
		faults = append(faults, fmt.Sprintf("line %d: %s (line %d)", lines[c.at], c.text, lines[c.with]))
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return entries, nil
}

// clash is an entry that cannot stand beside another one.
type clash struct {
	at, with int
	text     string
}

// clashes are the entries of one system that say of one code two things for the same way.
func clashes(entries []Entry) (out []clash) {
	type code struct {
		domain Domain
		text   string
	}
	told, read := make(map[code]int), make(map[code]int)
	for i, e := range entries {
		if e.out() {
			if have, twice := told[code{e.Domain, e.Ours}]; twice {
				out = append(out, clash{i, have, fmt.Sprintf("our %s %s is told as %s and as %s; say which with the direction out, and in of the other", e.Domain, e.Ours, entries[have].Theirs, e.Theirs)})
				continue
			}
			told[code{e.Domain, e.Ours}] = i
		}
		if e.in() {
			if have, twice := read[code{e.Domain, e.Theirs}]; twice {
				out = append(out, clash{i, have, fmt.Sprintf("their %s %s is our %s and our %s; say which with the direction in, and out of the other", e.Domain, e.Theirs, entries[have].Ours, e.Ours)})
				continue
			}
			read[code{e.Domain, e.Theirs}] = i
		}
	}
	return out
}

// WriteCSV writes entries as ReadCSV reads them.
func WriteCSV(w io.Writer, entries []Entry) error {
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	for _, e := range entries {
		if err := out.Write([]string{string(e.Domain), e.Ours, e.Theirs, string(e.Direction)}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
