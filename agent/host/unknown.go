package host

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	// rememberUnknown is how long an item that the centre does not know is shown after it was last reported.
	rememberUnknown = 24 * time.Hour
	// maxUnknown bounds how many are remembered, namedUnknown how many are named.
	maxUnknown, namedUnknown = 1000, 5
	// An item that is known is not asked for again within askAgain; maxKnown bounds how many are remembered.
	askAgain, maxKnown = 10 * time.Second, 5000
)

// unknownItems remembers what plugins report of items that the centre does not know. The event goes its way all the same: the centre
// decides, and the site only warns, while the people who made the record are still there.
type unknownItems struct {
	known func(item string) bool

	mu   sync.Mutex
	seen map[string]time.Time
	// fine are items that were known when they were last asked for, since since: the question is one to the disk.
	fine  map[string]struct{}
	since time.Time
}

// wellKnown says whether an item is known, and remembers it if so.
func (u *unknownItems) wellKnown(item string, now time.Time) bool {
	u.mu.Lock()
	if now.Sub(u.since).Abs() > askAgain || len(u.fine) >= maxKnown {
		u.fine, u.since = map[string]struct{}{}, now
	}
	fine := u.fine
	_, known := fine[item]
	u.mu.Unlock()
	if known || !u.known(item) {
		return known
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	fine[item] = struct{}{}
	return true
}

func (u *unknownItems) look(e *docklinev1.Event, now time.Time) {
	if u.known == nil {
		return
	}
	for _, line := range event.Lines(e) {
		item := line.GetItem()
		if item == "" || u.wellKnown(item, now) {
			continue
		}
		u.mu.Lock()
		if u.seen == nil {
			u.seen = map[string]time.Time{}
		}
		if _, there := u.seen[item]; there || len(u.seen) < maxUnknown {
			u.seen[item] = now
		}
		u.mu.Unlock()
	}
}

// conditions forgets what has become known, or was not reported for long.
func (u *unknownItems) conditions(now time.Time) []*docklinev1.Condition {
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.DeleteFunc(u.seen, func(item string, at time.Time) bool { return now.Sub(at) > rememberUnknown || u.known(item) })
	if len(u.seen) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(u.seen))
	first := now
	for _, at := range u.seen {
		if at.Before(first) {
			first = at
		}
	}
	text := fmt.Sprintf("%d items were reported that the centre does not know: %s", len(names), strings.Join(names[:min(namedUnknown, len(names))], ", "))
	if len(names) > namedUnknown {
		text += " and more"
	}
	return []*docklinev1.Condition{condition("unknown_item", docklinev1.Severity_SEVERITY_WARNING, first, "an item is not known at the centre",
		text+". Look whether the code is right; a new item is to be made known there, and what was reported is then taken as it is.")}
}
