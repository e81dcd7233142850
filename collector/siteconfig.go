package collector

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/siteconfig"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// newRollout gives desired configurations to sites by the commands that people give too.
func (m *Collector) newRollout() *siteconfig.Rollout {
	return &siteconfig.Rollout{
		Store: siteconfig.Store{DB: m.db}, Holder: m.name, OfflineAfter: m.config.MQTT.OfflineAfter, Log: m.log.With("part", "siteconfig"),
		Submit: func(ctx context.Context, c *docklinev1.Command) (uint64, error) {
			_, version, err := downlink.Submit(ctx, m.db, c, time.Now())
			return version, err
		},
		Answer: func(ctx context.Context, tenant, site string) (uint64, string, string, error) {
			found, err := downlink.Commands(ctx, m.db, tenant, site, downlink.ConfigKey, 1)
			if err != nil || len(found) == 0 {
				return 0, "", "", err
			}
			return found[0].Version, found[0].State, found[0].Text, nil
		},
		Report: func(ctx context.Context, tx *db.Tx, tenant, origin string, found []siteconfig.Exception) error {
			desired := make([]exception.Desired, len(found))
			for i, f := range found {
				desired[i] = m.owned(tenant, f.Code, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, docklinev1.Severity_SEVERITY_ERROR,
					exception.Desired{Subject: f.Subject, Site: f.Site, Title: f.Title, Text: f.Text})
			}
			return m.report(ctx, tx, tenant, origin, desired)
		},
	}
}
