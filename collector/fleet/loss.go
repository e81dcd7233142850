package fleet

import (
	"fmt"
	"strings"
	"time"
)

// Action is something that a person can do about a site, with the command that does it.
type Action struct {
	Title, Why, Command string
}

// Remedy is what to do about the worst of what is wrong, without what it costs; "" where nothing is.
func (s *Site) Remedy() string {
	if len(s.Conditions) == 0 {
		return ""
	}
	return strings.TrimSuffix(s.Conditions[0].GetText(), " "+s.Impact.Text()+".")
}

// LossActions proposes what to do about events that a site has lost: every source that can tell again is to be read again from before the
// loss, and for what nobody can tell again, as a scan, the stock is to be counted.
func (s *Site) LossActions() []Action {
	var actions []Action
	oldest := s.CreatedAt
	for i, g := range s.Gaps {
		if g.Cause == "lost" && (i == 0 || g.OpenedAt.Before(oldest)) {
			oldest = g.OpenedAt
		}
	}
	able := map[string]bool{}
	for _, c := range s.Heartbeat.GetCursors() {
		able[c.GetPlugin()] = len(c.GetCursor()) > 0
	}
	var pushed []string
	for _, p := range s.Heartbeat.GetPlugins() {
		if !able[p.GetId()] {
			pushed = append(pushed, p.GetId())
			continue
		}
		actions = append(actions, Action{Title: "Read " + p.GetId() + " again",
			Why: "It can tell again what it told. What is known already changes nothing.",
			Command: fmt.Sprintf("dockline-collector site command reread %s --tenant %s --plugin %s --since %s --reason %q", s.ID, s.Tenant, p.GetId(),
				oldest.Add(-lossMargin).UTC().Format("2006-01-02T15:04:05Z"), "events were lost")})
	}
	if len(pushed) > 0 || len(actions) == 0 {
		who := "what the loss concerns"
		if len(pushed) > 0 {
			who = strings.Join(pushed, ", ")
		}
		actions = append(actions, Action{Title: "Have bins counted",
			Why:     "Nobody can tell again what came from " + who + ". Count the bins that were worked at in that time: the count corrects the stock.",
			Command: fmt.Sprintf("dockline-collector site command recount %s --tenant %s --number RECOUNT-%s --bin BIN,ITEM --reason %q", s.ID, s.Tenant, oldest.UTC().Format("20060102"), "events were lost")})
	}
	return append(actions, Action{Title: "Take it for gone", Why: "When what could be had is there: counts of this site go on behind the loss.",
		Command: fmt.Sprintf("dockline-collector site loss %s --tenant %s --accept", s.ID, s.Tenant)})
}

// lossMargin is how long before a loss was seen it is read again: the events may have waited as long at the site.
const lossMargin = 24 * time.Hour
