package wmshttp

import (
	"fmt"
	"slices"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/proto/event"
)

// Poll is a REST interface that is asked again and again. Its requests, pages and clock are written as in a definition of the collector's http connector.
type Poll struct {
	Target  `yaml:",inline"`
	Every   time.Duration `yaml:"every"`
	Settle  time.Duration `yaml:"settle"`
	Streams []PollStream  `yaml:"streams"`
}

// PollStream is one request whose items are records.
type PollStream struct {
	// Name is a part of every event's key: it is never changed.
	Name    string        `yaml:"name"`
	Every   time.Duration `yaml:"every"`
	Request `yaml:",inline"`
	Pages   *Pages `yaml:"pages"`
	// Items is a CEL list over body and headers.
	Items string `yaml:"items"`
	// Next is a CEL string, the cursor after this answer, and More a CEL bool: there is more to be had at once. Forgotten are the statuses that mean
	// that the cursor is no longer known.
	Next      string `yaml:"next"`
	More      string `yaml:"more"`
	Forgotten []int  `yaml:"forgotten"`
	Clock     *Clock `yaml:"clock"`
	// Changed: the system says by ETag or Last-Modified whether anything has.
	Conditional bool    `yaml:"conditional"`
	Detail      *Detail `yaml:"detail"`
	// Records is the path of records within an item: lines[].
	Records    string `yaml:"records"`
	MovesStock *bool  `yaml:"moves_stock"`

	mapping.Spec `yaml:",inline"`
}

// Pages says how a list that comes in several answers is read whole; page is where one begins.
type Pages struct {
	// Style is number, offset or next.
	Style string `yaml:"style"`
	First *int64 `yaml:"first"`
	Size  int64  `yaml:"size"`
	// Next is a CEL string over body, headers and page; "" is the end.
	Next string `yaml:"next"`
	Most int    `yaml:"most"`
}

// Clock is for a system that is asked for what changed since a moment. Its clock may be coarse, and a record may become visible after others that bear
// a later time: each reading begins Overlap before the latest time that was seen.
type Clock struct {
	// Changed is a CEL timestamp and ID a CEL string over item.
	Changed    string        `yaml:"changed"`
	ID         string        `yaml:"id"`
	Resolution time.Duration `yaml:"resolution"`
	Overlap    time.Duration `yaml:"overlap"`
	// Size is how many records one answer may have: fewer are the last. For requests without pages.
	Size int `yaml:"size"`
	// From is the day from which it is read at first.
	From string `yaml:"from"`
}

// Detail is a request for each item; its answer is the item's member detail.
type Detail struct {
	Request `yaml:",inline"`
	// When is a CEL bool over item: only then.
	When string `yaml:"when"`
	// Absent are the statuses that mean that the record is gone meanwhile.
	Absent []int `yaml:"absent"`
}

// pollStream is a PollStream that has been checked.
type pollStream struct {
	PollStream
	*reader
	request     *call
	items, next *expression
	more        *expression
	pages       *pages
	clock       *clock
	detail      *call
	detailWhen  *expression
	movesStock  bool
}

type pages struct {
	Pages
	first int64
	next  *expression
}

type clock struct {
	Clock
	changed, id *expression
	from        time.Time
}

const (
	pageNumber = "number"
	pageOffset = "offset"
	pageNext   = "next"
)

func (l *loader) loadPoll(s *setup, names map[string]bool) {
	p := s.Poll
	defaults(&p.Every, 10*time.Second)
	defaults(&p.Settle, 15*time.Minute)
	l.within("poll.every", p.Every, 50*time.Millisecond, 24*time.Hour)
	l.within("poll.settle", p.Settle, 0, 7*24*time.Hour)
	s.target = l.target("poll", p.Target)
	if len(p.Streams) == 0 {
		l.fault("poll.streams", "nothing is asked for; describe at least one request")
	}
	for i, f := range p.Streams {
		at := fmt.Sprintf("poll.streams[%d]", i)
		defaults(&f.Every, p.Every)
		l.within(at+".every", f.Every, 50*time.Millisecond, 24*time.Hour)
		st := &pollStream{PollStream: f}
		asked := variables{"cursor": cel.StringType, "page": cel.StringType, "since": cel.TimestampType, "after": cel.StringType}
		st.request = l.call(at, f.Request, asked, "GET")
		st.items = l.required(at+".items", f.Items, anyList, answerVars)
		st.next = l.expression(at+".next", f.Next, cel.StringType, answerVars)
		st.more = l.expression(at+".more", f.More, cel.BoolType, answerVars)
		st.pages = l.pages(at+".pages", f.Pages)
		st.clock = l.clock(at+".clock", f.Clock, f.Pages != nil)
		l.checkWays(at, f)
		if d := f.Detail; d != nil {
			item := variables{"item": cel.DynType}
			st.detail, st.detailWhen = l.call(at+".detail", d.Request, item, "GET"), l.expression(at+".detail.when", d.When, cel.BoolType, item)
		}
		if f.Key != nil && slices.Equal(f.Key, mapping.Key{mapping.RowAndOccurrence}) {
			l.fault(at+".key", "records that are read again and again need a key: name the path of what identifies one")
		}
		if st.reader = l.reader(s, at, f.Name, f.Records, f.Spec, names, false); st.reader == nil {
			continue
		}
		st.movesStock = slices.ContainsFunc(st.reader.mapping.Kinds(), event.MovesStock)
		if f.MovesStock != nil {
			st.movesStock = *f.MovesStock
		}
		s.polls = append(s.polls, st)
	}
}

// checkWays: there is one way to know what is new.
func (l *loader) checkWays(at string, f PollStream) {
	if f.Next != "" && (f.Clock != nil || f.Pages != nil) {
		l.fault(at+".next", "next is the cursor of a system that keeps one; with clock or pages, write pages.next")
	}
	if f.Next == "" && (f.More != "" || len(f.Forgotten) > 0) {
		l.fault(at+".more", "more and forgotten go with next")
	}
	if f.Conditional && (f.Next != "" || f.Clock != nil || f.Pages != nil) {
		l.fault(at+".conditional", "goes with a list in one answer, without next, clock and pages")
	}
}

func (l *loader) pages(key string, given *Pages) *pages {
	if given == nil {
		return nil
	}
	p := &pages{Pages: *given, next: l.expression(key+".next", given.Next, cel.StringType, answerVars.with(variables{"page": cel.StringType}))}
	defaults(&p.Most, 1000)
	if p.Style == pageNumber {
		p.first = 1
	}
	if p.First != nil {
		p.first = *p.First
	}
	switch p.Style {
	case pageNumber, pageOffset:
		if p.Size <= 0 {
			l.fault(key+".size", "is missing: an answer with fewer records than that is the last page")
		}
		if p.Next != "" {
			l.fault(key+".next", "is for style next; with %s the next page is counted", p.Style)
		}
	case pageNext:
		if p.Next == "" {
			l.fault(key+".next", "is missing: it says where the next page begins")
		}
	default:
		l.fault(key+".style", "%q is no style; write number, offset or next", p.Style)
	}
	return p
}

func (l *loader) clock(key string, given *Clock, paged bool) *clock {
	if given == nil {
		return nil
	}
	item := variables{"item": cel.DynType}
	k := &clock{Clock: *given, changed: l.required(key+".changed", given.Changed, cel.TimestampType, item), id: l.required(key+".id", given.ID, cel.StringType, item), from: time.Unix(0, 0).UTC()}
	defaults(&k.Resolution, time.Second)
	defaults(&k.Overlap, time.Minute)
	if k.Resolution < 0 || k.Overlap < k.Resolution {
		l.fault(key+".overlap", "must be at least resolution, %s: else a record that bears the same time as the last one is never read", k.Resolution)
	}
	if !paged && k.Size <= 1 {
		l.fault(key+".size", "is missing, or too small: an answer with fewer records than that is the last of a reading")
	}
	if k.From != "" {
		from, err := time.Parse(time.DateOnly, k.From)
		if err != nil {
			l.fault(key+".from", "%q is no day; write YYYY-MM-DD", k.From)
		}
		k.from = from
	}
	return k
}

// horizon is the moment before which nothing is read again. A time ahead of the own clock, be it one wrong record's or that of the system's whole
// clock, moves it no further than the own clock has come: what comes after it would never be read.
func (k *clock) horizon(high, now time.Time) time.Time {
	if high.After(now) {
		high = now
	}
	if t := high.Add(-k.Overlap).Truncate(k.Resolution).UTC(); t.After(k.from) {
		return t
	}
	return k.from
}
