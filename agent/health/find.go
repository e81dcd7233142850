package health

import (
	"fmt"
	"strings"
	"time"
)

func journalFull(f Facts) []Finding {
	if f.JournalLimit == 0 || !f.JournalFull && f.JournalBytes < f.JournalLimit*full/100 {
		return nil
	}
	return found(fmt.Sprintf("%d of %d MB are used.", f.JournalBytes>>20, f.JournalLimit>>20), time.Time{})
}

func journalFilling(f Facts) []Finding {
	if f.JournalLimit == 0 || f.JournalFull || f.JournalBytes < f.JournalLimit*filling/100 || f.JournalBytes >= f.JournalLimit*full/100 {
		return nil
	}
	return found(fmt.Sprintf("%d %% of journal.limit is used.", f.JournalBytes*100/f.JournalLimit), time.Time{})
}

func journalDays(f Facts) []Finding {
	stuck := !f.Connected || !f.Greeted || f.Waiting > 0 && f.Now.Sub(later(f.LastAckAt, f.OldestAt)) > ackPatience
	if !stuck || f.DaysUntilFull == nil || *f.DaysUntilFull >= 2 || f.JournalFull {
		return nil
	}
	return found(fmt.Sprintf("At today's rate there is room for another %s.", Days(*f.DaysUntilFull)), time.Time{})
}

func masterBehind(f Facts) []Finding {
	if f.Master.Behind == 0 || !f.Connected {
		return nil
	}
	text := fmt.Sprintf("%d changes are still to come.", f.Master.Behind)
	if f.Master.Partial {
		text += " Until all have come once, codes that are not known here are not warned of."
	}
	return found(text, time.Time{})
}

func journalDamaged(f Facts) []Finding {
	if f.JournalAside == 0 {
		return nil
	}
	return found(fmt.Sprintf("Files: %d.", f.JournalAside), time.Time{})
}

func diskIsFull(f Facts) []Finding {
	if !f.DiskKnown || f.DiskFree >= diskFull {
		return nil
	}
	return found("Less than 1 MB is free.", time.Time{})
}

func diskIsLow(f Facts) []Finding {
	if !f.DiskKnown || f.DiskFree < diskFull || f.DiskFree > diskLow {
		return nil
	}
	return found(fmt.Sprintf("%d MB are free where data_dir is.", f.DiskFree>>20), time.Time{})
}

func takenOver(f Facts) []Finding {
	if f.Line.TakenOverAt.IsZero() {
		return nil
	}
	text := "A second connection came with the identity of this site and took this one's place."
	if !f.Line.NextAttempt.IsZero() {
		text += " This agent tries again at " + f.Line.NextAttempt.UTC().Format("15:04 MST") + "."
	}
	return found(text, f.Line.TakenOverAt)
}

func lineFlaps(f Facts) []Finding {
	if f.Line.ShortLinks < manyShortLinks || !f.Line.TakenOverAt.IsZero() {
		return nil
	}
	return found(fmt.Sprintf("%d connections in a row fell within a minute, the last one with: %s.", f.Line.ShortLinks, f.Line.Reason), f.LineChanged)
}

func lineDown(f Facts) []Finding {
	if f.Connected {
		return nil
	}
	text := "There is no line to the broker."
	if f.Line.Broker != "" {
		text = fmt.Sprintf("There is no line to the broker at %s.", f.Line.Broker)
	}
	if f.Waiting > 0 {
		text += fmt.Sprintf(" Events that wait here: %d.", f.Waiting)
	}
	if f.Line.Reason != "" {
		text += " The last attempt ended with: " + strings.TrimSuffix(f.Line.Reason, ".") + "."
	}
	return found(text, f.LineChanged)
}

func brokerRefuses(f Facts) []Finding {
	if !f.Connected || f.Line.Denied == "" {
		return nil
	}
	return found("Events wait here and are sent again; "+f.Line.Denied+".", f.LineChanged)
}

func eventTooLarge(f Facts) []Finding {
	if f.Line.TooLarge == 0 {
		return nil
	}
	return found(fmt.Sprintf("Events that stay here, while all others are sent: %d; %s.", f.Line.TooLarge, f.Line.TooLargeText), f.LineChanged)
}

func collectorSilent(f Facts) []Finding {
	if !f.Connected || f.Greeted {
		return nil
	}
	return found("The line to the broker is up, but nobody behind it answers.", time.Time{})
}

func notAcknowledged(f Facts) []Finding {
	if !f.Connected || !f.Greeted || f.Waiting == 0 {
		return nil
	}
	since := later(later(f.OldestAt, f.LineChanged), f.LastAckAt)
	return found(fmt.Sprintf("The line to the broker is up, but of the events that were sent %d are not acknowledged.", f.Waiting), since)
}

func oldestEvent(f Facts) []Finding {
	if f.OldestAt.IsZero() {
		return nil
	}
	return found(fmt.Sprintf("The oldest event that the collector lacks was captured at %s; %d wait in all.", f.OldestAt.UTC().Format("2006-01-02 15:04 MST"), f.Waiting), f.OldestAt)
}

func erpWaits(f Facts) []Finding {
	if f.Open.Held == 0 {
		return nil
	}
	return found(fmt.Sprintf("Events that are at the centre and cannot be posted for now: %d. %s.", f.Open.Held, strings.TrimSuffix(f.Open.HeldText, ".")), f.Open.HeldSince)
}

func erpRefused(f Facts) []Finding {
	if f.Open.Refused+f.Open.Exceptions == 0 {
		return nil
	}
	var parts []string
	if n := f.Open.Refused; n > 0 {
		parts = append(parts, fmt.Sprintf("Refused: %d.", n))
	}
	if n := f.Open.Exceptions; n > 0 {
		parts = append(parts, fmt.Sprintf("Waiting for a person, each under an exception's number: %d.", n))
	}
	return found(strings.Join(parts, " "), time.Time{})
}

func erpLate(f Facts) []Finding {
	if f.Open.Logged == 0 || f.Open.OldestAt.IsZero() || f.Now.Sub(f.Open.OldestAt) < lateAfter {
		return nil
	}
	return found(fmt.Sprintf("The oldest of %d is of %s.", f.Open.Logged, f.Open.OldestAt.UTC().Format("2006-01-02 15:04 MST")), f.Open.OldestAt)
}

func clockWrong(f Facts) []Finding {
	ahead, way := f.ClockAhead, "ahead of"
	if ahead < 0 {
		ahead, way = -ahead, "behind"
	}
	if !f.ClockKnown || ahead < clockTolerance {
		return nil
	}
	return found(fmt.Sprintf("It is %s %s the collector's.", ahead.Round(time.Second), way), time.Time{})
}

func certificateExpired(f Facts) []Finding {
	if f.CertificateEnds.IsZero() || f.Now.Before(f.CertificateEnds) {
		return nil
	}
	return found(fmt.Sprintf("It ended on %s.%s", f.CertificateEnds.Format("2006-01-02"), f.renewal()), f.CertificateEnds)
}

func certificateUnreadable(f Facts) []Finding {
	return found(sentence(f.CertificateFault), time.Time{})
}

func certificateEnds(f Facts) []Finding {
	if f.CertificateEnds.IsZero() || !f.Now.Before(f.CertificateEnds) || f.CertificateEnds.Sub(f.Now) > renewBefore {
		return nil
	}
	return found(fmt.Sprintf("It ends on %s and should have been renewed by itself.%s", f.CertificateEnds.Format("2006-01-02"), f.renewal()), time.Time{})
}

func (f Facts) renewal() string {
	if f.Renewal == "" {
		return ""
	}
	return " The last attempt ended with: " + sentence(f.Renewal)
}

func versionMismatch(f Facts) []Finding {
	mine, theirs := major(f.AgentVersion), major(f.CollectorVersion)
	if mine == "" || theirs == "" || mine == theirs {
		return nil
	}
	return found(fmt.Sprintf("This agent is of version %s, the collector of %s.", f.AgentVersion, f.CollectorVersion), time.Time{})
}

// major is the first number of a version as released ("2" of v2.4.1), "" of a build that has none.
func major(version string) string {
	first, _, ok := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if !ok || strings.Trim(first, "0123456789") != "" {
		return ""
	}
	return first
}

// sentence ends with a full stop.
func sentence(text string) string {
	if text = strings.TrimSpace(text); text == "" || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

// Days says how long room lasts, as a person would.
func Days(d float64) string {
	switch {
	case d < 1.0/24:
		return "less than an hour"
	case d < 2:
		return fmt.Sprintf("%.0f hours", d*24)
	case d > 365:
		return "more than a year"
	}
	return fmt.Sprintf("%.0f days", d)
}
