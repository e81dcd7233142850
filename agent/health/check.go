// Package health says in words how a site is: one list of checks feeds status, the local page, /healthz and the heartbeat.
package health

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Facts are what the agent's parts say of themselves at one moment.
type Facts struct {
	Now       time.Time
	Connected bool
	// LineChanged is when the line last came up or went down.
	LineChanged time.Time
	// JournalBytes and JournalLimit are sizes of all journal files.
	JournalBytes, JournalLimit int64
	// Waiting counts events that the collector has not acknowledged; OldestAt is when the oldest was captured.
	Waiting  int64
	OldestAt time.Time
	DiskFree uint64
	// CertificateEnds is when the site's certificate ends; zero without one.
	CertificateEnds time.Time
	Plugins         []*docklinev1.PluginHealth
	// Reported are conditions that plugins and host report themselves.
	Reported []*docklinev1.Condition
}

// Check is one thing that can be wrong, declared as data.
type Check struct {
	Code     string
	Title    string
	Severity docklinev1.Severity
	// After is how long it must last before it shows.
	After time.Duration
	// Fails returns what to do and since when, "" where all is well.
	Fails func(Facts) (text string, since time.Time)
}

// Checks is the fixed list, most urgent first.
var Checks = []Check{
	{"journal_full", "The journal is full", docklinev1.Severity_SEVERITY_ERROR, 0, func(f Facts) (string, time.Time) {
		if f.JournalLimit == 0 || f.JournalBytes < f.JournalLimit*95/100 {
			return "", time.Time{}
		}
		return "Sources are paused; nothing is lost. Bring the line to the collector back, or raise journal.limit if the disk has room.", f.Now
	}},
	{"journal_filling", "The journal is filling up", docklinev1.Severity_SEVERITY_WARNING, 0, func(f Facts) (string, time.Time) {
		share := int64(0)
		if f.JournalLimit > 0 {
			share = f.JournalBytes * 100 / f.JournalLimit
		}
		if share < 80 || share >= 95 {
			return "", time.Time{}
		}
		return fmt.Sprintf("%d %% of journal.limit is used. Bring the line to the collector back before it is full.", share), f.Now
	}},
	{"line_down", "The line to the collector is down", docklinev1.Severity_SEVERITY_ERROR, 20 * time.Second, func(f Facts) (string, time.Time) {
		if f.Connected {
			return "", time.Time{}
		}
		return fmt.Sprintf("Work goes on: %d events wait here and are sent when the line is back. Check the network and the collector.", f.Waiting), f.LineChanged
	}},
	{"not_acknowledged", "The collector does not acknowledge", docklinev1.Severity_SEVERITY_ERROR, 2 * time.Minute, func(f Facts) (string, time.Time) {
		if !f.Connected || f.Waiting == 0 {
			return "", time.Time{}
		}
		return fmt.Sprintf("The line is up, but %d events are not acknowledged. Look at the collector: is it running, does its database take writes?", f.Waiting), later(f.OldestAt, f.LineChanged)
	}},
	{"disk_low", "The disk is nearly full", docklinev1.Severity_SEVERITY_WARNING, 0, func(f Facts) (string, time.Time) {
		if f.DiskFree == 0 || f.DiskFree > 512<<20 {
			return "", time.Time{}
		}
		return fmt.Sprintf("%d MB are free where data_dir is. Free some space: the journal may need it during an outage.", f.DiskFree>>20), f.Now
	}},
	{"certificate_ends", "The site's certificate ends soon", docklinev1.Severity_SEVERITY_WARNING, 0, func(f Facts) (string, time.Time) {
		if f.CertificateEnds.IsZero() || f.CertificateEnds.Sub(f.Now) > 30*24*time.Hour {
			return "", time.Time{}
		}
		return fmt.Sprintf("It ends on %s. Sign the site's request again with `dockline-collector site add` and put the new certificate in its place.", f.CertificateEnds.Format("2006-01-02")), f.Now
	}},
}

// Evaluate returns what is wrong now, most urgent first.
func Evaluate(f Facts) []*docklinev1.Condition {
	var found []*docklinev1.Condition
	for _, c := range Checks {
		if text, since := c.Fails(f); text != "" && f.Now.Sub(since) >= c.After {
			found = append(found, &docklinev1.Condition{Code: c.Code, Title: c.Title, Severity: c.Severity, Text: text, Since: timestamppb.New(since)})
		}
	}
	return append(found, f.Reported...)
}

// Healthy says whether nothing of severity error is wrong.
func Healthy(conditions []*docklinev1.Condition) bool {
	for _, c := range conditions {
		if c.GetSeverity() == docklinev1.Severity_SEVERITY_ERROR {
			return false
		}
	}
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
