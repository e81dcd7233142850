// Package exception keeps what needs a person: opened, kept and closed by whoever says that its cause exists, never by itself.
package exception

import (
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// State is where an exception stands.
type State string

const (
	// Open: its cause exists and nobody has said that he works on it. One that comes back is open again under its old number.
	Open State = "open"
	// Resolved: its cause is gone.
	Resolved State = "resolved"
)

// Desired is an exception whose cause exists. Within one origin, code and subject tell it from others; the rest may change while
// it keeps its number.
type Desired struct {
	// Code is a stable short name: "short_pick". Subject is what it is about, as "SO1 line 2".
	Code    string
	Subject string
	Class   docklinev1.FaultClass
	// Severity is a warning where it is not said.
	Severity docklinev1.Severity
	// Title is a few words, Text what happened, what it means and what to do.
	Title string
	Text  string
	// About is the field, change of status or kind of fact that it is about, as ownership.yaml names it: its owner must act, where the code has no
	// team of its own. Empty: what owners.yaml says of the code.
	About string
	// Team is who must act.
	Team string
	// Site, Order, Customer and Value (decimal, in the order's currency) are its impact; empty where there is none.
	Site     string
	Order    string
	Customer string
	Value    string
	// Due is how long the team has from its opening, 0 for no limit.
	Due time.Duration
	// EventIDs are the events that cannot be settled because of it; their receipts name it.
	EventIDs []string
	// Detail is kept as it is, for the console: the raw record of a dead letter.
	Detail []byte
}

// Exception is one as it is kept.
type Exception struct {
	// Number is what people call it by; it never changes.
	Number   uint64
	Tenant   string
	Origin   string
	Code     string
	Subject  string
	Class    docklinev1.FaultClass
	Severity docklinev1.Severity
	State    State
	Title    string
	Text     string
	Team     string
	Site     string
	Order    string
	Customer string
	Value    string
	Detail   []byte
	// EventIDs are sorted.
	EventIDs []string
	// DueAt and ResolvedAt are zero where there is none. All times are UTC with microseconds.
	DueAt      time.Time
	OpenedAt   time.Time
	ChangedAt  time.Time
	ResolvedAt time.Time
}

// Synced is what a Sync came to.
type Synced struct {
	// Numbers are those of the desired exceptions, in their order.
	Numbers []uint64
	// Events are, sorted, the events whose receipts may read otherwise now: those of every exception that was opened, changed or
	// resolved.
	Events []string
}

func (e *Exception) open() bool { return e.State != Resolved }

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
