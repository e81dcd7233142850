package collector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/submission"
	"github.com/dockline/dockline/collector/sweep"
)

// BeginSweep returns what begins a comparison of one system, where the person may, and recorded, in the caller's transaction. The schedule of a
// collector at work goes through with it.
func BeginSweep(s *sweep.Sweep, targets []*sweep.Target) func(ctx context.Context, tx *db.Tx, tenant, target, site, by string, now time.Time) (*sweep.Run, error) {
	return func(ctx context.Context, tx *db.Tx, tenant, target, site, by string, now time.Time) (*sweep.Run, error) {
		// What follows may be that something is posted again.
		if err := people.Allow(ctx, tx, tenant, by, people.PostingAct); err != nil {
			return nil, err
		}
		var names []string
		var of *sweep.Target
		for _, t := range targets {
			if t.Tenant != tenant {
				continue
			}
			if names = append(names, t.Name); t.Name == target {
				of = t
			}
		}
		if of == nil {
			return nil, submission.Faults{{Field: "target", Text: fmt.Sprintf("%q is no system that is compared; there is %s", target, orNone(names))}}
		}
		sites, err := s.Centre.Sites(ctx, tx, tenant)
		if err != nil {
			return nil, err
		}
		if site != "" && !slices.Contains(sites, site) {
			return nil, submission.Faults{{Field: "site", Text: fmt.Sprintf("%q is no site; there is %s", site, orNone(sites))}}
		}
		r, err := s.BeginIn(ctx, tx, of, site, sweep.Asked)
		if err != nil {
			return nil, err
		}
		return r, audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: by, Action: "sweep.run", Object: target, Detail: map[string]any{"run": r.Number, "site": site}}, now)
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
