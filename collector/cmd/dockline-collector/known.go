package main

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/proto/event"
)

// A filter that names what nobody knows answers "none", which reads as if all were well. What follows says which name is unknown, and what is known.

// known refuses a value of a flag that is none of those that there are; "" is no value.
func known(flag, value string, there ...[]string) error {
	all := slices.Concat(there...)
	slices.Sort(all)
	all = slices.Compact(all)
	switch {
	case value == "" || slices.Contains(all, value):
		return nil
	case len(all) == 0:
		return wrong("--%s %q: nothing of that name is known, and nothing else is yet", flag, value)
	case len(all) > 40:
		return wrong("--%s %q: nothing of that name is known; there are %d others, such as %s", flag, value, len(all), strings.Join(nearest(value, all)[:10], ", "))
	}
	return wrong("--%s %q: nothing of that name is known; there is %s", flag, value, strings.Join(all, ", "))
}

// notThere refuses a place to write to where something is.
func notThere(flag, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return wrong("--%s %s: something is there already, and stays as it is; name another place", flag, path)
	}
	return nil
}

// nearest sorts names by how many letters must be changed to come to another one; one that has it as a part needs none.
func nearest(value string, all []string) []string {
	far := make(map[string]int, len(all))
	for _, name := range all {
		if far[name] = edits(value, name); strings.Contains(name, value) {
			far[name] = 0
		}
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(far[a], far[b]) })
	return all
}

// edits is how many letters are put in, left out or changed between two names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			same := before
			if a[i] != b[j] {
				same++
			}
			before = row[j+1]
			row[j+1] = min(same, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

// knownOrder refuses an order that was never heard of.
func knownOrder(ctx context.Context, tx *db.Tx, tenant, number string) error {
	if number == "" {
		return nil
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM state WHERE tenant = ? AND fold_key = ?`, tenant, event.OrderKey(number)).Scan(&n); err != nil || n > 0 {
		return err
	}
	return wrong("--order %q: no such order of tenant %s: nothing was ever told of it", number, tenant)
}

// sitesOf are the sites of a tenant.
func sitesOf(ctx context.Context, tx *db.Tx, tenant string) ([]string, error) {
	return tx.Texts(ctx, `SELECT id FROM site WHERE tenant = ? ORDER BY id`, tenant)
}

// targetsOf are the systems of a tenant: its connectors, and those that were told something before.
func targetsOf(ctx context.Context, tx *db.Tx, config *collector.Config, tenant string) ([]string, error) {
	all, err := posting.Targets(ctx, tx, tenant)
	for _, n := range config.Connectors {
		if n.Tenant == tenant {
			all = append(all, n.Name)
		}
	}
	return all, err
}

// kindsOf are the kinds of postings that there are.
func kindsOf(ctx context.Context, tx *db.Tx, tenant string) ([]string, error) {
	all, err := posting.Kinds(ctx, tx, tenant)
	for _, kind := range policy.Kinds() {
		all = append(all, string(kind))
	}
	return all, err
}

// check refuses a filter of exceptions that names what nobody knows.
func (f *exceptionFilter) check(ctx context.Context, tx *db.Tx, config *collector.Config, p *policy.Policy) error {
	tenants, err := view.Tenants(ctx, tx)
	if err != nil {
		return err
	}
	if err := known("tenant", f.Tenant, tenants); err != nil {
		return err
	}
	sites, err := sitesOf(ctx, tx, f.Tenant)
	if err != nil {
		return err
	}
	targets, err := targetsOf(ctx, tx, config, f.Tenant)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		flag, field, value string
		more               []string
	}{{"code", "code", f.Code, p.Codes()}, {"team", "team", f.Team, p.AllTeams()}, {"assignee", "assignee", f.Assignee, nil}, {"group", "group_key", f.Group, nil},
		{"site", "site", f.Site, sites}, {"target", "target", f.Target, targets}, {"customer", "customer", f.Customer, nil}} {
		if c.value == "" {
			continue
		}
		had, err := exception.Known(ctx, tx, f.Tenant, c.field)
		if err != nil {
			return err
		}
		if c.field == "customer" || c.field == "assignee" { // others may well be known, and have none
			more, err := tx.Texts(ctx, map[string]string{"customer": `SELECT DISTINCT customer FROM state WHERE tenant = ? AND customer <> ''`,
				"assignee": `SELECT name FROM person WHERE tenant = ?`}[c.field], f.Tenant)
			if err != nil {
				return err
			}
			had = append(had, more...)
		}
		if err := known(c.flag, c.value, had, c.more); err != nil {
			return err
		}
	}
	return knownOrder(ctx, tx, f.Tenant, f.Order)
}

// checked refuses a filter of exceptions that names what nobody knows, before a command goes on.
func (f *exceptionFilter) checked(ctx context.Context, all *commands, desk *collector.Desk) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	return desk.DB.Read(ctx, func(tx *db.Tx) error { return f.check(ctx, tx, config, desk.Policy) })
}
