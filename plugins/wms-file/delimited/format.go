// Package delimited reads rows of delimited text so that a fault stays in its own line: nothing that is wrong with one row, not
// even a quotation mark that is never closed, touches the next.
package delimited

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Format says how a file is written.
type Format struct {
	// Encoding is one of Encodings; default utf-8. A byte order mark in the file goes before it.
	Encoding string `yaml:"encoding"`
	// Delimiter is one character, or "tab"; default ",".
	Delimiter string `yaml:"delimiter"`
	// Quote is one character, or "none"; default the double quotation mark. Doubled it stands for itself.
	Quote string `yaml:"quote"`
	// Multiline allows line ends within quotation marks. Without it a row ends with its line.
	Multiline bool `yaml:"multiline"`
}

// maxQuotedLines is how far an open quotation mark is followed where Multiline is set.
const maxQuotedLines = 50

// Faults says what is wrong with a format, by key.
func (f Format) Faults() map[string]string {
	out := map[string]string{}
	if f.Encoding != "" && !slices.Contains(Encodings(), f.Encoding) {
		out["encoding"] = fmt.Sprintf("encoding %q is not known; use one of %s", f.Encoding, strings.Join(Encodings(), ", "))
	}
	if f.Delimiter != "" && f.Delimiter != "tab" && (utf8.RuneCountInString(f.Delimiter) != 1 || strings.ContainsAny(f.Delimiter, "\r\n")) {
		out["delimiter"] = fmt.Sprintf("delimiter %q is not one character; write for example \";\" or tab", f.Delimiter)
	}
	if f.Quote != "" && f.Quote != "none" && (utf8.RuneCountInString(f.Quote) != 1 || strings.ContainsAny(f.Quote, "\r\n") || f.Quote == f.Delimiter) {
		out["quote"] = fmt.Sprintf("quote %q is not one character different from the delimiter; write '\"' or none", f.Quote)
	}
	return out
}

// none is no character: it is never read.
const none = rune(-1)

// Separator is the delimiter as it stands between cells.
func (f Format) Separator() string { return string(f.delimiter()) }

func (f Format) delimiter() rune {
	switch f.Delimiter {
	case "":
		return ','
	case "tab":
		return '\t'
	}
	r, _ := utf8.DecodeRuneInString(f.Delimiter)
	return r
}

func (f Format) quote() rune {
	switch f.Quote {
	case "":
		return '"'
	case "none":
		return none
	}
	r, _ := utf8.DecodeRuneInString(f.Quote)
	return r
}

// Row writes cells as one line with CR LF behind it. A cell that the format cannot hold is an error.
func (f Format) Row(cells []string) (string, error) {
	delimiter, quote := string(f.delimiter()), f.quote()
	written := make([]string, len(cells))
	for i, cell := range cells {
		if !f.Multiline {
			cell = strings.Join(strings.FieldsFunc(cell, func(r rune) bool { return r == '\r' || r == '\n' }), " ")
		}
		special := strings.Contains(cell, delimiter) || strings.ContainsAny(cell, "\r\n")
		switch {
		case quote == none && special:
			return "", fmt.Errorf("%q holds the delimiter %q, and quotation marks are switched off; change the text or the format", cell, delimiter)
		case quote != none && (special || strings.ContainsRune(cell, quote)):
			cell = string(quote) + strings.ReplaceAll(cell, string(quote), string(quote)+string(quote)) + string(quote)
		}
		written[i] = cell
	}
	return strings.Join(written, delimiter) + "\r\n", nil
}
