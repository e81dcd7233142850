package epcis

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits of what is read. An EPCIS event of a full trailer has some thousand serials.
const (
	// MaxEventBytes is the size of one event, or of one other member of the document, as it stands in the file.
	MaxEventBytes = 1 << 20
	// MaxDepth is how deep objects and lists may be nested within an event.
	MaxDepth = 24
)

// ErrTooLarge: one event of a document is larger than MaxEventBytes, and nothing behind it can be read.
var ErrTooLarge = fmt.Errorf("more than %d bytes in one event", MaxEventBytes)

// decoder reads JSON value by value, and never holds more than one.
type decoder struct {
	json  *json.Decoder
	meter *meter
	// flaw is what makes the value no good although it can be read to its end, so that what comes after it goes on.
	flaw string
}

// meter refuses a value that does not end. The JSON library keeps a token whole, and reads ahead by less than another value's size.
type meter struct {
	from io.Reader
	left int
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, ErrTooLarge
	}
	if len(p) > m.left {
		p = p[:m.left]
	}
	n, err := m.from.Read(p)
	m.left -= n
	return n, err
}

func newDecoder(from io.Reader) *decoder {
	m := &meter{from: from}
	d := &decoder{json: json.NewDecoder(m), meter: m}
	d.json.UseNumber()
	d.allow()
	return d
}

// allow lets another value be read.
func (d *decoder) allow() { d.meter.left = 2 * MaxEventBytes }

// value reads one value. Two members of one name are a flaw: which of them holds is not defined, and readers differ.
func (d *decoder) value(depth int) (any, error) {
	token, err := d.json.Token()
	if err != nil {
		return nil, unexpected(err)
	}
	return d.rest(token, depth)
}

// rest reads the rest of a value that begins with the token.
func (d *decoder) rest(token json.Token, depth int) (any, error) {
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth >= MaxDepth {
		d.flaw = fmt.Sprintf("objects and lists are nested deeper than %d", MaxDepth)
		return nil, d.skipFrom(1)
	}
	if delim == '[' {
		found := []any{}
		for d.json.More() {
			v, err := d.value(depth + 1)
			if err != nil {
				return nil, err
			}
			found = append(found, v)
		}
		_, err := d.json.Token()
		return found, unexpected(err)
	}
	o := &Object{}
	for d.json.More() {
		name, err := d.name()
		if err != nil {
			return nil, err
		}
		if _, twice := o.at[name]; twice {
			d.flaw = fmt.Sprintf("%q stands twice in one object", name)
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Set(name, v)
	}
	_, err := d.json.Token()
	return o, unexpected(err)
}

func (d *decoder) name() (string, error) {
	token, err := d.json.Token()
	if err != nil {
		return "", unexpected(err)
	}
	name, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%v where the name of a member should be", token)
	}
	return name, nil
}

// event reads one event within its limits.
func (d *decoder) event() (v any, flaw string, err error) {
	d.allow()
	d.flaw = ""
	from := d.json.InputOffset()
	v, err = d.value(0)
	if err == nil && d.json.InputOffset()-from > MaxEventBytes {
		err = ErrTooLarge
	}
	return v, d.flaw, err
}

// skip reads over a value of any size without keeping it.
func (d *decoder) skip() error {
	d.allow()
	token, err := d.json.Token()
	if _, nested := token.(json.Delim); err != nil || !nested {
		return unexpected(err)
	}
	for d.json.More() {
		d.allow()
		if err := d.skipFrom(0); err != nil {
			return err
		}
	}
	_, err = d.json.Token()
	return unexpected(err)
}

// skipFrom reads over what is left of a value that is open to a depth; 0: over a whole one. It must fit the limit of one event.
func (d *decoder) skipFrom(depth int) error {
	for {
		token, err := d.json.Token()
		if err != nil {
			return unexpected(err)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return nil
		}
	}
}

// unexpected: an end within a value is no end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
