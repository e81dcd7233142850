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
	Line        Line
	// JournalBytes and JournalLimit are sizes of all journal files.
	JournalBytes, JournalLimit int64
	// Waiting counts events that the collector has not acknowledged; OldestAt is when the oldest was captured.
	Waiting  int64
	OldestAt time.Time
	// DiskFree is what is left where data_dir is, of which nothing is said unless DiskKnown.
	DiskKnown bool
	DiskFree  uint64
	// CertificateEnds is when the site's certificate ends; zero without one.
	CertificateEnds time.Time
	// Renewal is what came of the last attempt to renew it, "" where there is nothing to say.
	Renewal string
	Plugins []*docklinev1.PluginHealth
	// Reported are conditions that plugins and host report themselves.
	Reported []*docklinev1.Condition
}

// Line is what the connection to the broker says of itself.
type Line struct {
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
	// Fails returns what to do and since when, "" where all is well.
	Fails func(Facts) (text string, since time.Time)
}

// manyShortLinks in a row are no accident.
const manyShortLinks = 5

// diskFull is less than the files of journal and inbox grow by at once.
const diskFull = 1 << 20

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
	{"session_taken_over", "Another host uses this site's identity", docklinev1.Severity_SEVERITY_ERROR, 0, func(f Facts) (string, time.Time) {
		if f.Line.TakenOverAt.IsZero() {
			return "", time.Time{}
		}
		text := "A second connection came with the identity of this site and took this one's place: most likely data_dir was copied to a second host, or an old host was switched on again. " +
			"Find it, stop its agent, and give it an identity of its own; then restart this agent. Nothing is lost meanwhile."
		if !f.Line.NextAttempt.IsZero() {
			text += " Left alone, this agent tries again at " + f.Line.NextAttempt.UTC().Format("15:04 MST") + "."
		}
		return text, f.Line.TakenOverAt
	}},
	{"line_flaps", "The line comes and goes", docklinev1.Severity_SEVERITY_ERROR, 0, func(f Facts) (string, time.Time) {
		if f.Line.ShortLinks < manyShortLinks || !f.Line.TakenOverAt.IsZero() {
			return "", time.Time{}
		}
		return fmt.Sprintf("%d connections in a row fell within a minute, the last one with: %s. Is the site's identity in use on a second host? Some brokers do not say so. Else look at the network between here and the broker.",
			f.Line.ShortLinks, f.Line.Reason), f.LineChanged
	}},
	{"broker_refuses", "The broker refuses what this site sends", docklinev1.Severity_SEVERITY_ERROR, 10 * time.Second, func(f Facts) (string, time.Time) {
		if !f.Connected || f.Line.Denied == "" {
			return "", time.Time{}
		}
		return "Events wait here and are sent again; " + f.Line.Denied + ". Let the broker's rules allow this site its own topics, and look at its quota.", f.LineChanged
	}},
	{"event_too_large", "An event is too large for the broker", docklinev1.Severity_SEVERITY_ERROR, 0, func(f Facts) (string, time.Time) {
		if f.Line.TooLarge == 0 {
			return "", time.Time{}
		}
		return fmt.Sprintf("%d events stay here, all others are sent: %s. Raise the broker's largest packet to 1 MiB; they are tried again with the next connection.", f.Line.TooLarge, f.Line.TooLargeText), f.LineChanged
	}},
	{"line_down", "The line to the collector is down", docklinev1.Severity_SEVERITY_ERROR, 20 * time.Second, func(f Facts) (string, time.Time) {
		if f.Connected {
			return "", time.Time{}
		}
		text := fmt.Sprintf("Work goes on: %d events wait here and are sent when the line is back. Check the network and the collector.", f.Waiting)
		if f.Line.Reason != "" {
			text += " The last attempt ended with: " + f.Line.Reason + "."
		}
		return text, f.LineChanged
	}},
	{"not_acknowledged", "The collector does not acknowledge", docklinev1.Severity_SEVERITY_ERROR, 2 * time.Minute, func(f Facts) (string, time.Time) {
		if !f.Connected || f.Waiting == 0 {
			return "", time.Time{}
		}
		return fmt.Sprintf("The line is up, but %d events are not acknowledged. Look at the collector: is it running, does its database take writes?", f.Waiting), later(f.OldestAt, f.LineChanged)
	}},
	{"disk_full", "The disk is full", docklinev1.Severity_SEVERITY_ERROR, 0, func(f Facts) (string, time.Time) {
		if !f.DiskKnown || f.DiskFree >= diskFull {
			return "", time.Time{}
		}
		return "Nothing more can be written where data_dir is. Sources are paused and work from the centre waits; nothing is lost. Free some space: all goes on by itself.", f.Now
	}},
	{"disk_low", "The disk is nearly full", docklinev1.Severity_SEVERITY_WARNING, 0, func(f Facts) (string, time.Time) {
		if !f.DiskKnown || f.DiskFree < diskFull || f.DiskFree > 512<<20 {
			return "", time.Time{}
		}
		return fmt.Sprintf("%d MB are free where data_dir is. Free some space: the journal may need it during an outage.", f.DiskFree>>20), f.Now
	}},
	{"certificate_expired", "The site's certificate has ended", docklinev1.Severity_SEVERITY_ERROR, 0, func(f Facts) (string, time.Time) {
		if f.CertificateEnds.IsZero() || f.Now.Before(f.CertificateEnds) {
			return "", time.Time{}
		}
		return fmt.Sprintf("It ended on %s. Everything is captured and kept, and a new one is asked for by itself.%s If a person at the centre lets the site in (`dockline-collector site allow`), that is enough.",
			f.CertificateEnds.Format("2006-01-02"), f.renewal()), f.CertificateEnds
	}},
	{"certificate_ends", "The site's certificate ends soon", docklinev1.Severity_SEVERITY_WARNING, 0, func(f Facts) (string, time.Time) {
		if f.CertificateEnds.IsZero() || f.CertificateEnds.Sub(f.Now) > 25*24*time.Hour || !f.Now.Before(f.CertificateEnds) {
			return "", time.Time{}
		}
		return fmt.Sprintf("It ends on %s and should have been renewed by itself.%s Let this machine reach the collector at mqtt.renew, or at the broker's port where that is empty; or sign its request: `dockline-collector site add --csr`.",
			f.CertificateEnds.Format("2006-01-02"), f.renewal()), f.Now
	}},
}

func (f Facts) renewal() string {
	if f.Renewal == "" {
		return ""
	}
	return " The last attempt ended with: " + f.Renewal + "."
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
