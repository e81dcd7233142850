package http

import (
	"context"
	"fmt"
	"maps"
	nethttp "net/http"
	"slices"

	"cel.dev/cel-go/cel"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// feed is how a kind of master data is read, teller how one is told.
type feed struct {
	request                         *request
	forgotten                       []int
	items, next, more, code, record *expression
}

type teller struct {
	request               *request
	refused, code, reason *expression
}

func (c *compiler) masterData(d *Definition, s *source) {
	d.master, d.tell = map[docklinev1.MasterKind]*feed{}, map[docklinev1.MasterKind]*teller{}
	kindOf := func(key, name string) docklinev1.MasterKind {
		kind, known := connector.ParseMasterKind(name)
		if !known {
			c.fault(key, "%q is no kind of master data; there are %v", name, connector.MasterKindNames())
		}
		return kind
	}
	for _, name := range slices.Sorted(maps.Keys(s.Master)) {
		key, m := "master."+name, s.Master[name]
		d.master[kindOf(key, name)] = &feed{request: c.request(key, m.Request, variables{"cursor": cel.StringType}, nethttp.MethodGet), forgotten: m.Forgotten,
			items: c.required(key+".items", m.Items, anyList, bodyVars), next: c.required(key+".next", m.Next, cel.StringType, bodyVars),
			more: c.expression(key+".more", m.More, cel.BoolType, bodyVars), code: c.required(key+".code", m.Code, cel.StringType, itemVars),
			record: c.required(key+".record", m.Record, objectType(&docklinev1.MasterRecord{}), itemVars)}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tell)) {
		key, m := "tell."+name, s.Tell[name]
		t := &teller{request: c.request(key, m.Request, variables{"records": cel.ListType(objectType(&docklinev1.MasterRecord{}))}, nethttp.MethodPut),
			refused: c.expression(key+".refused", m.Refused, anyList, bodyVars)}
		if t.refused != nil {
			t.code, t.reason = c.required(key+".code", m.Code, cel.StringType, itemVars), c.required(key+".reason", m.Reason, cel.StringType, itemVars)
		}
		d.tell[kindOf(key, name)] = t
	}
}

var (
	_ connector.MasterSource = (*Connector)(nil)
	_ connector.MasterTarget = (*Connector)(nil)
)

// MasterKinds are those that the definition says how to read.
func (c *Connector) MasterKinds() []docklinev1.MasterKind {
	return slices.Sorted(maps.Keys(c.definition.master))
}

// ToldKinds are those that the definition says how to tell.
func (c *Connector) ToldKinds() []docklinev1.MasterKind {
	return slices.Sorted(maps.Keys(c.definition.tell))
}

// Master reads what has changed since the cursor. A record that no expression fits is named as refused, so that nothing behind it waits.
func (c *Connector) Master(ctx context.Context, kind docklinev1.MasterKind, since connector.Cursor) (page connector.MasterPage, err error) {
	f := c.definition.master[kind]
	if f == nil {
		return page, fmt.Errorf("%s does not tell of kind %s", c.system, connector.MasterKindName(kind))
	}
	got, err := c.do(ctx, f.request, values{"cursor": string(since)}, "", f.forgotten...)
	if err != nil {
		return page, err
	}
	if got.status/100 != 2 {
		return page, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "cursor_forgotten", Text: "the system no longer knows the cursor",
			Remedy: "It is read from the beginning by itself.", Err: connector.ErrForgotten}
	}
	v := got.read()
	items, err := f.items.list(ctx, v)
	if err != nil {
		return page, err
	}
	next, err := f.next.string(ctx, v)
	if err != nil {
		return page, err
	}
	if page.More, err = f.more.bool(ctx, v, false); err != nil {
		return page, err
	}
	page.Cursor, page.More = connector.Cursor(next), page.More && next != string(since)
	if err := c.chains.follow("master."+connector.MasterKindName(kind), f.next.where, string(since), next, page.More); err != nil {
		return connector.MasterPage{}, err
	}
	for _, item := range items {
		if ctx.Err() != nil {
			return page, ctx.Err()
		}
		itemVars := v.with(values{"item": item})
		record, err := f.one(ctx, itemVars)
		if err != nil {
			raw, _ := f.items.encodeAny(item) // what cannot even be written down is named by its code alone
			code, _ := f.code.string(ctx, itemVars)
			page.Refused = append(page.Refused, connector.RefusedRecord{Code: code, Reason: reasonOf(err), Raw: raw})
			continue
		}
		page.Records = append(page.Records, record)
	}
	return page, nil
}

func (f *feed) one(ctx context.Context, v values) (*docklinev1.MasterRecord, error) {
	message, err := f.record.message(ctx, v)
	if err != nil {
		return nil, err
	}
	record := &docklinev1.MasterRecord{}
	if err := copyInto(record, message); err != nil {
		return nil, f.record.mapping(err)
	}
	return record, nil
}

// reasonOf is why a record does not fit, for people.
func reasonOf(err error) string {
	if fault, ok := err.(*connector.Fault); ok {
		return fault.Text
	}
	return err.Error()
}

// Tell restates records of a kind by the definition's request.
func (c *Connector) Tell(ctx context.Context, kind docklinev1.MasterKind, records []*docklinev1.MasterRecord) (refused []connector.RefusedRecord, err error) {
	t := c.definition.tell[kind]
	if t == nil {
		return nil, fmt.Errorf("%s takes no master data of kind %s", c.system, connector.MasterKindName(kind))
	}
	got, err := c.do(ctx, t.request, values{"records": records}, "")
	if err != nil || t.refused == nil {
		return nil, err
	}
	v := got.read()
	items, err := t.refused.list(ctx, v)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		var r connector.RefusedRecord
		itemVars := v.with(values{"item": item})
		if r.Code, err = t.code.string(ctx, itemVars); err != nil {
			return nil, err
		}
		if r.Reason, err = t.reason.string(ctx, itemVars); err != nil {
			return nil, err
		}
		refused = append(refused, r)
	}
	return refused, nil
}
