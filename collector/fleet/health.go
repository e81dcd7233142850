package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	info    = docklinev1.Severity_SEVERITY_INFO
	warning = docklinev1.Severity_SEVERITY_WARNING
	failing = docklinev1.Severity_SEVERITY_ERROR
)

const (
	// lateAfter is how old the oldest event of a site that is online may be.
	lateAfter = time.Minute
	// renewBefore is how long before its end a certificate that nobody has renewed is a fault.
	renewBefore = 15 * 24 * time.Hour
)

// judge works out the site's conditions and puts its health in a sentence.
func (s *Site) judge(now time.Time, l *listeners) {
	s.judgeListening(l)
	s.judgeLine(now)
	if s.State == Online {
		s.Conditions = append(s.Conditions, s.Heartbeat.GetConditions()...)
		s.judgePlugins()
		s.judgeClock()
	}
	s.judgeBacklog(now)
	s.judgeUnconfirmed(now)
	s.judgeGaps()
	s.judgeClose()
	s.judgeFork()
	s.judgeCertificate(now)
	s.judgeIdentity()
	s.judgeConfig(now)
	slices.SortStableFunc(s.Conditions, func(a, b *docklinev1.Condition) int { return -cmp.Compare(a.GetSeverity(), b.GetSeverity()) })
	s.Health, s.Severity = s.sentence(now), info
	if len(s.Conditions) > 0 {
		s.Severity = s.Conditions[0].GetSeverity()
	}
}

func (s *Site) add(code string, severity docklinev1.Severity, since time.Time, title, format string, args ...any) {
	c := &docklinev1.Condition{Code: code, Title: title, Severity: severity, Text: fmt.Sprintf(format, args...)}
	if !since.IsZero() {
		c.Since = timestamppb.New(since)
	}
	s.Conditions = append(s.Conditions, c)
}

func (s *Site) judgeLine(now time.Time) {
	switch s.State {
	case NeverSeen:
		s.add("never_seen", warning, s.CreatedAt, "Never connected",
			"Its agent has not connected since the site was added. Give it the certificate and the broker's address, and start dockline-agent there.")
	case Offline:
		s.add("offline", failing, s.Since, "Offline for "+length(now.Sub(s.Since)),
			"Nothing has come from this site since %s. The agent keeps capturing and sends everything when the line is back. Look at the site's network first, then at the agent: dockline-agent status.",
			s.Since.Format("2006-01-02 15:04:05 MST"))
	}
}

func (s *Site) judgePlugins() {
	for _, p := range s.Heartbeat.GetPlugins() {
		switch p.GetState() {
		case "running", "starting", "":
		case "stopped":
			s.add("plugin_stopped", warning, time.Time{}, "Plugin "+p.GetId()+" is stopped", "%s", orElse(p.GetText(), "Nothing is captured by it. Start it again in agent.yaml."))
		default:
			if s.says("plugin_"+p.GetState(), p.GetId()) {
				continue
			}
			s.add("plugin_"+p.GetState(), failing, time.Time{}, "Plugin "+p.GetId()+" is "+p.GetState(),
				"%s", orElse(p.GetText(), fmt.Sprintf("It was started again %d times. See the agent's log for its last words.", p.GetRestarts())))
		}
	}
}

// says whether the site itself has a condition with this code that names the thing.
func (s *Site) says(code, name string) bool {
	return slices.ContainsFunc(s.Conditions, func(c *docklinev1.Condition) bool { return c.GetCode() == code && strings.Contains(c.GetTitle(), name) })
}

func (s *Site) judgeBacklog(now time.Time) {
	age := now.Sub(s.OldestEventAt)
	if s.Backlog == 0 || s.OldestEventAt.IsZero() {
		return
	}
	switch {
	case s.State == Offline:
		s.add("backlog", warning, s.OldestEventAt, fmt.Sprintf("%s held at the site", events(s.Backlog)),
			"When it last spoke the site held %s that the centre does not have, the oldest of %s. They come by themselves when the line is back.",
			events(s.Backlog), s.OldestEventAt.Format("2006-01-02 15:04:05 MST"))
	case age > lateAfter:
		s.add("backlog", warning, s.OldestEventAt, fmt.Sprintf("%s behind", length(age)),
			"%s wait at the site, the oldest for %s. After an outage this drains by itself; if it grows, the line is too slow or the collector is down.",
			events(s.Backlog), length(age))
	}
}

// unconfirmedAfter is how old an event may be that the system of record has not confirmed.
const unconfirmedAfter = time.Hour

// judgeUnconfirmed says how far the system of record is behind what the site captured. What a person must act on first is left out: it has
// its exception.
func (s *Site) judgeUnconfirmed(now time.Time) {
	if !s.Heartbeat.GetOldestUnconfirmedAt().IsValid() {
		return
	}
	oldest := s.Heartbeat.GetOldestUnconfirmedAt().AsTime()
	if now.Sub(oldest) < unconfirmedAfter || s.State != Online || s.Backlog > 0 && !s.OldestEventAt.IsZero() && now.Sub(s.OldestEventAt) > lateAfter {
		return
	}
	s.add("erp_behind", warning, oldest, "The ERP is "+length(now.Sub(oldest))+" behind",
		"Of what this site captured at %s the system of record has not confirmed everything, or it needs no document and that is not settled. See Postings for what waits, and Exceptions for what a person must decide; without a system of record under connectors nothing is confirmed at all.",
		oldest.UTC().Format("2006-01-02 15:04 MST"))
}

// judgeClose names the days that do not agree.
func (s *Site) judgeClose() {
	if len(s.Differences) == 0 {
		return
	}
	days := strings.Join(s.Differences, ", ")
	s.add("daily_close", failing, time.Time{}, "The daily close does not agree for "+days,
		"What the site captured and what the log has differ. The exception has the numbers and the remedy; dockline-collector site close %s --tenant %s prints them.", s.ID, s.Tenant)
}

func (s *Site) judgeGaps() {
	for _, g := range s.Gaps {
		what := "lost at the site: read the records of that time again at their source, or count the stock again"
		if g.Cause == "unreadable" {
			what = "here but cannot be read: update the collector, or read the records again at their source"
		}
		s.add("gap", failing, g.OpenedAt, fmt.Sprintf("%s missing", events(g.Missing)),
			"Seq %d to %d of epoch %s are %s. Counts of this site wait meanwhile.", g.First, g.Last, g.Epoch, what)
	}
}

func (s *Site) judgeFork() {
	switch {
	case s.Fork == nil:
	case s.Fork.Certain:
		s.add("two_hosts", failing, s.Fork.OpenedAt, "Two machines work as this site",
			"Two agents with this site's data folder and certificate take turns (epochs %.8s and %.8s). %sNothing is mixed up; stop the agent on the machine that is not the site's own, after it has sent what it holds.",
			s.Fork.Epoch, s.Fork.Other, s.Fork.Machines)
	default:
		s.add("forked_journal", warning, s.Fork.OpenedAt, "Its journal was copied",
			"The agent goes on from the same place as another one did before (epochs %.8s and %.8s): its data folder was put back from a copy, or taken to a second machine. %sIf a second machine runs with it, stop its agent.",
			s.Fork.Epoch, s.Fork.Other, s.Fork.Machines)
	}
}

func (s *Site) judgeCertificate(now time.Time) {
	if s.CertificateNotAfter.IsZero() {
		return
	}
	left, trouble := s.CertificateNotAfter.Sub(now), ""
	if c := s.Heartbeat.GetCertificate(); c.GetText() != "" {
		trouble = fmt.Sprintf(" It has tried %d times, the last time with: %s.", c.GetTries(), c.GetText())
	}
	switch {
	case left <= 0:
		s.add("certificate_expired", failing, s.CertificateNotAfter, "Certificate expired",
			"The site's certificate ended on %s. Its agent captures, and asks for a new one by itself as soon as it reaches the collector.%s If it does not: dockline-collector site add %s/%s makes a token, with which the site enrols again.",
			s.CertificateNotAfter.Format(time.DateOnly), trouble, s.Tenant, s.ID)
	case slices.ContainsFunc(s.Conditions, func(c *docklinev1.Condition) bool { return c.GetCode() == "certificate_ends" }): // the site says so itself
	case left < renewBefore:
		s.add("certificate_ends", warning, time.Time{}, "Certificate ends in "+length(left),
			"The site's certificate ends on %s and should have been renewed by itself.%s See that the site reaches the address at which certificates are given (identity in collector.yaml, mqtt.renew in its agent.yaml).",
			s.CertificateNotAfter.Format(time.DateOnly), trouble)
	}
}

// sentence says how the site is, as one would on the telephone.
func (s *Site) sentence(now time.Time) string {
	worst := ""
	for _, c := range s.Conditions {
		if c.GetCode() != "offline" && c.GetCode() != "never_seen" {
			worst = "; " + lowerFirst(c.GetTitle())
			break
		}
	}
	switch s.State {
	case NeverSeen:
		return "Never connected" + worst
	case Offline:
		return fmt.Sprintf("Offline for %s, since %s", length(now.Sub(s.Since)), s.Since.Format("2006-01-02 15:04 MST")) + worst
	}
	switch {
	case worst != "":
		return "Online" + worst
	case s.Backlog > 0:
		return "Online, sending " + events(s.Backlog)
	}
	return "Online, everything sent"
}

// length says a duration in its largest unit.
func length(d time.Duration) string {
	unit := func(n int, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case d < 0:
		return "0 seconds"
	case d < time.Minute:
		return unit(int(d.Seconds()), "second")
	case d < time.Hour:
		return unit(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return unit(int(d.Hours()), "hour")
	}
	return unit(int(d.Hours()/24), "day")
}

func events(n uint64) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func lowerFirst(s string) string {
	if len(s) > 0 && s[0] >= 'A' && s[0] <= 'Z' {
		return string(s[0]+'a'-'A') + s[1:]
	}
	return s
}
