package eventlog

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// rows gathers what one Append writes, so that each table gets one bulk insert.
type rows struct {
	log    *Log
	events [][]any
	facts  [][]any
	dirty  map[dirtyKey]bool
}

type dirtyKey struct {
	tenant, key string
}

// insert writes the rows of events that are new.
func (l *Log) insert(ctx context.Context, tx *db.Tx, fresh []*arrival) error {
	if len(fresh) == 0 {
		return nil
	}
	slices.SortFunc(fresh, func(a, b *arrival) int { return cmp.Compare(a.logID, b.logID) })
	r := &rows{log: l, dirty: make(map[dirtyKey]bool, len(fresh))}
	for _, a := range fresh {
		a.check()
		if err := r.add(a, 0); err != nil {
			return err
		}
	}
	if err := r.write(ctx, tx); err != nil {
		return err
	}
	if err := l.linkVersions(ctx, tx, fresh); err != nil {
		return err
	}
	return writeReceipts(ctx, tx, fresh)
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
		e.GetSubject(), a.Epoch, a.EpochOrdinal, a.Seq, e.GetOccurredAt().AsTime().UnixMicro(), r.log.now().UnixMicro(), body})
	if variant != 0 {
		return nil
	}
	return r.addFacts(a, touches, body)
}

func (r *rows) addFacts(a *arrival, touches []Touch, body []byte) error {
	e := a.Event
	seen := make(map[string]bool, len(touches))
	for _, touch := range touches {
		if seen[touch.Key] {
			continue
		}
		seen[touch.Key] = true
		part := body
		if touch.Event != nil && touch.Event != e {
			touch.Event.CorrelationId = e.GetCorrelationId()
			var err error
			if part, err = proto.Marshal(touch.Event); err != nil {
				return err
			}
		}
		r.facts = append(r.facts, []any{e.GetTenant(), touch.Key, a.logID, e.GetId(), a.EpochOrdinal, a.Seq, part})
		r.dirty[dirtyKey{e.GetTenant(), touch.Key}] = true
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
	return r.mark(ctx, tx)
}

// mark writes one dirty mark for each key that got a fact.
func (r *rows) mark(ctx context.Context, tx *db.Tx) error {
	marks := db.Insert{Table: "dirty", Columns: []string{"tenant", "fold_key"}}
	for d := range r.dirty {
		marks.Rows = append(marks.Rows, []any{d.tenant, d.key})
	}
	slices.SortFunc(marks.Rows, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)))
	})
	return tx.InsertAll(ctx, marks)
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
