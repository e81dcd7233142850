// Package rule looks at events at the moment of their capture, while the people who made them are still there and the line may be down: is
// this the second scan of one deed, does the centre know the codes? Events are kept in any case; the centre decides what they mean.
package rule

import (
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Answer is what a check does where it finds something.
type Answer string

// The answers of a check.
const (
	// Ignore: nothing is looked up.
	Ignore Answer = "ignore"
	// Warn: the event carries a warning, the person at the scanner is told, and the site shows a condition.
	Warn Answer = "warn"
	// Refuse: the event is kept as a dead letter, and the source is told.
	Refuse Answer = "refuse"
)

// Double protects one step from a second scan.
type Double struct {
	Step   docklinev1.EventKind
	Within time.Duration
}

// Config is what the rules are. The zero value has none.
type Config struct {
	Doubles []Double
	// Codes says what is done about a code of a kind that the centre does not know; an absent kind is not looked at.
	Codes map[docklinev1.MasterKind]Answer
	// CheckDigits says what is done about a GTIN or SSCC whose check digit is wrong.
	CheckDigits Answer
	// Known says whether the centre knows a code, and must say yes where the centre has told of no code of that kind.
	Known func(kind docklinev1.MasterKind, code string) bool
}

// Rules are the rules of one site. Their methods may be called from any goroutine.
type Rules struct {
	config  Config
	within  map[docklinev1.EventKind]time.Duration
	doubles doubles
	unknown unknown
}

// New makes the rules of a site.
func New(c Config) *Rules {
	r := &Rules{config: c, within: map[docklinev1.EventKind]time.Duration{}}
	for _, d := range c.Doubles {
		r.within[d.Step] = d.Within
	}
	if c.Known == nil {
		r.config.Known = func(docklinev1.MasterKind, string) bool { return true }
	}
	return r
}

// Entry is what is kept together or not at all: what it holds counts for other entries only once it is kept.
type Entry struct {
	rules   *Rules
	pending map[deed]scan
	now     time.Time
}

// Begin opens an entry.
func (r *Rules) Begin(now time.Time) *Entry { return &Entry{rules: r, now: now} }

// Look marks a stamped event that is a double and adds the warnings, or says why the event is to be refused; it is then unchanged.
func (n *Entry) Look(e *docklinev1.Event) *event.Fault {
	warnings, fault := n.rules.codes(e, n.now)
	if fault != nil {
		return fault
	}
	odd, fault := n.rules.digits(e)
	if fault != nil {
		return fault
	}
	e.Warnings = append(warnings, odd...)
	n.double(e)
	return nil
}

// Kept says that the entry is durable.
func (n *Entry) Kept() {
	n.rules.doubles.keep(n.pending, n.now)
	n.pending = nil
}

// Recall tells the rules of an event that was kept before this process began, from the oldest to the newest.
func (r *Rules) Recall(e *docklinev1.Event) {
	of, _ := deedOf(e)
	if s, ok := r.doubles.find(of); e.GetDoubleOf() != "" || ok && !s.at.Before(e.GetOccurredAt().AsTime()) {
		return // what this process has seen itself is newer
	}
	n := r.Begin(e.GetCapturedAt().AsTime())
	n.note(e)
	n.Kept()
}

// Horizon is how far back Recall is of use; 0 where no step is protected.
func (r *Rules) Horizon() (longest time.Duration) {
	for _, within := range r.within {
		longest = max(longest, 2*within)
	}
	return longest
}

// Conditions is what a person at the site should know: codes that were told and are not known.
func (r *Rules) Conditions(now time.Time) []*docklinev1.Condition {
	return r.unknown.conditions(now, r.config.Known)
}
