package fleet

import (
	"context"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Config is what a site is to run of its group's configuration, and what became of it there.
type Config struct {
	Group string
	// Version was sent at SentAt; State is sent, trial, kept or failed, Text why.
	Version     uint64
	State, Text string
	SentAt      time.Time
	// Drift says in words how what the site runs differs, since DriftAt; "" where it does not.
	Drift   string
	DriftAt time.Time
}

// underWay is how long a site may take to run what it is to run before that is said.
const underWay = 30 * time.Second

func readConfig(ctx context.Context, tx *db.Tx, byKey map[siteKey]*Site) error {
	rows, err := tx.Query(ctx, `SELECT tenant, site, grp, version, state, text, sent_at, drift, drift_at FROM site_config_sent`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key siteKey
		var c Config
		var sent, drift int64
		if err := rows.Scan(&key.tenant, &key.id, &c.Group, &c.Version, &c.State, &c.Text, &sent, &c.Drift, &drift); err != nil {
			return err
		}
		c.SentAt, c.DriftAt = fromMicros(sent), fromMicros(drift)
		if s := byKey[key]; s != nil {
			s.Config = &c
		}
	}
	return rows.Err()
}

// judgeConfig says where a site does not run what it is to run.
func (s *Site) judgeConfig(now time.Time) {
	c := s.Config
	if c == nil || c.Drift == "" || now.Sub(c.DriftAt) < underWay && c.State != "failed" && !strings.Contains(c.Drift, "somebody") {
		return
	}
	severity := warning
	if s.State != Online {
		severity = info
	}
	s.add("config_drift", severity, c.DriftAt, "Does not run the configuration that it should", "%s See dockline-collector site config drift --tenant %s.", c.Drift, s.Tenant)
}
