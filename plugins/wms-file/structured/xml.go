package structured

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dockline/dockline/plugins/wms-file/delimited"
)

// xml walks to the records, and reads each whole. Names count without their namespace; an attribute is @name, the text beside children #text.
func (r *Reader) xml(in io.Reader) func(yield func(delimited.Row, any) bool) {
	return func(yield func(delimited.Row, any) bool) {
		g := &guard{in: skipMark(in)}
		dec := xml.NewDecoder(g)
		dec.CharsetReader = func(name string, in io.Reader) (io.Reader, error) {
			decoded, ok := delimited.Decoded(name, in)
			if !ok {
				return nil, fmt.Errorf("the encoding %s is not known", name)
			}
			r.encoding = strings.ToLower(name)
			return decoded, nil
		}
		err := r.walkXML(dec, g, yield)
		if err == nil || errors.Is(err, errStopped) {
			return
		}
		if reason := ioError(err); reason != nil {
			r.err = reason
			return
		}
		var syntax *xml.SyntaxError
		if errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF") {
			err = io.ErrUnexpectedEOF
		}
		yield(r.broken(err, dec.InputOffset(), "xml"), nil)
	}
}

func (r *Reader) walkXML(dec *xml.Decoder, g *guard, yield func(delimited.Row, any) bool) error {
	path := pathOf(r.format.Record)
	var open []string
	seen := false
	for {
		g.mark = dec.InputOffset()
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && seen && len(open) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			open, seen = append(open, t.Name.Local), true
			if len(open) > maxDepth {
				return &wording{fmt.Sprintf("elements lie more than %d deep within each other", maxDepth)}
			}
			if len(path) > 0 && strings.Join(open, "/") != strings.Join(path, "/") || len(path) == 0 && len(open) != 1 {
				if len(path) > 1 && strings.Join(open, "/") == strings.Join(path[:len(path)-1], "/") {
					r.found = true // the list, if an empty one
				}
				continue
			}
			record, err := element(dec, t, 0)
			if err != nil {
				return err
			}
			open = open[:len(open)-1]
			object, ok := record.(map[string]any)
			if !ok {
				object = map[string]any{"#text": record}
			}
			raw := []byte(fmt.Sprintf("%v", object))
			if !yield(delimited.Row{Line: r.number + 1, Raw: raw, Ended: true}, object) {
				return errStopped
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// element reads an element whose beginning was read: its text, or its attributes and children by name.
func element(dec *xml.Decoder, start xml.StartElement, depth int) (any, error) {
	if depth > maxDepth {
		return nil, &wording{fmt.Sprintf("elements lie more than %d deep within each other", maxDepth)}
	}
	object := map[string]any{}
	for _, a := range start.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			object["@"+a.Name.Local] = a.Value
		}
	}
	var words strings.Builder
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			child, err := element(dec, t, depth+1)
			if err != nil {
				return nil, err
			}
			name := t.Name.Local
			switch before := object[name].(type) {
			case nil:
				object[name] = child
			case []any:
				object[name] = append(before, child)
			default:
				object[name] = []any{before, child}
			}
		case xml.CharData:
			words.Write(t)
		case xml.EndElement:
			text := strings.TrimSpace(words.String())
			if len(object) == 0 {
				return text, nil
			}
			if text != "" {
				object["#text"] = text
			}
			return object, nil
		}
	}
}
