package http

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
)

// clockSource is for a feed by time of change: the system is asked for what changed since a moment, in the order of change. Such clocks are coarse
// (many records bear one second), and a record may become visible after others that bear a later time. So each reading begins again a little
// before the latest time that was seen, and what was told already is left out; within one reading the next answer begins at the last record.
// The request's expressions have since (a timestamp) and after (the id of the last record read that bears just that time, "" for none).
type clockSource struct {
	// Changed is a CEL timestamp over item: when it changed, by the system's clock. ID is a CEL string: which record it is.
	Changed string `yaml:"changed"`
	ID      string `yaml:"id"`
	// Resolution is how coarse the clock is; absent is 1 s. Overlap is how far back a reading begins: longer than a transaction of the system
	// takes; absent is 1 min.
	Resolution time.Duration `yaml:"resolution"`
	Overlap    time.Duration `yaml:"overlap"`
	// Size is how many records the request asks for in one answer: fewer are the last.
	Size int64 `yaml:"size"`
	// From is the day, YYYY-MM-DD, from which changes are read at first; absent is all.
	From string `yaml:"from"`
}

type clock struct {
	changed, id         *expression
	resolution, overlap time.Duration
	size                int
	from                time.Time
}

func (c *compiler) clock(key string, s *clockSource) *clock {
	k := &clock{changed: c.required(key+".changed", s.Changed, cel.TimestampType, itemVars), id: c.required(key+".id", s.ID, cel.StringType, itemVars),
		resolution: s.Resolution, overlap: s.Overlap, size: int(s.Size), from: time.Unix(0, 0).UTC()}
	if k.resolution == 0 {
		k.resolution = time.Second
	}
	if k.overlap == 0 {
		k.overlap = time.Minute
	}
	if k.resolution < 0 || k.overlap < k.resolution {
		c.fault(key+".overlap", "must be at least resolution, %s: else a record that bears the same time as the last one is never read", k.resolution)
	}
	if s.Size <= 1 {
		c.fault(key+".size", "is missing, or too small: an answer with fewer records than that is the last of a reading")
	}
	if s.From != "" {
		from, err := time.Parse(time.DateOnly, s.From)
		if err != nil {
			c.fault(key+".from", "%q is no day; write YYYY-MM-DD", s.From)
		}
		k.from = from
	}
	return k
}

// clockCursor is how far a feed by time has come.
type clockCursor struct {
	// High is the latest time that was seen, and Seen the records that were told and bear a time within the overlap before it.
	High time.Time            `json:"high,omitzero"`
	Seen map[string]time.Time `json:"seen,omitempty"`
	// Since and After are where the present reading goes on; zero between readings.
	Since time.Time `json:"since,omitzero"`
	After string    `json:"after,omitempty"`
	// Turns are the answers in a row that began at the same time.
	Turns int `json:"turns,omitempty"`
}

// mostTurns bounds them: a system that gives records of one time in any order goes on for ever.
const mostTurns = 10_000

// begin is where the next request of the feed begins.
func (k *clock) begin(at clockCursor, now time.Time) (since time.Time, after string) {
	if !at.Since.IsZero() {
		return at.Since, at.After
	}
	return k.horizon(at.High, now), ""
}

// horizon is the moment before which nothing is read again. A time ahead of the own clock, be it one wrong record's or that of the system's whole
// clock, moves it no further than the own clock has come: what comes after it would never be read.
func (k *clock) horizon(high, now time.Time) time.Time {
	if high.After(now) {
		high = now
	}
	if t := high.Add(-k.overlap).Truncate(k.resolution).UTC(); t.After(k.from) {
		return t
	}
	return k.from
}

// byClock reads one answer of a feed by time.
func (c *Connector) byClock(ctx context.Context, ch *changes, cursor connector.Cursor) (connector.Changes, error) {
	k, at := ch.clock, clockCursor{}
	if len(cursor) > 0 {
		if err := json.Unmarshal(cursor, &at); err != nil {
			return connector.Changes{}, technical("cursor", "the cursor that was kept is not one of a feed by time: the definition was another then",
				"give the connector another name, so that it reads from the beginning", err)
		}
	}
	since, after := k.begin(at, c.now())
	got, err := c.do(ctx, ch.request, values{"since": timestamppb.New(since), "after": after}, "")
	if err != nil {
		return connector.Changes{}, err
	}
	v := got.read()
	items, err := ch.items.list(ctx, v)
	if err != nil {
		return connector.Changes{}, err
	}
	out, next, err := c.newByClock(ctx, ch, at, since, v, items)
	if err != nil {
		return connector.Changes{}, err
	}
	if out.More = len(items) >= k.size; !out.More {
		next.Since, next.After, next.Turns = time.Time{}, "", 0
	} else if next.Since.Equal(since) {
		if next.Turns = at.Turns + 1; next.After == after || next.Turns > mostTurns {
			return connector.Changes{}, technical("feed_stands_still", fmt.Sprintf("%s: %d and more records bear the time %s, and the next answer begins with the same ones",
				ch.items.where, len(items), since.Format(time.RFC3339)), "use after in the request of changes, so that records of one time are told apart, or raise the number of records in one answer", nil)
		}
	}
	k.forget(&next, c.now())
	out.Cursor, err = json.Marshal(next)
	return out, err
}

// newByClock makes events of the records that were not told yet, and says where the next answer begins.
func (c *Connector) newByClock(ctx context.Context, ch *changes, at clockCursor, since time.Time, v values, items []ref.Val) (out connector.Changes, next clockCursor, err error) {
	next = clockCursor{High: at.High, Seen: maps.Clone(at.Seen), Since: since, After: at.After}
	if next.Seen == nil {
		next.Seen = map[string]time.Time{}
	}
	var before time.Time
	for _, item := range items {
		itemVars := v.with(values{"item": item})
		changed, id, err := ch.clock.place(ctx, itemVars)
		if err != nil {
			return out, next, err
		}
		if changed.Before(before) {
			return out, next, technical("feed_not_in_order", fmt.Sprintf("%s: record %s bears %s, and comes after one of %s", ch.items.where, id, changed.Format(time.RFC3339Nano), before.Format(time.RFC3339Nano)),
				"have the request of changes ask for what changed at since or later, the earliest first", nil)
		}
		before, next.Since, next.After = changed, changed, id
		if told, known := next.Seen[id]; known && told.Equal(changed) {
			continue
		}
		events, err := c.eventsOf(ctx, ch, itemVars)
		if err != nil {
			return out, next, err
		}
		out.Events = append(out.Events, events...)
		next.Seen[id] = changed
		if changed.After(next.High) {
			next.High = changed
		}
	}
	return out, next, nil
}

// forget drops the records that are not read again.
func (k *clock) forget(at *clockCursor, now time.Time) {
	horizon := k.horizon(at.High, now)
	maps.DeleteFunc(at.Seen, func(_ string, changed time.Time) bool { return changed.Before(horizon) })
}

// place is where a record stands in the feed.
func (k *clock) place(ctx context.Context, v values) (time.Time, string, error) {
	changed, err := k.changed.time(ctx, v)
	if err != nil {
		return time.Time{}, "", err
	}
	id, err := k.id.string(ctx, v)
	return changed.UTC(), id, err
}
