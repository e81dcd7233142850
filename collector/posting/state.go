package posting

import "slices"

// State is where a posting stands. The table of legal moves is in moves; DESIGN.md has a paragraph for each state.
type State string

const (
	// Planned: derived from state, and waits for the postings that it depends on, or for its turn within its serial key.
	// The sender makes it ready; Put may supersede it.
	Planned State = "planned"
	// Ready: may be sent as soon as its time (ready_at) has come. After a technical fault without effect it stands here again.
	Ready State = "ready"
	// Sending: a call is under way, or its process died. It holds a lease; when that has expired it is unknown.
	Sending State = "sending"
	// Confirmed: the target was read back and has what was sent.
	Confirmed State = "confirmed"
	// Rejected: the target refused it for its content or for a business reason. A person, or a changed document, moves it on.
	Rejected State = "rejected"
	// Unknown: it may have had its effect. Only reading back settles it: confirmed, or ready again.
	Unknown State = "unknown"
	// Diverged: it had its effect, and what is wanted now, or what stands in the target, is something else. A target that takes reversals is
	// told one; else a person corrects it. It goes back to confirmed by itself once both agree again.
	Diverged State = "diverged"
	// Correcting: it had its effect, and a document of ours that corrects or reverses it is on its way.
	Correcting State = "correcting"
	// Superseded: no longer wanted, and it never had an effect.
	Superseded State = "superseded"
	// Blocked: must not be sent until the target has been put in order, as when two documents carry our reference.
	Blocked State = "blocked"
)

// States returns every state in the order of a posting's life.
func States() []State {
	return []State{Planned, Ready, Sending, Unknown, Confirmed, Diverged, Correcting, Rejected, Blocked, Superseded}
}

// moves is the whole table of legal moves; nothing in this package changes a state in any other way.
var moves = map[State][]State{
	Planned:    {Ready, Superseded, Blocked},
	Ready:      {Planned, Sending, Superseded, Blocked},
	Sending:    {Confirmed, Ready, Rejected, Unknown},
	Unknown:    {Confirmed, Ready},
	Confirmed:  {Planned, Diverged},
	Diverged:   {Confirmed, Correcting, Ready},
	Correcting: {Confirmed, Diverged},
	Rejected:   {Planned, Superseded, Blocked},
	Blocked:    {Ready},
	Superseded: {Planned},
}

// May tells whether a posting may go from one state to another in one move.
func May(from, to State) bool {
	return slices.Contains(moves[from], to)
}

// unfinished are the states that hold back later postings of the same serial key: it is not known, or not yet true, that the
// posting had its effect.
const unfinished = "('planned','ready','sending','unknown','rejected','blocked')"
