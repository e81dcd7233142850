package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
)

type userCommand struct {
	Add     userAddCommand     `cmd:"" help:"Make a user known, or change what is said of him. With the first user of a tenant scopes begin to decide who may do what; he is its administrator."`
	List    userListCommand    `cmd:"" help:"List users."`
	Show    userShowCommand    `cmd:"" help:"Show a user: roles, teams, and what he may do."`
	Role    userRoleCommand    `cmd:"" help:"Give a user roles, or take them."`
	Team    userTeamCommand    `cmd:"" help:"Put a user into teams, or take him out."`
	Disable userDisableCommand `cmd:"" help:"End what a user may do; he stays known by what he did."`
	Enable  userEnableCommand  `cmd:"" help:"Let a disabled user work again."`
	Roles   userRolesCommand   `cmd:"" help:"List roles and what they allow; with a name and --scope say what it allows."`
}

// userChange is who changes users of which tenant, and why.
type userChange struct {
	person
	Tenant string `required:"" help:"Name of the tenant."`
	Reason string `help:"Why, for those who ask later."`
}

func (c *userChange) do(all *commands, f func(ctx context.Context, tx *db.Tx, by people.Change) error) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		return d.Write(ctx, func(tx *db.Tx) error {
			return f(ctx, tx, people.Change{Tenant: c.Tenant, By: c.name(), Reason: c.Reason, Now: time.Now()})
		})
	})
}

type userAddCommand struct {
	userChange
	Name  string   `arg:"" help:"The name that --by gives."`
	Title string   `help:"What people call him."`
	Email string   `help:"Where notices of his teams go."`
	Role  []string `help:"A role; user roles lists them."`
	Team  []string `help:"A team, as owners.yaml names it."`
}

// Run adds.
func (c *userAddCommand) Run(all *commands) error {
	if err := knownTeams(all, "team", c.Team); err != nil {
		return err
	}
	first := false
	err := c.do(all, func(ctx context.Context, tx *db.Tx, by people.Change) error {
		known, err := people.List(ctx, tx, c.Tenant)
		if err != nil {
			return err
		}
		first = len(known) == 0
		return by.Add(ctx, tx, people.User{Name: c.Name, Title: c.Title, Email: c.Email, Roles: c.Role, Teams: c.Team})
	})
	if err == nil && first {
		fmt.Printf("%s is the first user of tenant %s and its administrator: from now on only users may change something, and --by %s says that it is this one\n", c.Name, c.Tenant, c.Name)
	}
	return err
}

// knownTeams refuses a team that no file of the policy names: nothing would ever reach who is in it.
func knownTeams(all *commands, flag string, teams []string) error {
	if len(teams) == 0 {
		return nil
	}
	return withDesk(all, func(_ context.Context, desk *collector.Desk) error {
		for _, team := range teams {
			if err := known(flag, team, desk.Policy.AllTeams()); err != nil {
				return err
			}
		}
		return nil
	})
}

type userRoleCommand struct {
	userChange
	Name string   `arg:"" help:"The user."`
	Give []string `help:"A role that he gets."`
	Take []string `help:"A role that he loses."`
}

// Run gives and takes.
func (c *userRoleCommand) Run(all *commands) error {
	return c.do(all, func(ctx context.Context, tx *db.Tx, by people.Change) error {
		return by.Grant(ctx, tx, c.Name, c.Give, c.Take)
	})
}

type userTeamCommand struct {
	userChange
	Name  string   `arg:"" help:"The user."`
	Join  []string `help:"A team that he joins."`
	Leave []string `help:"A team that he leaves."`
}

// Run joins and leaves.
func (c *userTeamCommand) Run(all *commands) error {
	if err := knownTeams(all, "join", c.Join); err != nil {
		return err
	}
	return c.do(all, func(ctx context.Context, tx *db.Tx, by people.Change) error {
		return by.Join(ctx, tx, c.Name, c.Join, c.Leave)
	})
}

type userDisableCommand struct {
	userChange
	Name string `arg:"" help:"The user."`
}

// Run disables.
func (c *userDisableCommand) Run(all *commands) error {
	return c.do(all, func(ctx context.Context, tx *db.Tx, by people.Change) error {
		return by.Disable(ctx, tx, c.Name, false)
	})
}

type userEnableCommand struct {
	userChange
	Name string `arg:"" help:"The user."`
}

// Run enables.
func (c *userEnableCommand) Run(all *commands) error {
	return c.do(all, func(ctx context.Context, tx *db.Tx, by people.Change) error { return by.Disable(ctx, tx, c.Name, true) })
}

type userListCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists by name.
func (c *userListCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		found := []people.User{}
		err := d.Read(ctx, func(tx *db.Tx) error {
			list, err := people.List(ctx, tx, c.Tenant)
			found = append(found, list...)
			return err
		})
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(found)
		case len(found) == 0:
			fmt.Printf("tenant %s has no users: whoever may use this machine may do everything; dockline-collector user add ends that\n", c.Tenant)
			return nil
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tTITLE\tROLES\tTEAMS\tEMAIL\tDISABLED")
		for _, u := range found {
			disabled := ""
			if !u.DisabledAt.IsZero() {
				disabled = stamp(u.DisabledAt)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", u.Name, orElse(u.Title, "-"), orElse(strings.Join(u.Roles, ","), "-"), orElse(strings.Join(u.Teams, ","), "-"), orElse(u.Email, "-"), disabled)
		}
		return w.Flush()
	})
}

type userShowCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Name   string `arg:"" help:"The user."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run shows one.
func (c *userShowCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		var u *people.User
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			u, err = people.Get(ctx, tx, c.Tenant, c.Name)
			return err
		})
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(u)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "%s\t%s\nRoles\t%s\nMay\t%s\nTeams\t%s\nMail\t%s\nKnown since\t%s\n", u.Name, orElse(u.Title, "-"), orElse(strings.Join(u.Roles, ", "), "-"),
			orElse(strings.Join(u.Scopes, ", "), "nothing but look"), orElse(strings.Join(u.Teams, ", "), "-"), orElse(u.Email, "-"), stamp(u.CreatedAt))
		if !u.DisabledAt.IsZero() {
			fmt.Fprintf(w, "Disabled\t%s\n", stamp(u.DisabledAt))
		}
		return w.Flush()
	})
}

type userRolesCommand struct {
	userChange
	Name  string   `arg:"" optional:"" help:"The role to define."`
	Scope []string `help:"What it allows: ${scopes}. Give none with a name and it allows only to look."`
	JSON  bool     `name:"json" help:"Print everything, for scripts."`
}

// Run defines a role that is named, and lists them all.
func (c *userRolesCommand) Run(all *commands) error {
	if c.Name != "" {
		err := c.do(all, func(ctx context.Context, tx *db.Tx, by people.Change) error {
			return by.DefineRole(ctx, tx, c.Name, c.Scope)
		})
		if err != nil {
			return err
		}
	}
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		var roles map[string][]string
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			roles, err = people.Roles(ctx, tx, c.Tenant)
			return err
		})
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(roles)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, name := range slices.Sorted(maps.Keys(roles)) {
			fmt.Fprintf(w, "%s\t%s\n", name, orElse(strings.Join(roles[name], ", "), "nothing but look"))
		}
		return w.Flush()
	})
}
