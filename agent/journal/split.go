package journal

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Split puts two packs in the place of the one that ends at lastSeq, and returns their envelopes. It is for a pack that no broker has
// taken, because it is too large. Should the collector have the whole one after all, its Ack names another CRC than ours, and all is
// sent again from a new epoch: nothing is lost or doubled.
func (j *Journal) Split(epoch string, lastSeq uint64) ([]*docklinev1.Envelope, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	e := j.find(epoch)
	if e == nil || lastSeq <= e.state.acked {
		return nil, fmt.Errorf("split: no pack that ends at %d of epoch %s waits here", lastSeq, epoch)
	}
	var parts [2]storedPack
	err := j.update("split", e, func(tx *bbolt.Tx) (err error) {
		if parts, err = divide(tx, e, lastSeq); err != nil {
			return err
		}
		// The second one has the key of the whole.
		for _, p := range parts {
			if err := p.put(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("split the pack that ends at %d: %w", lastSeq, err)
	}
	j.commits.Add(1)
	j.view.Lock()
	defer j.view.Unlock()
	e.measure(e == j.newest())
	return []*docklinev1.Envelope{parts[0].envelope, parts[1].envelope}, nil
}

// divide makes two packs of one. Which cursors stood between them is not known: the first one gets those before the whole, so that a
// source that had to begin from there would tell too much and not too little.
func divide(tx *bbolt.Tx, e *epoch, lastSeq uint64) (parts [2]storedPack, err error) {
	key := seqKey(lastSeq)
	cursor := tx.Bucket(bucketPacks).Cursor()
	found, value := cursor.Seek(key)
	if !bytes.Equal(found, key) {
		return parts, ErrDamaged
	}
	whole, err := openPack(value)
	if err != nil {
		return parts, err
	}
	var before []*docklinev1.PluginCursor
	if previous, value := cursor.Prev(); previous != nil {
		if p, err := openPack(value); err == nil {
			before = p.envelope.Cursors
		}
	}
	events, err := wire.OpenPack(whole.envelope.Pack, 0)
	if err != nil {
		return parts, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(events) < 2 {
		return parts, fmt.Errorf("it holds one event")
	}
	items := make([]item, len(events))
	for i, data := range events {
		items[i] = item{data: data, urgent: isUrgent(data)}
	}
	half := len(items) / 2
	if parts[0], err = sealPack(e, 0, whole.envelope.FirstSeq, items[:half], whole.at, cursorMap(before)); err != nil {
		return parts, err
	}
	parts[1], err = sealPack(e, 0, whole.envelope.FirstSeq+uint64(half), items[half:], whole.at, cursorMap(whole.envelope.Cursors))
	return parts, err
}

func cursorMap(cursors []*docklinev1.PluginCursor) map[string]*docklinev1.PluginCursor {
	byPlugin := make(map[string]*docklinev1.PluginCursor, len(cursors))
	for _, c := range cursors {
		byPlugin[c.Plugin] = c
	}
	return byPlugin
}
