package world

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/plugins/sim/day"
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
	var page map[string]any
	if err := w.get(ctx, "api/v1/"+list+"?limit=1000&state="+state, &page); err != nil {
		return 0, err
	}
	rows, ok := page[list].([]any)
	if !ok {
		return 0, fmt.Errorf("GET %s: no list in the answer", list)
	}
	return len(rows), nil
}

// Exception is one as the API shows it.
type Exception struct {
	Number uint64 `json:"number"`
	Class  string `json:"class"`
	Code   string `json:"code"`
	Team   string `json:"team"`
	Title  string `json:"title"`
	Text   string `json:"text"`
}

// Exceptions are the open ones.
func (w *World) Exceptions(ctx context.Context) ([]Exception, error) {
	var page struct {
		Exceptions []Exception `json:"exceptions"`
	}
	err := w.get(ctx, "api/v1/exceptions?limit=1000&state=open", &page)
	return page.Exceptions, err
}
