package sim

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// people do what the exceptions ask of them: a posting that was refused is sent again, now that the target takes it, and what a site has
// lost is read again where it can be, and else taken for gone.
func (w *world) people(ctx context.Context) error {
	return w.centre.quietly(func() error {
		if err := w.retry(ctx); err != nil {
			return err
		}
		for _, s := range w.sites {
			if err := w.lost(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) retry(ctx context.Context) error {
	var acts int64
	err := w.centre.db.Write(ctx, func(tx *db.Tx) error {
		acts = 0
		refused, err := posting.List(ctx, tx, posting.Filter{Tenant: tenant, States: []posting.State{posting.Rejected}})
		if err != nil {
			return err
		}
		for _, p := range refused {
			w.trace.add(w.now, "somebody retries %s", p.Ref)
			if err := posting.Retry(ctx, tx, tenant, p.Ref, w.now); err != nil {
				return err
			}
			act := audit.Act{Tenant: tenant, By: "dispatch", Action: "posting.retry", Object: "posting/" + p.Ref.String(), Reason: "it takes it now"}
			if err := audit.Record(ctx, tx, act, w.now); err != nil {
				return err
			}
			acts++
		}
		return nil
	})
	w.acts += acts
	return err
}

// reading is how long a person waits for what was asked to be read again, before the rest is taken for gone.
const reading = 3 * time.Minute

type loss struct {
	epoch string
	lo    uint64
}

// lost deals with the losses of a site: the case of each must be somebody's, its sources are read again, and what is left is accepted.
func (w *world) lost(ctx context.Context, s *site) error {
	var open []loss
	err := w.centre.db.Read(ctx, func(tx *db.Tx) error {
		open = nil
		rows, err := tx.Query(ctx, `SELECT epoch, lo FROM gap WHERE site = ? AND closed_at = 0 ORDER BY epoch, lo`, s.name)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var l loss
			if err := rows.Scan(&l.epoch, &l.lo); err != nil {
				return err
			}
			open = append(open, l)
		}
		return rows.Err()
	})
	if err != nil || len(open) == 0 {
		return err
	}
	if s.asked.IsZero() || w.now.Sub(s.asked) > time.Hour {
		s.asked = w.now
		for _, from := range s.sources {
			if from.stream == "" {
				continue
			}
			w.trace.add(w.now, "somebody has %s of %s read again", from.name, s.name)
			c := &docklinev1.Command{Tenant: tenant, Site: s.name, Plugin: from.name, Work: &docklinev1.Command_Reread{Reread: &docklinev1.Reread{From: &docklinev1.Reread_Time{Time: timestamppb.New(morning)}}}}
			if _, _, err := downlink.Submit(ctx, w.centre.db, c, w.now); err != nil {
				return err
			}
		}
		return nil
	}
	if w.now.Sub(s.asked) < reading {
		return nil
	}
	for _, l := range open {
		w.trace.add(w.now, "somebody takes what %s has lost from %d of epoch %.8s for gone", s.name, l.lo, l.epoch)
		err := w.centre.db.Write(ctx, func(tx *db.Tx) error { return collector.AcceptLoss(ctx, tx, tenant, s.name, l.epoch, l.lo, w.now) })
		if err != nil {
			return err
		}
	}
	return nil
}
