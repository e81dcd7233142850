package milestone

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Point is something that was reached, when, and by which facts.
type Point struct {
	Name     string
	At       time.Time
	EventIDs []string
}

// Interval is a time during which something held; To is zero while it does.
type Interval struct {
	Name     string
	From, To time.Time
	EventIDs []string
}

// Act is what a person told a clock.
type Act struct {
	ID     string
	At     time.Time
	By     string
	Name   string
	Action string
	Reason string
	// Until or For: how much longer.
	Until time.Time
	For   time.Duration
}

// Actions of people.
const (
	Signal = "signal"
	Reset  = "reset"
	Extend = "extend"
	Pause  = "pause"
	Resume = "resume"
	Stop   = "stop"
)

// Evidence is what the facts of one object say to its clocks.
type Evidence struct {
	Points    []Point
	Intervals []Interval
	// Times are those that the facts name: "promised_at".
	Times map[string]time.Time
	Acts  []Act
}

// Calendar says what of time is worked. Its zero of either method is round the clock.
type Calendar interface {
	// Add is when d of working time has passed after t, Between how much of it lies between two moments.
	Add(t time.Time, d time.Duration) time.Time
	Between(a, b time.Time) time.Duration
}

type always struct{}

func (always) Add(t time.Time, d time.Duration) time.Time { return t.Add(d) }
func (always) Between(a, b time.Time) time.Duration       { return b.Sub(a) }

// Always is round the clock.
var Always Calendar = always{}

// Standing is where a clock stands by the facts alone.
type Standing string

const (
	// Running: it is not reached. Whether it ran past its due is for who asks, who knows the time and how much was told.
	Running Standing = "running"
	// Paused: something holds it; it has no due, unless that is a time the facts name.
	Paused Standing = "paused"
	// Met: it was reached in time. Late: it was reached after its due.
	Met  Standing = "met"
	Late Standing = "late"
	// Dropped: what it was about ended otherwise, as by a cancellation; Stopped: a person stopped it. Neither counts.
	Dropped Standing = "dropped"
	Stopped Standing = "stopped"
)

// Clock is one milestone of one object.
type Clock struct {
	Definition
	Standing Standing
	// StartedAt is when it began, DueAt when it is due, WarnAt when people are warned; zero where there is none. All are UTC.
	StartedAt, DueAt, WarnAt time.Time
	// ReachedAt is when it was reached, dropped or stopped.
	ReachedAt time.Time
	// PausedAt is since when it waits, zero for not; Waited is how much working time the pauses before took.
	PausedAt time.Time
	Waited   time.Duration
	// Left is how much working time it has still, of one that waits and has a time of its own.
	Left time.Duration
	// ExpectedAt is what the facts forecast, zero for nothing.
	ExpectedAt time.Time
	// EventIDs are the facts that it follows from, sorted.
	EventIDs []string
}

// Missed says whether the facts alone say that it was not met.
func (c *Clock) Missed() bool { return c.Standing == Late }

// Open says whether it is still to be reached.
func (c *Clock) Open() bool { return c.Standing == Running || c.Standing == Paused }

// Evaluate works out one clock; ok is false where it has not started.
func Evaluate(d Definition, ev Evidence, cal Calendar) (c Clock, ok bool) {
	if cal == nil {
		cal = Always
	}
	w := work{Definition: d, ev: ev, cal: cal, clock: Clock{Definition: d, Standing: Running}}
	w.acts = slices.Clone(ev.Acts)
	slices.SortFunc(w.acts, func(a, b Act) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	if !w.start() {
		return Clock{}, false
	}
	w.pauses()
	w.stop()
	w.due()
	w.settle()
	slices.Sort(w.clock.EventIDs)
	w.clock.EventIDs = slices.Compact(w.clock.EventIDs)
	return w.clock, true
}

// work is one evaluation.
type work struct {
	Definition
	ev    Evidence
	cal   Calendar
	acts  []Act
	clock Clock
	// reset: a person began it anew.
	reset   bool
	waiting []Interval
}

func (w *work) because(ids ...string) { w.clock.EventIDs = append(w.clock.EventIDs, ids...) }

// first is the earliest of the points with these names, that is not before a moment.
func (w *work) first(names []string, from time.Time) (Point, bool) {
	var found Point
	ok := false
	take := func(p Point) {
		if !p.At.Before(from) && (!ok || p.At.Before(found.At) || p.At.Equal(found.At) && p.Name < found.Name) {
			found, ok = p, true
		}
	}
	for _, p := range w.ev.Points {
		if slices.Contains(names, p.Name) {
			take(p)
		}
	}
	for _, a := range w.acts {
		if a.Action == Signal && slices.Contains(names, signalPrefix+a.Name) {
			take(Point{signalPrefix + a.Name, a.At, []string{a.ID}})
		}
	}
	return found, ok
}

// start is the first of the points at which it starts, or the last time that a person began it anew.
func (w *work) start() bool {
	p, ok := w.first(w.Start, time.Time{})
	for _, a := range w.mine() {
		if a.Action == Reset {
			p, ok, w.reset = Point{Reset, a.At, []string{a.ID}}, true, true
		}
	}
	if ok {
		w.clock.StartedAt = p.At
		w.because(p.EventIDs...)
	}
	return ok
}

// mine are the acts about this clock.
func (w *work) mine() (list []Act) {
	for _, a := range w.acts {
		if a.Name == w.Name {
			list = append(list, a)
		}
	}
	return list
}

// since are the acts about this clock since it began.
func (w *work) since() []Act {
	return slices.DeleteFunc(w.mine(), func(a Act) bool { return w.reset && a.At.Before(w.clock.StartedAt) })
}

// stop finds what ended it: reached, dropped, or stopped by a person, whichever came first. Begun anew, only what came after counts.
func (w *work) stop() {
	from := time.Time{}
	if w.reset {
		from = w.clock.StartedAt
	}
	end := func(s Standing, p Point) {
		if c := &w.clock; c.ReachedAt.IsZero() || p.At.Before(c.ReachedAt) {
			c.Standing, c.ReachedAt = s, p.At
			w.because(p.EventIDs...)
		}
	}
	if p, ok := w.first(w.Stop, from); ok {
		end(Met, p)
	}
	for _, a := range w.since() {
		switch a.Action {
		case Signal:
			end(Met, Point{At: a.At, EventIDs: []string{a.ID}})
		case Stop:
			end(Stopped, Point{At: a.At, EventIDs: []string{a.ID}})
		}
	}
	// What it was about is no more: that counts only where it was not reached, whichever time either has.
	if p, ok := w.first(w.Drop, time.Time{}); ok && w.clock.Standing == Running {
		end(Dropped, p)
	}
}

// pauses gathers, merged and sorted, the times during which it waits.
func (w *work) pauses() {
	var list []Interval
	for _, i := range w.ev.Intervals {
		if slices.Contains(w.Pause, i.Name) {
			list = append(list, i)
		}
	}
	var open *Interval
	for _, a := range w.since() {
		switch {
		case a.Action == Pause && open == nil:
			open = &Interval{From: a.At, EventIDs: []string{a.ID}}
		case a.Action == Resume && open != nil:
			open.To, open.EventIDs = a.At, append(open.EventIDs, a.ID)
			list, open = append(list, *open), nil
		}
	}
	if open != nil {
		list = append(list, *open)
	}
	slices.SortFunc(list, func(a, b Interval) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(strings.Join(a.EventIDs, " "), strings.Join(b.EventIDs, " ")))
	})
	for _, i := range list {
		if !i.To.IsZero() && !i.To.After(w.clock.StartedAt) {
			continue
		}
		if i.From.Before(w.clock.StartedAt) {
			i.From = w.clock.StartedAt
		}
		if n := len(w.waiting); n > 0 && (w.waiting[n-1].To.IsZero() || !i.From.After(w.waiting[n-1].To)) {
			last := &w.waiting[n-1]
			if last.To.IsZero() || i.To.IsZero() {
				last.To = time.Time{}
			} else if i.To.After(last.To) {
				last.To = i.To
			}
			last.EventIDs = append(last.EventIDs, i.EventIDs...)
			continue
		}
		w.waiting = append(w.waiting, Interval{From: i.From, To: i.To, EventIDs: slices.Clone(i.EventIDs)})
	}
	// What began after it was reached does not hold it.
}

// due works out when it is due.
func (w *work) due() {
	c := &w.clock
	if w.By != "" {
		if at, ok := w.ev.Times[w.By]; ok {
			c.DueAt = at.Add(-w.Lead)
		}
	} else {
		c.DueAt = w.run(w.Within + w.extra())
	}
	if c.ReachedAt.IsZero() && len(w.waiting) > 0 {
		if last := w.waiting[len(w.waiting)-1]; last.To.IsZero() {
			c.Standing, c.PausedAt = Paused, last.From
		}
	}
	if w.By != "" && !c.DueAt.IsZero() {
		if extra := w.extra(); extra > 0 {
			c.DueAt = w.cal.Add(c.DueAt, extra)
		}
	}
	for _, a := range w.since() {
		if a.Action == Extend && !a.Until.IsZero() {
			c.DueAt = a.Until
		}
		if a.Action == Extend {
			w.because(a.ID)
		}
	}
	if w.Warn > 0 && !c.DueAt.IsZero() {
		c.WarnAt = c.DueAt.Add(-w.Warn)
	}
	if at, ok := w.ev.Times[w.Forecast]; ok && w.Forecast != "" {
		c.ExpectedAt = at
	}
}

// longestExtra bounds how much longer people can give a clock.
const longestExtra = 10 * 365 * 24 * time.Hour

// extra is how much longer people gave it, in working time.
func (w *work) extra() (d time.Duration) {
	for _, a := range w.since() {
		if a.Action == Extend && a.Until.IsZero() {
			d = min(d+min(max(a.For, 0), longestExtra), longestExtra)
		}
	}
	return d
}

// run is when so much working time has passed since the start, but for the pauses; zero where one has no end. A pause that began when the time
// was over, or when the milestone was reached, does not count.
func (w *work) run(left time.Duration) time.Time {
	c := &w.clock
	at := c.StartedAt
	for _, pause := range w.waiting {
		if !c.ReachedAt.IsZero() && !pause.From.Before(c.ReachedAt) {
			break
		}
		worked := w.cal.Between(at, pause.From)
		if worked >= left {
			return w.cal.Add(at, left)
		}
		w.because(pause.EventIDs...)
		left -= worked
		if pause.To.IsZero() {
			if !c.ReachedAt.IsZero() { // reached while it waited
				return w.cal.Add(c.ReachedAt, left)
			}
			c.Left = left
			return time.Time{}
		}
		c.Waited += w.cal.Between(pause.From, pause.To)
		at = pause.To
	}
	return w.cal.Add(at, left)
}

// settle says whether it was reached in time. One that was paused past its due when it was reached was in time: it had none.
func (w *work) settle() {
	c := &w.clock
	if c.Standing == Met && !c.DueAt.IsZero() && c.ReachedAt.After(c.DueAt) {
		c.Standing = Late
	}
	for _, at := range []*time.Time{&c.StartedAt, &c.DueAt, &c.WarnAt, &c.ReachedAt, &c.PausedAt, &c.ExpectedAt} {
		if !at.IsZero() {
			*at = at.UTC().Truncate(time.Microsecond)
		}
	}
}
