package main

import (
	"context"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
)

// knownTenant is an error where a tenant has neither a site nor anything that was told of it: mostly it is misspelt. "" is every tenant.
func knownTenant(ctx context.Context, d *db.DB, tenant string) error {
	if tenant == "" {
		return nil
	}
	var known []string
	err := d.Read(ctx, func(tx *db.Tx) (err error) {
		known, err = view.Tenants(ctx, tx)
		return err
	})
	if err != nil || slices.Contains(known, tenant) {
		return err
	}
	if len(known) == 0 {
		return wrong("no tenant %q: none is known yet. A tenant becomes known with its first site (dockline-collector site add %s/SITE) or the first that a system tells of it", tenant, tenant)
	}
	return wrong("no tenant %q; there is %s. A new one becomes known with its first site: dockline-collector site add %s/SITE", tenant, strings.Join(known, ", "), tenant)
}

// tenantOf is the tenant that a command line names, where it must be known: users may be there before anything else is, and so may what they did;
// and documents may be the first that an empty collector takes in, which says so.
func tenantOf(ctx *kong.Context) string {
	path := strings.TrimPrefix(ctx.Selected().Path(), "dockline-collector ")
	for _, before := range []string{"user ", "audit ", "site add", "import"} {
		if strings.HasPrefix(path, before) {
			return ""
		}
	}
	for _, f := range ctx.Selected().Flags {
		if f.Name == "tenant" {
			return f.Target.String()
		}
	}
	return ""
}

// withTrail is withTenant for the trail of acts, which the one of every tenant (*) has too, and a tenant of whom nothing is known but what people
// did, like add its first user.
func withTrail(all *commands, tenant string, f func(context.Context, *db.DB) error) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		var acts []audit.Entry
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			acts, err = audit.List(ctx, tx, tenant, audit.Filter{Limit: 1})
			return err
		})
		if err == nil && len(acts) == 0 && tenant != audit.Everywhere {
			err = knownTenant(ctx, d, tenant)
		}
		if err != nil {
			return err
		}
		return f(ctx, d)
	})
}

// withTenant opens the configured database for a command that only reads, and refuses a tenant that nobody knows.
func withTenant(all *commands, tenant string, f func(context.Context, *db.DB) error) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		if err := knownTenant(ctx, d, tenant); err != nil {
			return err
		}
		return f(ctx, d)
	})
}
