package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/collector/reconcile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// OpenRebuild opens the configured database for a command that compares it with its event log, beside a collector at work or without one. The
// caller closes it. without names connectors that were given up.
func OpenRebuild(ctx context.Context, c *Config, without []string) (*rebuild.Rebuild, func() error, error) {
	m, err := openForCommand(ctx, c, true)
	if err != nil {
		return nil, nil, err
	}
	if err := withItsConnectors(ctx, c, m.db, without); err != nil {
		return nil, nil, errors.Join(err, m.Close())
	}
	log := m.newLog()
	worker := m.newWorker(log)
	b := m.newRebuild(log, worker)
	b.Fold = func(ctx context.Context) (bool, error) {
		n, err := worker.Step(ctx)
		if err != nil {
			return false, err
		}
		large, err := worker.StepLarge(ctx)
		return n+large > 0, err
	}
	return b, m.Close, nil
}

// withItsConnectors refuses a configuration that lacks the connector of a system of which something is wanted: by it nothing would be wanted of that any
// more, and good postings would be told, or taken back, as mistakes. without names connectors that were given up.
func withItsConnectors(ctx context.Context, c *Config, d *db.DB, without []string) error {
	var lacking []string
	err := d.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT tenant, target, COUNT(*) FROM posting WHERE wanted = 1 AND state <> 'superseded' GROUP BY tenant, target ORDER BY tenant, target`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var tenant, target string
			var n int64
			if err := rows.Scan(&tenant, &target, &n); err != nil {
				return err
			}
			known := slices.ContainsFunc(c.Connectors, func(k ConnectorConfig) bool { return k.Tenant == tenant && k.Name == target })
			if !known && !slices.Contains(without, target) {
				lacking = append(lacking, fmt.Sprintf("%s of tenant %s (%d postings that are wanted)", target, tenant, n))
			}
		}
		return rows.Err()
	})
	if err == nil && len(lacking) > 0 {
		err = fmt.Errorf("this configuration names no connectors for %s: by it they would count as not wanted. Call the command with the configuration of the collector that made them; where a system was given up for good, say --without NAME",
			strings.Join(lacking, " and "))
	}
	return err
}

// HasConnectors is nil where the configuration has a connector for every system of which something is wanted, but for those that were given up.
func (c *Centre) HasConnectors(ctx context.Context, without []string) error {
	return withItsConnectors(ctx, c.m.config, c.DB, without)
}

func (m *Collector) newNight(log *eventlog.Log, worker *reconcile.Worker) *rebuild.Night {
	if m.config.Check.At == "" {
		return nil
	}
	at, err := rebuild.ParseClock(m.config.Check.At)
	if err != nil {
		return nil // the configuration was refused
	}
	return &rebuild.Night{Rebuild: m.newRebuild(log, worker), At: at, Log: m.log.With("part", "check")}
}

// newRebuild holds the event log and the folds together.
func (m *Collector) newRebuild(log *eventlog.Log, worker *reconcile.Worker) *rebuild.Rebuild {
	b := NewRebuild(m.db, log, worker, m.name)
	b.Now = m.clock
	b.Report = func(ctx context.Context, tx *db.Tx, key rebuild.Key, found []rebuild.Exception) error {
		desired := make([]exception.Desired, len(found))
		for i, f := range found {
			desired[i] = m.owned(key.Tenant, f.Code, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, docklinev1.Severity_SEVERITY_ERROR, exception.Desired{Subject: f.Subject, Title: f.Title, Text: f.Text})
		}
		return m.report(ctx, tx, key.Tenant, "rebuild/"+key.Key, desired)
	}
	return b
}

// NewRebuild compares what is derived in a database with its event log, and puts it right; it reports to nobody, and others fold.
func NewRebuild(d *db.DB, log *eventlog.Log, worker *reconcile.Worker, holder string) *rebuild.Rebuild {
	return &rebuild.Rebuild{DB: d, Holder: holder,
		CompareFacts: func(ctx context.Context, after int64, most int) (rebuild.Page, error) {
			found, err := log.CompareFacts(ctx, after, most)
			page := rebuild.Page{Events: found.Events, Facts: found.Facts, Through: found.Through, Done: found.Done}
			for _, f := range found.Differences {
				page.Differences = append(page.Differences, rebuild.Fact{Key: rebuild.Key{Tenant: f.Tenant, Key: f.Key}, LogID: f.LogID, Ordinal: f.Ordinal, Seq: f.Seq,
					EventID: f.EventID, What: f.What, Body: f.Body})
			}
			return page, err
		},
		RestoreFacts: func(ctx context.Context, tx *db.Tx, logIDs []int64) error {
			_, err := log.RestoreFacts(ctx, tx, logIDs)
			return err
		},
		Keys: func(ctx context.Context, after rebuild.Key, most int) ([]rebuild.Key, error) {
			found, err := reconcile.Keys(ctx, d, reconcile.Key(after), most)
			keys := make([]rebuild.Key, len(found))
			for i, key := range found {
				keys[i] = rebuild.Key(key)
			}
			return keys, err
		},
		CompareStates: func(ctx context.Context, keys []rebuild.Key, corrections map[rebuild.Key][]rebuild.Fact) ([]rebuild.State, error) {
			return compareStates(ctx, worker, keys, corrections)
		},
		Mark: func(ctx context.Context, tx *db.Tx, keys, unreadable []rebuild.Key) error {
			return reconcile.Mark(ctx, tx, foldKeys(keys), foldKeys(unreadable))
		}}
}

func compareStates(ctx context.Context, worker *reconcile.Worker, keys []rebuild.Key, corrections map[rebuild.Key][]rebuild.Fact) ([]rebuild.State, error) {
	corrected := make(map[reconcile.Key][]reconcile.FactRow)
	for key, facts := range corrections {
		for _, f := range facts {
			corrected[reconcile.Key(key)] = append(corrected[reconcile.Key(key)], reconcile.FactRow{LogID: f.LogID, Ordinal: f.Ordinal, Seq: f.Seq, Body: f.Body})
		}
	}
	found, err := worker.Compare(ctx, foldKeys(keys), corrected)
	states := make([]rebuild.State, len(found))
	for i, f := range found {
		states[i] = rebuild.State{Key: rebuild.Key(f.Key), Pending: f.Pending, Unreadable: f.Unreadable, Differences: f.Differences}
	}
	return states, err
}

func foldKeys(keys []rebuild.Key) []reconcile.Key {
	out := make([]reconcile.Key, len(keys))
	for i, key := range keys {
		out[i] = reconcile.Key(key)
	}
	return out
}
