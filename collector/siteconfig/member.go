package siteconfig

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What became of a version at a site.
const (
	// Sent: the site has not said anything of it yet.
	Sent = "sent"
	// Trial: it is in force there, and watched.
	Trial = "trial"
	// Kept: the site has kept it.
	Kept = "kept"
	// Failed: the site refused it, or took it back.
	Failed = "failed"
)

// Member is a site with what it is to run and what it runs.
type Member struct {
	Tenant string `json:"tenant"`
	Site   string `json:"site"`
	Group  string `json:"group"`
	Ring   int    `json:"ring"`
	// Desired is the version that it is to run, 0 for none.
	Desired uint64 `json:"desired"`
	// Sent is the version that it was sent last, State and Text what became of it, since SentAt; KeptAt is when it was kept.
	Sent   uint64    `json:"sent,omitempty"`
	State  string    `json:"state,omitempty"`
	Text   string    `json:"text,omitempty"`
	SentAt time.Time `json:"sent_at,omitzero"`
	KeptAt time.Time `json:"kept_at,omitzero"`
	Online bool      `json:"online"`
	// Runs is what the site says that it runs, nil where it has not said.
	Runs *Running `json:"runs,omitempty"`
	// Drift says in words how that differs from what is desired, "" where it does not.
	Drift string `json:"drift,omitempty"`

	command uint64
	faults  string
	noted   string // the drift that is written down
	now     []*docklinev1.Condition
	plugins []*docklinev1.PluginHealth
	sha     string // of what is desired
}

// Running is what a site says of its configuration.
type Running struct {
	Version uint64 `json:"version"`
	SHA256  string `json:"sha256"`
	State   string `json:"state"`
	Refused uint64 `json:"refused,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Members lists a tenant's sites by name, those of one group where that is not empty; an empty tenant is all.
func (s *Store) Members(ctx context.Context, tenant, group string, offlineAfter time.Duration) (found []*Member, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		found, err = members(ctx, tx, tenant, group, s.now().Add(-offlineAfter))
		return err
	})
	return found, err
}

func members(ctx context.Context, tx *db.Tx, tenant, group string, since time.Time) ([]*Member, error) {
	rows, err := tx.Query(ctx, `SELECT s.tenant, s.id, coalesce(m.grp, ?), coalesce(m.ring, ?), coalesce(t.version, 0), coalesce(t.command, 0), coalesce(t.state, ''), coalesce(t.text, ''),
			coalesce(t.sent_at, 0), coalesce(t.kept_at, 0), coalesce(t.faults, ''), coalesce(t.drift, ''), coalesce(t.grp, ''), coalesce(p.online, 0), coalesce(p.seen_at, 0), p.heartbeat
		FROM site s LEFT JOIN site_config_member m ON m.tenant = s.tenant AND m.site = s.id LEFT JOIN site_config_sent t ON t.tenant = s.tenant AND t.site = s.id
		LEFT JOIN presence p ON p.tenant = s.tenant AND p.site = s.id
		WHERE (? = '' OR s.tenant = ?) AND (? = '' OR coalesce(m.grp, ?) = ?) ORDER BY s.tenant, s.id`, DefaultGroup, DefaultRing, tenant, tenant, group, DefaultGroup, group)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []*Member
	for rows.Next() {
		m := &Member{}
		var sentAt, keptAt, online, seen int64
		var sentGroup string
		var raw []byte
		if err := rows.Scan(&m.Tenant, &m.Site, &m.Group, &m.Ring, &m.Sent, &m.command, &m.State, &m.Text, &sentAt, &keptAt, &m.faults, &m.noted, &sentGroup, &online, &seen, &raw); err != nil {
			return nil, err
		}
		if sentGroup != m.Group { // it has moved to another group since
			m.Sent, m.State, m.Text, sentAt, keptAt = 0, "", "", 0, 0
		}
		m.SentAt, m.KeptAt, m.Online = fromMicros(sentAt), fromMicros(keptAt), online != 0 && seen >= since.UnixMicro()
		if raw != nil {
			h := &docklinev1.Heartbeat{}
			if err := proto.Unmarshal(raw, h); err != nil {
				return nil, fmt.Errorf("heartbeat of %s: %w", m.Site, err)
			}
			m.now, m.plugins = h.GetConditions(), h.GetPlugins()
			if c := h.GetConfig(); c != nil {
				m.Runs = &Running{Version: c.GetVersion(), SHA256: c.GetSha256(), State: c.GetState(), Refused: c.GetRefusedVersion(), Text: c.GetText()}
			}
		}
		found = append(found, m)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	return found, desire(ctx, tx, tenant, group, found)
}

// desire works out what each is to run: the newest version that has reached its ring.
func desire(ctx context.Context, tx *db.Tx, tenant, group string, found []*Member) error {
	rows, err := tx.Query(ctx, `SELECT tenant, grp, version, state, ring, sha256 FROM site_config WHERE (? = '' OR tenant = ?) AND (? = '' OR grp = ?) ORDER BY tenant, grp, version DESC`, tenant, tenant, group, group)
	if err != nil {
		return err
	}
	defer rows.Close()
	type reached struct {
		version uint64
		all     bool
		ring    int
		sha     string
	}
	versions := map[[2]string][]reached{}
	for rows.Next() {
		var key [2]string
		var r reached
		var state State
		if err := rows.Scan(&key[0], &key[1], &r.version, &state, &r.ring, &r.sha); err != nil {
			return err
		}
		r.all = state == Done
		versions[key] = append(versions[key], r)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, m := range found {
		for _, r := range versions[[2]string{m.Tenant, m.Group}] {
			if r.all || m.Ring <= r.ring {
				m.Desired, m.sha = r.version, r.sha
				break
			}
		}
		m.Drift = m.drift()
	}
	return nil
}

// drift says how what runs differs from what is to run.
func (m *Member) drift() string {
	r := m.Runs
	switch {
	case m.Desired == 0:
		return ""
	case r == nil:
		return fmt.Sprintf("It is to run version %d and has not said what it runs.", m.Desired)
	case r.Version == m.Desired && r.SHA256 == m.sha:
		return ""
	case r.Refused == m.Desired:
		return fmt.Sprintf("It is to run version %d and does not: %s It runs %s.", m.Desired, sentence(r.Text), r.name())
	case !m.Online:
		return fmt.Sprintf("It is to run version %d and ran %s when it was last heard; it gets it when it is back.", m.Desired, r.name())
	case m.Sent == m.Desired && (m.State == Kept || m.State == Trial && r.Version == 0 && r.SHA256 != ""):
		return fmt.Sprintf("It is to run version %d and runs %s: somebody has given it another one since (site command config), or its data folder was put back.", m.Desired, r.name())
	}
	return fmt.Sprintf("It is to run version %d and runs %s; it is on its way.", m.Desired, r.name())
}

func (r *Running) name() string {
	switch {
	case r.Version > 0:
		return fmt.Sprintf("version %d", r.Version)
	case r.SHA256 != "":
		return fmt.Sprintf("a configuration that was sent to it alone (%.8s)", r.SHA256)
	}
	return "its own file"
}

func sentence(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.TrimRight(text, ".") + "."
}

// faultsOf are the codes of what is wrong with a site, errors only.
func (m *Member) faultsOf() []string {
	var codes []string
	for _, c := range m.now {
		if c.GetSeverity() == docklinev1.Severity_SEVERITY_ERROR {
			codes = append(codes, c.GetCode())
		}
	}
	return codes
}
