package siteconfig

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// CodeStopped is the exception of a roll-out that a site has stopped.
const CodeStopped = "config_rollout_stopped"

// Exception is what the centre opens; who reports gives it an owner.
type Exception struct {
	Code, Subject, Site, Title, Text string
}

// Rollout gives desired configurations to sites, ring by ring. Several collectors may run one each on one database; the holder of the lease
// works.
type Rollout struct {
	Store
	Holder string
	// Submit puts a command into a site's list and returns its version.
	Submit func(ctx context.Context, c *docklinev1.Command) (version uint64, err error)
	// Answer is what became of the newest configuration command of a site: applied, refused or something else, and the site's words.
	Answer func(ctx context.Context, tenant, site string) (version uint64, state, text string, err error)
	Report func(ctx context.Context, tx *db.Tx, tenant, origin string, found []Exception) error
	// OfflineAfter is after how long without a word a site counts as offline.
	OfflineAfter time.Duration
	// Poll is how often sites are looked at; 0 is 1 s.
	Poll time.Duration
	Log  *slog.Logger
}

const lease = 10 * time.Second

// Run gives out until ctx ends.
func (r *Rollout) Run(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(r.Poll, time.Second))
	defer tick.Stop()
	defer r.DB.GiveBack(ctx, "siteconfig", r.Holder)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		held, err := r.DB.Lease(ctx, "siteconfig", r.Holder, lease)
		if err == nil && held {
			err = r.Step(ctx)
		}
		if err != nil && ctx.Err() == nil {
			r.Log.Error("give out configurations", "err", err)
		}
	}
}

// Step looks once at every group that has a configuration. It is not for concurrent use.
func (r *Rollout) Step(ctx context.Context) error {
	var newest []Version
	var all []*Member
	err := r.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if newest, err = newestVersions(ctx, tx); err != nil || len(newest) == 0 {
			return err
		}
		all, err = members(ctx, tx, "", "", r.now().Add(-cmp.Or(r.OfflineAfter, 20*time.Second)))
		return err
	})
	if err != nil {
		return err
	}
	for _, v := range newest {
		var group []*Member
		for _, m := range all {
			if m.Tenant == v.Tenant && m.Group == v.Group {
				group = append(group, m)
			}
		}
		if err := r.serve(ctx, group); err != nil {
			return err
		}
		if err := r.advance(ctx, v, group); err != nil {
			return err
		}
	}
	return nil
}

func newestVersions(ctx context.Context, tx *db.Tx) ([]Version, error) {
	rows, err := tx.Query(ctx, `SELECT `+versionColumns+` FROM site_config c WHERE version = (SELECT max(n.version) FROM site_config n WHERE n.tenant = c.tenant AND n.grp = c.grp) ORDER BY tenant, grp`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Version
	for rows.Next() {
		v, err := scanVersion(rows.Scan)
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, rows.Err()
}

// serve sends every member what it is to run, and notes what became of what it was sent.
func (r *Rollout) serve(ctx context.Context, group []*Member) error {
	for _, m := range group {
		if m.Desired > 0 && m.Sent != m.Desired {
			if err := r.send(ctx, m); err != nil {
				return fmt.Errorf("configuration of %s: %w", m.Site, err)
			}
			continue
		}
		if m.Drift != m.noted {
			if err := r.noteDrift(ctx, m); err != nil {
				return err
			}
		}
		if m.State == Sent || m.State == Trial {
			if err := r.hear(ctx, m); err != nil {
				return fmt.Errorf("configuration of %s: %w", m.Site, err)
			}
		}
	}
	return nil
}

func (r *Rollout) send(ctx context.Context, m *Member) error {
	v, err := r.Get(ctx, m.Tenant, m.Group, m.Desired)
	if err != nil {
		return err
	}
	command, err := r.Submit(ctx, &docklinev1.Command{Tenant: m.Tenant, Site: m.Site, Work: &docklinev1.Command_ApplyConfig{ApplyConfig: &docklinev1.ApplyConfig{
		Yaml: v.YAML, ConfigVersion: v.Number, Sha256: v.SHA256, Trial: durationpb.New(v.Trial)}}})
	if err != nil {
		return err
	}
	m.Sent, m.State, m.Text, m.command, m.SentAt, m.KeptAt = v.Number, Sent, "", command, r.now(), time.Time{}
	m.faults = strings.Join(m.faultsOf(), ",")
	r.Log.Info("a site is given a configuration", "site", m.Site, "tenant", m.Tenant, "group", m.Group, "version", v.Number, "ring", m.Ring)
	return r.note(ctx, m)
}

func (r *Rollout) note(ctx context.Context, m *Member) error {
	kept := int64(0)
	if !m.KeptAt.IsZero() {
		kept = m.KeptAt.UnixMicro()
	}
	return r.DB.Write(ctx, func(tx *db.Tx) error {
		return tx.Upsert(ctx, db.Insert{Table: "site_config_sent", Columns: []string{"tenant", "site", "grp", "version", "command", "sent_at", "state", "text", "kept_at", "faults"},
			Rows:     [][]any{{m.Tenant, m.Site, m.Group, m.Sent, m.command, m.SentAt.UnixMicro(), m.State, m.Text, kept, m.faults}},
			Conflict: []string{"tenant", "site"}, Update: []string{"grp", "version", "command", "sent_at", "state", "text", "kept_at", "faults"}})
	})
}

// noteDrift writes down how a site differs from what is desired, for those who show it.
func (r *Rollout) noteDrift(ctx context.Context, m *Member) error {
	return r.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE site_config_sent SET drift = ?, drift_at = CASE WHEN drift = '' THEN ? ELSE drift_at END WHERE tenant = ? AND site = ?`, m.Drift, r.now().UnixMicro(), m.Tenant, m.Site)
		return err
	})
}

// hear notes what the site says of what it was sent: in its answer to the command, and in its heartbeats since.
func (r *Rollout) hear(ctx context.Context, m *Member) error {
	state, text := m.State, ""
	version, answer, said, err := r.Answer(ctx, m.Tenant, m.Site)
	if err != nil {
		return err
	}
	switch runs := m.Runs; {
	case version == m.command && answer == "refused":
		state, text = Failed, said
	case runs != nil && runs.Refused == m.Sent && runs.Version != m.Sent:
		state, text = Failed, runs.Text
	case runs != nil && runs.Version == m.Sent && runs.State == "trial":
		state = Trial
	case runs != nil && runs.Version == m.Sent && runs.State == "accepted":
		state = Kept
	}
	if state == m.State {
		return nil
	}
	m.State, m.Text = state, text
	if state == Kept {
		m.KeptAt = r.now()
	}
	return r.note(ctx, m)
}

// advance moves the newest version of a group on, or stops it.
func (r *Rollout) advance(ctx context.Context, v Version, group []*Member) error {
	if v.State != Rolling && v.State != Waiting {
		return nil
	}
	if m, reason := failing(v, group); m != nil {
		v.State, v.Text = Stopped, fmt.Sprintf("site %s (ring %d): %s", m.Site, m.Ring, reason)
		r.Log.Error("a configuration is stopped", "tenant", v.Tenant, "group", v.Group, "version", v.Number, "site", m.Site, "err", reason)
		return r.move(ctx, v, []Exception{{Code: CodeStopped, Subject: fmt.Sprintf("%s/%s", v.Tenant, v.Group), Site: m.Site,
			Title: fmt.Sprintf("Configuration %d of group %s is stopped at ring %d", v.Number, v.Group, v.Ring),
			Text: fmt.Sprintf("Site %s did not keep version %d (set by %s: %s): %s. It has put the one before in force by itself; no other ring gets this version. See what is wrong with it, and set a better one: "+
				"dockline-collector site config set --if-version %d. This closes with the next version.", m.Site, v.Number, v.By, v.Reason, strings.TrimRight(reason, "."), v.Number)}})
	}
	if v.State != Rolling {
		return nil
	}
	next := nextRing(v.Ring, group)
	if !ringHas(v.Ring, group) { // nobody is in it
		return r.goOn(ctx, v, next)
	}
	since, ready := settled(v, group)
	switch {
	case !ready:
		return nil
	case next < 0:
		return r.goOn(ctx, v, next)
	case v.Soak == 0:
		v.State, v.Text = Waiting, fmt.Sprintf("ring %d has kept it; ring %d waits for a person: site config rollout go", v.Ring, next)
		return r.move(ctx, v, nil)
	case r.now().Sub(since) < v.Soak:
		return nil
	}
	return r.goOn(ctx, v, next)
}

// goOn gives a version to the next ring; -1 is none.
func (r *Rollout) goOn(ctx context.Context, v Version, next int) error {
	if next < 0 {
		v.State, v.Text = Done, "every ring has it"
	} else {
		v.Ring, v.Text = next, fmt.Sprintf("it goes to ring %d", next)
	}
	r.Log.Info("a configuration goes on", "tenant", v.Tenant, "group", v.Group, "version", v.Number, "ring", v.Ring, "state", v.State)
	return r.move(ctx, v, nil)
}

func (r *Rollout) move(ctx context.Context, v Version, found []Exception) error {
	return r.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "siteconfig/"+v.Tenant+"/"+v.Group); err != nil {
			return err
		}
		newest, err := version(ctx, tx, v.Tenant, v.Group, 0)
		if err != nil || newest.Number != v.Number || newest.State != Rolling && newest.State != Waiting {
			return err // a person was faster
		}
		if err := save(ctx, tx, v, r.now()); err != nil || r.Report == nil {
			return err
		}
		return r.Report(ctx, tx, v.Tenant, "siteconfig/"+v.Group, found)
	})
}

// failing is a site that did not keep a version, or whose health fell with it, and why.
func failing(v Version, group []*Member) (*Member, string) {
	for _, m := range group {
		if m.Sent != v.Number {
			continue
		}
		if m.State == Failed {
			return m, m.Text
		}
		if m.State != Kept && m.State != Trial || m.Ring != v.Ring {
			continue // what went wrong in a ring that has passed is no longer about the configuration
		}
		before := strings.Split(m.faults, ",")
		for _, c := range m.now {
			// The site itself decides while it watches; what it does not see stands here afterwards.
			if m.State == Kept && c.GetSeverity() == docklinev1.Severity_SEVERITY_ERROR && !slices.Contains(before, c.GetCode()) {
				return m, fmt.Sprintf("its health fell with it: %s", c.GetTitle())
			}
		}
	}
	return nil, ""
}

// settled says whether a ring has kept a version, and since when: every site of it that is online, and one at least.
func settled(v Version, group []*Member) (since time.Time, ready bool) {
	for _, m := range group {
		if m.Ring > v.Ring {
			continue
		}
		switch {
		case m.Sent == v.Number && m.State == Kept:
			if ready = ready || m.Ring == v.Ring; m.KeptAt.After(since) {
				since = m.KeptAt
			}
		case m.Online:
			return since, false
		}
	}
	return since, ready
}

func ringHas(ring int, group []*Member) bool {
	return slices.ContainsFunc(group, func(m *Member) bool { return m.Ring == ring })
}

// nextRing is the lowest one above ring that has sites, -1 for none.
func nextRing(ring int, group []*Member) int {
	next := -1
	for _, m := range group {
		if m.Ring > ring && (next < 0 || m.Ring < next) {
			next = m.Ring
		}
	}
	return next
}
