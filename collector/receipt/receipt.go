// Package receipt works out what a site is told about each of its events: how far it has come, as which documents, or why not.
//
// A receipt row is made when its event enters the log; Refresh brings it in line with what postings, exceptions and folds say
// now. It only reads their tables, so that every stage that changes one of them can call it in its own transaction.
package receipt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// chunk bounds the events of one query.
const chunk = 500

// Refresh recomputes the receipts of these events. Events that have none (facts of the centre) are left out. A receipt whose
// content changed gets the next version and loses its position, so that the sequencer gives it a new one and it is sent again.
// systemsOfRecord are the targets whose postings count; now is not used for anything that is kept.
//
// The level follows from the first of these that holds: an exception on the event is open; a posting that the event feeds was
// refused; one is on its way, with what it waits for; all are confirmed; a fold says why there is no document; else the event is logged.
func Refresh(ctx context.Context, tx *db.Tx, tenant string, eventIDs, systemsOfRecord []string, now time.Time) error {
	ids := slices.Clone(eventIDs)
	slices.Sort(ids)
	for part := range slices.Chunk(slices.Compact(ids), chunk) {
		if err := refresh(ctx, tx, tenant, part, systemsOfRecord); err != nil {
			return fmt.Errorf("receipts: %w", err)
		}
	}
	return nil
}

func refresh(ctx context.Context, tx *db.Tx, tenant string, ids, systems []string) error {
	held, err := heldReceipts(ctx, tx, tenant, ids)
	if err != nil || len(held) == 0 {
		return err
	}
	keys := make([][]any, len(held))
	for i, h := range held {
		keys[i] = []any{tenant, h.event}
	}
	f, err := gather(ctx, tx, keys, systems)
	if err != nil {
		return err
	}
	changed := db.Update{Table: "receipt", Key: byEvent, Set: []string{"version", "position", "level", "body"}}
	for _, h := range held {
		next := f.receipt(h.event)
		next.Subject, next.EventId = h.body.Subject, h.event
		next.OccurredAt, next.EventKind, next.Origin = h.body.OccurredAt, h.body.EventKind, h.body.Origin
		was := h.body
		was.Version, was.Position, was.EventId = 0, 0, h.event
		if proto.Equal(was, next) {
			continue
		}
		next.Version = h.version + 1
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(next)
		if err != nil {
			return fmt.Errorf("event %s: %w", h.event, err)
		}
		changed.Rows = append(changed.Rows, []any{tenant, h.event, next.Version, nil, next.Level, body})
	}
	_, err = tx.UpdateAll(ctx, changed)
	return err
}

var byEvent = []string{"tenant", "event_id"}

type held struct {
	event   string
	version uint64
	body    *docklinev1.EventReceipt
}

// heldReceipts loads and locks the receipts that there are, in the order of their events.
func heldReceipts(ctx context.Context, tx *db.Tx, tenant string, ids []string) ([]held, error) {
	keys := make([][]any, len(ids))
	for i, id := range ids {
		keys[i] = []any{tenant, id}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "receipt", Columns: []string{"event_id", "version", "body"}, Key: byEvent, Rows: keys, Hold: true})
	if err != nil {
		return nil, err
	}
	out := make([]held, len(found))
	for i, v := range found {
		out[i] = held{event: v[0].(string), version: uint64(v[1].(int64)), body: new(docklinev1.EventReceipt)}
		if err := proto.Unmarshal(v[2].([]byte), out[i].body); err != nil {
			return nil, fmt.Errorf("event %s: %w", out[i].event, err)
		}
	}
	return out, nil
}

// facts are what is known about some events.
type facts struct {
	exceptions map[string]open
	postings   map[string][]posting
	reasons    map[string]string
}

type open struct {
	number, severity int64
	title, text      string
}

// before: of several exceptions of an event the most severe is told, and of those the oldest.
func (o open) before(other open) bool {
	return o.severity > other.severity || o.severity == other.severity && o.number < other.number
}

type posting struct {
	id                  int64
	target, state, text string
	documents           []*docklinev1.DocumentReference
}

func gather(ctx context.Context, tx *db.Tx, keys [][]any, systems []string) (*facts, error) {
	f := &facts{exceptions: map[string]open{}, postings: map[string][]posting{}, reasons: map[string]string{}}
	if err := f.gatherExceptions(ctx, tx, keys); err != nil {
		return nil, fmt.Errorf("exceptions: %w", err)
	}
	if err := f.gatherPostings(ctx, tx, keys, systems); err != nil {
		return nil, fmt.Errorf("postings: %w", err)
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "no_document", Columns: []string{"event_id", "fold_key", "reason"}, Key: byEvent, Rows: keys})
	if err != nil {
		return nil, fmt.Errorf("reasons for no document: %w", err)
	}
	slices.SortFunc(found, func(a, b []any) int { return cmp.Compare(a[1].(string), b[1].(string)) })
	for _, v := range found {
		id, reason := v[0].(string), v[2].(string)
		switch had := f.reasons[id]; {
		case had == "":
			f.reasons[id] = reason
		case !strings.Contains(had, reason):
			f.reasons[id] = had + "; " + reason
		}
	}
	return f, nil
}

func (f *facts) gatherExceptions(ctx context.Context, tx *db.Tx, keys [][]any) error {
	links, err := tx.Lookup(ctx, db.Lookup{Table: "exception_event", Columns: []string{"tenant", "number", "event_id"}, Key: byEvent, Rows: keys})
	if err != nil {
		return err
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "exception", Columns: []string{"number", "severity", "title", "text"}, Key: []string{"tenant", "number"},
		Rows: distinct(links, 2), Where: "t.state NOT IN ('resolved', 'suppressed')"})
	if err != nil {
		return err
	}
	byNumber := make(map[int64]open, len(found))
	for _, v := range found {
		byNumber[v[0].(int64)] = open{v[0].(int64), v[1].(int64), v[2].(string), v[3].(string)}
	}
	for _, v := range links {
		o, ok := byNumber[v[1].(int64)]
		if had, told := f.exceptions[v[2].(string)]; ok && (!told || o.before(had)) {
			f.exceptions[v[2].(string)] = o
		}
	}
	return nil
}

// distinct are the first values of rows, each once: those that many events have in common.
func distinct(rows [][]any, width int) (out [][]any) {
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		if key := fmt.Sprintf("%q", row[:width]); !seen[key] {
			seen[key] = true
			out = append(out, row[:width])
		}
	}
	return out
}

// postingKey leads with the column that tells most, as the index does.
var postingKey = []string{"natural_key", "kind", "target", "tenant"}

func (f *facts) gatherPostings(ctx context.Context, tx *db.Tx, keys [][]any, systems []string) error {
	if len(systems) == 0 {
		return nil
	}
	links, err := tx.Lookup(ctx, db.Lookup{Table: "posting_event", Columns: append(slices.Clone(postingKey), "event_id"), Key: byEvent, Rows: keys})
	if err != nil {
		return err
	}
	links = slices.DeleteFunc(links, func(v []any) bool { return !slices.Contains(systems, v[2].(string)) })
	found, err := tx.Lookup(ctx, db.Lookup{Table: "posting", Columns: append(slices.Clone(postingKey), "id", "state", "fault_text", "fault_remedy", "documents"), Key: postingKey,
		Rows: distinct(links, len(postingKey)), Where: "t.state <> 'superseded'"})
	if err != nil {
		return err
	}
	byName := make(map[string]posting, len(found))
	for _, v := range found {
		documents, _ := v[8].([]byte)
		var list docklinev1.DocumentReferences
		if err := proto.Unmarshal(documents, &list); err != nil {
			return fmt.Errorf("documents: %w", err)
		}
		byName[fmt.Sprintf("%q", v[:len(postingKey)])] = posting{v[4].(int64), v[2].(string), v[5].(string), strings.TrimSpace(v[6].(string) + " " + v[7].(string)), list.Documents}
	}
	for _, v := range links {
		if p, ok := byName[fmt.Sprintf("%q", v[:len(postingKey)])]; ok {
			f.postings[v[4].(string)] = append(f.postings[v[4].(string)], p)
		}
	}
	for _, list := range f.postings {
		slices.SortFunc(list, func(a, b posting) int { return cmp.Compare(a.id, b.id) })
	}
	return nil
}

// receipt is what the facts say about one event, without id, version and what it was.
func (f *facts) receipt(id string) *docklinev1.EventReceipt {
	if o, ok := f.exceptions[id]; ok {
		text := o.title
		if o.text != "" {
			text += ": " + o.text
		}
		return &docklinev1.EventReceipt{Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION, Exception: uint64(o.number), Text: text}
	}
	postings := f.postings[id]
	if len(postings) == 0 {
		if reason, ok := f.reasons[id]; ok {
			return &docklinev1.EventReceipt{Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_NO_DOCUMENT, Text: reason}
		}
		return &docklinev1.EventReceipt{Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED}
	}
	confirmed := &docklinev1.EventReceipt{Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED}
	var waiting *docklinev1.EventReceipt
	for _, p := range postings {
		switch p.state {
		case "rejected", "blocked":
			return &docklinev1.EventReceipt{Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_REFUSED, Text: p.text}
		case "confirmed":
			for _, d := range p.documents {
				if !slices.ContainsFunc(confirmed.Documents, func(have *docklinev1.DocumentReference) bool { return proto.Equal(have, d) }) {
					confirmed.Documents = append(confirmed.Documents, d)
				}
			}
		default:
			if waiting == nil {
				waiting = &docklinev1.EventReceipt{Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED}
			}
			if p.text != "" && waiting.Text == "" {
				waiting.Text = p.target + ": " + p.text
			}
		}
	}
	if waiting != nil {
		return waiting
	}
	return confirmed
}
