package collector

import (
	"context"
	"errors"
	"strings"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/people"
)

// Acceptance is a person's word that one of several contents under an event id is an event of its own.
type Acceptance struct {
	// Body is the beginning of the content's name, "" where there is only one beside the one that counts.
	Tenant, Event, Body string
	// By is who says so, and Reason why.
	By, Reason string
}

// AcceptEvent takes a person's word in, beside a collector at work or without one.
func AcceptEvent(ctx context.Context, c *Config, a Acceptance) (done eventlog.Accepted, err error) {
	if strings.TrimSpace(a.Reason) == "" {
		return done, errors.New("say why, for those who ask later: both contents count from now on")
	}
	m, err := openForCommand(ctx, c, false)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	return m.accept(ctx, m.newLog(), a)
}

func (m *Collector) accept(ctx context.Context, log *eventlog.Log, a Acceptance) (done eventlog.Accepted, err error) {
	err = m.db.Write(ctx, func(tx *db.Tx) (err error) {
		if err := people.Allow(ctx, tx, a.Tenant, a.By, people.ExceptionAct); err != nil {
			return err
		}
		done, err = log.AcceptAsNew(ctx, tx, a.Tenant, a.Event, a.Body)
		if err != nil || done.Known {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Tenant: a.Tenant, By: a.By, Action: "event.accept", Object: a.Event, Reason: a.Reason,
			Detail: map[string]string{"body": done.Body, "event": done.Event.GetId()}}, m.now())
	})
	return done, err
}
