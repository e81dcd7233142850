package host

import (
	"time"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What a batch may have beside its events. Cursors and streams of all plugins travel in every envelope and heartbeat: one plugin must not
// make these too large for the line of all.
const (
	maxCursor     = 16 << 10
	maxStreams    = 64
	maxStreamName = 128
	// maxAhead is how far in the future a source may say that it has told everything: clocks differ, years do not.
	maxAhead = 24 * time.Hour
	// maxRefusedInARow events without one that is taken are no bad record any more, but a plugin that does not know its contract.
	maxRefusedInARow = 1000
)

// checkBatch holds a batch, apart from its events, to the contract.
func checkBatch(b *docklinev1.EncodedBatch, due uint64, now time.Time) error {
	switch n := len(b.GetEvents()); {
	case b.GetBatch() != due:
		return offencef("it sent batch %d where %d was due", b.GetBatch(), due)
	case n > plugins.MaxBatchEvents:
		return offencef("it sent a batch of %d events, %d are allowed", n, plugins.MaxBatchEvents)
	case len(b.GetCursor()) > maxCursor:
		return offencef("it sent a cursor of %d bytes, %d are allowed", len(b.GetCursor()), maxCursor)
	case len(b.GetCompleteThrough()) > maxStreams:
		return offencef("it named %d streams in one batch, %d are allowed", len(b.GetCompleteThrough()), maxStreams)
	}
	for _, t := range b.GetCompleteThrough() {
		if name := t.GetStream(); len(name) > maxStreamName {
			return offencef("it named a stream %.40q, which has %d bytes, %d are allowed", name, len(name), maxStreamName)
		}
		if at := t.GetTime(); at != nil && (at.CheckValid() != nil || at.AsTime().Sub(now) > maxAhead) {
			return offencef("it said that stream %q is complete through %s, which is in the future: look at the clock of the source", t.GetStream(), at.AsTime().Format(time.RFC3339))
		}
	}
	return nil
}

// refusals counts events refused without one that is taken between them.
type refusals struct {
	inARow int
	last   string
}

func (r *refusals) note(fault string) {
	r.inARow++
	r.last = fault
}

func (r *refusals) over() error {
	if r.inARow < maxRefusedInARow {
		return nil
	}
	return incurable{offencef("its last %d events were all refused, the last one because: %s. They are kept as dead letters; when the plugin or its mapping is mended, have it read again", r.inARow, r.last)}
}
