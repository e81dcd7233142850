package epcis

import (
	"encoding/json"
	"io"
	"time"
)

// Writer writes an EPCIS document, event by event.
type Writer struct {
	to    io.Writer
	begun bool
}

// NewWriter writes the document's head. created is its creation date.
func NewWriter(to io.Writer, created time.Time) (*Writer, error) {
	head := &Object{}
	head.Set("@context", DocumentContext())
	head.Set("type", "EPCISDocument")
	head.Set("schemaVersion", "2.0")
	head.Set("creationDate", created.UTC().Format("2006-01-02T15:04:05.000Z"))
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	text = append(text[:len(text)-1], `,"epcisBody":{"eventList":[`...)
	_, err = to.Write(text)
	return &Writer{to: to}, err
}

// Write writes one event.
func (w *Writer) Write(event *Object) error {
	text, err := event.MarshalJSON()
	if err != nil {
		return err
	}
	before := "\n"
	if w.begun {
		before = ",\n"
	}
	w.begun = true
	_, err = w.to.Write(append([]byte(before), text...))
	return err
}

// Close ends the document; what it is written to stays open.
func (w *Writer) Close() error {
	_, err := io.WriteString(w.to, "\n]}}\n")
	return err
}
