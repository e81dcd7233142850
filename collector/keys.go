package collector

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/policy/version"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// activations are the versions that came in force for each tenant, the oldest first.
type activations map[string][]activation

type activation struct {
	logID  int64
	policy *policy.Policy
}

// keys gives the event log the fold keys of an event, by the mapping in force.
func (m *Collector) keys(e *docklinev1.Event) []eventlog.Touch { return touchesOf(e, m.policy()) }

// keysAt gives the fold keys that an event got when it was told: by the mapping that was in force then, or the first one since that knew its
// codes.
func (m *Collector) keysAt(e *docklinev1.Event, logID int64) []eventlog.Touch {
	var list []activation
	if all := m.activated.Load(); all != nil {
		list = (*all)[e.GetTenant()]
	}
	at := 0
	for i, a := range list {
		if a.logID < logID {
			at = i
		}
	}
	if at >= len(list)-1 {
		return m.keys(e)
	}
	var touches []eventlog.Touch
	for _, a := range list[at:] {
		if touches = touchesOf(e, a.policy); !slices.ContainsFunc(touches, isUnmapped) {
			break
		}
	}
	return touches
}

func touchesOf(e *docklinev1.Event, p *policy.Policy) []eventlog.Touch {
	touched := state.Keys(e, p.MappingOf(e.GetTenant()))
	out := make([]eventlog.Touch, len(touched))
	for i, t := range touched {
		out[i] = eventlog.Touch(t)
	}
	return out
}

// isUnmapped tells whether a key is that of stock whose item the mapping did not know.
func isUnmapped(t eventlog.Touch) bool {
	if !strings.HasPrefix(t.Key, state.KindStock+"/") {
		return false
	}
	b, err := state.ParseBucket(t.Key)
	return err == nil && b.Unmapped()
}

// learnActivations reads what was in force when. Versions that read codes alike share their rules.
func (m *Collector) learnActivations(ctx context.Context, tx *db.Tx) error {
	rows, err := tx.Query(ctx, `SELECT tenant, version, log_id FROM policy_activation ORDER BY number`)
	if err != nil {
		return fmt.Errorf("policy versions: %w", err)
	}
	defer rows.Close()
	type row struct {
		tenant, version string
		logID           int64
	}
	var list []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.tenant, &r.version, &r.logID); err != nil {
			return err
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	all, known := make(activations), make(map[string]*policy.Policy)
	if before := m.activated.Load(); before != nil {
		for _, of := range *before {
			for _, a := range of {
				known[a.policy.Version] = a.policy
			}
		}
	}
	for _, r := range list {
		p := known[r.version]
		if p == nil {
			if p, err = version.Load(ctx, tx, r.version); err != nil {
				m.log.Warn("a policy that was in force before cannot be read any more; what it read is read by the one in force", "version", r.version, "err", err)
				p = m.policy()
			}
			known[r.version] = p
		}
		all[r.tenant] = append(all[r.tenant], activation{r.logID, p})
	}
	m.activated.Store(&all)
	return nil
}
