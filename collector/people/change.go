package people

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
)

// Administrator is the role of a tenant's first user: it allows everything, and cannot be changed.
const Administrator = "administrator"

// shipped are the roles that every tenant has until it says otherwise.
var shipped = map[string][]string{
	Administrator: Scopes,
	"approver":    {PolicyApprove},
	"operator":    {PostingAct, ExceptionAct, ExceptionApprove, OrderAct, Replay, DeadLetterAct, SiteAct, EventImport},
	"clerk":       {ExceptionAct},
	"modeller":    {PolicySet},
	"viewer":      {},
}

// Change is made by somebody who may manage users, and is recorded.
type Change struct {
	Tenant, By, Reason string
	Now                time.Time
}

// begin holds the tenant's users, so that no two changes leave it without anybody who may manage them.
func (c Change) begin(ctx context.Context, tx *db.Tx) error {
	if err := tx.Lock(ctx, "people/"+c.Tenant); err != nil {
		return err
	}
	return Allow(ctx, tx, c.Tenant, c.By, UserManage)
}

// finish refuses what would leave nobody who may manage users, and records the rest.
func (c Change) finish(ctx context.Context, tx *db.Tx, action, object string, detail any) error {
	users, err := List(ctx, tx, c.Tenant)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(users, func(u User) bool { return u.May(UserManage) }) {
		return fmt.Errorf("tenant %s would have nobody left with the scope %s, and nobody could change it back; give it to another user first", c.Tenant, UserManage)
	}
	return audit.Record(ctx, tx, audit.Act{Tenant: c.Tenant, By: c.By, Action: action, Object: object, Reason: c.Reason, Detail: detail}, c.Now)
}

// Add makes a user known, or changes what is said of him. The first one of a tenant is its administrator, whatever roles are asked for.
func (c Change) Add(ctx context.Context, tx *db.Tx, u User) error {
	if u.Name == "" || strings.ContainsAny(u.Name, " \t\n/") {
		return fmt.Errorf("%q: the name of a user has no blanks or slashes", u.Name)
	}
	if err := c.begin(ctx, tx); err != nil {
		return err
	}
	known, err := List(ctx, tx, c.Tenant)
	if err != nil {
		return err
	}
	if len(known) == 0 && !slices.Contains(u.Roles, Administrator) {
		u.Roles = append(u.Roles, Administrator)
	}
	if err := tx.Upsert(ctx, db.Insert{Table: "person", Columns: []string{"tenant", "name", "title", "email", "created_at"}, Conflict: []string{"tenant", "name"},
		Update: []string{"title", "email"}, Rows: [][]any{{c.Tenant, u.Name, u.Title, u.Email, c.Now.UnixMicro()}}}); err != nil {
		return err
	}
	if err := c.give(ctx, tx, u.Name, u.Roles); err != nil {
		return err
	}
	if err := set(ctx, tx, "person_team", "team", c.Tenant, u.Name, u.Teams, nil); err != nil {
		return err
	}
	return c.finish(ctx, tx, "user.add", u.Name, map[string]any{"title": u.Title, "email": u.Email, "roles": u.Roles, "teams": u.Teams})
}

// Grant gives a user roles and takes others from him.
func (c Change) Grant(ctx context.Context, tx *db.Tx, name string, give, take []string) error {
	return c.of(ctx, tx, name, "user.role", map[string]any{"given": give, "taken": take}, func() error {
		if err := set(ctx, tx, "person_role", "role", c.Tenant, name, nil, take); err != nil {
			return err
		}
		return c.give(ctx, tx, name, give)
	})
}

// Join puts a user into teams and takes him out of others.
func (c Change) Join(ctx context.Context, tx *db.Tx, name string, join, leave []string) error {
	return c.of(ctx, tx, name, "user.team", map[string]any{"joined": join, "left": leave}, func() error {
		return set(ctx, tx, "person_team", "team", c.Tenant, name, join, leave)
	})
}

// Disable ends what a user may do, or lets him in again. He stays known: what he did is kept under his name.
func (c Change) Disable(ctx context.Context, tx *db.Tx, name string, again bool) error {
	action, at := "user.disable", c.Now.UnixMicro()
	if again {
		action, at = "user.enable", 0
	}
	return c.of(ctx, tx, name, action, nil, func() error {
		_, err := tx.Exec(ctx, `UPDATE person SET disabled_at = ? WHERE tenant = ? AND name = ?`, at, c.Tenant, name)
		return err
	})
}

func (c Change) of(ctx context.Context, tx *db.Tx, name, action string, detail any, change func() error) error {
	if err := c.begin(ctx, tx); err != nil {
		return err
	}
	if _, err := Get(ctx, tx, c.Tenant, name); err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	return c.finish(ctx, tx, action, name, detail)
}

// DefineRole says what a role of the tenant allows; the users who have it may do so from now on.
func (c Change) DefineRole(ctx context.Context, tx *db.Tx, role string, scopes []string) error {
	for _, s := range scopes {
		if !slices.Contains(Scopes, s) {
			return fmt.Errorf("scope %q: one of %s", s, strings.Join(Scopes, ", "))
		}
	}
	if role == "" || role == Administrator {
		return fmt.Errorf("role %q cannot be defined", role)
	}
	if err := c.begin(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM role_scope WHERE tenant = ? AND role = ?`, c.Tenant, role); err != nil {
		return err
	}
	// The row without a scope says that the role is defined, also one that allows nothing.
	if err := insert(ctx, tx, "role_scope", "role", "scope", c.Tenant, role, append([]string{""}, scopes...)); err != nil {
		return err
	}
	return c.finish(ctx, tx, "role.define", role, map[string]any{"scopes": scopes})
}

// Roles are what each role of a tenant allows: those that ship, and those that it has defined itself.
func Roles(ctx context.Context, tx *db.Tx, tenant string) (map[string][]string, error) {
	own, err := pairs(ctx, tx, `SELECT role, scope FROM role_scope WHERE tenant = ? ORDER BY role, scope`, tenant)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(shipped)
	for role, scopes := range own {
		all[role] = slices.DeleteFunc(scopes, func(s string) bool { return s == "" })
	}
	return all, nil
}

func (c Change) give(ctx context.Context, tx *db.Tx, name string, roles []string) error {
	known, err := Roles(ctx, tx, c.Tenant)
	if err != nil {
		return err
	}
	for _, r := range roles {
		if _, ok := known[r]; !ok {
			return fmt.Errorf("role %s is %w; those of tenant %s are %s", r, ErrAbsent, c.Tenant, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return set(ctx, tx, "person_role", "role", c.Tenant, name, roles, nil)
}

// set adds and takes away values of a person.
func set(ctx context.Context, tx *db.Tx, table, column, tenant, name string, add, remove []string) error {
	keys := make([][]any, len(remove))
	for i, v := range remove {
		keys[i] = []any{tenant, name, v}
	}
	return errors.Join(tx.DeleteAll(ctx, table, []string{"tenant", "name", column}, keys), insert(ctx, tx, table, "name", column, tenant, name, add))
}

func insert(ctx context.Context, tx *db.Tx, table, of, column, tenant, name string, values []string) error {
	key := []string{"tenant", of, column}
	ins := db.Insert{Table: table, Columns: key, Conflict: key}
	for _, v := range values {
		ins.Rows = append(ins.Rows, []any{tenant, name, v})
	}
	_, err := tx.InsertAbsent(ctx, ins)
	return err
}
