package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/calendar"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/proto/configfile"
)

// The timing classes of postings; default/postings.yaml says what each is.
const (
	TimingSynchronous  = "synchronous"
	TimingNearRealTime = "near_real_time"
	TimingBatch        = "batch"
)

// anyKind stands for every kind of posting.
const anyKind = "any"

// PostingRule is how soon a posting is told; an empty field leaves it to the rule before.
type PostingRule struct {
	Timing   string        `yaml:"timing"`
	At       string        `yaml:"at"`
	Zone     string        `yaml:"zone"`
	Calendar string        `yaml:"calendar"`
	Within   time.Duration `yaml:"within"`

	calendar *calendar.Calendar
}

// postingRules are rules by kind, or by target and kind.
type postingRules map[string]PostingRule

// period is what is open of a target's books.
type period struct {
	ClosedThrough string `yaml:"closed_through"`
	Zone          string `yaml:"zone"`
	Calendar      string `yaml:"calendar"`
}

// postings is postings.yaml.
type postings struct {
	*scoped[postingRules]
	periods map[string]period
}

// Posting is how soon a kind is told to a target, for a scope.
func (p *Policy) Posting(of Scope, target string, kind connector.Kind) PostingRule {
	rules := p.postings.of(of, "")
	r := PostingRule{}
	for _, name := range []string{target + "/" + string(kind), target + "/" + anyKind, string(kind), anyKind} {
		next, ok := rules[name]
		if !ok {
			continue
		}
		r.Timing, r.Within = cmp.Or(r.Timing, next.Timing), cmp.Or(r.Within, next.Within)
		r.At, r.Zone, r.Calendar = cmp.Or(r.At, next.At), cmp.Or(r.Zone, next.Zone), cmp.Or(r.Calendar, next.Calendar)
	}
	r.Timing = cmp.Or(r.Timing, TimingNearRealTime)
	r.calendar = p.Calendar(r.Calendar)
	return r
}

// NotBefore is when it may be told at the earliest where it is wanted now: the next hour of a batch, zero for at once.
func (r PostingRule) NotBefore(now time.Time) time.Time {
	clock, err := time.Parse("15:04", r.At)
	if r.Timing != TimingBatch || err != nil {
		return time.Time{}
	}
	local := now.In(zoneOf(r.Zone))
	at := time.Date(local.Year(), local.Month(), local.Day(), clock.Hour(), clock.Minute(), 0, 0, local.Location())
	if at.Before(now) {
		at = time.Date(local.Year(), local.Month(), local.Day()+1, clock.Hour(), clock.Minute(), 0, 0, local.Location())
	}
	if r.calendar != nil {
		at = r.calendar.Next(at)
	}
	return at.UTC()
}

// PostingDay is the day of a moment for a target, and the first day from then on, and from notBefore on where that is named, whose books are
// open.
func (p *Policy) PostingDay(target string, at time.Time, notBefore string) (day, open string) {
	book := p.postings.periods[target]
	zone := zoneOf(book.Zone)
	day = at.In(zone).Format(time.DateOnly)
	open = max(day, notBefore)
	if book.ClosedThrough == "" || open > book.ClosedThrough {
		if open == day {
			return day, day
		}
	} else if last, err := time.ParseInLocation(time.DateOnly, book.ClosedThrough, zone); err == nil {
		open = last.AddDate(0, 0, 1).Format(time.DateOnly)
	}
	if work := p.Calendar(book.Calendar); work != nil {
		if first, err := time.ParseInLocation(time.DateOnly, open, zone); err == nil {
			open = work.Next(first).In(zone).Format(time.DateOnly)
		}
	}
	return day, open
}

// zoneOf is a time zone that was checked when the policy was read.
func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

func (c *compiler) readPostings() {
	var content struct {
		Of      sections[postingRules] `yaml:",inline"`
		Periods map[string]period      `yaml:"periods"`
	}
	file := c.read("postings.yaml", &content)
	if file == nil {
		return
	}
	rules := newScoped(c, file, content.Of)
	rules.each(func(section, key string, of *postingRules) {
		if section == "items" {
			c.bad(file, key, "a posting is told for a whole document: it can be said by tenant, region, site and customer, not by item")
			return
		}
		for _, name := range slices.Sorted(maps.Keys(*of)) {
			c.postingRule(file, key+"."+name, name, (*of)[name])
		}
	})
	for _, target := range slices.Sorted(maps.Keys(content.Periods)) {
		key, book := "periods."+target, content.Periods[target]
		if _, err := time.Parse(time.DateOnly, book.ClosedThrough); book.ClosedThrough != "" && err != nil {
			c.bad(file, key+".closed_through", "%q: give the last closed day, like 2026-02-28", book.ClosedThrough)
		}
		c.zoneAndCalendar(file, key, book.Zone, book.Calendar)
	}
	c.policy.postings = &postings{scoped: rules, periods: content.Periods}
}

func (c *compiler) postingRule(file *configfile.File, key, name string, r PostingRule) {
	kind := name
	if _, after, ok := strings.Cut(name, "/"); ok {
		kind = after
	}
	if kind != anyKind && !slices.Contains(postedKinds, connector.Kind(kind)) {
		c.bad(file, key, "%q is no kind of posting, nor any", kind)
	}
	if !slices.Contains([]string{"", TimingSynchronous, TimingNearRealTime, TimingBatch}, r.Timing) {
		c.bad(file, key+".timing", "%q: synchronous, near_real_time or batch", r.Timing)
	}
	if _, err := time.Parse("15:04", r.At); r.At != "" && err != nil {
		c.bad(file, key+".at", "%q: give an hour like 22:00", r.At)
	}
	if r.Timing == TimingBatch && r.At == "" {
		c.bad(file, key+".at", "a batch needs its hour, like \"22:00\"")
	}
	if r.Within < 0 {
		c.bad(file, key+".within", "%s: give how long it may take, like 10s", r.Within)
	}
	c.zoneAndCalendar(file, key, r.Zone, r.Calendar)
}

func (c *compiler) zoneAndCalendar(file *configfile.File, key, zone, calendar string) {
	if _, err := time.LoadLocation(zone); err != nil {
		c.bad(file, key+".zone", "%q: give a time zone like Europe/Berlin", zone)
	}
	if !c.policy.hasCalendar(calendar) {
		c.bad(file, key+".calendar", "calendars.yaml has no calendar %s", calendar)
	}
}

// postedKinds are those that postings.yaml may name.
var postedKinds = append(slices.Clone(kinds), connector.GoodsIssueReversal, connector.InvoiceReversal, connector.ReturnReceiptReversal, connector.CreditReversal)
