package collector

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// newKeeper makes the fleet's loop, with the event log's word on what is settled.
func (m *Collector) newKeeper(l link, log *eventlog.Log) *fleet.Keeper {
	closer := NewCloser(m.db, log)
	closer.Now = m.clock
	closer.Report = func(ctx context.Context, tx *db.Tx, tenant, origin string, found []fleet.Exception) error {
		desired := make([]exception.Desired, len(found))
		for i, f := range found {
			desired[i] = m.owned(tenant, f.Code, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, f.Severity, exception.Desired{Subject: f.Subject, Site: f.Site, Title: f.Title, Text: f.Text})
		}
		return m.report(ctx, tx, tenant, origin, desired)
	}
	releases := &releaseWatch{db: m.db, policy: m.policy, report: m.report, now: m.now}
	return &fleet.Keeper{DB: m.db, Holder: m.name, Listening: l.up, OfflineAfter: m.config.MQTT.OfflineAfter, Close: func(ctx context.Context) (int, error) {
		if err := log.AskedAgain(ctx); err != nil {
			return 0, err
		}
		if err := downlink.AfterLosses(ctx, m.db, m.now()); err != nil {
			return 0, err
		}
		if err := releases.step(ctx); err != nil {
			return 0, err
		}
		return closer.Close(ctx)
	}, Now: m.clock, Log: m.log.With("part", "fleet")}
}

// NewCloser makes the daily close of a database; it reports to nobody.
func NewCloser(d *db.DB, log *eventlog.Log) *fleet.Closer {
	return &fleet.Closer{DB: d, Settled: func(ctx context.Context, tx *db.Tx, places []fleet.Place) ([]bool, error) {
		asked := make([]eventlog.Place, len(places))
		for i, p := range places {
			asked[i] = eventlog.Place{SiteKey: eventlog.SiteKey{Tenant: p.Tenant, Site: p.Site}, Epoch: p.Epoch, Seq: p.Seq}
		}
		return log.Settled(ctx, tx, asked)
	}}
}

// AcceptLoss takes the lost events from lo on, of an epoch of a site, for gone: the site's streams go on behind them, and the case closes.
func AcceptLoss(ctx context.Context, tx *db.Tx, tenant, site, epoch string, lo uint64, now time.Time) error {
	log := &eventlog.Log{Report: func(ctx context.Context, tx *db.Tx, tenant, origin string, found []eventlog.Exception) error {
		if len(found) > 0 {
			return nil // what else there is to report the running collector does
		}
		_, err := exception.Sync(ctx, tx, tenant, origin, nil, now)
		return err
	}}
	return log.AcceptGapIn(ctx, tx, tenant, site, epoch, lo)
}
