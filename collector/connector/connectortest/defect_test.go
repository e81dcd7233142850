package connectortest_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

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

// unclassed says of an account without a right that it is the record's fault.
type unclassed struct{ *connectortest.Memory }

func (u unclassed) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	r, err := u.Memory.Apply(ctx, p)
	if f, ok := errors.AsType[*connector.Fault](err); ok && f.Code == "not_authorised" {
		f.Class = docklinev1.FaultClass_FAULT_CLASS_DATA
	}
	return r, err
}

// absentAnyway takes what it cannot read for absent.
type absentAnyway struct{ *connectortest.Memory }

func (a absentAnyway) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	found, err := a.Memory.Find(ctx, p)
	if f, ok := errors.AsType[*connector.Fault](err); ok && f.Code == "mapping" {
		return nil, nil
	}
	return found, err
}

// completeAnyway does not compare.
type completeAnyway struct{ *connectortest.Memory }

func (c completeAnyway) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	found, err := c.Memory.Find(ctx, p)
	for i := range found {
		found[i].Complete, found[i].Difference = true, ""
	}
	return found, err
}

// newestFirst lists by offset, the newest first: what is added shifts the pages.
type newestFirst struct{ *connectortest.Memory }

func (n newestFirst) List(ctx context.Context, l connector.Listing) (page connector.ListedPage, err error) {
	var all []connector.Listed
	for part := l; ; {
		part.Page = page.Next
		if page, err = n.Memory.List(ctx, part); err != nil {
			return page, err
		}
		all = append(all, page.Documents...)
		if !page.More {
			break
		}
	}
	slices.Reverse(all)
	from := 0
	if l.Page != "" {
		from, _ = strconv.Atoi(l.Page)
	}
	to := min(from+2, len(all))
	return connector.ListedPage{Documents: all[from:to], Next: strconv.Itoa(to), More: to < len(all)}, nil
}

// silentFeed reports no changes, and a cursor beyond them, where it may not read them.
type silentFeed struct{ *connectortest.Memory }

func (s silentFeed) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	c, err := s.Memory.Changes(ctx, since)
	if err == nil {
		return c, nil
	}
	n := 0
	_ = json.Unmarshal(since, &n)
	return connector.Changes{Cursor: connector.Cursor(strconv.Itoa(n + 1))}, nil
}

// byClock reports only what bears a later time than what it has reported before.
type byClock struct {
	*connectortest.Memory
	latest time.Time
}

func (b *byClock) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	c, err := b.Memory.Changes(ctx, since)
	c.Events = slices.DeleteFunc(c.Events, func(e *docklinev1.Event) bool {
		at := e.GetOccurredAt().AsTime()
		if at.Before(b.latest) {
			return true
		}
		b.latest = at
		return false
	})
	return c, err
}

// forgetful lists a record no more once it has told of two of them, and newestRecords pages by offset with the newest first.
type forgetful struct{ *connectortest.Keeper }

func (f forgetful) ListRecords(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	page, err := f.Keeper.ListRecords(ctx, l)
	page.More = false
	return page, err
}

type newestRecords struct{ *connectortest.Keeper }

func (n newestRecords) ListRecords(ctx context.Context, l connector.Listing) (page connector.ListedPage, err error) {
	var all []connector.Listed
	for part := (connector.Listing{Kind: l.Kind}); ; part.Page = page.Next {
		if page, err = n.Keeper.ListRecords(ctx, part); err != nil {
			return page, err
		}
		if all = append(all, page.Documents...); !page.More {
			break
		}
	}
	slices.Reverse(all)
	from, _ := strconv.Atoi(l.Page)
	to := min(from+2, len(all))
	return connector.ListedPage{Documents: all[min(from, to):to], Next: strconv.Itoa(to), More: to < len(all)}, nil
}

// circling names the first page again after the last one.
type circling struct{ *connectortest.Keeper }

func (c circling) ListRecords(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	page, err := c.Keeper.ListRecords(ctx, l)
	if err == nil && !page.More {
		page.Next, page.More = "", true
	}
	return page, err
}

// racing looks and then makes, with time between for another that does the same.
type racing struct{ *connectortest.Memory }

func (r racing) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	if p.Kind != connector.ServiceCase {
		return r.Memory.Apply(ctx, p)
	}
	found, err := r.Find(ctx, p)
	if err != nil || len(found) > 0 {
		return r.Memory.Apply(ctx, p)
	}
	select { // until the other one has looked too; alone it does not wait for ever
	case meeting <- struct{}{}:
	case <-meeting:
	case <-time.After(time.Second):
	}
	r.Double(p)
	return connector.Result{}, nil
}

// meeting is where two meet who have looked and found nothing.
var meeting = make(chan struct{})

// yielding leaves what somebody has changed since it looked, and says that all went well.
type yielding struct{ *connectortest.Memory }

func (y yielding) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	before := y.Document(p.Kind, p.Key)
	if before == nil || p.Kind != connector.OrderStatus {
		return y.Memory.Apply(ctx, p)
	}
	if y.Fail("restate", p) != connectortest.None || proto.Equal(before, y.Document(p.Kind, p.Key)) {
		return y.Memory.Apply(ctx, p)
	}
	return connector.Result{}, nil
}

// hiding shows one document where there are several, once a person has entered a second while it wrote.
type hiding struct{ *connectortest.Memory }

func (h hiding) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	found, err := h.Memory.Find(ctx, p)
	if len(found) > 1 && p.Kind == connector.InvoiceTrigger {
		found = found[len(found)-1:]
	}
	return found, err
}
