package exception_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const owners = `teams: {operations: {mail: [dock@example.com]}}
escalations:
  late:
    acknowledged: %s
    levels:
      - {after: 0s}
      - {after: 2h, team: shift-lead, severity: error}
      - {after: 4h, team: managers, person: ines}
classes:
  technical: {team: it, severity: error, due: 1h}
  data: {team: data, due: 1h, severity: info}
  process: {team: operations, severity: warning, due: 1h, escalation: late, calendar: dock}
codes: {short_pick: {waive: allow}}
`

const dock = `calendars: {dock: {zone: Europe/Berlin, hours: {mon-fri: "08:00-18:00"}, holidays: ["12-25"]}}
`

// office is a policy and a clock, and who escalates by them.
type office struct {
	t      *testing.T
	d      *db.DB
	policy *policy.Policy
	now    time.Time
	told   []string
	events []string
	mu     sync.Mutex
}

func newOffice(t *testing.T, d *db.DB, acknowledged, calendars, start string) *office {
	t.Helper()
	p, err := policy.Load(fstest.MapFS{"owners.yaml": {Data: fmt.Appendf(nil, owners, acknowledged)}, "calendars.yaml": {Data: []byte(calendars)}})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, d: d, policy: p}
	o.now = o.at(start)
	return o
}

func (o *office) at(text string) time.Time {
	o.t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		o.t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		o.t.Fatal(err)
	}
	return at
}

// escalator is one of a collector; it knows nothing of what another, or one before it, has done.
func (o *office) escalator(holder string) *exception.Escalator {
	return &exception.Escalator{DB: o.d, Holder: holder, Policy: func() *policy.Policy { return o.policy }, Now: func() time.Time { return o.now },
		Receipts: func(_ context.Context, _ *db.Tx, _ string, ids []string, _ time.Time) error {
			o.events = append(o.events, ids...)
			return nil
		},
		Tell: func(_ context.Context, _ *db.Tx, told []exception.Told, now time.Time) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, t := range told {
				text := fmt.Sprintf("%s %s %s", now.In(o.at("2026-01-01 00:00").Location()).Format("01-02 15:04"), t.Kind, t.Team)
				if t.Level > 0 {
					text = strings.Replace(text, t.Kind, fmt.Sprint(t.Kind, " ", t.Level), 1)
				}
				o.told = append(o.told, strings.TrimSpace(text+" "+t.Person))
			}
			return nil
		}}
}

// until lets time pass in steps of five minutes, with an escalator of its own for each: restarts change nothing.
func (o *office) until(text string) {
	o.t.Helper()
	for end := o.at(text); !o.now.After(end); o.now = o.now.Add(5 * time.Minute) {
		o.step()
	}
	o.now = o.at(text)
}

func (o *office) step() {
	o.t.Helper()
	if _, err := o.escalator("1").Step(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) want(lines ...string) {
	o.t.Helper()
	if !slices.Equal(o.told, lines) {
		o.t.Errorf("told:\n  %s\nwant:\n  %s", strings.Join(o.told, "\n  "), strings.Join(lines, "\n  "))
	}
}

// open lets an exception be there, as whoever finds it would.
func (o *office) open(desired ...exception.Desired) uint64 {
	o.t.Helper()
	for i := range desired {
		desired[i].Due = 0
		desired[i] = desired[i].Owned(o.policy, tenant)
	}
	s := syncAt(o.t, o.d, "fold/order/SO1", o.now, desired...)
	if len(s.Numbers) == 0 {
		return 0
	}
	return s.Numbers[0]
}

// act lets a person do something.
func (o *office) act(number uint64, action string, set ...string) (string, error) {
	human := exception.Human{Policy: o.policy}
	acting := exception.Acting{By: "otto", Reason: "the forklift is back", Now: o.now, Set: map[string]string{}}
	for _, s := range set {
		name, value, _ := strings.Cut(s, "=")
		acting.Set[name] = value
	}
	said := ""
	err := o.d.Write(o.t.Context(), func(tx *db.Tx) (err error) {
		said, err = human.Actions().Act(o.t.Context(), tx, tenant, number, action, acting)
		return err
	})
	return said, err
}

func (o *office) must(number uint64, action string, set ...string) {
	o.t.Helper()
	if _, err := o.act(number, action, set...); err != nil {
		o.t.Fatal(err)
	}
}

func lacking(events ...string) exception.Desired {
	d := short(events...)
	d.Team = ""
	return d
}

// Shows: S21
func TestEscalation(t *testing.T) {
	for name, test := range map[string]struct {
		acknowledged, calendars, start string
		run                            func(o *office)
	}{
		"level by level over a night": {"continue", dock, "2026-11-24 15:30", func(o *office) {
			number := o.open(lacking())
			o.until("2026-11-26 12:00")
			o.want("11-24 15:30 opened operations", "11-24 16:30 escalated 1 operations", "11-25 08:30 escalated 2 shift-lead", "11-25 10:30 escalated 3 managers ines")
			e := get(o.t, o.d, number)
			if e.Level != 3 || e.Team != "managers" || e.RuleTeam != "operations" || e.Assignee != "ines" || e.Severity != docklinev1.Severity_SEVERITY_ERROR || !e.LookAt.IsZero() {
				o.t.Errorf("at the end: %+v", e)
			}
			o.notes(number, "escalated", "escalated", "escalated")
		}},
		"a weekend": {"continue", dock, "2026-11-20 17:30", func(o *office) {
			number := o.open(lacking())
			if due := get(o.t, o.d, number).DueAt; !due.Equal(o.at("2026-11-23 08:30")) {
				o.t.Errorf("due %s", due)
			}
			o.until("2026-11-23 11:00")
			o.want("11-20 17:30 opened operations", "11-23 08:30 escalated 1 operations", "11-23 10:30 escalated 2 shift-lead")
		}},
		"a holiday before a weekend": {"continue", dock, "2026-12-24 17:30", func(o *office) {
			o.open(lacking())
			o.until("2026-12-28 08:30")
			o.want("12-24 17:30 opened operations", "12-28 08:30 escalated 1 operations")
		}},
		"the night in which an hour is missing": {"continue", strings.Replace(dock, `mon-fri: "08:00-18:00"`, `mon-sun: "00:00-06:00"`, 1), "2026-03-29 00:30", func(o *office) {
			o.open(lacking()) // due 01:30; two hours of work later the clocks show 04:30
			o.until("2026-03-29 05:00")
			o.want("03-29 00:30 opened operations", "03-29 01:30 escalated 1 operations", "03-29 04:30 escalated 2 shift-lead")
		}},
		"the night with an hour more": {"continue", strings.Replace(dock, `mon-fri: "08:00-18:00"`, `mon-sun: "00:00-06:00"`, 1), "2026-10-25 00:30", func(o *office) {
			o.open(lacking())
			o.until("2026-10-25 05:00")
			o.want("10-25 00:30 opened operations", "10-25 01:30 escalated 1 operations", "10-25 02:30 escalated 2 shift-lead", "10-25 04:30 escalated 3 managers ines")
		}},
		"acknowledged stops it": {"stop", dock, "2026-11-24 09:00", func(o *office) {
			number := o.open(lacking())
			o.until("2026-11-24 10:30")
			o.must(number, "acknowledge")
			o.until("2026-11-25 17:00")
			o.want("11-24 09:00 opened operations", "11-24 10:00 escalated 1 operations")
		}},
		"acknowledged lets it wait": {"6h", dock, "2026-11-24 09:00", func(o *office) {
			number := o.open(lacking())
			o.until("2026-11-24 09:30")
			o.must(number, "acknowledge")
			o.must(number, "start")
			o.until("2026-11-24 17:00")
			o.want("11-24 09:00 opened operations", "11-24 15:30 escalated 1 operations otto", "11-24 15:30 escalated 2 shift-lead otto", "11-24 15:30 escalated 3 managers ines")
		}},
		"acknowledged changes nothing": {"continue", dock, "2026-11-24 09:00", func(o *office) {
			o.must(o.open(lacking()), "acknowledge")
			o.until("2026-11-24 10:00")
			o.want("11-24 09:00 opened operations", "11-24 10:00 escalated 1 operations")
		}},
		"its cause goes": {"continue", dock, "2026-11-24 09:00", func(o *office) {
			number := o.open(lacking())
			o.until("2026-11-24 10:30")
			o.open()
			o.until("2026-11-24 17:00")
			o.want("11-24 09:00 opened operations", "11-24 10:00 escalated 1 operations")
			if e := get(o.t, o.d, number); e.State != exception.Resolved || e.Closed != exception.Automatic || e.Caused {
				o.t.Errorf("%+v", e)
			}
			o.open(lacking()) // it comes back, and the team has its time again
			o.until("2026-11-25 08:30")
			o.want("11-24 09:00 opened operations", "11-24 10:00 escalated 1 operations", "11-24 17:00 opened operations", "11-24 18:00 escalated 1 operations")
		}},
		"put off, and back after the time": {"continue", dock, "2026-11-24 09:00", func(o *office) {
			number := o.open(lacking("e1"))
			o.until("2026-11-24 09:30")
			o.must(number, "snooze", "until=2026-11-25T09:00:00+01:00")
			o.until("2026-11-25 08:55")
			if e := get(o.t, o.d, number); e.State != exception.Suppressed {
				o.t.Errorf("put off it is %s", e.State)
			}
			o.until("2026-11-25 09:00")
			o.want("11-24 09:00 opened operations", "11-25 09:00 snooze_ended operations", "11-25 09:00 escalated 1 operations", "11-25 09:00 escalated 2 shift-lead", "11-25 09:00 escalated 3 managers ines")
			if e := get(o.t, o.d, number); e.State != exception.Open || !slices.Equal(o.events, []string{"e1"}) {
				o.t.Errorf("after it: %s, receipts of %v", e.State, o.events)
			}
		}},
		"too small to be told of, and late all the same": {"continue", dock, "2026-11-24 09:00", func(o *office) {
			d := lacking()
			d.Code, d.Class = "from_a_plugin", docklinev1.FaultClass_FAULT_CLASS_DATA
			o.open(d)
			o.until("2026-11-24 17:00")
			o.want()
		}},
		"a person resolves it too early": {"continue", dock, "2026-11-24 09:00", func(o *office) {
			number := o.open(lacking("e1"))
			o.step()
			o.must(number, "resolve")
			o.until("2026-11-24 09:55")
			if e := get(o.t, o.d, number); e.State != exception.Resolved || e.Closed != exception.ByHuman || e.ClosedBy != "otto" || !e.Caused {
				o.t.Errorf("resolved: %+v", e)
			}
			o.until("2026-11-24 10:05")
			e := get(o.t, o.d, number)
			if e.State != exception.Reopened || e.Times != 2 || !e.DueAt.Equal(o.at("2026-11-24 11:00")) {
				o.t.Errorf("its cause is still there: %+v", e)
			}
			o.want("11-24 09:00 opened operations", "11-24 10:05 reopened operations")
			o.notes(number, "act", "reopened")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				test.run(newOffice(t, d, test.acknowledged, test.calendars, test.start))
			})
		})
	}
}

func (o *office) notes(number uint64, kinds ...string) {
	o.t.Helper()
	err := o.d.Read(o.t.Context(), func(tx *db.Tx) error {
		notes, err := exception.Notes(o.t.Context(), tx, tenant, number)
		var got []string
		for _, n := range notes {
			got = append(got, n.Kind)
		}
		if !slices.Equal(got, kinds) {
			o.t.Errorf("noted %v, want %v", got, kinds)
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// Two collectors that look at the same moment let each level happen once.
//
// Shows: S21
func TestSeveralCollectorsEscalateOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d, "continue", dock, "2026-11-24 09:00")
		var desired []exception.Desired
		for i := range 50 {
			e := lacking()
			e.Subject = fmt.Sprint("line ", i)
			desired = append(desired, e)
		}
		o.open(desired...)
		for range 60 {
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					if _, err := o.escalator(fmt.Sprint(i)).Step(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			o.now = o.now.Add(6 * time.Minute)
		}
		o.step() // rows that one held when the others looked
		if len(o.told) != 200 {
			t.Errorf("told %d times of 50 exceptions with 3 levels", len(o.told))
		}
	})
}
