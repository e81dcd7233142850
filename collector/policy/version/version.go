// Package version keeps the versions of the policy: who proposed each and why, whose yes it needs and has, and when it was in force. What came
// in force never goes again; a version is named by the hash of its files, so the same files are the same version.
package version

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
)

// What a version is.
const (
	Proposed = "proposed" // it was handed in, and needs somebody's yes
	Approved = "approved" // it can be activated
	InForce  = "in force"
	Former   = "former" // it was in force, and can be again
)

// Version is one version and what was done with it.
type Version struct {
	Version string `json:"version"`
	State   string `json:"state"`
	// ProposedBy and Reason say whose it is; a version that a collector took from its folder has "dockline". Base was in force then.
	ProposedBy string    `json:"proposed_by"`
	Reason     string    `json:"reason"`
	ProposedAt time.Time `json:"proposed_at,omitzero"`
	Base       string    `json:"base,omitempty"`
	// Demands are the teams whose yes it needs, as the version in force says now; none for one that was in force already.
	Demands     []policy.Demand `json:"demands,omitempty"`
	Approvals   []Approval      `json:"approvals,omitempty"`
	Activations []Activation    `json:"activations,omitempty"`

	present string // the version in force
}

// Approval is a team's yes to a version in the place of Base; where another one is in force meanwhile, it is asked again.
type Approval struct {
	Base   string    `json:"base"`
	Team   string    `json:"team"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Activation is one time that a version came in force for a tenant.
type Activation struct {
	Tenant string    `json:"tenant"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	Former string    `json:"former,omitempty"`
	// Offset is that of the fact policy.activated, 0 while it has none.
	Offset int64 `json:"offset,omitempty"`
}

// ErrUnknown is returned where there is no such version, or more than one that begins so.
var ErrUnknown = errors.New("no such version")

// Missing are the demands that nobody has met yet.
func (v *Version) Missing() []policy.Demand {
	return slices.DeleteFunc(slices.Clone(v.Demands), func(d policy.Demand) bool {
		return slices.ContainsFunc(v.Approvals, func(a Approval) bool { return a.Team == d.Team && a.Base == v.present })
	})
}

// Newest is the version in force, "" where none is yet.
func Newest(ctx context.Context, tx *db.Tx) (string, error) {
	var version string
	err := tx.QueryRow(ctx, `SELECT version FROM policy_activation ORDER BY number DESC LIMIT 1`).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return version, err
}

// Load is the policy of a version.
func Load(ctx context.Context, tx *db.Tx, version string) (*policy.Policy, error) {
	var body []byte
	err := tx.QueryRow(ctx, `SELECT body FROM policy_version WHERE version = ? UNION ALL SELECT body FROM policy_proposal WHERE version = ? LIMIT 1`, version, version).Scan(&body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("policy %s: %w", version, ErrUnknown)
	case err != nil:
		return nil, fmt.Errorf("policy %s: %w", version, err)
	}
	return policy.FromBody(body)
}

// Find completes the beginning of a version's name; "" is the one in force.
func Find(ctx context.Context, tx *db.Tx, begin string) (string, error) {
	if begin == "" {
		version, err := Newest(ctx, tx)
		if err == nil && version == "" {
			err = errors.New("no policy is in force yet: a collector puts one in force for a tenant when it runs and the tenant has a site (dockline-collector site add) or a connector")
		}
		return version, err
	}
	rows, err := tx.Query(ctx, `SELECT version FROM policy_version WHERE version >= ? AND version < ? UNION SELECT version FROM policy_proposal WHERE version >= ? AND version < ? ORDER BY 1`,
		begin, begin+"g", begin, begin+"g") // hex digits end with f
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var version string
		if err := rows.Scan(&version); err != nil {
			return "", err
		}
		found = append(found, version)
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: %q; `dockline-collector policy history` lists them", ErrUnknown, begin)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: %q begins %s", ErrUnknown, begin, strings.Join(found, " and "))
}

// Propose hands a policy in, to be approved and activated later, and says whether it was not known before.
func Propose(ctx context.Context, tx *db.Tx, p *policy.Policy, by, reason string, now time.Time) (bool, error) {
	if err := tx.Lock(ctx, "policy"); err != nil {
		return false, err
	}
	base, err := Newest(ctx, tx)
	if err != nil {
		return false, err
	}
	fresh, err := tx.InsertAbsent(ctx, db.Insert{Table: "policy_proposal", Columns: []string{"version", "body", "base", "proposed_by", "reason", "proposed_at"}, Conflict: []string{"version"},
		Rows: [][]any{{p.Version, p.Body(), base, by, reason, now.UnixMicro()}}, Returning: []string{"version"}})
	if err != nil {
		return false, fmt.Errorf("propose policy %s: %w", p.Version, err)
	}
	return len(fresh) > 0, nil
}

// Approve keeps a team's yes to a version. Nobody approves his own proposal.
func Approve(ctx context.Context, tx *db.Tx, version, team, by, reason string, now time.Time) error {
	if err := tx.Lock(ctx, "policy"); err != nil {
		return err
	}
	v, err := Get(ctx, tx, version)
	if err != nil {
		return err
	}
	switch {
	case v.State == InForce || v.State == Former:
		return fmt.Errorf("version %s was in force already, and needs nobody's yes", version)
	case !slices.ContainsFunc(v.Demands, func(d policy.Demand) bool { return d.Team == team }):
		return fmt.Errorf("version %s needs no yes of team %s; it needs %s", version, team, teams(v.Demands))
	case v.ProposedBy == by:
		return fmt.Errorf("%s has proposed version %s, so somebody else of team %s must approve it", by, version, team)
	}
	if _, err := tx.InsertAbsent(ctx, db.Insert{Table: "policy_approval", Columns: []string{"version", "base", "team", "approved_by", "reason", "approved_at"}, Conflict: []string{"version", "base", "team"},
		Rows: [][]any{{version, v.present, team, by, reason, now.UnixMicro()}}}); err != nil {
		return fmt.Errorf("approve policy %s: %w", version, err)
	}
	return nil
}

func teams(demands []policy.Demand) string {
	if len(demands) == 0 {
		return "none"
	}
	names := make([]string, len(demands))
	for i, d := range demands {
		names[i] = d.Team
	}
	return strings.Join(names, ", ")
}

// Get is a version with all that was done with it.
func Get(ctx context.Context, tx *db.Tx, version string) (*Version, error) {
	all, err := list(ctx, tx, version)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("policy %s: %w", version, ErrUnknown)
	}
	return all[0], nil
}

// List is every version, that which was proposed or came in force last first.
func List(ctx context.Context, tx *db.Tx) ([]*Version, error) { return list(ctx, tx, "") }

func list(ctx context.Context, tx *db.Tx, only string) ([]*Version, error) {
	byName := make(map[string]*Version)
	get := func(name string) *Version {
		if byName[name] == nil {
			byName[name] = &Version{Version: name}
		}
		return byName[name]
	}
	where, args := "", []any(nil)
	if only != "" {
		where, args = " WHERE version = ?", []any{only}
	}
	err := each(ctx, tx, `SELECT version, base, proposed_by, reason, proposed_at FROM policy_proposal`+where, args, func(rows *sql.Rows) error {
		var name, base, by, reason string
		var at int64
		err := rows.Scan(&name, &base, &by, &reason, &at)
		v := get(name)
		v.Base, v.ProposedBy, v.Reason, v.ProposedAt = base, by, reason, micros(at)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, tx, `SELECT version, base, team, approved_by, reason, approved_at FROM policy_approval`+where+` ORDER BY approved_at, team`, args, func(rows *sql.Rows) error {
		var name string
		var a Approval
		var at int64
		err := rows.Scan(&name, &a.Base, &a.Team, &a.By, &a.Reason, &at)
		a.At = micros(at)
		get(name).Approvals = append(get(name).Approvals, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, tx, `SELECT a.version, a.tenant, a.activated_by, a.reason, a.activated_at, a.former, COALESCE(e.log_offset, 0) FROM policy_activation a
		LEFT JOIN event e ON e.log_id = a.log_id`+where+` ORDER BY a.number`, args, func(rows *sql.Rows) error {
		var name string
		var a Activation
		var at int64
		err := rows.Scan(&name, &a.Tenant, &a.By, &a.Reason, &at, &a.Former, &a.Offset)
		a.At = micros(at)
		get(name).Activations = append(get(name).Activations, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	return settle(ctx, tx, byName)
}

// settle says what each version is.
func settle(ctx context.Context, tx *db.Tx, byName map[string]*Version) ([]*Version, error) {
	newest, err := Newest(ctx, tx)
	if err != nil {
		return nil, err
	}
	var present *policy.Policy
	all := make([]*Version, 0, len(byName))
	for _, v := range byName {
		all = append(all, v)
		v.present = newest
		switch {
		case v.Version == newest:
			v.State = InForce
		case len(v.Activations) > 0:
			v.State = Former
		default:
			if present == nil && newest != "" {
				if present, err = Load(ctx, tx, newest); err != nil {
					return nil, err
				}
			}
			next, err := Load(ctx, tx, v.Version)
			if err != nil {
				return nil, err
			}
			if present != nil {
				v.Demands = present.Demands(next, present.Changes(next))
			}
			if v.State = Approved; len(v.Missing()) > 0 {
				v.State = Proposed
			}
		}
	}
	slices.SortFunc(all, func(a, b *Version) int { return cmp.Or(b.last().Compare(a.last()), cmp.Compare(a.Version, b.Version)) })
	return all, nil
}

// last is when something was done with it that counts.
func (v *Version) last() time.Time {
	at := v.ProposedAt
	for _, a := range v.Activations {
		if a.At.After(at) {
			at = a.At
		}
	}
	return at
}

func each(ctx context.Context, tx *db.Tx, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("policy versions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func micros(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMicro(at).UTC()
}
