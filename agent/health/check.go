// Package health says in words how a site is: one list of checks feeds status, the local page, /healthz, /metrics and the heartbeat.
package health

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Facts are what the agent's parts say of themselves at one moment.
type Facts struct {
	Now time.Time
	// Started is when this agent did.
	Started time.Time
	// Connected: there is a link to the broker. Greeted: the collector has answered on it, so events flow.
	Connected, Greeted bool
	// LineChanged is when the line last came up or went down.
	LineChanged time.Time
	Line        Line
	// LastAckAt is when the collector last acknowledged anything; zero where it has not since the start.
	LastAckAt time.Time
	// ClockAhead is by how much the clock here is ahead of the collector's, of which nothing is said unless ClockKnown.
	ClockKnown bool
	ClockAhead time.Duration
	// Versions of this agent and of the collector, "" where the collector has not said.
	AgentVersion, CollectorVersion string
	// JournalBytes and JournalLimit are sizes of all journal files.
	JournalBytes, JournalLimit int64
	// JournalFull: the journal has refused what was offered, or would.
	JournalFull bool
	// JournalAside counts damaged files that were set aside.
	JournalAside int
	// DaysUntilFull is how long the room lasts at today's rate; nil where nothing is captured.
	DaysUntilFull *float64
	// Waiting counts events that the collector has not acknowledged; OldestAt is when the oldest was captured.
	Waiting  int64
	OldestAt time.Time
	// Open is what the centre has and the ERP has not.
	Open Open
	// Master is how far master data has come.
	Master Master
	// DiskFree is what is left where data_dir is, of which nothing is said unless DiskKnown.
	DiskKnown bool
	DiskFree  uint64
	// CertificateEnds is when the site's certificate ends; zero without one. CertificateFault is why it cannot be read.
	CertificateEnds  time.Time
	CertificateFault string
	// Renewal is what came of the last attempt to renew it, "" where there is nothing to say.
	Renewal string
	Plugins []*docklinev1.PluginHealth
	// Counts are of the line, since the start.
	Counts Counts
	// Reported are conditions that plugins and host report themselves.
	Reported []*docklinev1.Condition
}

// Master is how far the site's master data has come: the highest version stored, how many changes the centre had behind that when it last said
// so, and since when the first of them waits. Partial: it has never been whole, and unknown codes are not warned of.
type Master struct {
	Through, Behind uint64
	Since           time.Time
	Partial         bool
}

// Open counts events of which the centre's last word leaves something to be done.
type Open struct {
	// Logged are not yet in the ERP; Refused and Exceptions wait for a person.
	Logged, Refused, Exceptions uint64
	// OldestAt is when the oldest of them all happened.
	OldestAt time.Time
	// Held are those of Logged whose posting met a fault; HeldText is one such fault, HeldSince since when.
	Held      uint64
	HeldText  string
	HeldSince time.Time
}

// Counts of envelopes and connections since the start.
type Counts struct{ Sent, Resent, Acks, Connections uint64 }

// Line is what the connection to the broker says of itself.
type Line struct {
	// Broker is the address from the configuration.
	Broker string
	// Reason is why there was no connection the last time.
	Reason string
	// TakenOverAt is when another connection took the site's identity, NextAttempt when it is tried again; zero where that is over.
	TakenOverAt, NextAttempt time.Time
	// ShortLinks is how many connections in a row fell within a minute.
	ShortLinks int
	// Denied is why the broker does not take messages, "" where it does.
	Denied string
	// TooLarge counts events that the broker does not take because of their size; the text names one.
	TooLarge     int
	TooLargeText string
}

// Check is one thing that can be wrong, declared as data.
type Check struct {
	Code     string
	Title    string
	Severity docklinev1.Severity
	// After is how long it must last before it shows.
	After time.Duration
	// Watches says what is looked at, and Remedy what to do.
	Watches, Remedy string
	// Find returns what is wrong now, nothing where all is well. It is nil for what a part of the agent reports by itself.
	Find func(Facts) []Finding
}

// Finding is one thing that a check has found.
type Finding struct {
	// Title takes the place of the check's where it names the thing.
	Title string
	// Text is what is wrong, in whole sentences.
	Text string
	// Since is when it began; zero is when it was first found.
	Since time.Time
}

// Board remembers since when what is wrong has been so.
type Board struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// Evaluate returns what is wrong now, most urgent first.
func (b *Board) Evaluate(f Facts) []*docklinev1.Condition {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []*docklinev1.Condition
	seen := map[string]time.Time{}
	for _, c := range Checks {
		if c.Find == nil {
			continue
		}
		for _, one := range c.Find(f) {
			condition := c.condition(one)
			key := c.Code + " " + condition.Title
			since := one.Since
			if since.IsZero() {
				if since = b.since[key]; since.IsZero() {
					since = f.Now
				}
				seen[key] = since
			}
			if condition.Since = timestamppb.New(since); f.Now.Sub(since) >= c.After {
				found = append(found, condition)
			}
		}
	}
	b.since = seen
	found = append(found, f.Reported...)
	slices.SortStableFunc(found, func(a, b *docklinev1.Condition) int { return cmp.Compare(b.GetSeverity(), a.GetSeverity()) })
	return found
}

// Evaluate returns what is wrong at one moment, without knowing of any before.
func Evaluate(f Facts) []*docklinev1.Condition { return new(Board).Evaluate(f) }

func (c Check) condition(f Finding) *docklinev1.Condition {
	title := c.Title
	if f.Title != "" {
		title = f.Title
	}
	return &docklinev1.Condition{Code: c.Code, Title: title, Severity: c.Severity, Text: strings.TrimSpace(f.Text + " " + c.Remedy)}
}

// Healthy says whether nothing of severity error is wrong.
func Healthy(conditions []*docklinev1.Condition) bool {
	return Worst(conditions) < docklinev1.Severity_SEVERITY_ERROR
}

// Worst is the highest severity of all.
func Worst(conditions []*docklinev1.Condition) (worst docklinev1.Severity) {
	for _, c := range conditions {
		worst = max(worst, c.GetSeverity())
	}
	return worst
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// found is a single finding where text is not empty.
func found(text string, since time.Time) []Finding {
	if text == "" {
		return nil
	}
	return []Finding{{Text: text, Since: since}}
}
