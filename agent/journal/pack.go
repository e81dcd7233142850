package journal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

const (
	// packEvents is how many events are packed together: beyond a hundred a pack gains nothing in size.
	packEvents = 100
	// packBytes bounds a pack of large events, before compression.
	packBytes = 512 << 10
)

// item is one event as it is stored.
type item struct {
	data   []byte
	urgent bool
}

// tail are events that wait to be packed. They are always fewer than packEvents and packBytes, so they fit into one pack.
type tail struct {
	events []item
	bytes  int
	// first is the Seq of the first of them.
	first uint64
	// at is when the first of them was captured.
	at time.Time
}

func (t *tail) add(first uint64, items []item, at time.Time) {
	if len(t.events) == 0 {
		t.first, t.at = first, at
	}
	for _, i := range items {
		t.events = append(t.events, i)
		t.bytes += len(i.data)
	}
}

// storedPack is a pack as the file holds it: an Envelope without tenant and site.
type storedPack struct {
	at       time.Time
	envelope *docklinev1.Envelope
}

// sealPack packs the items whose first has Seq first, with a dictionary or 0. It is never changed after that.
func sealPack(e *epoch, dictionary uint32, first uint64, items []item, at time.Time, cursors map[string]*docklinev1.PluginCursor) (storedPack, error) {
	events := make([][]byte, len(items))
	urgent := false
	for i := range items {
		events[i] = items[i].data
		urgent = urgent || items[i].urgent
	}
	pack, crc, err := wire.SealPackWith(dictionary, events)
	if err != nil {
		return storedPack{}, fmt.Errorf("seal pack: %w", err)
	}
	return storedPack{at: at, envelope: &docklinev1.Envelope{
		Epoch:        e.id(),
		EpochOrdinal: e.ordinal(),
		FirstSeq:     first,
		LastSeq:      first + uint64(len(items)) - 1,
		Count:        uint32(len(items)),
		Crc:          crc,
		Urgent:       urgent,
		Cursors:      sortedCursors(cursors),
		Pack:         pack,
	}}, nil
}

func sortedCursors(cursors map[string]*docklinev1.PluginCursor) []*docklinev1.PluginCursor {
	return slices.SortedFunc(maps.Values(cursors), func(a, b *docklinev1.PluginCursor) int { return cmp.Compare(a.Plugin, b.Plugin) })
}

func (p storedPack) put(tx *bbolt.Tx) error {
	body, err := proto.Marshal(p.envelope)
	if err != nil {
		return err
	}
	bucket := tx.Bucket(bucketPacks)
	// Keys only grow, so pages may be filled.
	bucket.FillPercent = 0.9
	if err := bucket.Put(seqKey(p.envelope.LastSeq), makeRecord(p.at, body)); err != nil {
		return err
	}
	return markUrgent(tx, p.envelope)
}

// openPack reads and verifies a stored pack. It shares no memory with value.
func openPack(value []byte) (storedPack, error) {
	at, body, err := openRecord(value)
	if err != nil {
		return storedPack{}, err
	}
	p := storedPack{at: at, envelope: &docklinev1.Envelope{}}
	if err := proto.Unmarshal(body, p.envelope); err != nil {
		return storedPack{}, ErrDamaged
	}
	return p, nil
}

// tailRow is the value of one row of the tail: the events of one commit.
func tailRow(items []item, at time.Time) ([]byte, error) {
	row := &docklinev1.EventPack{Events: make([][]byte, len(items))}
	for i := range items {
		row.Events[i] = items[i].data
	}
	body, err := proto.Marshal(row)
	return makeRecord(at, body), err
}

// openRow is the way back from the body of a row.
func openRow(body []byte) ([]item, error) {
	row := &docklinev1.EventPack{}
	if err := proto.Unmarshal(body, row); err != nil {
		return nil, ErrDamaged
	}
	items := make([]item, len(row.Events))
	for i, data := range row.Events {
		items[i] = item{data: data, urgent: isUrgent(data)}
	}
	return items, nil
}

// readTail reads the rows of the tail, which end at Seq last. With an error comes what stands before the damage.
func readTail(tx *bbolt.Tx, last uint64) (tail, error) {
	var t tail
	err := tx.Bucket(bucketTail).ForEach(func(key, value []byte) error {
		first := keySeq(key)
		at, body, err := openRecord(value)
		if err != nil {
			return fmt.Errorf("tail at %d: %w", first, ErrDamaged)
		}
		items, err := openRow(body)
		if err != nil || len(t.events) > 0 && first != t.first+uint64(len(t.events)) {
			return fmt.Errorf("tail at %d: %w", first, ErrDamaged)
		}
		t.add(first, items, at)
		return nil
	})
	if err == nil && len(t.events) > 0 && t.first+uint64(len(t.events))-1 != last {
		return t, fmt.Errorf("tail ends before %d: %w", last, ErrDamaged)
	}
	return t, err
}

func isUrgent(data []byte) bool {
	e := &docklinev1.Event{}
	return proto.Unmarshal(data, e) == nil && e.Urgent
}

// clearTail deletes all rows of the tail. Each deletion starts from the first: bbolt's cursor may skip one after a delete.
func clearTail(tx *bbolt.Tx) error {
	bucket := tx.Bucket(bucketTail)
	for {
		key, _ := bucket.Cursor().First()
		if key == nil {
			return nil
		}
		if err := bucket.Delete(key); err != nil {
			return err
		}
	}
}
