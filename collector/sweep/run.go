package sweep

import (
	"errors"
	"time"
)

// Why a run was begun.
const (
	Asked     = "asked"     // by a person
	Scheduled = "scheduled" // its time of day had come
	Returned  = "returned"  // the target answers again after it did not
)

// Phases of a run, in their order; list, compare and ask are gone through for each kind.
const (
	listing   = "list"
	comparing = "compare"
	asking    = "ask"
	stocking  = "stock"
	reporting = "report"
	done      = "done"
)

const (
	// askPage is how many postings one step asks for, expectedPage how many are read at once.
	askPage, expectedPage = 20, 500
	// leaseFor is how long a target stays with a process that is not heard of, at least.
	leaseFor = 2 * time.Minute
	// kept is how many runs of a target are kept.
	kept = 100
)

// ErrBusy: another process works on a run of the target.
var ErrBusy = errors.New("another process sweeps this target; wait until it has ended, or some minutes if it was killed")

// ErrOpen: a run of another scope was begun and has not ended.
var ErrOpen = errors.New("another sweep of this system is not finished")

// ErrAbsent: there is no such run.
var ErrAbsent = errors.New("there is no such run of a sweep; `dockline-collector sweep list` names those that are kept")

// Run is how far one has come, and what it came to.
type Run struct {
	Number int64  `json:"number"`
	Tenant string `json:"tenant"`
	Target string `json:"target"`
	// Site limits it, "" for all.
	Site  string `json:"site"`
	Why   string `json:"why"`
	Phase string `json:"phase"`
	// Calls are the requests that it made. Foreign documents are of orders and sites that Dockline does not know.
	Calls   int64 `json:"calls"`
	Matched int64 `json:"matched"`
	Foreign int64 `json:"foreign"`
	// Healed is how many postings were planned again.
	Healed int64 `json:"healed"`
	// Before is the run of the same scope that it is compared with, 0 for none.
	Before int64 `json:"before,omitempty"`
	// NotListed are the kinds of which nothing was looked for but what was posted.
	NotListed []string `json:"not_listed"`
	// Endless says of which kinds the system's list came to no end, and how that shows.
	Endless []string `json:"endless,omitempty"`
	// NotCompared says of which kinds of records there was nothing to compare with, and why.
	NotCompared []string `json:"not_compared,omitempty"`
	// Fault is why its last step failed, "" where it did not; of a run that is done, why it was given up.
	Fault string `json:"fault,omitempty"`
	// Since is from when on documents were looked at.
	Since     time.Time `json:"since,omitzero"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`

	place, afterPlace int64
	page              string
	readAt, minuteAt  time.Time
	changedAt         time.Time
	minuteCalls       int64
	pages, idle       int64 // of the present list: read so far, and in a row without anything new
}

// Done says whether nothing is left to do.
func (r *Run) Done() bool { return r.Phase == done }

// next goes on with the next kind.
func (r *Run) next() { r.Phase, r.place, r.afterPlace = listing, r.place+1, 0; r.fromTheBeginning() }

// fromTheBeginning: the next page that is read is the first one.
func (r *Run) fromTheBeginning() { r.page, r.pages, r.idle = "", 0, 0 }
