package master

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Party is a system that is read by an Import or told by a Tell, and how. Several collectors may run one each; the holder of the lease
// "master/NAME" works.
type Party struct {
	DB *db.DB
	// Name is the connector's.
	Tenant, Name string
	Kinds        []docklinev1.MasterKind
	Holder       string
	// Cases tells people of records that do not fit, and of a system that does not answer. Nil: nobody is told.
	Cases connector.Cases
	// Share is the part of the time that the work may take, above 0 and up to 1. 0 is a half.
	Share float64
	// Every is the least time between two requests, 0 for none: the account's rate is for all.
	Every time.Duration
	// Poll is how long Run waits when there is nothing more; 0 is 5 s. Timeout bounds one request; 0 is 30 s.
	Poll, Timeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	Log *slog.Logger

	notes notes
	turn  turn
}

func (p *Party) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

func (p *Party) timeout() time.Duration { return cmp.Or(p.Timeout, 30*time.Second) }

// run does step after step until ctx ends, and then gives the lease back.
func (p *Party) run(ctx context.Context, what string, step func(context.Context) (bool, error)) error {
	defer p.DB.GiveBack(ctx, "master/"+p.Name, p.Holder)
	log := p.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return paced(ctx, log.With("connector", p.Name), what, cmp.Or(p.Poll, 5*time.Second), cmp.Or(p.Share, 0.5), p.Every, step)
}

// take says whether this collector works; it is asked before each request, which may take as long as the lease lasts.
func (p *Party) take(ctx context.Context) (bool, error) {
	p.turn.db, p.turn.name, p.turn.holder, p.turn.ttl = p.DB, "master/"+p.Name, p.Holder, p.timeout()+leaseTime
	return p.turn.take(ctx, p.now())
}

// ended is the end of a step: people are told how it went, but for one that was overtaken, which is the other collector's affair.
func (p *Party) ended(ctx context.Context, more bool, failed error, meanwhile string) (bool, error) {
	if errors.Is(failed, errOvertaken) {
		return false, p.turn.yielded(failed)
	}
	if ctx.Err() != nil {
		return more, failed
	}
	told := p.notes.tell(ctx, &p.turn, p.Cases, p.Tenant, p.Name, p.now(), failed, meanwhile)
	return more, errors.Join(failed, p.turn.yielded(told))
}
