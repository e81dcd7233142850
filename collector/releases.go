package collector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// releaseWatch warns the owners of what a release of somebody else's system touches, some time before it begins. A warning closes when the
// release's day is over, or when the policy in force names it no longer.
type releaseWatch struct {
	db     *db.DB
	policy func() *policy.Policy
	report func(ctx context.Context, tx *db.Tx, tenant, origin string, desired []exception.Desired) error
	now    func() time.Time

	told map[string]string // what is open, by tenant, as of the last look
}

// releasesOrigin is what the warnings name as theirs.
const releasesOrigin = "releases"

// step looks once.
func (w *releaseWatch) step(ctx context.Context) error {
	p, now := w.policy(), w.now()
	var due []policy.Affected
	for _, r := range p.Releases() {
		if p.Due(r, now) {
			due = append(due, p.Affected(r))
		}
	}
	name := p.Version
	for _, a := range due {
		name += "\x00" + a.System + "\x00" + a.Name
	}
	tenants, err := w.tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		if w.told[tenant] == name {
			continue
		}
		if err := w.db.Write(ctx, func(tx *db.Tx) error {
			var desired []exception.Desired
			for _, a := range due {
				sites, err := sitesOf(ctx, tx, tenant, a)
				if err != nil {
					return err
				}
				for _, team := range a.Teams {
					desired = append(desired, warning(a, team, sites).Owned(p, tenant))
				}
			}
			return w.report(ctx, tx, tenant, releasesOrigin, desired)
		}); err != nil {
			return fmt.Errorf("releases: %w", err)
		}
		if w.told == nil {
			w.told = make(map[string]string)
		}
		w.told[tenant] = name
	}
	return nil
}

// tenants are those under a policy.
func (w *releaseWatch) tenants(ctx context.Context) (all []string, err error) {
	err = w.db.Read(ctx, func(tx *db.Tx) error {
		all, err = column(ctx, tx, `SELECT DISTINCT tenant FROM policy_activation ORDER BY tenant`)
		return err
	})
	return all, err
}

func column(ctx context.Context, tx *db.Tx, query string, args ...any) (all []string, err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}

// sitesOf are the sites that a release touches: those that it names, or those of which the system has been told anything of the kinds.
func sitesOf(ctx context.Context, tx *db.Tx, tenant string, a policy.Affected) ([]string, error) {
	if len(a.Sites) > 0 {
		return a.Sites, nil
	}
	query, args := `SELECT DISTINCT site FROM posting WHERE tenant = ? AND target = ? AND site <> ''`, []any{tenant, a.System}
	if len(a.Kinds) > 0 {
		query += ` AND kind IN (?` + strings.Repeat(", ?", len(a.Kinds)-1) + `)`
		for _, kind := range a.Kinds {
			args = append(args, string(kind))
		}
	}
	sites, err := column(ctx, tx, query+` ORDER BY site`, args...)
	if err != nil {
		return nil, fmt.Errorf("sites that %s is told of: %w", a.System, err)
	}
	return sites, nil
}

func warning(a policy.Affected, team string, sites []string) exception.Desired {
	var touched []string
	for _, f := range a.Flows {
		touched = append(touched, string(f.Kind))
	}
	slices.Sort(touched)
	for _, o := range a.Owned {
		touched = append(touched, o.About)
	}
	text := fmt.Sprintf("%s changes on %s: %s It touches %s.", a.System, a.Date, a.Changes, strings.Join(slices.Compact(touched), ", "))
	if len(touched) == 0 {
		text = fmt.Sprintf("%s changes on %s: %s No route leads to it, and no field is named.", a.System, a.Date, a.Changes)
	}
	if len(sites) > 0 {
		text += fmt.Sprintf(" Sites: %s.", strings.Join(sites, ", "))
	}
	return exception.Desired{Code: "release_ahead", Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Subject: a.System + " " + a.Name + " " + team, Team: team, Target: a.System,
		Title: fmt.Sprintf("%s has release %s on %s", a.System, a.Name, a.Date),
		Text: text + fmt.Sprintf(" Try what touches it against the system's test installation, and hand in a version of the policy for that day where it needs one. `policy releases` shows each flow with its line; this closes by itself after %s, or when releases.yaml (line %d) no longer names it.",
			a.Date, a.Rule.Line)}
}

// ReleaseAhead is a release with what it touches, for people.
type ReleaseAhead struct {
	policy.Affected
	// Sites are those that it touches, by tenant; Open are postings to the system of those kinds that are not confirmed.
	SitesOf map[string][]string `json:"sites_by_tenant"`
	Open    int64               `json:"open_postings"`
	// Warned: its owners are warned by now.
	Warned bool `json:"warned"`
}

// Releases are those of a policy whose day is not over, or all.
func (k *PolicyDesk) Releases(ctx context.Context, p *policy.Policy, all bool) (list []ReleaseAhead, err error) {
	list = []ReleaseAhead{}
	now := k.m.now()
	err = k.DB.Read(ctx, func(tx *db.Tx) error {
		tenants, err := column(ctx, tx, `SELECT DISTINCT tenant FROM policy_activation ORDER BY tenant`)
		if err != nil {
			return err
		}
		for _, r := range p.Releases() {
			if !all && !now.Before(r.Ends()) {
				continue
			}
			ahead := ReleaseAhead{Affected: p.Affected(r), SitesOf: make(map[string][]string), Warned: p.Due(r, now)}
			for _, tenant := range tenants {
				sites, err := sitesOf(ctx, tx, tenant, ahead.Affected)
				if err != nil {
					return err
				}
				if len(sites) > 0 {
					ahead.SitesOf[tenant] = sites
				}
			}
			for _, f := range kindsOf(ahead.Flows) {
				var n int64
				if err := tx.QueryRow(ctx, `SELECT count(*) FROM posting WHERE target = ? AND kind = ? AND state NOT IN ('confirmed', 'superseded')`, r.System, f).Scan(&n); err != nil {
					return err
				}
				ahead.Open += n
			}
			list = append(list, ahead)
		}
		return nil
	})
	return list, err
}

// kindsOf are the kinds of flows, each once.
func kindsOf(flows []policy.Flow) (kinds []string) {
	for _, f := range flows {
		kinds = append(kinds, string(f.Kind))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
