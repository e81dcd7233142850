package connectortest_test

import (
	"context"
	"errors"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sure never admits that it does not know.
type sure struct{ *connectortest.Memory }

func (s sure) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	r, err := s.Memory.Apply(ctx, p)
	if f, ok := errors.AsType[*connector.Fault](err); ok {
		f.Unknown = false
	}
	return r, err
}

// firstOnly hides duplicates.
type firstOnly struct{ *connectortest.Memory }

func (f firstOnly) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	found, err := f.Memory.Find(ctx, p)
	return found[:min(1, len(found))], err
}

// anyVersion lets an older status win.
type anyVersion struct{ *connectortest.Memory }

func (a anyVersion) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	q := *p
	q.SourceVersion = 1 << 40
	if p.SourceVersion < 10 {
		q.SourceVersion <<= 1
	}
	return a.Memory.Apply(ctx, &q)
}

// cursorAhead loses the second fact of each page.
type cursorAhead struct{ *connectortest.Memory }

func (c cursorAhead) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	out, err := c.Memory.Changes(ctx, since)
	out.Events = out.Events[:min(1, len(out.Events))]
	return out, err
}

// allSites ignores the scope.
type allSites struct{ *connectortest.Memory }

func (a allSites) Snapshot(ctx context.Context, _ connector.Scope) ([]*docklinev1.Event, error) {
	return a.Memory.Snapshot(ctx, connector.Scope{})
}
