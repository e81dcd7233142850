package http

import (
	"fmt"
	"hash/maphash"
	"sync"
)

// chains follow the readings of feeds that come in several answers, each asked for behind the one before: a system that leads in a circle would be read for
// ever. What they remember is lost at a restart, and then the circle is walked once more.
type chains struct {
	mu   sync.Mutex
	seed maphash.Seed
	of   map[string]*chain
}

// chain is one reading: where it goes on, and where it has been.
type chain struct {
	next string
	seen map[uint64]bool
}

// mostLinks bounds what is remembered of one reading; a longer one is followed from there as a new one.
const mostLinks = 100_000

// follow notes that a feed was asked since a cursor, and that there is more behind next. It is a fault where that was read in this reading already.
func (c *chains) follow(feed, where, since, next string, more bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of, c.seed = map[string]*chain{}, maphash.MakeSeed()
	}
	if !more {
		delete(c.of, feed)
		return nil
	}
	now := c.of[feed]
	if now == nil || now.next != since || len(now.seen) >= mostLinks {
		now = &chain{seen: map[uint64]bool{maphash.String(c.seed, since): true}}
		c.of[feed] = now
	}
	link := maphash.String(c.seed, next)
	if now.seen[link] {
		delete(c.of, feed)
		return technical("pages_in_a_circle", fmt.Sprintf("%s: what comes after %q is %q, which was read already, after %d answers", where, since, next, len(now.seen)),
			"correct next and more in the definition: the system does not heed the cursor that it is given, or names the same one again", nil)
	}
	now.next, now.seen[link] = next, true
	return nil
}
