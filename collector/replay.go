package collector

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/policy/version"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/replay"
)

// Replay folds keys again, with what this command folds itself where no collector is at work.
func (c *Centre) Replay() *replay.Replay {
	r := NewReplay(c.DB, c.Worker, c.m.name)
	r.Now, r.Fold = c.Now, c.Fold
	return r
}

// NewReplay folds keys of a database again; others fold what it marks.
func NewReplay(d *db.DB, worker *reconcile.Worker, holder string) *replay.Replay {
	return &replay.Replay{DB: d, Holder: holder,
		Keys: func(ctx context.Context, s replay.Selection, after string, most int) ([]string, error) {
			return reconcile.Select(ctx, d, reconcile.Selection{Tenant: s.Tenant, Key: s.Key, Order: s.Order, Site: s.Site, Kind: s.Kind, From: s.From, To: s.To, Target: s.Target, Posting: s.Posting}, after, most)
		},
		Try: func(ctx context.Context, tenant string, keys []string, under string) ([]replay.Tried, error) {
			return tryKeys(ctx, d, worker, tenant, keys, under)
		},
		Mark: func(ctx context.Context, tx *db.Tx, tenant string, keys []string, under string) error {
			if under != "" {
				_, err := reconcile.Move(ctx, tx, tenant, keys, under)
				return err
			}
			all := make([]reconcile.Key, len(keys))
			for i, key := range keys {
				all[i] = reconcile.Key{Tenant: tenant, Key: key}
			}
			return reconcile.Mark(ctx, tx, all, nil)
		}}
}

func tryKeys(ctx context.Context, d *db.DB, worker *reconcile.Worker, tenant string, keys []string, under string) ([]replay.Tried, error) {
	var p *policy.Policy
	if under != "" {
		if err := d.Read(ctx, func(tx *db.Tx) (err error) { p, err = version.Load(ctx, tx, under); return err }); err != nil {
			return nil, err
		}
	}
	found, err := worker.Try(ctx, tenant, keys, p)
	out := make([]replay.Tried, len(found))
	for i := range found {
		out[i] = triedOf(&found[i])
	}
	return out, err
}

func triedOf(t *reconcile.Tried) replay.Tried {
	out := replay.Tried{Key: t.Key, Pending: t.Pending, Fault: t.Fault, Version: t.Stored + " " + t.Hash}
	differ := func(format string, args ...any) { out.Differs = append(out.Differs, fmt.Sprintf(format, args...)) }
	if t.Stored != t.Hash {
		differ("state: %s", t.Fields)
	}
	if t.Was != t.Status {
		differ("status: %s -> %s", t.Was, t.Status)
	}
	for _, p := range t.Postings {
		differ("posting %s %s %s for %s: %s", p.Change, p.Kind, p.Key, p.Target, p.Text)
		switch p.Change {
		case reconcile.New:
			out.New++
		case reconcile.Changed:
			out.Changed++
		case reconcile.Gone:
			out.Gone++
		}
	}
	for _, e := range t.Exceptions {
		differ("exception %s %s %s: %s", e.Change, e.Code, e.Subject, e.Title)
		switch e.Change {
		case reconcile.Opened:
			out.Opened++
		case reconcile.Closed:
			out.Closed++
		}
	}
	return out
}
