package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/fleet"
)

// timeline is a site's history as a picture: a band that says how it was, by height and pattern as well as by colour, and above it how many
// events the site held. Its coordinates are those of a viewBox.
type timeline struct {
	Bars  []bar
	Ticks []tick
	// Held is the outline of what the site held, "" where it held nothing; Most is its highest point.
	Held string
	Most uint64
	// Known says whether anything is known; Share is the part of the known time in which it was online, in percent.
	Known  bool
	Share  string
	Spells []fleet.Spell
	From   time.Time
	To     time.Time
}

type bar struct {
	X, Y, Width, Height float64
	State               fleet.SpellState
	Text                string
}

type tick struct {
	X    float64
	Text string
}

// The picture's measures: its width, the height of the band, and of what the site held above it.
const (
	pictureWidth = 960
	heldHeight   = 60
	bandTop      = 74
	bandHeight   = 28
)

// bandHeights are how high each state stands in the band: a site that is down leaves a hole that reads without colour.
var bandHeights = map[fleet.SpellState]float64{fleet.SpellUp: bandHeight, fleet.SpellTroubled: bandHeight * 0.75, fleet.SpellDown: bandHeight * 0.35, fleet.SpellUnknown: 3}

func newTimeline(points []fleet.Point, from, to time.Time) *timeline {
	t := &timeline{From: from, To: to, Spells: fleet.Spells(points, from, to)}
	x := func(at time.Time) float64 {
		return float64(at.Sub(from)) / float64(to.Sub(from)) * pictureWidth
	}
	for _, s := range t.Spells {
		height := bandHeights[s.State]
		text := fmt.Sprintf("%s from %s to %s", s.State, s.From.UTC().Format("2006-01-02 15:04"), s.To.UTC().Format("2006-01-02 15:04"))
		if len(s.Marks) > 0 {
			text += ": " + strings.Join(s.Marks, ", ")
		}
		left, right := x(s.From), x(s.To)
		t.Bars = append(t.Bars, bar{left, bandTop + bandHeight - height, max(right-left, 1.5), height, s.State, text})
	}
	share, known := fleet.Uptime(t.Spells)
	t.Known, t.Share = known, fmt.Sprintf("%.1f", 100*share)
	t.held(points, x)
	step := to.Sub(from) / 6
	for at := from.Truncate(step).Add(step); at.Before(to); at = at.Add(step) {
		format := "15:04"
		if step >= 24*time.Hour {
			format = "2 Jan"
		}
		t.Ticks = append(t.Ticks, tick{x(at), at.UTC().Format(format)})
	}
	return t
}

// held draws what the site held; where it was gone, what it held last goes on.
func (t *timeline) held(points []fleet.Point, x func(time.Time) float64) {
	for _, p := range points {
		t.Most = max(t.Most, p.Backlog)
	}
	if t.Most == 0 {
		return
	}
	var b strings.Builder
	y := func(n uint64) float64 { return heldHeight + 4 - float64(n)/float64(t.Most)*heldHeight }
	last := uint64(0)
	for i, p := range points {
		if p.Online {
			last = p.Backlog
		}
		at := max(0, x(p.At))
		if i == 0 {
			fmt.Fprintf(&b, "M%.1f %d", at, heldHeight+4)
		}
		fmt.Fprintf(&b, " L%.1f %.1f", at, y(last))
	}
	fmt.Fprintf(&b, " L%d %.1f L%d %d Z", pictureWidth, y(last), pictureWidth, heldHeight+4)
	t.Held = b.String()
}
