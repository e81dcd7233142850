package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/policy/version"
	"github.com/dockline/dockline/collector/reconcile"
)

// policy is the version in force.
func (m *Collector) policy() *policy.Policy {
	if p := m.inForce.Load(); p != nil {
		return p
	}
	return m.configured
}

func loadPolicy(c *Config) (*policy.Policy, error) {
	if c.Policy.Folder != "" {
		return LoadPolicyFolder(c, c.Path(c.Policy.Folder))
	}
	return policy.Default().WithTargets(targets(c))
}

// LoadPolicyFolder reads a policy folder for this configuration: one that does not name the targets leaves them to the connectors, as where there
// is no folder at all.
func LoadPolicyFolder(c *Config, path string) (*policy.Policy, error) {
	p, err := policy.LoadFolder(path)
	if err != nil || p.Has("targets.yaml") {
		return p, err
	}
	return p.WithTargets(targets(c))
}

// takePolicy says which version is in force from the start on: where the folder has changed since the last start its content, if that needs
// nobody's yes; else the one that was in force. It is put in force for tenants that have none yet.
func (m *Collector) takePolicy(ctx context.Context, appendFacts reconcile.Append) error {
	who := reconcile.Who{By: policy.Self, Reason: "the policy folder has changed"}
	return m.db.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "policy"); err != nil {
			return err
		}
		if newest, err := version.Newest(ctx, tx); err != nil {
			return err
		} else if newest == "" {
			who.Reason = "the first start"
		}
		p, err := m.chosenPolicy(ctx, tx, who)
		if err != nil {
			return err
		}
		tenants, err := m.tenants(ctx, tx)
		if err != nil {
			return err
		}
		m.inForce.Store(p) // facts get their keys by it
		for _, tenant := range tenants {
			if _, err := reconcile.ActivateBy(ctx, tx, tenant, p, who, appendFacts, m.now()); err != nil {
				return fmt.Errorf("activate policy %s: %w", p.Version, err)
			}
		}
		return m.learnActivations(ctx, tx)
	})
}

// chosenPolicy is the version to start with, and notes that the folder was looked at.
func (m *Collector) chosenPolicy(ctx context.Context, tx *db.Tx, who reconcile.Who) (*policy.Policy, error) {
	newest, err := version.Newest(ctx, tx)
	if err != nil || newest == "" || newest == m.configured.Version {
		return m.configured, errors.Join(err, m.noteFolder(ctx, tx, m.configured.Version))
	}
	changed, err := m.folderChanged(ctx, tx)
	if err != nil {
		return nil, err
	}
	required := m.config.Policy.Approval == approvalRequired
	if changed {
		if _, err := version.Propose(ctx, tx, m.configured, who.By, who.Reason, m.now()); err != nil {
			return nil, err
		}
		if err := m.noteFolder(ctx, tx, m.configured.Version); err != nil {
			return nil, err
		}
		if !required {
			return m.configured, nil
		}
	}
	m.log.Warn("the policy in force is not that of the folder; `dockline-collector policy activate` changes it", "in_force", newest, "folder", m.configured.Version)
	return version.Load(ctx, tx, newest)
}

// approvalRequired and approvalNone are what policy.approval can say.
const (
	approvalRequired = "required"
	approvalNone     = "none"
)

// folderChanged says whether this collector's folder is not the one that it started with the last time. Where it has not started on this
// database before, one that another collector has started with is not new: else a collector that comes back, or comes to the others, would
// undo what was put in force since.
func (m *Collector) folderChanged(ctx context.Context, tx *db.Tx) (bool, error) {
	rows, err := tx.Query(ctx, `SELECT name, version FROM policy_folder`)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	known := false
	for rows.Next() {
		var name, version string
		if err := rows.Scan(&name, &version); err != nil {
			return false, err
		}
		if name == m.folderName() {
			return version != m.configured.Version, nil
		}
		known = known || version == m.configured.Version
	}
	return !known, rows.Err()
}

// folderName is under what this collector's folder is noted; that of the only one has none.
func (m *Collector) folderName() string {
	if m.name == Name {
		return ""
	}
	return m.name
}

func (m *Collector) noteFolder(ctx context.Context, tx *db.Tx, version string) error {
	return tx.Upsert(ctx, db.Insert{Table: "policy_folder", Columns: []string{"name", "version", "taken_at"}, Conflict: []string{"name"}, Update: []string{"version", "taken_at"},
		Rows: [][]any{{m.folderName(), version, m.now().UnixMicro()}}})
}

// readPolicy takes the version in force for a command beside a collector at work; where none has started yet, that of the folder.
func (m *Collector) readPolicy(ctx context.Context) (err error) {
	if m.configured, err = loadPolicy(m.config); err != nil {
		return err
	}
	return m.db.Read(ctx, func(tx *db.Tx) error {
		newest, err := version.Newest(ctx, tx)
		if err != nil || newest == "" {
			return err
		}
		p, err := version.Load(ctx, tx, newest)
		if err != nil {
			return err
		}
		m.inForce.Store(p)
		return m.learnActivations(ctx, tx)
	})
}

// tenants are those of the connectors and of the sites.
func (m *Collector) tenants(ctx context.Context, tx *db.Tx) ([]string, error) {
	tenants := make(map[string]bool)
	for _, s := range m.connectors {
		tenants[s.config.Tenant] = true
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT tenant FROM site`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var tenant string
		if err := rows.Scan(&tenant); err != nil {
			return nil, err
		}
		tenants[tenant] = true
	}
	return slices.Sorted(maps.Keys(tenants)), rows.Err()
}

// policyWatch takes up a version that somebody has put in force, and puts it in force for tenants that came later.
type policyWatch struct {
	collector *Collector
	append    reconcile.Append
	changed   func()
	// again is when the codes that were unknown are looked at once more: facts that were being told when the version came up have their keys by
	// the former one.
	again time.Time
}

const (
	policyPoll  = time.Second
	relearnWait = time.Minute
)

// Run looks until ctx ends. A database that is away is asked again.
func (w *policyWatch) Run(ctx context.Context) error {
	ticker := time.NewTicker(policyPoll)
	defer ticker.Stop()
	for {
		if err := w.step(ctx); err != nil && ctx.Err() == nil {
			w.collector.log.Warn("policy in force", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (w *policyWatch) step(ctx context.Context) error {
	m := w.collector
	var fresh *policy.Policy
	var without []string
	err := m.db.Read(ctx, func(tx *db.Tx) error {
		newest, err := version.Newest(ctx, tx)
		if err != nil {
			return err
		}
		if newest == "" { // it was started before there was any tenant: what it started with is in force for the first one
			newest = m.policy().Version
		}
		if newest != m.policy().Version {
			if fresh, err = version.Load(ctx, tx, newest); err != nil {
				return err
			}
			if err := m.learnActivations(ctx, tx); err != nil {
				return err
			}
		}
		without, err = tenantsWithout(ctx, tx, newest)
		return err
	})
	if err != nil {
		return err
	}
	if fresh != nil {
		m.inForce.Store(fresh)
		m.log.Info("policy", "version", fresh.Version)
		w.again = m.now().Add(relearnWait)
		return w.relearn(ctx)
	}
	for _, tenant := range without {
		if err := reconcile.Activate(ctx, m.db, tenant, m.policy(), w.append, m.now()); err != nil {
			return err
		}
	}
	if !w.again.IsZero() && !m.now().Before(w.again) {
		w.again = time.Time{}
		return w.relearn(ctx)
	}
	return nil
}

func (w *policyWatch) relearn(ctx context.Context) error {
	defer w.changed()
	m := w.collector
	return m.db.Write(ctx, func(tx *db.Tx) error {
		tenants, err := m.tenants(ctx, tx)
		for i := 0; i < len(tenants) && err == nil; i++ {
			err = reconcile.Relearn(ctx, tx, tenants[i], m.policy())
		}
		return err
	})
}

// tenantsWithout are the tenants of sites for which a version is not in force.
func tenantsWithout(ctx context.Context, tx *db.Tx, version string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT tenant FROM site WHERE tenant NOT IN (SELECT a.tenant FROM policy_activation a WHERE a.version = ?
		AND a.number = (SELECT MAX(b.number) FROM policy_activation b WHERE b.tenant = a.tenant))`, version)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tenants []string
	for rows.Next() {
		var tenant string
		if err := rows.Scan(&tenant); err != nil {
			return nil, err
		}
		tenants = append(tenants, tenant)
	}
	return tenants, rows.Err()
}
