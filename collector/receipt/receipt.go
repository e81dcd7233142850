// Package receipt works out what a site is told about each of its events: how far it has come, as which documents, or why not.
//
// A receipt row is made when its event enters the log; Refresh brings it in line with what postings, exceptions and folds say
// now. It only reads their tables, so that every stage that changes one of them can call it in its own transaction.
package receipt

import (
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
const chunk = 200

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
	ids = ids[:0:0]
	for _, h := range held {
		ids = append(ids, h.event)
	}
	f, err := gather(ctx, tx, tenant, ids, systems)
	if err != nil {
		return err
	}
	for _, h := range held {
		next := f.receipt(h.event)
		next.Subject, next.EventId = h.body.Subject, h.event
		next.OccurredAt, next.EventKind, next.Origin = h.body.OccurredAt, h.body.EventKind, h.body.Origin
		was := proto.CloneOf(h.body)
		was.Version, was.Position, was.EventId = 0, 0, h.event
		if proto.Equal(was, next) {
			continue
		}
		next.Version = h.version + 1
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(next)
		if err != nil {
			return fmt.Errorf("event %s: %w", h.event, err)
		}
		_, err = tx.Exec(ctx, `UPDATE receipt SET version = ?, position = NULL, level = ?, body = ? WHERE tenant = ? AND event_id = ?`,
			next.Version, next.Level, body, tenant, h.event)
		if err != nil {
			return fmt.Errorf("event %s: %w", h.event, err)
		}
	}
	return nil
}

type held struct {
	event   string
	version uint64
	body    *docklinev1.EventReceipt
}

// heldReceipts loads and locks the receipts that there are, in the order of their events.
func heldReceipts(ctx context.Context, tx *db.Tx, tenant string, ids []string) ([]held, error) {
	rows, err := tx.Hold(ctx, `SELECT event_id, version, body FROM receipt WHERE tenant = ? AND event_id IN `+db.List(len(ids))+`
		ORDER BY event_id`, arguments(tenant, ids)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []held
	for rows.Next() {
		h := held{body: new(docklinev1.EventReceipt)}
		var body []byte
		if err := rows.Scan(&h.event, &h.version, &body); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(body, h.body); err != nil {
			return nil, fmt.Errorf("event %s: %w", h.event, err)
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

func arguments(tenant string, ids []string) []any {
	args := []any{tenant}
	for _, id := range ids {
		args = append(args, id)
	}
	return args
}

// facts are what is known about some events.
type facts struct {
	exceptions map[string]open
	postings   map[string][]posting
	reasons    map[string]string
}

type open struct {
	number      uint64
	title, text string
}

type posting struct {
	target, state, text string
	documents           []*docklinev1.DocumentReference
}

func gather(ctx context.Context, tx *db.Tx, tenant string, ids, systems []string) (*facts, error) {
	f := &facts{exceptions: map[string]open{}, postings: map[string][]posting{}, reasons: map[string]string{}}
	list := db.List(len(ids))
	rows, err := tx.Query(ctx, `SELECT e.event_id, x.number, x.title, x.text FROM exception_event e
		JOIN exception x ON x.tenant = e.tenant AND x.number = e.number
		WHERE e.tenant = ? AND e.event_id IN `+list+` AND x.state NOT IN ('resolved', 'suppressed')
		ORDER BY x.severity DESC, x.number`, arguments(tenant, ids)...)
	if err != nil {
		return nil, fmt.Errorf("exceptions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var o open
		if err := rows.Scan(&id, &o.number, &o.title, &o.text); err != nil {
			return nil, err
		}
		if _, ok := f.exceptions[id]; !ok {
			f.exceptions[id] = o
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	if err := f.gatherPostings(ctx, tx, tenant, ids, systems); err != nil {
		return nil, err
	}
	reasons, err := tx.Query(ctx, `SELECT event_id, reason FROM no_document WHERE tenant = ? AND event_id IN `+list+`
		ORDER BY event_id, fold_key`, arguments(tenant, ids)...)
	if err != nil {
		return nil, fmt.Errorf("reasons for no document: %w", err)
	}
	defer reasons.Close()
	for reasons.Next() {
		var id, reason string
		if err := reasons.Scan(&id, &reason); err != nil {
			return nil, err
		}
		switch had := f.reasons[id]; {
		case had == "":
			f.reasons[id] = reason
		case !strings.Contains(had, reason):
			f.reasons[id] = had + "; " + reason
		}
	}
	return f, reasons.Err()
}

func (f *facts) gatherPostings(ctx context.Context, tx *db.Tx, tenant string, ids, systems []string) error {
	if len(systems) == 0 {
		return nil
	}
	args := arguments(tenant, ids)
	for _, s := range systems {
		args = append(args, s)
	}
	rows, err := tx.Query(ctx, `SELECT e.event_id, p.target, p.state, p.fault_text, p.fault_remedy, p.documents FROM posting_event e
		JOIN posting p ON p.tenant = e.tenant AND p.target = e.target AND p.kind = e.kind AND p.natural_key = e.natural_key
		WHERE e.tenant = ? AND e.event_id IN `+db.List(len(ids))+` AND p.target IN `+db.List(len(systems))+`
			AND p.state <> 'superseded' ORDER BY p.id`, args...)
	if err != nil {
		return fmt.Errorf("postings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, text, remedy string
		var p posting
		var documents []byte
		if err := rows.Scan(&id, &p.target, &p.state, &text, &remedy, &documents); err != nil {
			return err
		}
		p.text = strings.TrimSpace(text + " " + remedy)
		var list docklinev1.DocumentReferences
		if err := proto.Unmarshal(documents, &list); err != nil {
			return fmt.Errorf("documents: %w", err)
		}
		p.documents = list.Documents
		f.postings[id] = append(f.postings[id], p)
	}
	return rows.Err()
}

// receipt is what the facts say about one event, without id, version and what it was.
func (f *facts) receipt(id string) *docklinev1.EventReceipt {
	if o, ok := f.exceptions[id]; ok {
		text := o.title
		if o.text != "" {
			text += ": " + o.text
		}
		return &docklinev1.EventReceipt{Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION, Exception: o.number, Text: text}
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
