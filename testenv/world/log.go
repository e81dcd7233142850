package world

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

var kindOf = map[string]day.Kind{"pick.confirmed": day.Pick, "pick.short": day.Pick, "pack.confirmed": day.Pack, "shipment.departed": day.Ship, "count.observed": day.Count}

// checkLog compares the event log with the ledgers: each movement once, by site and kind; and fills in the report's numbers.
func (w *World) checkLog(ctx context.Context, ledgers map[string][]day.Record, r *Report) error {
	produced, logged := map[string]int{}, map[string]int{}
	for site, records := range ledgers {
		for _, record := range records {
			if record.Movement != nil {
				produced[site+" "+string(record.Movement.Kind)]++
				r.EventsProduced++
			}
		}
	}
	seen := map[string]bool{}
	for after := uint64(0); ; {
		var page struct {
			Events []struct {
				ID, Kind string
				Event    struct{ Site string }
			}
			Next uint64
		}
		if err := w.get(ctx, fmt.Sprintf("api/v1/events?after=%d&limit=500", after), &page); err != nil {
			return err
		}
		for _, e := range page.Events {
			if seen[e.ID] {
				r.Mismatches = append(r.Mismatches, "event log: event "+e.ID+" is there twice")
			}
			seen[e.ID] = true
			if kind, ok := kindOf[e.Kind]; ok {
				logged[e.Event.Site+" "+string(kind)]++
				r.EventsLogged++
			}
		}
		if len(page.Events) == 0 {
			break
		}
		after = page.Next
	}
	for key, n := range produced {
		if logged[key] != n {
			r.Mismatches = append(r.Mismatches, fmt.Sprintf("event log: %d of %d movements (%s)", logged[key], n, key))
		}
	}
	var sites struct {
		Sites []struct{ Duplicates int64 }
	}
	if err := w.get(ctx, "api/v1/sites", &sites); err != nil {
		return err
	}
	for _, s := range sites.Sites {
		r.DuplicatesRefused += s.Duplicates
	}
	for state := range r.Postings {
		n, err := w.count(ctx, "postings", state)
		if err != nil {
			return err
		}
		r.Postings[state] = n
	}
	var err error
	r.Exceptions, err = w.count(ctx, "exceptions", "open")
	return err
}

// count asks how many rows of a list are in a state.
func (w *World) count(ctx context.Context, list, state string) (int, error) {
	var page struct{ Total *int }
	if err := w.get(ctx, "api/v1/"+list+"?limit=1&state="+state, &page); err != nil {
		return 0, err
	}
	if page.Total == nil {
		return 0, fmt.Errorf("GET %s: no total in the answer", list)
	}
	return *page.Total, nil
}

// Exception is one as the API shows it.
type Exception struct {
	Number uint64 `json:"number"`
	State  string `json:"state"`
	Class  string `json:"class"`
	Code   string `json:"code"`
	Team   string `json:"team"`
	Title  string `json:"title"`
	Text   string `json:"text"`
	// EventIDs are the events that cannot be settled because of it.
	EventIDs []string `json:"event_ids"`
}

// Exceptions are all open ones.
func (w *World) Exceptions(ctx context.Context) (all []Exception, err error) {
	for after := uint64(0); ; {
		var page struct {
			Exceptions []Exception `json:"exceptions"`
			Next       uint64      `json:"next"`
		}
		if err := w.get(ctx, fmt.Sprintf("api/v1/exceptions?limit=1000&state=open&after=%d", after), &page); err != nil {
			return nil, err
		}
		if len(page.Exceptions) == 0 {
			return all, nil
		}
		all, after = append(all, page.Exceptions...), page.Next
	}
}

// Events are the next events of the log behind an offset, and the offset to ask behind then: the same where there are none.
func (w *World) Events(ctx context.Context, after uint64) (events []*docklinev1.Event, next uint64, err error) {
	var page struct {
		Events []struct{ Event json.RawMessage }
		Next   uint64
	}
	if err := w.get(ctx, fmt.Sprintf("api/v1/events?after=%d&limit=200", after), &page); err != nil {
		return nil, after, err
	}
	for _, entry := range page.Events {
		e := &docklinev1.Event{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(entry.Event, e); err != nil {
			return nil, after, err
		}
		events = append(events, e)
	}
	return events, page.Next, nil
}
