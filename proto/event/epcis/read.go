package epcis

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Captured is one EPCIS event as it stood in a document.
type Captured struct {
	// Where it stood: "epcisBody.eventList[3]", "" for an event by itself.
	Where string
	// Event is nil where there was no object.
	Event *Object
	// Context is what prefixes mean in the document; the event may add its own.
	Context Context
	// Ignore are extensions that the sending repository says are its own doing.
	Ignore []string
	// Flaw says why it cannot be used although it could be read.
	Flaw string
}

// Read takes an EPCIS document, query document, list of events or single event apart and hands over one event after the other; it holds no
// more than one. It ends with take's error, or with one that says where the text stops being readable; what was handed over before holds.
//
// Where the context stands behind the events, from must be an io.Seeker: their meaning depends on it.
func Read(from io.Reader, take func(*Captured) error) error {
	r := &reader{decoder: newDecoder(from), from: from, take: take, context: standardContext()}
	if seeker, ok := from.(io.Seeker); ok {
		r.start, _ = seeker.Seek(0, io.SeekCurrent)
	}
	err := r.document()
	var own *taken
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.error
	}
	return fmt.Errorf("byte %d: %w", r.json.InputOffset(), err)
}

// taken is an error of the one who takes the events.
type taken struct{ error }

type reader struct {
	*decoder
	from    io.Reader
	start   int64
	take    func(*Captured) error
	context Context
	known   bool // the context was seen
	ignore  []string
}

func (r *reader) document() error {
	token, err := r.json.Token()
	if err != nil {
		return fmt.Errorf("this is no EPCIS document in JSON: %w", unexpected(err))
	}
	switch token {
	case json.Delim('['):
		r.known = true // each event has its own
		return r.events("", token)
	case json.Delim('{'):
	default:
		return fmt.Errorf("%v is no EPCIS document: it begins with an object or a list of events", token)
	}
	alone, body, err := r.top()
	if err != nil || body {
		return err
	}
	if kind := text(alone.Get("type")); kind == "" || strings.HasPrefix(kind, "EPCIS") {
		return errors.New("there is no epcisBody, and no event; is this an EPCIS document?")
	}
	return r.hand(&Captured{Event: alone, Flaw: r.flaw})
}

// top reads the members of the document; body is whether it had one, alone what it is where it is an event by itself.
func (r *reader) top() (alone *Object, body bool, err error) {
	alone = &Object{}
	kept := int64(0)
	r.flaw = ""
	err = r.members(func(name string) error {
		switch {
		case name == "epcisBody":
			body = true
			return r.within(r.body)
		case name == "epcisHeader" || body && name != "@context":
			return r.skip()
		}
		if _, twice := alone.at[name]; twice {
			r.flaw = fmt.Sprintf("%q stands twice in one object", name)
		}
		r.allow()
		from := r.json.InputOffset()
		v, err := r.value(1)
		if err != nil {
			return err
		}
		if kept += r.json.InputOffset() - from; kept > MaxEventBytes {
			return ErrTooLarge
		}
		alone.Set(name, v)
		if name == "@context" && !r.known {
			r.context, r.known = r.context.with(v), true
		}
		return nil
	})
	return alone, body, err
}

// members goes through the members of an object that is open.
func (r *reader) members(each func(name string) error) error {
	for r.json.More() {
		name, err := r.name()
		if err != nil {
			return err
		}
		if err := each(name); err != nil {
			return err
		}
	}
	_, err := r.json.Token()
	return unexpected(err)
}

// within opens an object and goes through its members.
func (r *reader) within(each func(name string) error) error {
	r.allow()
	token, err := r.json.Token()
	if err != nil {
		return unexpected(err)
	}
	if token != json.Delim('{') {
		return fmt.Errorf("%v where an object should be", token)
	}
	return r.members(each)
}

func (r *reader) body(name string) error {
	switch name {
	case "eventList":
		return r.list("epcisBody.eventList")
	case "event":
		if err := r.lookAhead(); err != nil {
			return err
		}
		return r.one("epcisBody.event")
	case "queryResults":
		return r.within(r.results)
	}
	return r.skip()
}

func (r *reader) results(name string) error {
	if name == "resultsBody" {
		return r.within(func(name string) error {
			if name == "eventList" {
				return r.list("epcisBody.queryResults.resultsBody.eventList")
			}
			return r.skip()
		})
	}
	if _, local, ok := strings.Cut(name, ":"); !ok || local != "ignoreFields" {
		return r.skip()
	}
	r.allow()
	names, err := r.value(1)
	for _, name := range list(names) {
		r.ignore = append(r.ignore, text(name))
	}
	return err
}

func (r *reader) list(where string) error {
	if err := r.lookAhead(); err != nil {
		return err
	}
	r.allow()
	token, err := r.json.Token()
	if err != nil {
		return unexpected(err)
	}
	return r.events(where, token)
}

func (r *reader) events(where string, open json.Token) error {
	if open != json.Delim('[') {
		return fmt.Errorf("%s: %v where a list of events should be", where, open)
	}
	for i := 0; ; i++ {
		r.allow()
		if !r.json.More() {
			_, err := r.json.Token()
			return unexpected(err)
		}
		if err := r.one(fmt.Sprintf("%s[%d]", where, i)); err != nil {
			return err
		}
	}
}

func (r *reader) one(where string) error {
	v, flaw, err := r.event()
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	found := &Captured{Where: where, Event: object(v), Flaw: flaw}
	if found.Event == nil && flaw == "" {
		found.Flaw = "it is no object"
	}
	return r.hand(found)
}

func (r *reader) hand(c *Captured) error {
	c.Context, c.Ignore = r.context, r.ignore
	if err := r.take(c); err != nil {
		return &taken{err}
	}
	return nil
}

// lookAhead finds a context that stands behind the events, and goes back to them.
func (r *reader) lookAhead() error {
	if r.known {
		return nil
	}
	seeker, ok := r.from.(io.Seeker)
	if !ok {
		return errors.New("the @context does not stand before the events, so what their names mean is not known when they come; put it first, or give a file")
	}
	here, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := seeker.Seek(r.start, io.SeekStart); err != nil {
		return err
	}
	ahead := &reader{decoder: newDecoder(r.from)}
	err = ahead.within(func(name string) error {
		if name != "@context" {
			return ahead.skip()
		}
		ahead.allow()
		v, err := ahead.value(1)
		r.context = r.context.with(v)
		return err
	})
	if err != nil {
		return fmt.Errorf("look for the @context behind the events: %w", err)
	}
	r.known = true
	_, err = seeker.Seek(here, io.SeekStart)
	return err
}
