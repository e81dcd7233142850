package collector

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/retention"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Retention archives what has ended long ago, by the terms of the policy in force.
func (c *Centre) Retention() *retention.Retention {
	r := NewRetention(c.DB, c.Log, c.m.policy, c.m.config.ArchiveFolder(), c.m.name)
	r.Now = c.Now
	return r
}

// newArchivist is retention at its hour; nil where it is left to people.
func (m *Collector) newArchivist(log *eventlog.Log) *retention.Night {
	if m.config.Archive.At == "" {
		return nil
	}
	at, err := rebuild.ParseClock(m.config.Archive.At)
	if err != nil {
		return nil // the configuration was refused
	}
	r := NewRetention(m.db, log, m.policy, m.config.ArchiveFolder(), m.name)
	r.Now, r.Rest = m.clock, retention.HalfTheTime
	return &retention.Night{Retention: r, At: at, For: m.config.Archive.For, Log: m.log.With("part", "retention"), Tenants: func(ctx context.Context) (tenants []string, err error) {
		err = m.db.Read(ctx, func(tx *db.Tx) error { tenants, err = view.Tenants(ctx, tx); return err })
		return tenants, err
	}, Report: func(ctx context.Context, tx *db.Tx, tenant string, found *retention.Exception) error {
		var desired []exception.Desired
		if found != nil {
			desired = append(desired, m.owned(tenant, found.Code, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, docklinev1.Severity_SEVERITY_WARNING,
				exception.Desired{Subject: found.Subject, Title: found.Title, Text: found.Text}))
		}
		return m.report(ctx, tx, tenant, "retention/"+tenant, desired)
	}}
}

// NewRetention archives a database into a folder.
func NewRetention(d *db.DB, log *eventlog.Log, inForce func() *policy.Policy, folder, holder string) *retention.Retention {
	r := &retention.Retention{DB: d, Folder: folder, Holder: holder, Term: func(tenant, class string) time.Duration { return inForce().Retention.Term(tenant, class) }}
	r.PutBack = func(ctx context.Context, tx *db.Tx, tenant string, keys []string, events []int64) error {
		if _, err := log.RestoreFacts(ctx, tx, events); err != nil {
			return err
		}
		now := time.Now()
		if r.Now != nil {
			now = r.Now()
		}
		for _, key := range keys {
			if _, err := exception.Sync(ctx, tx, tenant, reconcile.LateOrigin(key), nil, now); err != nil {
				return err
			}
		}
		return nil
	}
	return r
}
