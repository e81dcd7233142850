package api

import (
	"time"

	"github.com/dockline/dockline/collector/milestone"
)

// Milestone is one clock of an order, shipment or return. Times are RFC 3339 in UTC, absent where there is none.
type Milestone struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	// Stands is "running", "breached", "paused", "met", "late", "dropped" or "stopped".
	Stands string `json:"stands"`
	// Missed: it was reached too late, or is overdue.
	Missed     bool       `json:"missed"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	DueAt      *time.Time `json:"due_at,omitempty"`
	ReachedAt  *time.Time `json:"reached_at,omitempty"`
	PausedAt   *time.Time `json:"paused_at,omitempty"`
	ExpectedAt *time.Time `json:"expected_at,omitempty"`
	// WaitedSeconds is how much working time the holds before took.
	WaitedSeconds int64   `json:"waited_seconds,omitempty"`
	Site          string  `json:"site,omitempty"`
	Region        string  `json:"region,omitempty"`
	Customer      string  `json:"customer,omitempty"`
	Order         string  `json:"order,omitempty"`
	Level         string  `json:"level,omitempty"`
	Target        float64 `json:"target,omitempty"`
	// Events are the ids of the facts that it follows from.
	Events []string `json:"events"`
}

// Milestones is what milestone list --json prints.
type Milestones struct {
	Milestones []Milestone `json:"milestones"`
}

// MilestonesOf are clocks as the API shows them.
func MilestonesOf(found []milestone.Entry) Milestones {
	return Milestones{milestonesOf(found)}
}

func milestonesOf(found []milestone.Entry) []Milestone {
	list := make([]Milestone, len(found))
	for i := range found {
		e := &found[i]
		list[i] = Milestone{Key: e.Key, Name: e.Name, Stands: e.Stands(), Missed: e.Missed() || e.Breached, StartedAt: when(e.StartedAt), DueAt: when(e.DueAt), ReachedAt: when(e.ReachedAt),
			PausedAt: when(e.PausedAt), ExpectedAt: when(e.ExpectedAt), WaitedSeconds: int64(e.Waited / time.Second), Site: e.Site, Region: e.Region, Customer: e.Customer, Order: e.Order,
			Level: e.Level, Target: e.Target, Events: e.EventIDs}
	}
	return list
}

// Level is one line of a report of service levels.
type Level struct {
	// Group are the values that the report is divided by, by their names.
	Group   map[string]string `json:"group"`
	Met     int64             `json:"met"`
	Missed  int64             `json:"missed"`
	Overdue int64             `json:"overdue"`
	Running int64             `json:"running"`
	Paused  int64             `json:"paused"`
	Dropped int64             `json:"dropped"`
	// Percent is absent where nothing has come to its end.
	Percent *float64 `json:"percent,omitempty"`
	Target  float64  `json:"target,omitempty"`
}

// Levels is what milestone report --json prints.
type Levels struct {
	Levels []Level `json:"levels"`
}

// LevelsOf are service levels as the API shows them.
func LevelsOf(by []string, found []milestone.Level) Levels {
	all := Levels{make([]Level, len(found))}
	for i, l := range found {
		out := Level{Group: make(map[string]string), Met: l.Met, Missed: l.Missed, Overdue: l.Overdue, Running: l.Running, Paused: l.Paused, Dropped: l.Dropped, Target: l.Target}
		for j, name := range by {
			out.Group[name] = l.Group[j]
		}
		if percent, ok := l.Percent(); ok {
			out.Percent = &percent
		}
		all.Levels[i] = out
	}
	return all
}
