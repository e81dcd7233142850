package eventlog

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Brought says what became of events that somebody brought.
type Brought struct {
	// Taken were new, Known were there with the same body.
	Taken, Known int
	// Differing are there with another body, which stays.
	Differing []*docklinev1.Event
}

// broughtOrdinal is the place of what was brought: behind every journal's, and behind what a connector told.
const broughtOrdinal = math.MaxInt64

// Bring takes in events that came by no journal of a site: only those whose id is new. What a document says of an event never outranks what
// its own source said, nor moves its place in the site's journal, whichever of the two comes first.
func (l *Log) Bring(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (Brought, error) {
	var b Brought
	var keys [][]any
	asked := map[identityKey]bool{}
	for _, e := range events {
		if key := (identityKey{e.GetTenant(), e.GetId()}); !asked[key] {
			asked[key] = true
			keys = append(keys, []any{key.tenant, key.id})
		}
	}
	known, err := identities(ctx, tx, keys, true)
	if err != nil {
		return b, fmt.Errorf("bring: %w", err)
	}
	var fresh []Recorded
	taken := map[identityKey][]byte{}
	for _, e := range events {
		key, hash := identityKey{e.GetTenant(), e.GetId()}, event.BodyHash(e)
		have, ok := taken[key]
		if there, isKnown := known[key]; isKnown {
			have, ok = there.hash, true
		}
		switch {
		case !ok:
			taken[key] = hash
			fresh = append(fresh, Recorded{Event: e, EpochOrdinal: broughtOrdinal, hash: hash})
		case bytes.Equal(have, hash):
			b.Known++
		default:
			b.Differing = append(b.Differing, e)
		}
	}
	done, err := l.Append(ctx, tx, fresh)
	b.Taken = done.Logged
	b.Known += done.Duplicates
	return b, err
}
