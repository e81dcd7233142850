package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/policy/version"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
)

// PolicyDesk is where people hand in, compare, approve and activate versions of the policy, beside a collector at work or without one.
type PolicyDesk struct {
	DB     *db.DB
	m      *Collector
	worker *reconcile.Worker
	append reconcile.Append
}

// OpenPolicyDesk opens the configured database. The caller calls the function that it returns when he is done.
func OpenPolicyDesk(ctx context.Context, c *Config) (*PolicyDesk, func() error, error) {
	m, err := openForCommand(ctx, c, true)
	if err != nil {
		return nil, nil, err
	}
	return newDesk(m), m.Close, nil
}

func newDesk(m *Collector) *PolicyDesk {
	log := m.newLog()
	return &PolicyDesk{DB: m.db, m: m, worker: m.newWorker(log), append: appending(log)}
}

// Load is the policy that somebody names: a folder, a version or the beginning of its name; "" is the one in force.
func (k *PolicyDesk) Load(ctx context.Context, name string) (p *policy.Policy, err error) {
	if info, err := os.Stat(name); name != "" && err == nil && info.IsDir() {
		return LoadPolicyFolder(k.m.config, name)
	}
	if strings.ContainsAny(name, `/\`) {
		return nil, fmt.Errorf("there is no folder %s", name)
	}
	err = k.DB.Read(ctx, func(tx *db.Tx) error {
		found, err := version.Find(ctx, tx, name)
		if err != nil {
			return err
		}
		p, err = version.Load(ctx, tx, found)
		return err
	})
	return p, err
}

// Warnings are those of a policy, and what it says of sites and customers that nobody knows.
func (k *PolicyDesk) Warnings(ctx context.Context, p *policy.Policy) (texts []string, err error) {
	for _, w := range p.Warnings() {
		texts = append(texts, w.String())
	}
	texts = append(texts, k.Untargeted(p)...)
	known := make(map[string]map[string]bool)
	err = k.DB.Read(ctx, func(tx *db.Tx) error {
		for section, query := range map[string]string{"tenants": `SELECT DISTINCT tenant FROM site`, "sites": `SELECT DISTINCT id FROM site`, "customers": `SELECT DISTINCT customer FROM state`} {
			if known[section], err = names(ctx, tx, query); err != nil {
				return err
			}
		}
		return nil
	})
	for _, n := range p.Named() {
		if !known[n.Section][n.Name] {
			texts = append(texts, fmt.Sprintf("%s:%d: %s: no %s %q is known yet", n.Rule.File, n.Rule.Line, n.Rule.Key, strings.TrimSuffix(n.Section, "s"), n.Name))
		}
	}
	return texts, err
}

// Adapters are the kinds of connectors that speak to a tenant's targets, or to those of all, by the target's name.
func (k *PolicyDesk) Adapters(tenant string) map[string]string {
	adapters := make(map[string]string)
	for _, s := range k.m.connectors {
		if tenant == "" || s.config.Tenant == tenant {
			adapters[s.config.Name] = s.config.Kind
		}
	}
	return adapters
}

// Untargeted names the connectors that a policy gives no part to: under it what they tell is nobody's, and they are told nothing.
func (k *PolicyDesk) Untargeted(p *policy.Policy) (texts []string) {
	for _, s := range k.m.connectors {
		if !slices.ContainsFunc(p.Targets, func(t policy.Target) bool { return t.Name == s.config.Name }) {
			texts = append(texts, fmt.Sprintf("targets.yaml: connector %s of collector.yaml is no target of version %s: what it tells would be refused as nobody's, and it would be told nothing; name it there with its role",
				s.config.Name, p.Version))
		}
	}
	for _, n := range k.m.config.Carriers {
		if !slices.ContainsFunc(p.Targets, func(t policy.Target) bool { return t.Name == n.Name }) {
			texts = append(texts, fmt.Sprintf("targets.yaml: carrier %s of collector.yaml is no target of version %s: what it tells would be refused as nobody's; name it there with the role carrier", n.Name, p.Version))
		}
	}
	return texts
}

func names(ctx context.Context, tx *db.Tx, query string) (map[string]bool, error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]bool)
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		all[name] = true
	}
	return all, rows.Err()
}

// Propose hands a policy in for all tenants, to be approved and activated, and says whether it is new.
func (k *PolicyDesk) Propose(ctx context.Context, p *policy.Policy, by, reason string) (v *version.Version, fresh bool, err error) {
	if err := k.m.amendable(p); err != nil {
		return nil, false, err
	}
	err = k.act(ctx, people.PolicySet, audit.Act{By: by, Action: "policy.set", Object: p.Version, Reason: reason}, func(tx *db.Tx, now time.Time) (bool, error) {
		if fresh, err = version.Propose(ctx, tx, p, by, reason, now); err != nil {
			return false, err
		}
		v, err = version.Get(ctx, tx, p.Version)
		return fresh, err
	})
	return v, fresh, err
}

// Approve keeps a team's yes. Where a tenant has users, whoever says it is one of the team.
func (k *PolicyDesk) Approve(ctx context.Context, name, team, by, reason string) (v *version.Version, err error) {
	err = k.act(ctx, people.PolicyApprove, audit.Act{By: by, Action: "policy.approve", Object: name, Reason: reason, Detail: map[string]string{"team": team}}, func(tx *db.Tx, now time.Time) (bool, error) {
		if err := k.ofTeam(ctx, tx, team, by); err != nil {
			return false, err
		}
		if err := version.Approve(ctx, tx, name, team, by, reason, now); err != nil {
			return false, err
		}
		v, err = version.Get(ctx, tx, name)
		return true, err
	})
	return v, err
}

// ofTeam refuses who is a user of some tenant and not of the team.
func (k *PolicyDesk) ofTeam(ctx context.Context, tx *db.Tx, team, by string) error {
	tenants, err := k.m.tenants(ctx, tx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		users, err := people.List(ctx, tx, tenant)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(users, func(u people.User) bool { return u.Name == by })
		if len(users) > 0 && (i < 0 || !slices.Contains(users[i].Teams, team)) {
			return fmt.Errorf("%s is not of team %s of tenant %s: %w; `dockline-collector user` says who is", by, team, tenant, people.ErrNotAllowed)
		}
	}
	return nil
}

// ErrUnapproved is returned for a version that still needs somebody's yes.
var ErrUnapproved = errors.New("not approved yet")

// Activate puts a version in force for all tenants, also one that was before. It says whether anything changed.
func (k *PolicyDesk) Activate(ctx context.Context, name, by, reason string) (changed bool, err error) {
	err = k.act(ctx, people.PolicySet, audit.Act{By: by, Action: "policy.activate", Object: name, Reason: reason}, func(tx *db.Tx, now time.Time) (bool, error) {
		changed = false
		v, err := version.Get(ctx, tx, name)
		if err != nil {
			return false, err
		}
		if missing := v.Missing(); len(missing) > 0 {
			var texts []string
			for _, d := range missing {
				texts = append(texts, fmt.Sprintf("team %s (%s)", d.Team, d.Why))
			}
			return false, fmt.Errorf("version %s is %w: it needs the yes of %s; `dockline-collector policy approve %s --team TEAM`", name, ErrUnapproved, strings.Join(texts, " and of "), name)
		}
		p, err := version.Load(ctx, tx, name)
		if err != nil {
			return false, err
		}
		if err := k.m.amendable(p); err != nil {
			return false, err
		}
		tenants, err := k.m.tenants(ctx, tx)
		if err != nil {
			return false, err
		}
		if len(tenants) == 0 {
			return false, errors.New("there is no tenant yet: add a connector or a site first")
		}
		for _, tenant := range tenants {
			did, err := reconcile.ActivateBy(ctx, tx, tenant, p, reconcile.Who{By: by, Reason: reason}, k.append, now)
			if err != nil {
				return false, err
			}
			changed = changed || did
		}
		return changed, nil
	})
	return changed, err
}

// act does what a person asks for in one transaction, if he may for every tenant, and keeps that he did.
func (k *PolicyDesk) act(ctx context.Context, scope string, a audit.Act, do func(*db.Tx, time.Time) (bool, error)) error {
	return k.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "policy"); err != nil {
			return err
		}
		tenants, err := k.m.tenants(ctx, tx)
		if err != nil {
			return err
		}
		for _, tenant := range tenants {
			if err := people.Allow(ctx, tx, tenant, a.By, scope); err != nil {
				return err
			}
		}
		now := k.m.now()
		did, err := do(tx, now)
		if err != nil || !did {
			return err
		}
		for _, tenant := range tenants {
			a.Tenant = tenant
			if err := audit.Record(ctx, tx, a, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Explain says what the policy decides about a key: of a tenant's order, shipment, return. p nil is the key's own version.
func (k *PolicyDesk) Explain(ctx context.Context, tenant, key string, p *policy.Policy) (*reconcile.Explained, error) {
	return k.worker.Explain(ctx, tenant, key, p)
}

// KeysOf are the keys that an event says something of, but for those of stock.
func (k *PolicyDesk) KeysOf(ctx context.Context, tenant, eventID string) (keys []string, err error) {
	err = k.DB.Read(ctx, func(tx *db.Tx) error {
		keys = nil
		rows, err := tx.Query(ctx, `SELECT DISTINCT fold_key FROM fact WHERE tenant = ? AND event_id = ? ORDER BY fold_key`, tenant, eventID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			if err := rows.Scan(&key); err != nil {
				return err
			}
			if !strings.HasPrefix(key, state.KindStock+"/") && !strings.HasPrefix(key, state.KindRecord+"/") {
				keys = append(keys, key)
			}
		}
		return rows.Err()
	})
	return keys, err
}
