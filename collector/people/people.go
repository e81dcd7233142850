// Package people keeps who works with a tenant's collector, by which roles and in which teams, and says who may do what.
package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
)

// What a role can allow.
const (
	PolicySet     = "policy.set"
	PolicyApprove = "policy.approve"
	PostingAct    = "posting.act"
	ExceptionAct  = "exception.act"
	// ExceptionApprove is to let go on what a rule of the policy holds back.
	ExceptionApprove = "exception.approve"
	// OrderAct is to hand orders in, and to hold, release, split, move or have cancelled those that there are.
	OrderAct      = "order.act"
	Replay        = "replay"
	DeadLetterAct = "deadletter.act"
	UserManage    = "user.manage"
	SiteAct       = "site.act"
	EventImport   = "event.import"
	Retention     = "retention"
	// SystemAct is what concerns the machine and every tenant on it: the authority that signs sites, a database that was put back, a rebuild of
	// everything. Of the roles that ship only the administrator has it.
	SystemAct = "system.act"
)

// Scopes are all that a role can allow.
var Scopes = []string{PolicySet, PolicyApprove, PostingAct, ExceptionAct, ExceptionApprove, OrderAct, Replay, DeadLetterAct, UserManage, SiteAct, EventImport, Retention, SystemAct}

// ErrNotAllowed is returned to who may not do something; ErrAbsent where there is no such person or role.
var (
	ErrNotAllowed = errors.New("not allowed")
	ErrAbsent     = errors.New("not known")
)

// User is a person who works with a tenant's collector.
type User struct {
	Tenant string   `json:"tenant"`
	Name   string   `json:"name"`
	Title  string   `json:"title,omitempty"`
	Email  string   `json:"email,omitempty"`
	Roles  []string `json:"roles"`
	Teams  []string `json:"teams"`
	// Scopes are what the roles allow, sorted.
	Scopes     []string  `json:"scopes"`
	CreatedAt  time.Time `json:"created_at"`
	DisabledAt time.Time `json:"disabled_at,omitzero"`
}

// May says whether the person may do what needs this scope.
func (u *User) May(scope string) bool {
	return u.DisabledAt.IsZero() && slices.Contains(u.Scopes, scope)
}

// Allow is nil where by may do what needs the scope: while a tenant has no users, everybody who may use the machine; afterwards those with
// a role that has it. The error says what is missing and who can give it.
func Allow(ctx context.Context, tx *db.Tx, tenant, by, scope string) error {
	if !slices.Contains(Scopes, scope) {
		return fmt.Errorf("scope %q: one of %s", scope, strings.Join(Scopes, ", "))
	}
	users, err := List(ctx, tx, tenant)
	if err != nil || len(users) == 0 {
		return err
	}
	var givers []string
	missing, command := by+" is not a user of tenant "+tenant, "add"
	for _, u := range users {
		if u.May(UserManage) {
			givers = append(givers, u.Name)
		}
		switch {
		case u.Name != by:
		case u.May(scope):
			return nil
		case !u.DisabledAt.IsZero():
			missing, command = by+" is disabled since "+u.DisabledAt.Format("2006-01-02 15:04"), "enable"
		default:
			missing, command = by+" has no role with the scope "+scope, "role"
		}
	}
	return fmt.Errorf("%w: this needs the scope %s, and %s; %s can give it (dockline-collector user %s)", ErrNotAllowed, scope, missing, strings.Join(givers, ", "), command)
}

// Act is nil where by may do what the act is, which is then recorded: both in the caller's transaction.
func Act(ctx context.Context, tx *db.Tx, scope string, a audit.Act, now time.Time) error {
	if err := allowed(ctx, tx, scope, a); err != nil {
		return err
	}
	return audit.Record(ctx, tx, a, now)
}

// AllowEverywhere is nil where by may do what needs the scope for every tenant that has users: what he does then concerns all of them.
func AllowEverywhere(ctx context.Context, tx *db.Tx, by, scope string) error {
	rows, err := tx.Query(ctx, `SELECT DISTINCT tenant FROM person ORDER BY tenant`)
	if err != nil {
		return fmt.Errorf("tenants with users: %w", err)
	}
	defer rows.Close()
	var tenants []string
	for rows.Next() {
		var tenant string
		if err := rows.Scan(&tenant); err != nil {
			return err
		}
		tenants = append(tenants, tenant)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, tenant := range tenants {
		if err := Allow(ctx, tx, tenant, by, scope); err != nil {
			return fmt.Errorf("tenant %s: %w", tenant, err)
		}
	}
	return nil
}

// allowed asks for the scope where the act happens: in one tenant, or in all.
func allowed(ctx context.Context, tx *db.Tx, scope string, a audit.Act) error {
	if a.Tenant == audit.Everywhere {
		return AllowEverywhere(ctx, tx, a.By, scope)
	}
	return Allow(ctx, tx, a.Tenant, a.By, scope)
}

// Get returns the user of this name, or ErrAbsent.
func Get(ctx context.Context, tx *db.Tx, tenant, name string) (*User, error) {
	users, err := List(ctx, tx, tenant)
	if err != nil {
		return nil, err
	}
	for i := range users {
		if users[i].Name == name {
			return &users[i], nil
		}
	}
	return nil, fmt.Errorf("user %s of tenant %s is %w", name, tenant, ErrAbsent)
}

// List returns the users of a tenant by name, those who are disabled too.
func List(ctx context.Context, tx *db.Tx, tenant string) ([]User, error) {
	rows, err := tx.Query(ctx, `SELECT name, title, email, created_at, disabled_at FROM person WHERE tenant = ? ORDER BY name`, tenant)
	if err != nil {
		return nil, fmt.Errorf("users of %s: %w", tenant, err)
	}
	defer rows.Close()
	var users []User
	for rows.Next() {
		u := User{Tenant: tenant, Roles: []string{}, Teams: []string{}, Scopes: []string{}}
		var created, disabled int64
		if err := rows.Scan(&u.Name, &u.Title, &u.Email, &created, &disabled); err != nil {
			return nil, err
		}
		if u.CreatedAt = time.UnixMicro(created).UTC(); disabled != 0 {
			u.DisabledAt = time.UnixMicro(disabled).UTC()
		}
		users = append(users, u)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(users) == 0 {
		return nil, err
	}
	return users, complete(ctx, tx, tenant, users)
}

// complete adds roles, teams and what they allow.
func complete(ctx context.Context, tx *db.Tx, tenant string, users []User) error {
	roles, err := pairs(ctx, tx, `SELECT name, role FROM person_role WHERE tenant = ? ORDER BY name, role`, tenant)
	if err != nil {
		return err
	}
	teams, err := pairs(ctx, tx, `SELECT name, team FROM person_team WHERE tenant = ? ORDER BY name, team`, tenant)
	if err != nil {
		return err
	}
	scopes, err := Roles(ctx, tx, tenant)
	if err != nil {
		return err
	}
	for i := range users {
		u := &users[i]
		u.Roles, u.Teams = append(u.Roles, roles[u.Name]...), append(u.Teams, teams[u.Name]...)
		for _, role := range u.Roles {
			u.Scopes = append(u.Scopes, scopes[role]...)
		}
		slices.Sort(u.Scopes)
		u.Scopes = slices.Compact(u.Scopes)
	}
	return nil
}

func pairs(ctx context.Context, tx *db.Tx, query, tenant string) (map[string][]string, error) {
	rows, err := tx.Query(ctx, query, tenant)
	if err != nil {
		return nil, fmt.Errorf("users of %s: %w", tenant, err)
	}
	defer rows.Close()
	found := make(map[string][]string)
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		found[name] = append(found[name], value)
	}
	return found, rows.Err()
}
