// Package export writes the event log in forms that leave the house: CloudEvents, Dockline's own JSON, and what else a Format gives.
package export

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Format writes events one behind the other. One Format writes one export: it may remember what it wrote. To add a form, write a Format in
// a file of its own and name it in Formats.
type Format interface {
	// Header is written before the first event, also where there is none.
	Header(w io.Writer) error
	// Event writes one event. One that the form has no words for is left out: then wrote is false.
	Event(w io.Writer, e eventlog.Entry) (wrote bool, err error)
	// Footer is written behind the last event.
	Footer(w io.Writer) error
}

// Asker is a Format that looks other events up; it is asked before the header.
type Asker interface {
	Ask(ctx context.Context, log *eventlog.Log)
}

// Formats are the forms by the name that --format takes.
var Formats = map[string]func() Format{
	"jsonl":             func() Format { return jsonLines{} },
	"cloudevents":       func() Format { return &cloudEvents{} },
	"cloudevents-batch": func() Format { return &cloudEvents{batch: true} },
	"epcis":             func() Format { return &EPCIS{} },
}

// Names of the forms, sorted.
func Names() []string { return slices.Sorted(maps.Keys(Formats)) }

// Result is what an export wrote.
type Result struct {
	// Written events, and LeftOut for which the form has no words.
	Written, LeftOut int
	// Upto is the offset up to which the log was looked through: the next export goes on after it.
	Upto uint64
}

// Write writes the selected events. It holds one page of them, however many there are, and ends at the event that was the newest as it began.
func Write(ctx context.Context, to io.Writer, log *eventlog.Log, s eventlog.Selection, f Format) (Result, error) {
	newest, err := log.Newest(ctx)
	if err != nil {
		return Result{}, err
	}
	if s.Upto == 0 || s.Upto > newest {
		s.Upto = newest
	}
	r := Result{Upto: max(s.After, s.Upto)}
	w := bufio.NewWriterSize(to, 1<<16)
	if asker, ok := f.(Asker); ok {
		asker.Ask(ctx, log)
	}
	if err := f.Header(w); err != nil {
		return r, err
	}
	if s.Upto > s.After {
		err = log.Each(ctx, s, func(e eventlog.Entry) error {
			wrote, err := f.Event(w, e)
			switch {
			case err != nil:
				return fmt.Errorf("event %s at offset %d: %w", e.Event.GetId(), e.Offset, err)
			case wrote:
				r.Written++
			default:
				r.LeftOut++
			}
			return nil
		})
		if err != nil {
			return r, err
		}
	}
	if err := f.Footer(w); err != nil {
		return r, err
	}
	return r, w.Flush()
}

// Kinds reads names of kinds, "pick.confirmed", or of all kinds of an object, "pick.*".
func Kinds(names []string) ([]docklinev1.EventKind, error) {
	var kinds []docklinev1.EventKind
	for _, name := range names {
		found := slices.DeleteFunc(event.Kinds(), func(k docklinev1.EventKind) bool { return !matches(name, event.KindName(k)) })
		if len(found) == 0 {
			return nil, fmt.Errorf("there is no kind %q: write one such as pick.confirmed, or all of an object such as pick.*; docs/events.md lists them", name)
		}
		kinds = append(kinds, found...)
	}
	return kinds, nil
}

func matches(pattern, kind string) bool {
	object, all := strings.CutSuffix(pattern, "*")
	return pattern == kind || all && strings.HasSuffix(object, ".") && strings.HasPrefix(kind, object)
}
