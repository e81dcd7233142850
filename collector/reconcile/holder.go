package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// mostHolders bounds how many shipments of one name are told apart. A name of more is none, as "N/A" or "1": what a carrier tells by it alone is told
// to all of them, as of a name that only one has.
const mostHolders = 200

// held is what shipments a name belongs to, by the departures that say so and count.
type held struct {
	keys, ids []string
}

// holdersOf reads who has names, those of which too many have left out.
func (v *view) holdersOf(names []string) map[string]held {
	rows := make([][]any, len(names))
	for i, name := range names {
		rows[i] = []any{v.tenant, name}
	}
	found := must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "link", Columns: []string{"link_key", "part_of", "event_id"}, Key: []string{"tenant", "link_key"}, Rows: rows,
		Where: "t.in_force = 1 AND t.part_of >= 'shipment/' AND t.part_of < 'shipment0'"}))
	by := make(map[string]held)
	for _, row := range found {
		h := by[row[0].(string)]
		by[row[0].(string)] = held{append(h.keys, row[1].(string)), append(h.ids, row[2].(string))}
	}
	for name, h := range by {
		if len(h.ids) > mostHolders {
			delete(by, name)
			continue
		}
		slices.Sort(h.keys)
		slices.Sort(h.ids)
		by[name] = held{slices.Compact(h.keys), slices.Compact(h.ids)}
	}
	return by
}

// withHolders adds to the key's facts the departures of others that had names by which alone carriers told of something.
func (v *view) withHolders() []state.Fact {
	names := state.SharedNames(v.facts)
	if len(names) == 0 {
		return v.facts
	}
	facts := slices.Clip(v.facts)
	for name, h := range v.holdersOf(names) {
		others := slices.DeleteFunc(h.ids, func(id string) bool {
			return slices.ContainsFunc(v.facts, func(f state.Fact) bool { return f.Event.GetId() == id })
		})
		for _, e := range v.departures(others) {
			facts = append(facts, state.OtherDeparture(e, name))
		}
	}
	return facts
}

// departures reads those of some events that are departures, by id.
func (v *view) departures(ids []string) (list []*docklinev1.Event) {
	if len(ids) == 0 {
		return nil
	}
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{v.tenant, id}
	}
	known := must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "event_identity", Columns: []string{"log_id"}, Key: []string{"tenant", "id"}, Rows: rows}))
	for _, row := range must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "event", Columns: []string{"body"}, Key: []string{"log_id"}, Rows: known})) {
		e := &docklinev1.Event{}
		if err := proto.Unmarshal(row[0].([]byte), e); err != nil {
			panic(viewFault{fmt.Errorf("a departure cannot be read: %w", err)})
		}
		if e.GetShipment() != nil {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *docklinev1.Event) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return list
}

// disputed makes a case of a tracking number that two shipments have at once: what a carrier tells by it alone counts for neither.
func (v *view) disputed(kind, value string) {
	if kind != event.ReferenceTracking || !slices.Contains(state.SharedNames(v.facts), v.key) {
		return
	}
	keys, ids := state.Disputed(value, v.facts, v.departures(v.holdersOf([]string{v.key})[v.key].ids))
	if len(keys) == 0 {
		return
	}
	var names []string
	for _, key := range keys {
		if _, parts, err := event.ParseKey(key); err == nil {
			names = append(names, fmt.Sprintf("%s of site %s", parts[1], parts[0]))
		}
	}
	v.raise(exception.Desired{Code: "ambiguous_reference", Class: data, Subject: kind + " " + value, EventIDs: ids,
		Title: fmt.Sprintf("Tracking number %s is that of %d shipments", value, len(keys)),
		Text: fmt.Sprintf("Shipments %s left under tracking number %s, and carriers told of it without saying which they mean (%d so far). It counts for none of them. Correct the number of the one that is wrong at its site; what was told then takes its effect, and this closes by itself.",
			strings.Join(names, " and "), value, len(ids))})
}

// contested says of which shipments a name would be, had not others had it too: where that changes, all that have it must hear of it.
func (v *view) contested() string {
	if !slices.Contains(state.SharedNames(v.facts), v.key) {
		return ""
	}
	return strings.Join(state.Contested(v.facts, v.departures(v.holdersOf([]string{v.key})[v.key].ids)), "; ")
}
