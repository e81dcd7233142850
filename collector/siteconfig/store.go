// Package siteconfig is what sites are to run: the desired configuration of a group of sites, version by version with who and why, given out
// ring by ring, and held against what each site says that it runs.
package siteconfig

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/proto/wire"
)

// DefaultGroup is that of every site which nobody has put into another; DefaultRing is its ring there. Canary is the first ring.
const (
	DefaultGroup = "default"
	DefaultRing  = 1
	Canary       = 0
)

// State of a version.
type State string

const (
	// Rolling: it goes to the sites of its rings so far, and on to the next ring when these have kept it for long enough.
	Rolling State = "rolling"
	// Waiting: the ring has kept it, and a person must say that it goes on.
	Waiting State = "waiting"
	// Done: every ring has it; sites that are offline get it when they are back.
	Done State = "done"
	// Stopped: a site did not keep it, or a person has stopped it. It goes nowhere else.
	Stopped State = "stopped"
	// Replaced: a newer version came before it was done.
	Replaced State = "replaced"
)

var (
	// ErrNone: the group has no configuration.
	ErrNone = errors.New("nobody has set a configuration yet (site config set)")
	// ErrState: the version is not in a state in which this can be done.
	ErrState = errors.New("not now")
)

// Conflict says that somebody else has set a version since the one that a change began from.
type Conflict struct {
	// From is the version that the change began from, Newest the one that there is; Change is what the other one changed.
	From   uint64
	Newest Version
	Change string
}

// Error tells of the other's change.
func (c *Conflict) Error() string {
	began := fmt.Sprintf("since version %d, from which this change began,", c.From)
	if c.From == 0 {
		began = "meanwhile, or before: this change does not say from which version it began:"
	}
	return fmt.Sprintf("%s %s set version %d at %s (%s). Look at it, put your change into it, and set that from version %d. What was changed:\n%s",
		began, c.Newest.By, c.Newest.Number, c.Newest.CreatedAt.Format("2006-01-02 15:04 MST"), c.Newest.Reason, c.Newest.Number, c.Change)
}

// Version is one of a group's configuration.
type Version struct {
	Tenant string `json:"tenant"`
	Group  string `json:"group"`
	Number uint64 `json:"version"`
	YAML   string `json:"yaml"`
	SHA256 string `json:"sha256"`
	// By is who set it, Reason why.
	By        string    `json:"by"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at"`
	State     State     `json:"state"`
	// Ring is the highest ring that gets it, since RingAt.
	Ring   int       `json:"ring"`
	RingAt time.Time `json:"ring_at"`
	// Soak is how long a ring must be well with it before the next gets it, 0 where a person says so. Trial is how long each site
	// watches itself.
	Soak  time.Duration `json:"soak"`
	Trial time.Duration `json:"trial"`
	// Text says why it stands where it does.
	Text string `json:"text,omitempty"`
}

// Change is a new version.
type Change struct {
	Tenant, Group, YAML, By, Reason string
	// From is the version that it began from, 0 for the first one of a group.
	From        uint64
	Soak, Trial time.Duration
	// SkipSchemas takes plugins' sections that do not fit what the plugins have said of them.
	SkipSchemas bool
}

// Store is the tables of desired configurations.
type Store struct {
	DB *db.DB
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

const versionColumns = `tenant, grp, version, yaml, sha256, author, reason, created_at, state, ring, ring_at, soak, trial, text`

func scanVersion(scan func(...any) error) (v Version, err error) {
	var created, ringAt, soak, trial int64
	err = scan(&v.Tenant, &v.Group, &v.Number, &v.YAML, &v.SHA256, &v.By, &v.Reason, &created, &v.State, &v.Ring, &ringAt, &soak, &trial, &v.Text)
	v.CreatedAt, v.RingAt, v.Soak, v.Trial = fromMicros(created), fromMicros(ringAt), time.Duration(soak)*time.Microsecond, time.Duration(trial)*time.Microsecond
	return v, err
}

// version is one of a group, the newest where number is 0.
func version(ctx context.Context, tx *db.Tx, tenant, group string, number uint64) (v Version, err error) {
	v, err = scanVersion(tx.QueryRow(ctx, `SELECT `+versionColumns+` FROM site_config WHERE tenant = ? AND grp = ? AND (? = 0 OR version = ?) ORDER BY version DESC LIMIT 1`,
		tenant, group, number, number).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return v, ErrNone
	}
	return v, err
}

// Set makes a new version, which begins to roll with the canaries. It is checked first; a change that began from another version than the
// newest is a *Conflict.
func (s *Store) Set(ctx context.Context, c Change) (made Version, err error) {
	switch {
	case !wire.ValidName(c.Tenant) || !wire.ValidName(c.Group):
		return made, fmt.Errorf("%q of tenant %q is no name of a group: use 1 to 64 letters, digits, - or _", c.Group, c.Tenant)
	case c.By == "" || c.Reason == "":
		return made, errors.New("say who changes it, and why")
	case c.Soak < 0 || c.Trial < 10*time.Second || c.Trial > 24*time.Hour:
		return made, errors.New("give a soak time (--soak) of 0 or longer, and a trial (--trial) of 10s to 24h")
	}
	if err := Check(c.YAML); err != nil {
		return made, err
	}
	if !c.SkipSchemas {
		if err := s.CheckSections(ctx, c.Tenant, c.Group, c.YAML); err != nil {
			return made, err
		}
	}
	now := s.now().UnixMicro()
	sum := sha256.Sum256([]byte(c.YAML))
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "siteconfig/"+c.Tenant+"/"+c.Group); err != nil {
			return err
		}
		newest, err := version(ctx, tx, c.Tenant, c.Group, 0)
		if err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		if newest.Number != c.From {
			return conflict(ctx, tx, newest, c.From)
		}
		if _, err := tx.Exec(ctx, `UPDATE site_config SET state = ?, changed_at = ? WHERE tenant = ? AND grp = ? AND state IN (?, ?)`, Replaced, now, c.Tenant, c.Group, Rolling, Waiting); err != nil {
			return err
		}
		if err := tx.InsertAll(ctx, db.Insert{Table: "site_config",
			Columns: []string{"tenant", "grp", "version", "yaml", "sha256", "author", "reason", "created_at", "state", "ring", "ring_at", "soak", "trial", "changed_at"},
			Rows: [][]any{{c.Tenant, c.Group, newest.Number + 1, c.YAML, hex.EncodeToString(sum[:]), c.By, c.Reason, now, string(Rolling), Canary, now,
				c.Soak.Microseconds(), c.Trial.Microseconds(), now}}}); err != nil {
			return err
		}
		if made, err = version(ctx, tx, c.Tenant, c.Group, newest.Number+1); err != nil {
			return err
		}
		return s.record(ctx, tx, c.Tenant, c.Group, c.By, "siteconfig.set", c.Reason, made.Number)
	})
	return made, err
}

func conflict(ctx context.Context, tx *db.Tx, newest Version, from uint64) error {
	c := &Conflict{From: from, Newest: newest}
	before := Version{}
	if from > 0 {
		var err error
		if before, err = version(ctx, tx, newest.Tenant, newest.Group, from); err != nil && !errors.Is(err, ErrNone) {
			return err
		}
	}
	c.Change = Diff(before.YAML, newest.YAML)
	return c
}

// Get is one version of a group, the newest where number is 0, or ErrNone.
func (s *Store) Get(ctx context.Context, tenant, group string, number uint64) (v Version, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error { v, err = version(ctx, tx, tenant, group, number); return err })
	return v, err
}

// History lists the versions of a group, or of all where it is empty, the newest first.
func (s *Store) History(ctx context.Context, tenant, group string) (found []Version, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		found = []Version{}
		rows, err := tx.Query(ctx, `SELECT `+versionColumns+` FROM site_config WHERE tenant = ? AND (? = '' OR grp = ?) ORDER BY grp, version DESC`, tenant, group, group)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			v, err := scanVersion(rows.Scan)
			if err != nil {
				return err
			}
			found = append(found, v)
		}
		return rows.Err()
	})
	return found, err
}

// Join puts a site into a group, in one of its rings. It gets what the group's sites of that ring run.
func (s *Store) Join(ctx context.Context, tenant, site, group string, ring int) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error { return s.JoinIn(ctx, tx, tenant, site, group, ring) })
}

// JoinIn is Join in the caller's transaction.
func (s *Store) JoinIn(ctx context.Context, tx *db.Tx, tenant, site, group string, ring int) error {
	if !wire.ValidName(group) || ring < 0 || ring > 9 {
		return fmt.Errorf("group %q, ring %d: a group has a name of letters, digits, - or _, and rings from 0, the canary, to 9", group, ring)
	}
	var known int64
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM site WHERE tenant = ? AND id = ?`, tenant, site).Scan(&known); err != nil {
		return err
	}
	if known == 0 {
		return fmt.Errorf("no such site: %s of tenant %s", site, tenant)
	}
	return tx.Upsert(ctx, db.Insert{Table: "site_config_member", Columns: []string{"tenant", "site", "grp", "ring"}, Rows: [][]any{{tenant, site, group, int64(ring)}},
		Conflict: []string{"tenant", "site"}, Update: []string{"grp", "ring"}})
}

// record puts a person's act about a group's configuration into the audit trail, where the person may do it.
func (s *Store) record(ctx context.Context, tx *db.Tx, tenant, group, by, action, reason string, number uint64) error {
	return people.Act(ctx, tx, people.SiteAct, audit.Act{Tenant: tenant, By: by, Action: action, Object: "siteconfig/" + group, Reason: reason, Detail: map[string]any{"version": number}}, s.now())
}

// Go has the newest version go on to the next ring now; Stop ends it where it is.
func (s *Store) Go(ctx context.Context, tenant, group, by string) (Version, error) {
	return s.move(ctx, tenant, group, by, "siteconfig.go", "", func(v Version) (State, string, error) {
		if v.State != Waiting && v.State != Rolling {
			return "", "", fmt.Errorf("%w: version %d is %s", ErrState, v.Number, v.State)
		}
		return Rolling, "sent on by " + by, nil
	})
}

// Stop ends the newest version where it is: sites that have it keep it, no other gets it.
func (s *Store) Stop(ctx context.Context, tenant, group, by, reason string) (Version, error) {
	return s.move(ctx, tenant, group, by, "siteconfig.stop", reason, func(v Version) (State, string, error) {
		if v.State != Waiting && v.State != Rolling {
			return "", "", fmt.Errorf("%w: version %d is %s", ErrState, v.Number, v.State)
		}
		return Stopped, fmt.Sprintf("stopped by %s: %s", by, reason), nil
	})
}

func (s *Store) move(ctx context.Context, tenant, group, by, action, reason string, to func(Version) (State, string, error)) (v Version, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "siteconfig/"+tenant+"/"+group); err != nil {
			return err
		}
		if err := people.Allow(ctx, tx, tenant, by, people.SiteAct); err != nil {
			return err
		}
		if v, err = version(ctx, tx, tenant, group, 0); err != nil {
			return err
		}
		state, text, err := to(v)
		if err != nil {
			return err
		}
		if state == Rolling { // the next ring that there is, from the next look on
			v.Ring++
		}
		v.State, v.Text = state, text
		if err := save(ctx, tx, v, s.now()); err != nil {
			return err
		}
		return s.record(ctx, tx, tenant, group, by, action, reason, v.Number)
	})
	return v, err
}

// save writes where a version stands.
func save(ctx context.Context, tx *db.Tx, v Version, now time.Time) error {
	ringAt := v.RingAt.UnixMicro()
	if v.State == Rolling {
		ringAt = now.UnixMicro()
	}
	_, err := tx.Exec(ctx, `UPDATE site_config SET state = ?, ring = ?, ring_at = ?, text = ?, changed_at = ? WHERE tenant = ? AND grp = ? AND version = ?`,
		v.State, int64(v.Ring), ringAt, v.Text, now.UnixMicro(), v.Tenant, v.Group, v.Number)
	return err
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
