package connector

import (
	"context"
	"errors"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// MasterSource is a connector whose system also tells of master data.
type MasterSource interface {
	// MasterKinds are the kinds of records that it tells of.
	MasterKinds() []docklinev1.MasterKind
	// Master returns records of a kind that have changed since the cursor; nil is from the beginning. ErrForgotten: the system no longer
	// knows what came behind the cursor, and all must be read anew.
	Master(ctx context.Context, kind docklinev1.MasterKind, since Cursor) (MasterPage, error)
}

// MasterTarget is a connector whose system also takes master data.
type MasterTarget interface {
	// ToldKinds are the kinds of records that it takes.
	ToldKinds() []docklinev1.MasterKind
	// Tell restates records of one kind, each with its version; of one record the newest wins. It may be told the same again. The records
	// that it refuses it names; an error says that it may not have taken any.
	Tell(ctx context.Context, kind docklinev1.MasterKind, records []*docklinev1.MasterRecord) ([]RefusedRecord, error)
}

// MasterPage is one answer. The connector fills kind, code, name, detail and removed of a record.
type MasterPage struct {
	Records []*docklinev1.MasterRecord
	// Refused are records that do not fit.
	Refused []RefusedRecord
	Cursor  Cursor
	// More: there is more at once.
	More bool
}

// RefusedRecord is one that could not be taken. Code may be empty where the record does not even have that; Raw is the record as it came.
type RefusedRecord struct {
	Code, Reason string
	Raw          []byte
}

// ErrForgotten is wrapped by the fault of a cursor that the system no longer knows.
var ErrForgotten = errors.New("the system no longer knows what came behind the cursor")

// MasterKinds are those of the connector, none where it tells of no master data.
func (g *governed) MasterKinds() []docklinev1.MasterKind {
	if s, ok := g.Connector.(MasterSource); ok {
		return s.MasterKinds()
	}
	return nil
}

// Master is governed.
func (g *governed) Master(ctx context.Context, kind docklinev1.MasterKind, since Cursor) (page MasterPage, err error) {
	err = g.read(ctx, MasterCall, func(ctx context.Context) (err error) {
		page, err = g.Connector.(MasterSource).Master(ctx, kind, since)
		return err
	})
	return page, err
}

// ToldKinds are those of the connector, none where it takes no master data.
func (g *governed) ToldKinds() []docklinev1.MasterKind {
	if t, ok := g.Connector.(MasterTarget); ok {
		return t.ToldKinds()
	}
	return nil
}

// Tell is governed.
func (g *governed) Tell(ctx context.Context, kind docklinev1.MasterKind, records []*docklinev1.MasterRecord) (refused []RefusedRecord, err error) {
	err = g.read(ctx, TellCall, func(ctx context.Context) (err error) {
		refused, err = g.Connector.(MasterTarget).Tell(ctx, kind, records)
		return err
	})
	return refused, err
}
