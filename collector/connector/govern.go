package connector

import (
	"context"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Govern puts an account before a connector: every call keeps to the limits that all flows of the account share. What reads on its own account
// (Changes, Snapshot) is not made while the target is left alone, and tells the account what it heard; a sender asks the account itself.
func Govern(c Connector, a *Account) Connector { return &governed{Connector: c, account: a} }

type governed struct {
	Connector
	account *Account
	sent    requests
}

func (g *governed) call(ctx context.Context, of Call, f func(context.Context) error) error {
	leave, err := g.account.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return f(CountRequests(context.WithValue(ctx, accountKey{}, g.account), g.sent.of(of)))
}

// read is a call of a flow that does not ask the account first.
func (g *governed) read(ctx context.Context, of Call, f func(context.Context) error) error {
	if err := g.account.Meet(ctx); err != nil {
		return notMade(g.account.Name, "the database does not say whether it may be asked", err)
	}
	if g.account.Allow() == Refused {
		g.account.note(func(s *AccountStats) { s.Refused++ })
		s := g.account.Stats()
		until := s.OpenUntil
		if s.PausedUntil.After(until) {
			until = s.PausedUntil
		}
		fault := notMade(g.account.Name, "it does not answer, or asked for patience, until "+until.UTC().Format(time.TimeOnly)+" UTC", nil)
		fault.RetryAfter = max(0, until.Sub(g.account.Now()))
		return fault
	}
	err := g.call(ctx, of, f)
	if ctx.Err() == nil || err == nil {
		g.account.Heard(err)
	}
	return err
}

// Probe is governed.
func (g *governed) Probe(ctx context.Context) (m Metadata, err error) {
	err = g.call(ctx, ProbeCall, func(ctx context.Context) (err error) {
		m, err = g.Connector.Probe(ctx)
		return err
	})
	return m, err
}

// Find is governed.
func (g *governed) Find(ctx context.Context, p *Posting) (found []Found, err error) {
	err = g.call(ctx, FindCall, func(ctx context.Context) (err error) {
		found, err = g.Connector.Find(ctx, p)
		return err
	})
	return found, err
}

// Apply is governed.
func (g *governed) Apply(ctx context.Context, p *Posting) (r Result, err error) {
	err = g.call(ctx, ApplyCall, func(ctx context.Context) (err error) {
		r, err = g.Connector.Apply(ctx, p)
		return err
	})
	return r, err
}

// Changes is governed.
func (g *governed) Changes(ctx context.Context, since Cursor) (c Changes, err error) {
	err = g.read(ctx, ChangesCall, func(ctx context.Context) (err error) {
		c, err = g.Connector.Changes(ctx, since)
		return err
	})
	return c, err
}

// Snapshot is governed.
func (g *governed) Snapshot(ctx context.Context, scope Scope) (out []*docklinev1.Event, err error) {
	err = g.read(ctx, SnapshotCall, func(ctx context.Context) (err error) {
		out, err = g.Connector.Snapshot(ctx, scope)
		return err
	})
	return out, err
}
