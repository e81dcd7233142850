package wmsfile

import (
	"errors"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// completeThrough says for each stream up to when everything has been told: up to the newest file taken, or, where none waits, up
// to settle before this look at the folder. A file that waits or that could not be read at all ends it before its own stamp. It
// never goes back. It returns nothing where there is nothing new worth a batch.
func (c *capture) completeThrough(now time.Time, waiting []found) []*docklinev1.CompleteThrough {
	var out []*docklinev1.CompleteThrough
	worth := len(c.events) > 0 || c.dirty
	for _, s := range c.setup.streams {
		p := c.cursor.progress(s.Name)
		before := p.Through
		c.letGo(p)
		at, ok := p.Stamp, false
		for _, w := range waiting {
			if w.stream == s {
				ok = true
				at = earlier(at, w.stamp.Add(-time.Microsecond))
			}
		}
		if settled := now.Add(-c.setup.Settle); !ok && settled.After(at) {
			at = settled
		}
		for _, h := range p.Held {
			at = earlier(at, h.Stamp.Add(-time.Microsecond))
		}
		if at.After(now) {
			at = now // a file server's clock ahead of ours
		}
		if at.After(p.Through) {
			p.Through = at.UTC().Truncate(time.Microsecond)
		}
		if p.Through.IsZero() {
			continue
		}
		worth = worth || p.Through.Sub(before) > 0 && now.Sub(c.told) >= c.tellEvery()
		out = append(out, &docklinev1.CompleteThrough{Stream: s.Name, Time: timestamppb.New(p.Through), Movement: p.Movement, MovesStock: s.movesStock})
	}
	if !worth {
		return nil
	}
	c.told = now
	return out
}

// tellEvery keeps an idle folder from writing to the journal with every look: a tenth of settle, from a second to a minute.
func (c *capture) tellEvery() time.Duration {
	return min(max(c.setup.Settle/10, time.Second), time.Minute)
}

// letGo forgets files that a person has taken out of the error folder.
func (c *capture) letGo(p *progress) {
	p.Held = slices.DeleteFunc(p.Held, func(h held) bool {
		_, err := c.store.stat(c.store.join(c.setup.Errors, h.Name))
		gone := errors.Is(err, os.ErrNotExist) && !slices.ContainsFunc(c.cursor.Files, func(t *taken) bool { return t.Name == h.Name })
		c.dirty = c.dirty || gone
		return gone
	})
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
