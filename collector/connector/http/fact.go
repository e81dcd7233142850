package http

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type changes struct {
	request                       *request
	items, next, more, occurredAt *expression
	events                        []eventRule
	clock                         *clock // nil where the system keeps a cursor
}

type eventRule struct {
	kind                                  docklinev1.EventKind
	when, subject, key, revision, payload *expression
	document                              *document
}

type snapshot struct {
	sites                                  *request
	siteItems, site                        *expression
	stock                                  *request
	absent                                 []int
	stockItems, line, occurredAt, revision *expression
}

// Changes returns the facts since the cursor. A change that no expression fits becomes a record.refused with the record whole,
// so that nothing behind it waits.
func (c *Connector) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	ch := c.definition.changes
	if ch == nil {
		return connector.Changes{Cursor: since}, nil
	}
	if ch.clock != nil {
		return c.byClock(ctx, ch, since)
	}
	got, err := c.do(ctx, ch.request, values{"cursor": string(since)}, "")
	if err != nil {
		return connector.Changes{}, err
	}
	v := got.read()
	items, err := ch.items.list(ctx, v)
	if err != nil {
		return connector.Changes{}, err
	}
	next, err := ch.next.string(ctx, v)
	if err != nil {
		return connector.Changes{}, err
	}
	more, err := ch.more.bool(ctx, v, false)
	if err != nil {
		return connector.Changes{}, err
	}
	out := connector.Changes{Cursor: connector.Cursor(next), More: more && next != string(since)}
	if err := c.chains.follow("changes", ch.next.where, string(since), next, out.More); err != nil {
		return connector.Changes{}, err
	}
	for _, item := range items {
		events, err := c.eventsOf(ctx, ch, v.with(values{"item": item}))
		if err != nil {
			return connector.Changes{}, err
		}
		out.Events = append(out.Events, events...)
	}
	return out, nil
}

// eventsOf are the events of a change, or the one that keeps it where no expression fits.
func (c *Connector) eventsOf(ctx context.Context, ch *changes, v values) ([]*docklinev1.Event, error) {
	events, err := c.events(ctx, ch, v)
	if err == nil {
		return events, nil
	}
	refused, err := c.refused(ctx, ch, v, err)
	if err != nil {
		return nil, err
	}
	return []*docklinev1.Event{refused}, nil
}

func (c *Connector) events(ctx context.Context, ch *changes, v values) ([]*docklinev1.Event, error) {
	var events []*docklinev1.Event
	for _, rule := range ch.events {
		concerns, err := rule.when.bool(ctx, v, false)
		if err != nil {
			return nil, err
		}
		if !concerns {
			continue
		}
		e, err := c.event(ctx, ch, rule, v)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

func (c *Connector) event(ctx context.Context, ch *changes, rule eventRule, v values) (*docklinev1.Event, error) {
	e := &docklinev1.Event{Kind: rule.kind}
	at, err := ch.occurredAt.time(ctx, v)
	if err != nil {
		return nil, err
	}
	e.OccurredAt = timestamppb.New(at)
	for _, part := range []struct {
		to   *string
		from *expression
	}{{&e.Subject, rule.subject}, {&e.SourceKey, rule.key}, {&e.SourceRevision, rule.revision}} {
		if *part.to, err = part.from.string(ctx, v); err != nil {
			return nil, err
		}
	}
	if rule.document != nil {
		ref, err := c.document(ctx, *rule.document, v)
		if err != nil {
			return nil, err
		}
		e.Documents = []*docklinev1.DocumentReference{ref}
	}
	payload, err := rule.payload.message(ctx, v)
	if err != nil {
		return nil, err
	}
	if err := setPayload(e, payload); err != nil {
		return nil, rule.payload.mapping(err)
	}
	if f := event.Validate(e); f != nil {
		return nil, &connector.Fault{Class: f.Class, Code: f.Code, Text: rule.payload.where + ": " + f.Text, Remedy: "correct the record in the system, or the definition"}
	}
	return e, nil
}

// setPayload puts a message into the field of Event's payload that has its type.
func setPayload(e *docklinev1.Event, payload proto.Message) error {
	m := e.ProtoReflect()
	fields := m.Descriptor().Oneofs().ByName("payload").Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Message().FullName() != payload.ProtoReflect().Descriptor().FullName() {
			continue
		}
		value := m.NewField(field)
		if err := copyInto(value.Message().Interface(), payload); err != nil {
			return err
		}
		m.Set(field, protoreflect.ValueOfMessage(value.Message()))
		return nil
	}
	return fmt.Errorf("%s is no payload of an event", payload.ProtoReflect().Descriptor().FullName())
}

// copyInto turns what CEL built, which may be by the descriptor alone, into the generated type.
func copyInto(generated, built proto.Message) error {
	body, err := proto.Marshal(built)
	if err != nil {
		return err
	}
	return proto.Unmarshal(body, generated)
}

// refused keeps a change that could not become an event. An error that is not the record's own is returned.
func (c *Connector) refused(ctx context.Context, ch *changes, v values, cause error) (*docklinev1.Event, error) {
	var fault *connector.Fault
	if ctx.Err() != nil || !errors.As(cause, &fault) {
		return nil, cause
	}
	raw, err := ch.items.encodeAny(v["item"])
	if err != nil {
		return nil, err
	}
	at, err := ch.occurredAt.time(ctx, v)
	if err != nil {
		at = c.now().UTC().Truncate(time.Microsecond)
	}
	return &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: "change", SourceKey: "change",
		ContentHash: event.ContentHash(map[string]string{"record": string(raw)}), OccurredAt: timestamppb.New(at),
		Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: fault.Class, Code: fault.Code,
			Text: fault.Text + "; " + fault.Remedy, Raw: raw}}}, nil
}

// Snapshot returns the book of every site in scope, one event each; a site that the system does not know gives none.
func (c *Connector) Snapshot(ctx context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	if c.definition.snapshot == nil {
		return nil, nil
	}
	sites := []string{scope.Site}
	if scope.Site == "" {
		var err error
		if sites, err = c.sites(ctx); err != nil {
			return nil, err
		}
	}
	var events []*docklinev1.Event
	for _, site := range sites {
		e, err := c.snapshotOf(ctx, site)
		if err != nil {
			return nil, err
		}
		if e != nil {
			events = append(events, e)
		}
	}
	return events, nil
}

func (c *Connector) sites(ctx context.Context) ([]string, error) {
	s := c.definition.snapshot
	var sites []string
	_, err := c.readPages(ctx, s.sites, s.siteItems, values{}, "", func(v values, items []ref.Val) error {
		for _, item := range items {
			site, err := s.site.string(ctx, v.with(values{"item": item}))
			if err != nil {
				return err
			}
			sites = append(sites, site)
		}
		return nil
	})
	return sites, err
}

func (c *Connector) snapshotOf(ctx context.Context, site string) (*docklinev1.Event, error) {
	s := c.definition.snapshot
	v := values{"site": site}
	stock := &docklinev1.StockSnapshot{Site: site}
	got, err := c.readPages(ctx, s.stock, s.stockItems, v, "", func(v values, items []ref.Val) error {
		for _, item := range items {
			message, err := s.line.message(ctx, v.with(values{"item": item}))
			if err != nil {
				return err
			}
			line := &docklinev1.Line{}
			if err := copyInto(line, message); err != nil {
				return s.line.mapping(err)
			}
			stock.Lines = append(stock.Lines, line)
		}
		return nil
	}, s.absent...)
	if err != nil || got.status/100 != 2 {
		return nil, err
	}
	v = v.with(got.read()).with(values{"time": timestamppb.New(c.now())})
	at, err := s.occurredAt.time(ctx, v)
	if err != nil {
		return nil, err
	}
	revision, err := s.revision.string(ctx, v)
	if err != nil {
		return nil, err
	}
	return &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT, Subject: site, SourceKey: "stock_snapshot/" + site,
		SourceRevision: revision, OccurredAt: timestamppb.New(at), Payload: &docklinev1.Event_StockSnapshot{StockSnapshot: stock}}, nil
}
