package wmsfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// seemsRecords tells whether a sample is JSON or XML, which have no header to guess columns from.
func seemsRecords(data []byte) bool {
	data = bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n")
	return len(data) > 0 && (data[0] == '{' || data[0] == '[' || data[0] == '<')
}

// proposeRecords guesses a mapping from the records of JSON and JSON lines. Where they are within a document nobody but its writer can say, so a document
// of XML, or one that lists its records within others, is left to a person.
func proposeRecords(body content) (*proposal, error) {
	data := bytes.TrimLeft(bytes.TrimPrefix(body.data, []byte("\ufeff")), " \t\r\n")
	if data[0] == '<' {
		return nil, errors.New("no mapping is proposed for XML: sample-records.yaml beside the plugin's README has one (form: xml, record: the path to its records) to begin with")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var first any
	if err := decoder.Decode(&first); err != nil {
		return nil, fmt.Errorf("the sample begins as JSON and is none: %w", err)
	}
	form, records := formJSONLines, []map[string]any{}
	if list, ok := first.([]any); ok {
		form = formJSON
		for _, one := range list {
			if record, ok := one.(map[string]any); ok {
				records = append(records, record)
			}
		}
	} else if record, ok := first.(map[string]any); ok {
		for ; record != nil && len(records) < shown; record = next(decoder) {
			records = append(records, record)
		}
	}
	if len(records) == 0 {
		return nil, errors.New("the sample holds no record: a record is an object of JSON, a list of them, or one a line")
	}
	ext := filepath.Ext(body.name)
	p := newProposal(body.name, ext)
	p.file.Form, p.file.Encoding = form, ""
	header := slices.Sorted(slices.Values(p.paths("", records[0])))
	rows := make([][]string, len(records))
	for i, record := range records {
		for _, path := range header {
			rows[i] = append(rows[i], cellAt(record, path))
		}
	}
	if len(header) == 0 {
		return nil, errors.New("the sample's first record has no value of its own: name what lists its records under record, or lines (sample-records.yaml beside the plugin's README)")
	}
	p.guess(header, rows, body.name)
	return p, nil
}

// next is the record of the next line; nil at the end, or where it is none.
func next(decoder *json.Decoder) map[string]any {
	var record map[string]any
	if decoder.Decode(&record) != nil {
		return nil
	}
	return record
}

// paths are those of the values of a record. A list of records in it is noted: each of them may be a row.
func (p *proposal) paths(before string, record map[string]any) []string {
	var found []string
	for name, value := range record {
		switch value := value.(type) {
		case map[string]any:
			found = append(found, p.paths(before+name+".", value)...)
		case []any:
			p.note(before + name + " is a list: where each of it is a record, or a line of one, name it under record or lines (sample-records.yaml beside the plugin's README)")
		default:
			found = append(found, before+name)
		}
	}
	return found
}

func cellAt(record map[string]any, path string) string {
	var value any = record
	for name := range strings.SplitSeq(path, ".") {
		within, _ := value.(map[string]any)
		value = within[name]
	}
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
