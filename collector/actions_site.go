package collector

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// siteActions are what a site can be asked to do about an exception, and what is decided about what it has lost.
func siteActions() exception.Actions {
	return exception.Actions{
		{Name: "recheck", Title: "Fold its facts again at once", For: func(e *exception.Exception) bool { return strings.HasPrefix(e.Origin, "fold/") }, Do: recheck},
		{Name: "reread", Title: "Have a plugin of the site tell again what it told since a time", Scope: people.SiteAct, For: ofSite, Do: reread,
			Sets: []exception.Set{{Name: "plugin", Help: "id of the plugin in the site's agent.yaml", Required: true},
				{Name: "since", Help: "a time like 2026-03-01T06:00:00Z, or how long ago, like 36h", Required: true}}},
		{Name: "recount", Title: "Have a bin of the site counted", Scope: people.SiteAct, For: ofSite, Do: recountBin,
			Sets: []exception.Set{{Name: "number", Help: "number of the count", Required: true}, {Name: "bin", Help: "which bin", Required: true},
				{Name: "item", Help: "which item", Required: true}, {Name: "lot", Help: "which lot"}, {Name: "plugin", Help: "whom to ask, where several could"}}},
		{Name: "cancel_at_site", Title: "Have the site leave the order", Scope: people.SiteAct, Do: cancelAtSite,
			For:  func(e *exception.Exception) bool { return e.Site != "" && e.Order != "" },
			Sets: []exception.Set{{Name: "plugin", Help: "whom to tell, where several could"}}},
		{Name: "accept_loss", Title: "Take the lost events for gone", Scope: people.SiteAct, Do: acceptLoss, For: func(e *exception.Exception) bool {
			_, _, _, ok := gapOf(e.Origin)
			return ok
		}, Allowed: func(_ context.Context, _ *db.Tx, e *exception.Exception) error {
			if !e.Unresolved() {
				return errors.New("it is resolved")
			}
			return nil
		}},
	}
}

func ofSite(e *exception.Exception) bool { return e.Site != "" }

// gapOf is the gap whose exceptions have this origin.
func gapOf(origin string) (site, epoch string, lo uint64, ok bool) {
	parts := strings.Split(origin, "/")
	if len(parts) != 4 || parts[0] != "gap" {
		return "", "", 0, false
	}
	lo, err := strconv.ParseUint(parts[3], 10, 64)
	return parts[1], parts[2], lo, err == nil
}

func recheck(ctx context.Context, tx *db.Tx, e *exception.Exception, _ exception.Acting) (string, error) {
	key := strings.TrimPrefix(e.Origin, "fold/")
	_, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key) VALUES (?, ?)`, e.Tenant, key)
	return "the facts of " + key + " are folded again at once", err
}

// submit gives a site a command about an exception.
func submit(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting, c *docklinev1.Command) (string, error) {
	c.Tenant, c.Site, c.Plugin = e.Tenant, e.Site, a.Set["plugin"]
	key, version, err := downlink.SubmitIn(ctx, tx, c, a.Now)
	return fmt.Sprintf("%s version %d waits for site %s", key, version, e.Site), err
}

func reread(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
	since, err := time.Parse(time.RFC3339, a.Set["since"])
	if ago, no := time.ParseDuration(a.Set["since"]); no == nil {
		since, err = a.Now.Add(-ago), nil
	}
	if err != nil {
		return "", fmt.Errorf("%w: since %q: write a time like 2026-03-01T06:00:00Z, or how long ago, like 36h", exception.ErrIncorrect, a.Set["since"])
	}
	return submit(ctx, tx, e, a, &docklinev1.Command{Work: &docklinev1.Command_Reread{Reread: &docklinev1.Reread{Reason: a.Reason, From: &docklinev1.Reread_Time{Time: timestamppb.New(since)}}}})
}

func recountBin(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
	return submit(ctx, tx, e, a, &docklinev1.Command{Work: &docklinev1.Command_RequestCount{RequestCount: &docklinev1.RequestCount{Number: a.Set["number"], Reason: a.Reason,
		Lines: []*docklinev1.Line{{Bin: a.Set["bin"], Item: a.Set["item"], Lot: a.Set["lot"]}}}}})
}

func cancelAtSite(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
	return submit(ctx, tx, e, a, &docklinev1.Command{Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: e.Order, Reason: a.Reason}}})
}

func acceptLoss(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
	site, epoch, lo, _ := gapOf(e.Origin)
	return "the events are taken for gone, and the site's streams go on behind them", AcceptLoss(ctx, tx, e.Tenant, site, epoch, lo, a.Now)
}
