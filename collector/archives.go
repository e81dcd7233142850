package collector

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/retention"
)

// Retention archives what has ended long ago, by the terms of the policy in force.
func (c *Centre) Retention() *retention.Retention {
	r := NewRetention(c.DB, c.Log, c.m.policy, c.m.config.ArchiveFolder(), c.m.name)
	r.Now = c.Now
	return r
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
