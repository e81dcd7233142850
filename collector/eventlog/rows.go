package eventlog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// rows gathers what is written of some events, so that each table gets one bulk insert.
type rows struct {
	log    *Log
	at     int64 // recorded_at
	events [][]any
	facts  [][]any
	links  [][]any
	dirty  []dirtyKey // may hold one twice
	seen   map[string]bool
}

// dirtyKey is a key of which something is new: its facts from one log id to another, or, where these are 0, any.
type dirtyKey struct {
	tenant, key string
	first, last int64
}

func (l *Log) newRows() *rows {
	return &rows{log: l, at: l.now().UnixMicro(), seen: make(map[string]bool)}
}

// rowsTogether is of how many events the rows are made at a time, while those before are written.
const rowsTogether = 1000

// insert writes the rows of events that are new.
func (l *Log) insert(ctx context.Context, tx *db.Tx, fresh []*arrival) error {
	if len(fresh) == 0 {
		return nil
	}
	slices.SortFunc(fresh, func(a, b *arrival) int { return cmp.Compare(a.logID, b.logID) })
	if err := inTandem((len(fresh)+rowsTogether-1)/rowsTogether, func(i int) (*rows, error) {
		return l.rowsOf(fresh[i*rowsTogether : min((i+1)*rowsTogether, len(fresh))])
	}, func(r *rows) error {
		return r.write(ctx, tx)
	}); err != nil {
		return err
	}
	if err := l.linkVersions(ctx, tx, fresh); err != nil {
		return err
	}
	if err := l.declarations(ctx, tx, fresh); err != nil {
		return err
	}
	return writeReceipts(ctx, tx, fresh)
}

func (l *Log) rowsOf(fresh []*arrival) (*rows, error) {
	r := l.newRows()
	for _, a := range fresh {
		a.check()
		if err := r.add(a, 0); err != nil {
			return nil, err
		}
		if err := a.addReceipt(); err != nil {
			return nil, err
		}
		a.record, a.versioned = event.RecordNumber(a.Event)
	}
	r.sortMarks()
	return r, nil
}

// add makes the event's row and, where it is in force (variant 0), its facts.
func (r *rows) add(a *arrival, variant int) error {
	e := a.Event
	touches := r.log.touches(e)
	correlate(e, touches)
	body, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	r.events = append(r.events, []any{a.logID, e.GetTenant(), partition(e, touches), e.GetId(), variant, e.GetSite(), e.GetSource(), e.GetKind(),
		e.GetSubject(), a.Epoch, a.EpochOrdinal, a.Seq, e.GetOccurredAt().AsTime().UnixMicro(), r.at, body})
	if variant != 0 {
		return nil
	}
	r.addLinks(e)
	return r.addFacts(a, touches, body)
}

func (r *rows) addFacts(a *arrival, touches []Touch, body []byte) error {
	e := a.Event
	clear(r.seen)
	for _, touch := range touches {
		if r.seen[touch.Key] {
			continue
		}
		r.seen[touch.Key] = true
		part := body
		if touch.Event != nil && touch.Event != e {
			touch.Event.CorrelationId = e.GetCorrelationId()
			var err error
			if part, err = proto.Marshal(touch.Event); err != nil {
				return err
			}
		}
		r.facts = append(r.facts, []any{e.GetTenant(), touch.Key, a.logID, e.GetId(), a.EpochOrdinal, a.Seq, part})
		r.dirty = append(r.dirty, dirtyKey{e.GetTenant(), touch.Key, a.logID, a.logID})
	}
	return nil
}

func (r *rows) write(ctx context.Context, tx *db.Tx) error {
	if err := tx.InsertAll(ctx, db.Insert{Table: "event", Rows: r.events, Columns: []string{"log_id", "tenant", "partition_key", "id", "variant",
		"site", "source", "kind", "subject", "epoch", "epoch_ordinal", "seq", "occurred_at", "recorded_at", "body"}}); err != nil {
		return err
	}
	if err := tx.InsertAll(ctx, db.Insert{Table: "fact", Rows: r.facts,
		Columns: []string{"tenant", "fold_key", "log_id", "event_id", "epoch_ordinal", "seq", "body"}}); err != nil {
		return err
	}
	if err := r.writeLinks(ctx, tx); err != nil {
		return err
	}
	return r.mark(ctx, tx)
}

// sortMarks leaves each key once, with all that is new of it.
func (r *rows) sortMarks() {
	slices.SortFunc(r.dirty, func(a, b dirtyKey) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.tenant, b.tenant)) })
	marks := r.dirty[:0]
	for _, d := range r.dirty {
		n := len(marks) - 1
		if n < 0 || marks[n].key != d.key || marks[n].tenant != d.tenant {
			marks = append(marks, d)
			continue
		}
		marks[n].first, marks[n].last = min(marks[n].first, d.first), max(marks[n].last, d.last)
		if marks[n].first == 0 {
			marks[n].last = 0
		}
	}
	r.dirty = marks
}

// mark writes one dirty mark for each key that got a fact.
func (r *rows) mark(ctx context.Context, tx *db.Tx) error {
	r.sortMarks()
	marks := db.Insert{Table: "dirty", Columns: []string{"tenant", "fold_key", "due_at", "first_fact", "last_fact"}}
	for _, d := range r.dirty {
		marks.Rows = append(marks.Rows, []any{d.tenant, d.key, dueAt(d.key), d.first, d.last})
	}
	return tx.InsertAll(ctx, marks)
}

// dueAt is the second mark of what is due at once for a movement of stock, which has a key of its own for each record: they come by thousands,
// and are taken in turn with what is due at 0.
func dueAt(key string) int64 {
	if strings.HasPrefix(key, "movement/") {
		return 1
	}
	return 0
}

// correlate gives the event the correlation id of its order; an event of several orders has none of its own.
func correlate(e *docklinev1.Event, touches []Touch) {
	if e.GetCorrelationId() != "" {
		return
	}
	order := ""
	for _, touch := range touches {
		if kind, parts, err := event.ParseKey(touch.Key); err == nil && kind == "order" {
			if order != "" && order != parts[0] {
				return
			}
			order = parts[0]
		}
	}
	if order != "" {
		e.CorrelationId = event.CorrelationID(e.GetTenant(), order)
	}
}

// partition is the key by which events are kept together where they are divided: the first that it touches, or its site.
func partition(e *docklinev1.Event, touches []Touch) string {
	switch {
	case len(touches) > 0:
		return touches[0].Key
	case e.GetSite() != "":
		return event.Key("site", e.GetSite())
	}
	return event.Key("source", e.GetSource())
}
