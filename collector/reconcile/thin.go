package reconcile

import (
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// thinner makes the many picks of one key take less memory: what they have in common is kept once, and what nothing follows from not at all.
type thinner struct {
	texts map[string]string
	lines map[string]*docklinev1.Line
	made  []byte
}

// thinnerMost bounds what is kept to be found again.
const thinnerMost = 50_000

func newThinner() *thinner {
	return &thinner{texts: make(map[string]string), lines: make(map[string]*docklinev1.Line)}
}

// event thins one event that nobody else has. What event.BodyHash is taken over stays as it is.
func (t *thinner) event(e *docklinev1.Event) {
	pick := e.GetPick()
	if pick == nil {
		return
	}
	if event.IsCorrection(e) {
		return
	}
	e.CorrelationId, e.CausationId, e.ContentHash, e.CapturedAt, e.Traceparent, e.Origin, e.Warnings = "", "", nil, nil, "", "", nil
	for _, text := range []*string{&e.Tenant, &e.Site, &e.Source, &e.SourceRevision, &e.Actor, &e.Device} {
		*text = t.text(*text)
	}
	for _, text := range []*string{&e.Subject, &pick.Task} { // mostly the key of the record
		if *text == e.SourceKey {
			*text = e.SourceKey
		}
	}
	for i, line := range pick.Lines {
		pick.Lines[i] = t.line(line)
	}
}

func (t *thinner) text(s string) string {
	have, ok := t.texts[s]
	if !ok && len(t.texts) < thinnerMost {
		t.texts[s] = s
		return s
	}
	if !ok {
		return s
	}
	return have
}

func (t *thinner) line(line *docklinev1.Line) *docklinev1.Line {
	var err error
	if t.made, err = (proto.MarshalOptions{Deterministic: true}).MarshalAppend(t.made[:0], line); err != nil {
		return line
	}
	if have := t.lines[string(t.made)]; have != nil {
		return have
	}
	if len(t.lines) < thinnerMost {
		t.lines[string(t.made)] = line
	}
	return line
}
