package xref

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// MasterKinds are those of the connector beneath.
func (t *translated) MasterKinds() []docklinev1.MasterKind {
	if s, ok := t.Connector.(connector.MasterSource); ok {
		return s.MasterKinds()
	}
	return nil
}

// Master is in our codes; a record with one that must have an entry and has none is refused.
func (t *translated) Master(ctx context.Context, kind docklinev1.MasterKind, since connector.Cursor) (connector.MasterPage, error) {
	page, err := t.Connector.(connector.MasterSource).Master(ctx, kind, since)
	if err != nil {
		return page, err
	}
	told, refused, err := t.records(ctx, page.Records, false)
	page.Records, page.Refused = nil, append(page.Refused, refused...)
	for _, r := range told {
		page.Records = append(page.Records, r.record)
	}
	return page, err
}

// ToldKinds are those of the connector beneath.
func (t *translated) ToldKinds() []docklinev1.MasterKind {
	if m, ok := t.Connector.(connector.MasterTarget); ok {
		return m.ToldKinds()
	}
	return nil
}

// Tell tells records in the system's codes; those that have none are refused by their own.
func (t *translated) Tell(ctx context.Context, kind docklinev1.MasterKind, records []*docklinev1.MasterRecord) ([]connector.RefusedRecord, error) {
	told, refused, err := t.records(ctx, records, true)
	if err != nil || len(told) == 0 {
		return refused, err
	}
	ours := make(map[string]string, len(told)) // by the system's code
	for _, r := range told {
		ours[r.record.GetCode()] = r.was
	}
	list := make([]*docklinev1.MasterRecord, len(told))
	for i, r := range told {
		list[i] = r.record
	}
	more, err := t.Connector.(connector.MasterTarget).Tell(ctx, kind, list)
	for _, r := range more {
		if code, known := ours[r.Code]; known {
			r.Code = code
		}
		refused = append(refused, r)
	}
	return refused, err
}

// retold is a record in other codes, and its own code before.
type retold struct {
	record *docklinev1.MasterRecord
	was    string
}

func (t *translated) records(ctx context.Context, records []*docklinev1.MasterRecord, out bool) (told []retold, refused []connector.RefusedRecord, err error) {
	c := t.table.codes()
	for _, r := range records {
		each(r, c.note)
	}
	if err := c.read(ctx, out); err != nil {
		return nil, nil, err
	}
	for _, r := range records {
		var missing []string
		n := proto.CloneOf(r)
		each(n, c.put(&missing))
		if len(missing) == 0 {
			told = append(told, retold{n, r.GetCode()})
			continue
		}
		raw, _ := proto.Marshal(r) // for who looks at it; it came over the wire
		refused = append(refused, connector.RefusedRecord{Code: r.GetCode(), Reason: t.table.missingText(out, missing), Raw: raw})
	}
	return told, refused, nil
}
