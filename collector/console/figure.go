package console

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sign is a severity's mark, which reads without colour too.
func sign(s docklinev1.Severity) string {
	switch s {
	case docklinev1.Severity_SEVERITY_ERROR:
		return "✖"
	case docklinev1.Severity_SEVERITY_WARNING:
		return "▲"
	}
	return "✔"
}

// number groups the digits of a count.
func number(n any) string { return fleet.Thousands(fmt.Sprint(n)) }

// age is how long ago a moment was, or how far ahead, in its largest unit.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " d"
}

func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d kB", n>>10)
}
