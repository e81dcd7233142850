package posting

import "time"

// Priority is how far a posting goes ahead of others that wait for the same target. It counts as time: a step is worth ten minutes of waiting,
// so that what waits longer than that is sent first whatever its priority, and nobody starves. What keeps an order's postings in their order
// goes before it.
type Priority int64

// The priorities, as routing.yaml names them.
const (
	LowPriority    Priority = -1
	NormalPriority Priority = 0
	HighPriority   Priority = 1
	UrgentPriority Priority = 2
)

// priorityStep is what a step of priority is worth; the index posting_turn has the same number.
const priorityStep = 10 * time.Minute

// byTurn is when a posting t would have its turn by its priority.
const byTurn = `t.ready_at - t.priority * 600000000`

var priorityNames = map[Priority]string{LowPriority: "low", NormalPriority: "normal", HighPriority: "high", UrgentPriority: "urgent"}

// String is the priority's name.
func (p Priority) String() string { return priorityNames[p] }

// ParsePriority is the priority of a name, normal for one that there is none of.
func ParsePriority(name string) Priority {
	for p, known := range priorityNames {
		if known == name {
			return p
		}
	}
	return NormalPriority
}

// byPriority is when a row has its turn.
func (r *row) byPriority() int64 { return r.readyAt - int64(r.Priority)*priorityStep.Microseconds() }
