package master

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ErrAbsent: there is no such record, or nothing of that kind is read from such a system.
var ErrAbsent = errors.New("no such master data")

// Status is how a tenant's master data stands.
type Status struct {
	Tenant string `json:"tenant"`
	// Version is the highest one; who holds it has everything.
	Version int64     `json:"version"`
	Kinds   []Count   `json:"kinds"`
	Sources []Source  `json:"sources"`
	Targets []Behind  `json:"targets"`
	Sites   []Behind  `json:"sites"`
	AsOf    time.Time `json:"as_of"`
}

// Count is how many records of a kind there are, and how many removals are still kept.
type Count struct {
	Kind    string `json:"kind"`
	Records int64  `json:"records"`
	Removed int64  `json:"removed"`
}

// Source is how far a kind was read from a system.
type Source struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Told is how many records it has told since it is read from the beginning, Refused how many of it could not be taken.
	Told    int64 `json:"told"`
	Refused int64 `json:"refused"`
	// Whole: it is being read from the beginning.
	Whole    bool      `json:"whole"`
	PolledAt time.Time `json:"polled_at,omitzero"`
	WholeAt  time.Time `json:"whole_at,omitzero"`
	Fault    string    `json:"fault,omitempty"`
	Since    time.Time `json:"fault_since,omitzero"`
}

// Behind is how far a site or a system is: so many changes, of which the first was made at Since.
type Behind struct {
	Name    string    `json:"name"`
	Online  bool      `json:"online"`
	Through int64     `json:"through"`
	Behind  int64     `json:"behind"`
	Since   time.Time `json:"behind_since,omitzero"`
	Refused int64     `json:"refused"`
	Fault   string    `json:"fault,omitempty"`
}

func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Read is how a tenant's master data stands; a site counts as online that has spoken since.
func Read(ctx context.Context, tx *db.Tx, tenant string, now, since time.Time) (Status, error) {
	s, err := Lag(ctx, tx, tenant, now, since)
	if err != nil {
		return s, err
	}
	return s, each(ctx, tx, `SELECT kind, sum(1 - removed), sum(removed) FROM master_record WHERE tenant = ? GROUP BY kind ORDER BY kind`, []any{tenant}, func(scan func(...any) error) error {
		var kind docklinev1.MasterKind
		var c Count
		err := scan(&kind, &c.Records, &c.Removed)
		c.Kind = connector.MasterKindName(kind)
		s.Kinds = append(s.Kinds, c)
		return err
	})
}

// Lag is Read without the counts, which take a look at every record.
func Lag(ctx context.Context, tx *db.Tx, tenant string, now, since time.Time) (s Status, err error) {
	s = Status{Tenant: tenant, Kinds: []Count{}, Sources: []Source{}, Targets: []Behind{}, Sites: []Behind{}, AsOf: now}
	if s.Version, _, err = top(ctx, tx, tenant); err != nil {
		return s, err
	}
	if err := s.sources(ctx, tx); err != nil {
		return s, err
	}
	if err := s.targets(ctx, tx); err != nil {
		return s, err
	}
	return s, s.sites(ctx, tx, since)
}

func (s *Status) sources(ctx context.Context, tx *db.Tx) error {
	return each(ctx, tx, `SELECT source, kind, told, whole, polled_at, whole_at, fault, fault_since,
		(SELECT count(*) FROM master_refused r WHERE r.tenant = s.tenant AND r.party = s.source AND r.kind = s.kind)
		FROM master_source s WHERE tenant = ? ORDER BY source, kind`, []any{s.Tenant}, func(scan func(...any) error) error {
		var kind docklinev1.MasterKind
		var whole, polled, wholeAt, since int64
		var one Source
		err := scan(&one.Name, &kind, &one.Told, &whole, &polled, &wholeAt, &one.Fault, &since, &one.Refused)
		one.Kind, one.Whole, one.PolledAt, one.WholeAt, one.Since = connector.MasterKindName(kind), whole == 1, moment(polled), moment(wholeAt), moment(since)
		s.Sources = append(s.Sources, one)
		return err
	})
}

func (s *Status) targets(ctx context.Context, tx *db.Tx) error {
	err := each(ctx, tx, `SELECT target, through, fault, (SELECT count(*) FROM master_refused r WHERE r.tenant = t.tenant AND r.party = t.target)
		FROM master_target t WHERE tenant = ? ORDER BY target`, []any{s.Tenant}, func(scan func(...any) error) error {
		b := Behind{Online: true}
		err := scan(&b.Name, &b.Through, &b.Fault, &b.Refused)
		b.Online = b.Fault == ""
		s.Targets = append(s.Targets, b)
		return err
	})
	for i := range s.Targets {
		if err == nil {
			err = s.Targets[i].measure(ctx, tx, s.Tenant, s.Version)
		}
	}
	return err
}

// sites are those of the tenant, as they last said what they hold.
func (s *Status) sites(ctx context.Context, tx *db.Tx, since time.Time) error {
	err := each(ctx, tx, `SELECT i.id, coalesce(p.online, 0), coalesce(p.seen_at, 0), p.heartbeat FROM site i LEFT JOIN presence p ON p.tenant = i.tenant AND p.site = i.id
		WHERE i.tenant = ? ORDER BY i.id`, []any{s.Tenant}, func(scan func(...any) error) error {
		var b Behind
		var online, seen int64
		var raw []byte
		if err := scan(&b.Name, &online, &seen, &raw); err != nil {
			return err
		}
		h := &docklinev1.Heartbeat{}
		if err := proto.Unmarshal(raw, h); err != nil {
			return err
		}
		b.Online, b.Through = online == 1 && seen >= since.UnixMicro(), min(int64(h.GetMasterThrough()), s.Version)
		s.Sites = append(s.Sites, b)
		return nil
	})
	for i := range s.Sites {
		if err == nil {
			err = s.Sites[i].measure(ctx, tx, s.Tenant, s.Version)
		}
	}
	return err
}

// measure counts from the next version that there is: after a restore versions begin anew, far above those that were told before.
func (b *Behind) measure(ctx context.Context, tx *db.Tx, tenant string, version int64) error {
	if b.Behind = 0; version <= b.Through {
		return nil
	}
	var first, at int64
	err := tx.QueryRow(ctx, `SELECT version, changed_at FROM master_record WHERE tenant = ? AND version > ? ORDER BY version LIMIT 1`, tenant, b.Through).Scan(&first, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	b.Behind, b.Since = version-first+1, moment(at)
	return err
}

// Known is a record with where it came from.
type Known struct {
	*docklinev1.MasterRecord
	Source    string
	ChangedAt time.Time
	// Refused is why systems do not take it, or why its source's last word of it was not taken, by system.
	Refused map[string]string
}

// Find looks a record up, a removed one too.
func Find(ctx context.Context, tx *db.Tx, tenant string, kind docklinev1.MasterKind, code string) (k Known, err error) {
	var r row
	var changed int64
	err = tx.QueryRow(ctx, `SELECT code, name, version, removed, source, body, changed_at FROM master_record WHERE tenant = ? AND kind = ? AND code = ?`, tenant, int64(kind), code).
		Scan(&r.code, &r.name, &r.version, &r.removed, &k.Source, &r.body, &changed)
	if errors.Is(err, sql.ErrNoRows) {
		return k, fmt.Errorf("%w: no %s %q of tenant %s is known", ErrAbsent, connector.MasterKindName(kind), code, tenant)
	}
	if err != nil {
		return k, err
	}
	r.kind, k.ChangedAt, k.Refused = kind, moment(changed), map[string]string{}
	if k.MasterRecord, err = r.record(); err != nil {
		return k, err
	}
	return k, each(ctx, tx, `SELECT party, reason FROM master_refused WHERE tenant = ? AND kind = ? AND code = ?`, []any{tenant, int64(kind), code}, func(scan func(...any) error) error {
		var party, reason string
		err := scan(&party, &reason)
		k.Refused[party] = reason
		return err
	})
}

// Refusal is a record that could not be taken from a system, or that a system does not take.
type Refusal struct {
	Party  string    `json:"party"`
	Kind   string    `json:"kind"`
	Code   string    `json:"code"`
	Reason string    `json:"reason"`
	Raw    string    `json:"raw,omitempty"`
	At     time.Time `json:"at"`
}

// Refusals lists them.
func Refusals(ctx context.Context, tx *db.Tx, tenant string, limit int) (all []Refusal, err error) {
	all = []Refusal{}
	err = each(ctx, tx, `SELECT party, kind, code, reason, raw, refused_at FROM master_refused WHERE tenant = ? ORDER BY party, kind, code LIMIT ?`, []any{tenant, limit}, func(scan func(...any) error) error {
		var kind docklinev1.MasterKind
		var raw []byte
		var at int64
		var r Refusal
		err := scan(&r.Party, &kind, &r.Code, &r.Reason, &raw, &at)
		r.Kind, r.Raw, r.At = connector.MasterKindName(kind), string(raw), moment(at)
		all = append(all, r)
		return err
	})
	return all, err
}

// Ask has a kind read from a system from its beginning; accept lets go of whatever it does not tell of then, however much that is.
func Ask(ctx context.Context, tx *db.Tx, tenant, source string, kind docklinev1.MasterKind, accept bool) error {
	asked := askedWhole
	if accept {
		asked = askedAccept
	}
	n, err := tx.Exec(ctx, `UPDATE master_source SET asked = ? WHERE tenant = ? AND source = ? AND kind = ?`, asked, tenant, source, int64(kind))
	if err == nil && n == 0 {
		return fmt.Errorf("%w: no %s records are read from %s for tenant %s; `dockline-collector master list` says what is", ErrAbsent, connector.MasterKindName(kind), source, tenant)
	}
	return err
}
