package milestone_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/calendar"
	"github.com/dockline/dockline/collector/milestone"
)

func local(t *testing.T, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// dock works from 8 to 17 on weekdays, and not on Thanksgiving.
func dock(t *testing.T) *calendar.Calendar {
	t.Helper()
	day := []calendar.Span{{From: 8 * 60, To: 17 * 60}}
	c, err := calendar.New(local(t, "2026-11-24 08:00").Location(), [7][]calendar.Span{1: day, 2: day, 3: day, 4: day, 5: day}, map[calendar.Date][]calendar.Span{{Year: 2026, Month: 11, Day: 26}: nil})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// night works round the clock, by a calendar that has a zone with summer time.
func night(t *testing.T) *calendar.Calendar {
	t.Helper()
	all := []calendar.Span{{From: 0, To: 24 * 60}}
	c, err := calendar.New(local(t, "2026-11-24 08:00").Location(), [7][]calendar.Span{all, all, all, all, all, all, all}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Due times by a calendar of working hours: over a weekend, over a holiday, over the hour that summer time takes and gives, and with holds in
// between.
//
// Shows: S40
func TestMilestonesByCalendar(t *testing.T) {
	for _, c := range []struct {
		name, start string
		within      time.Duration
		cal         *calendar.Calendar
		held        [][2]string
		want        string
	}{
		{"within the day", "2026-11-24 09:00", 4 * time.Hour, dock(t), nil, "2026-11-24 13:00"},
		{"over night", "2026-11-24 15:00", 4 * time.Hour, dock(t), nil, "2026-11-25 10:00"},
		{"over a holiday", "2026-11-25 15:00", 4 * time.Hour, dock(t), nil, "2026-11-27 10:00"},
		{"over a weekend", "2026-11-20 16:00", 4 * time.Hour, dock(t), nil, "2026-11-23 11:00"},
		{"begun on a Sunday", "2026-11-22 16:00", 4 * time.Hour, dock(t), nil, "2026-11-23 12:00"},
		{"held over a weekend", "2026-11-20 09:00", 4 * time.Hour, dock(t), [][2]string{{"2026-11-20 10:00", "2026-11-23 10:00"}}, "2026-11-23 13:00"},
		{"held while nobody works", "2026-11-20 16:00", 4 * time.Hour, dock(t), [][2]string{{"2026-11-21 10:00", "2026-11-22 10:00"}}, "2026-11-23 11:00"},
		{"two holds that overlap", "2026-11-24 09:00", 4 * time.Hour, dock(t), [][2]string{{"2026-11-24 10:00", "2026-11-24 12:00"}, {"2026-11-24 11:00", "2026-11-24 13:00"}}, "2026-11-24 16:00"},
		{"the hour that is left out in spring", "2026-03-08 01:00", 3 * time.Hour, night(t), nil, "2026-03-08 05:00"},
		{"the hour that comes twice in autumn", "2026-11-01 00:30", 3 * time.Hour, night(t), nil, "2026-11-01 02:30"},
		{"a working day in the week of the change", "2026-10-30 16:00", 2 * time.Hour, dock(t), nil, "2026-11-02 09:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := milestone.Definition{Name: "picked", Of: milestone.Order, Start: []string{"released"}, Stop: []string{"picked"}, Within: c.within, Pause: []string{"held"}}
			ev := milestone.Evidence{Points: []milestone.Point{{Name: "released", At: local(t, c.start)}}}
			for _, h := range c.held {
				ev.Intervals = append(ev.Intervals, milestone.Interval{Name: "held", From: local(t, h[0]), To: local(t, h[1])})
			}
			clock, ok := milestone.Evaluate(d, ev, c.cal)
			if want := local(t, c.want); !ok || !clock.DueAt.Equal(want) || clock.Standing != milestone.Running {
				t.Errorf("%s, due %s, want %s", clock.Standing, clock.DueAt.In(want.Location()), want)
			}
		})
	}
}

// Evidence in any order gives one clock; a pause never makes it due sooner, and what is reached by its due is met.
func TestAClockDoesNotDependOnTheOrderOfItsEvidence(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	minute := func() time.Time { return start.Add(time.Duration(random.IntN(3000)) * time.Minute) }
	actions := []string{milestone.Signal, milestone.Reset, milestone.Extend, milestone.Pause, milestone.Resume, milestone.Stop}
	d := milestone.Definition{Name: "picked", Of: milestone.Order, Start: []string{"released", "signal:go"}, Stop: []string{"picked"}, Within: 4 * time.Hour, Pause: []string{"held"}, Drop: []string{"cancelled"}}
	seen := make(map[milestone.Standing]int)
	for range 3000 {
		ev := milestone.Evidence{Points: []milestone.Point{{Name: "released", At: minute(), EventIDs: []string{"r"}}}}
		for _, name := range []string{"picked", "cancelled", "released"} {
			if random.IntN(2) == 0 {
				ev.Points = append(ev.Points, milestone.Point{Name: name, At: minute(), EventIDs: []string{name}})
			}
		}
		for i := range random.IntN(3) {
			from := minute()
			held := milestone.Interval{Name: "held", From: from, EventIDs: []string{fmt.Sprint("h", i)}}
			if random.IntN(3) > 0 {
				held.To = from.Add(time.Duration(random.IntN(600)) * time.Minute)
			}
			ev.Intervals = append(ev.Intervals, held)
		}
		for i := range random.IntN(4) {
			ev.Acts = append(ev.Acts, milestone.Act{ID: fmt.Sprint("a", i), At: minute(), Name: []string{"picked", "go"}[random.IntN(2)], Action: actions[random.IntN(len(actions))], For: time.Hour})
		}
		want, started := milestone.Evaluate(d, ev, dock(t))
		for range 3 {
			random.Shuffle(len(ev.Points), func(i, j int) { ev.Points[i], ev.Points[j] = ev.Points[j], ev.Points[i] })
			random.Shuffle(len(ev.Intervals), func(i, j int) { ev.Intervals[i], ev.Intervals[j] = ev.Intervals[j], ev.Intervals[i] })
			ev.Acts = slices.Clone(ev.Acts)
			random.Shuffle(len(ev.Acts), func(i, j int) { ev.Acts[i], ev.Acts[j] = ev.Acts[j], ev.Acts[i] })
			if got, ok := milestone.Evaluate(d, ev, dock(t)); ok != started || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("the same evidence gives\n%v\nand\n%v", got, want)
			}
		}
		seen[want.Standing]++
		free, _ := milestone.Evaluate(d, milestone.Evidence{Points: ev.Points, Acts: ev.Acts}, dock(t))
		switch {
		case want.Standing == milestone.Met && !want.DueAt.IsZero() && want.ReachedAt.After(want.DueAt), want.Standing == milestone.Late && !want.ReachedAt.After(want.DueAt):
			t.Fatalf("%v", want)
		case !want.DueAt.IsZero() && want.DueAt.Before(free.DueAt):
			t.Fatalf("holds make it due sooner: %s, without %s", want.DueAt, free.DueAt)
		case want.Standing == milestone.Running && want.DueAt.IsZero():
			t.Fatalf("it runs and is never due: %v", want)
		}
	}
	for _, s := range []milestone.Standing{milestone.Running, milestone.Paused, milestone.Met, milestone.Late, milestone.Dropped, milestone.Stopped} {
		if seen[s] < 20 {
			t.Errorf("of 3000 clocks %d are %s: the test shows little of it", seen[s], s)
		}
	}
}

// People can give a clock very long, and that again, and it is not due before it began.
func TestExtendedVeryFar(t *testing.T) {
	from := local(t, "2026-11-24 08:00")
	d := milestone.Definition{Name: "picked", Of: milestone.Order, Start: []string{"released"}, Stop: []string{"picked"}, Within: 4 * time.Hour}
	ev := milestone.Evidence{Points: []milestone.Point{{Name: "released", At: from, EventIDs: []string{"r"}}}}
	for i := range 2 {
		ev.Acts = append(ev.Acts, milestone.Act{ID: fmt.Sprint("a", i), At: from.Add(time.Minute), Name: "picked", Action: milestone.Extend, For: 2_000_000 * time.Hour})
	}
	for _, cal := range []milestone.Calendar{milestone.Always, dock(t)} {
		if c, _ := milestone.Evaluate(d, ev, cal); c.DueAt.Before(from.AddDate(9, 0, 0)) {
			t.Errorf("it is due %s", c.DueAt)
		}
	}
}
