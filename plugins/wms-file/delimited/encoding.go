package delimited

import (
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// decoder reads the next character of data, which is not empty: its size in bytes, and whether it is one at all.
type decoder func(data []byte) (r rune, size int, ok bool)

func decodeUTF8(data []byte) (rune, int, bool) {
	r, size := utf8.DecodeRune(data)
	return r, size, r != utf8.RuneError || size > 1
}

func decodeUTF16(bigEndian bool) decoder {
	unit := func(data []byte) rune {
		if bigEndian {
			return rune(data[0])<<8 | rune(data[1])
		}
		return rune(data[1])<<8 | rune(data[0])
	}
	return func(data []byte) (rune, int, bool) {
		if len(data) < 2 {
			return utf8.RuneError, len(data), false
		}
		r := unit(data)
		if !utf16.IsSurrogate(r) {
			return r, 2, true
		}
		if len(data) >= 4 {
			if pair := utf16.DecodeRune(r, unit(data[2:])); pair != utf8.RuneError {
				return pair, 4, true
			}
		}
		return utf8.RuneError, 2, false
	}
}

// decodeTable reads an encoding of one byte a character. The control characters from 0x80 on count as wrong: no export holds
// them, but text in windows-1252 that is read as iso-8859-1 seems to.
func decodeTable(table *charmap.Charmap) decoder {
	return func(data []byte) (rune, int, bool) {
		r := table.DecodeByte(data[0])
		return r, 1, r != utf8.RuneError && (r < 0x80 || r > 0x9f)
	}
}

var tables = map[string]*charmap.Charmap{
	"windows-1250": charmap.Windows1250, "windows-1252": charmap.Windows1252, "iso-8859-1": charmap.ISO8859_1, "iso-8859-2": charmap.ISO8859_2,
	"iso-8859-15": charmap.ISO8859_15, "cp437": charmap.CodePage437, "cp850": charmap.CodePage850,
}

// Encodings lists the names that a Format takes.
func Encodings() []string {
	return append([]string{"utf-8", "utf-16", "utf-16le", "utf-16be"}, slices.Sorted(maps.Keys(tables))...)
}

// decoderOf finds the decoder and takes the byte order mark off. A mark that is there tells the truth, whatever was configured.
func decoderOf(encoding string, data []byte) (d decoder, rest []byte, name string) {
	switch {
	case len(data) >= 3 && data[0] == 0xef && data[1] == 0xbb && data[2] == 0xbf:
		return decodeUTF8, data[3:], "utf-8"
	case len(data) >= 2 && data[0] == 0xff && data[1] == 0xfe:
		return decodeUTF16(false), data[2:], "utf-16le"
	case len(data) >= 2 && data[0] == 0xfe && data[1] == 0xff:
		return decodeUTF16(true), data[2:], "utf-16be"
	}
	switch encoding {
	case "", "utf-8":
		return decodeUTF8, data, "utf-8"
	case "utf-16", "utf-16le":
		return decodeUTF16(false), data, "utf-16le"
	case "utf-16be":
		return decodeUTF16(true), data, encoding
	}
	return decodeTable(tables[encoding]), data, encoding
}

// Encode writes text in an encoding (UTF-16 little-endian with its mark at the beginning of a file being the caller's to add). It
// names the first character that the encoding does not have.
func Encode(encoding, text string) (out []byte, missing rune, ok bool) {
	switch encoding {
	case "", "utf-8":
		return []byte(text), 0, true
	case "utf-16", "utf-16le", "utf-16be":
		for _, unit := range utf16.Encode([]rune(text)) {
			if encoding == "utf-16be" {
				out = append(out, byte(unit>>8), byte(unit))
			} else {
				out = append(out, byte(unit), byte(unit>>8))
			}
		}
		return out, 0, true
	}
	for _, r := range text {
		b, known := tables[encoding].EncodeRune(r)
		if !known {
			return nil, r, false
		}
		out = append(out, b)
	}
	return out, 0, true
}

// looksUTF8 says that bytes beyond ASCII stand there in a way that is valid UTF-8: text in another encoding hardly ever does.
func looksUTF8(raw []byte) bool {
	return utf8.Valid(raw) && slices.ContainsFunc(raw, func(b byte) bool { return b >= 0x80 })
}

// Decoded reads a text of one of Encodings with one byte a character as UTF-8; false for an encoding that is none of them.
func Decoded(encoding string, in io.Reader) (io.Reader, bool) {
	encoding = strings.ToLower(encoding)
	if encoding == "utf-8" || encoding == "us-ascii" || encoding == "ascii" {
		return in, true
	}
	table, ok := tables[encoding]
	if !ok {
		return nil, false
	}
	return table.NewDecoder().Reader(in), true
}
