package cloudevent

import (
	"strings"
	"unicode/utf8"
)

const headerPrefix = "ce-"

// Headers is the binary form for HTTP: every attribute as a header, percent-encoded (HTTP binding, section 3.1.3), the media type of the data
// as Content-Type; the body is Data. Names are in lower case.
func (e *Event) Headers() (map[string]string, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	headers := make(map[string]string, len(e.Attributes))
	for name, value := range e.Attributes {
		if name == DataContentType {
			headers["content-type"] = value
			continue
		}
		headers[headerPrefix+name] = escape(value)
	}
	return headers, nil
}

// FromHeaders reads the binary form. Headers may be in any case; those that are no attributes do not matter.
func FromHeaders(headers map[string]string, body []byte) (*Event, error) {
	e := &Event{Attributes: map[string]string{}, Data: body}
	for name, value := range headers {
		name = strings.ToLower(name)
		if name == "content-type" {
			if value != "" {
				e.Attributes[DataContentType] = value
			}
			continue
		}
		attribute, ok := strings.CutPrefix(name, headerPrefix)
		if !ok {
			continue
		}
		if attribute == DataContentType {
			return nil, formError("header %s: the media type stands in Content-Type", name)
		}
		text, err := unescape(unquote(strings.TrimSpace(value)))
		if err != nil {
			return nil, formError("header %s: %v", name, err)
		}
		e.Attributes[attribute] = text
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	return e, nil
}

const hexDigits = "0123456789ABCDEF"

func escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c <= ' ' || c == '"' || c == '%' || c > '~' {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// unquote takes a quoted string apart, as senders by older versions of the specification write.
func unquote(value string) string {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	var b strings.Builder
	for i := 1; i < len(value)-1; i++ {
		if value[i] == '\\' && i+1 < len(value)-1 {
			i++
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

// unescape does one round of percent-decoding; what it gives must be UTF-8.
func unescape(value string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			b.WriteByte(value[i])
			continue
		}
		high, low := digit(value, i+1), digit(value, i+2)
		if high < 0 || low < 0 {
			return "", formError("%q is no percent-encoding", value)
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	if !utf8.ValidString(b.String()) {
		return "", formError("%q does not give UTF-8", value)
	}
	return b.String(), nil
}

func digit(value string, at int) int {
	if at >= len(value) {
		return -1
	}
	return strings.IndexByte(hexDigits, strings.ToUpper(value[at : at+1])[0])
}
