// Package exception keeps what needs a person: opened, kept and closed by whoever says that its cause exists, never by itself.
package exception

import (
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/calendar"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// State is where an exception stands.
type State string

const (
	// Open: its cause exists and nobody has said that he looks at it. One that comes back by itself is open again under its old number.
	Open State = "open"
	// Acknowledged: somebody has seen it. Its escalation goes on, waits or ends, as policy says.
	Acknowledged State = "acknowledged"
	// Working: somebody does something about it.
	Working State = "working"
	// Suppressed: nobody wants to hear of it until an end date, at which it is open again.
	Suppressed State = "suppressed"
	// Reopened: a person had closed it, and its cause is still there.
	Reopened State = "reopened"
	// Resolved: its cause is gone, or a person has closed it: see Closed.
	Resolved State = "resolved"
)

// States are all of them, in the order in which an exception may go through them.
func States() []State { return []State{Open, Acknowledged, Working, Suppressed, Reopened, Resolved} }

// Closed says who closed an exception.
type Closed string

const (
	// Automatic: its cause is gone.
	Automatic Closed = "automatic"
	// ByHuman: a person says that he has removed its cause. Where it is still there after Grace it is opened again.
	ByHuman Closed = "human"
	// Waived: a person has decided that it stays as it is. It is opened again when it becomes another one.
	Waived Closed = "waived"
)

// Grace is how long a person's word that he has removed the cause holds while the cause is still there: what he did must come back through
// the system that he did it in.
const Grace = time.Hour

// Desired is an exception whose cause exists. Within one origin, code and subject tell it from others; the rest may change while
// it keeps its number.
type Desired struct {
	// Code is a stable short name: "short_pick". Subject is what it is about, as "SO1 line 2".
	Code    string
	Subject string
	Class   docklinev1.FaultClass
	// Severity is a warning, and Class technical, where it is not said.
	Severity docklinev1.Severity
	// Title is a few words, Text what happened, what it means and what to do.
	Title string
	Text  string
	// About is the field, change of status or kind of fact that it is about, as ownership.yaml names it: its owner must act, where the code has no
	// team of its own. Empty: what owners.yaml says of the code.
	About string
	// Team is who must act; DefaultTeam where nobody is named, so that there is always somebody.
	Team string
	// Target is the system that is told, or tells, where it is about one.
	Target string
	// Site, Order, Customer and Value (decimal, in the order's currency) are its impact; empty where there is none.
	Site     string
	Order    string
	Customer string
	Value    string
	// Due is how long the team has from its opening, counted in the working time of Calendar (nil is round the clock). 0 is DefaultDue.
	Due      time.Duration
	Calendar *calendar.Calendar
	// EventIDs are the events that cannot be settled because of it; their receipts name it.
	EventIDs []string
	// Detail is kept as it is, for the console: the raw record of a dead letter.
	Detail []byte
}

// Exception is one as it is kept.
type Exception struct {
	// Number is what people call it by; it never changes.
	Number  uint64
	Tenant  string
	Origin  string
	Code    string
	Subject string
	Class   docklinev1.FaultClass
	// Severity and Team are those of now; RuleSeverity and RuleTeam those that policy gave it.
	Severity     docklinev1.Severity
	RuleSeverity docklinev1.Severity
	State        State
	Title        string
	Text         string
	Team         string
	RuleTeam     string
	// Assignee is the person who has it, "" for nobody in particular.
	Assignee string
	// Group is the same for exceptions that one cause may well have: code, team and system or site.
	Group    string
	Target   string
	Site     string
	Order    string
	Customer string
	Value    string
	Detail   []byte
	// EventIDs are sorted.
	EventIDs []string
	// Level is how many levels of its escalation there have been since it was opened, Times how often it was opened.
	Level int
	Times int
	// Caused says whether its cause exists. Closed and ClosedBy say who closed one that is resolved.
	Caused   bool
	Closed   Closed
	ClosedBy string
	// Times are UTC with microseconds, zero where there is none. LookAt is when something may happen to it by itself.
	DueAt          time.Time
	OpenedAt       time.Time
	ChangedAt      time.Time
	AcknowledgedAt time.Time
	SnoozedUntil   time.Time
	ResolvedAt     time.Time
	LookAt         time.Time

	handTeam string
	raised   docklinev1.Severity
}

// Synced is what a Sync came to.
type Synced struct {
	// Numbers are those of the desired exceptions, in their order.
	Numbers []uint64
	// Events are, sorted, the events whose receipts may read otherwise now: those of every exception that was opened, changed or
	// resolved.
	Events []string
}

// Unresolved says whether there is something to do about it, now or later.
func (e *Exception) Unresolved() bool { return e.State != Resolved }

// Overdue says whether it should have been settled by now.
func (e *Exception) Overdue(now time.Time) bool { return e.Unresolved() && now.After(e.DueAt) }

// Key is how audit and people name it: "exception/17".
func (e *Exception) Key() string { return fmt.Sprintf("exception/%d", e.Number) }

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
