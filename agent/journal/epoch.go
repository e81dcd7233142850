package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

var (
	bucketMeta    = []byte("meta")
	bucketPacks   = []byte("packs")
	bucketTail    = []byte("tail")
	bucketCursors = []byte("cursors")

	keyIdentity = []byte("epoch")
	keyState    = []byte("state")
)

// movedPrefix is before the id of another epoch that is now part of this one.
const movedPrefix = "moved/"

// epoch is one open file of the journal. Its fields are guarded by Journal.view; only the newest is written to, except
// for the acknowledged watermark of an older one.
type epoch struct {
	path     string
	db       *bbolt.DB
	file     *os.File               // db's; see closeDamaged
	identity *docklinev1.EpochRange // without last_seq and ranges
	state    state
	// saved is the acknowledged watermark that the file knows; a crash falls back to it and sends a little again.
	saved uint64
	// tail are the events behind the last pack, not yet packed; in the newest epoch only.
	tail tail
	// used is what the file takes, in bytes, without the pages that the newest file can use again.
	used, size int64
	// moved are the epochs whose packs were taken over into this one.
	moved []*docklinev1.EpochRange
	// ours says that this process made the file, and handed is then the highest Seq that it was ever asked for.
	ours   bool
	handed atomic.Uint64
	// endless says that a damaged file does not tell its last Seq.
	endless bool
	// partial: see keyPartial.
	partial bool
}

// openWait is how long another process may keep a file locked: offline tools are quick.
const openWait = 2 * time.Second

func newEpoch(f epochFile) *epoch {
	return &epoch{path: f.path, identity: &docklinev1.EpochRange{Epoch: f.id, Ordinal: f.ordinal}}
}

// sealed is the highest Seq that is in a pack.
func (e *epoch) sealed() uint64 {
	if len(e.tail.events) > 0 {
		return e.tail.first - 1
	}
	return e.state.last
}

func (e *epoch) id() string { return e.identity.Epoch }

func (e *epoch) ordinal() uint64 { return e.identity.Ordinal }

// beforeMost is how many epochs that have ended are remembered. An epoch ends with each start of the agent and with each large file, and only
// those that gave anything count: so many are months.
const beforeMost = 64

// ended is what a new epoch takes of the one that it follows.
func (e *epoch) ended() *docklinev1.EpochRange {
	return &docklinev1.EpochRange{Epoch: e.id(), LastSeq: e.state.last, Before: e.chain()}
}

// chain names the epochs through this one that gave anything, oldest first, each with the last Seq that is not part of a newer one.
func (e *epoch) chain() []*docklinev1.EpochRange {
	all := append(slices.Clone(e.identity.Before), &docklinev1.EpochRange{Epoch: e.id(), Ordinal: e.ordinal(), LastSeq: e.state.last})
	var chain []*docklinev1.EpochRange
	for _, r := range all {
		last := r.LastSeq
		for _, m := range e.moved {
			if m.Epoch == r.Epoch && len(m.Ranges) > 0 {
				last = min(last, m.Ranges[0].First-1)
			}
		}
		if last > 0 {
			chain = append(chain, &docklinev1.EpochRange{Epoch: r.Epoch, Ordinal: r.Ordinal, LastSeq: last})
		}
	}
	return chain[max(0, len(chain)-beforeMost):]
}

func (e *epoch) drained() bool { return e.state.acked == e.state.last }

// openBolt also returns the open file, which bbolt can no longer close where damage made it panic; here it is closed then.
func openBolt(path string, pages bbolt.FreelistType) (db *bbolt.DB, file *os.File, err error) {
	open := func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	err = guard(func() error {
		// The freelist is stored: without it, opening scans all pages, and a damaged one then ends the process from a
		// goroutine of bbolt's that nobody can guard.
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: openWait, FreelistType: pages, OpenFile: open})
		return err
	})
	if err != nil && file != nil {
		_ = file.Close() // bbolt has most often done so
	}
	return db, file, err
}

// createEpoch makes the file of a new epoch under a temporary name, so that a power cut never leaves half a file, and opens it.
func createEpoch(dir string, identity *docklinev1.EpochRange, s state, cursors map[string]*docklinev1.PluginCursor, partial bool, pages bbolt.FreelistType) (*epoch, error) {
	path := epochPath(dir, identity.Ordinal, identity.Epoch)
	db, _, err := openBolt(path+temporarySuffix, pages)
	if err != nil {
		return nil, fmt.Errorf("create epoch file: %w", err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return initEpoch(tx, identity, s, cursors, partial) })
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("create epoch file: %w", err)
	}
	// Closed first: Windows does not rename an open file.
	if err := os.Rename(path+temporarySuffix, path); err != nil {
		return nil, fmt.Errorf("create epoch file: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return nil, fmt.Errorf("create epoch file: %w", err)
	}
	e, err := openEpoch(epochFile{path: path, ordinal: identity.Ordinal, id: identity.Epoch}, pages)
	if e != nil {
		e.ours = true
	}
	return e, err
}

func initEpoch(tx *bbolt.Tx, identity *docklinev1.EpochRange, s state, cursors map[string]*docklinev1.PluginCursor, partial bool) error {
	for _, name := range [][]byte{bucketMeta, bucketPacks, bucketTail, bucketCursors} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	body, err := proto.Marshal(identity)
	if err != nil {
		return err
	}
	if err := tx.Bucket(bucketMeta).Put(keyIdentity, makeRecord(time.Time{}, body)); err != nil {
		return err
	}
	if partial {
		if err := tx.Bucket(bucketMeta).Put(keyPartial, makeRecord(time.Time{}, nil)); err != nil {
			return err
		}
	}
	for _, c := range cursors {
		if err := putCursor(tx, c); err != nil {
			return err
		}
	}
	if err := s.days.put(tx.Bucket(bucketMeta), nil); err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(keyState, s.record())
}

// openEpoch opens a file and reads what it says about itself; packs are verified when they are read. An error that is
// ErrDamaged says that the content is at fault; the epoch that comes with it, if any, is good for salvage only.
func openEpoch(f epochFile, pages bbolt.FreelistType) (*epoch, error) {
	if err := checkMetas(f.path); err != nil {
		return nil, err
	}
	e := newEpoch(f)
	var err error
	if e.db, e.file, err = openBolt(f.path, pages); err != nil {
		if isDamage(err) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, err
	}
	if err := e.reload(); err != nil {
		return e, err
	}
	e.measure(false)
	return e, nil
}

// reload reads identity, state and tail from the file.
func (e *epoch) reload() error {
	return guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			e.endless = true
			for _, name := range [][]byte{bucketMeta, bucketPacks, bucketTail, bucketCursors} {
				if tx.Bucket(name) == nil {
					return fmt.Errorf("%w: bucket %s is missing", ErrDamaged, name)
				}
			}
			s, err := readState(tx.Bucket(bucketMeta).Get(keyState))
			if err != nil {
				return fmt.Errorf("state: %w", err)
			}
			if s.days, err = readDays(tx); err != nil {
				return fmt.Errorf("days: %w", err)
			}
			e.state, e.saved, e.endless = s, s.acked, false
			_, body, err := openRecord(tx.Bucket(bucketMeta).Get(keyIdentity))
			identity := &docklinev1.EpochRange{}
			if err != nil || proto.Unmarshal(body, identity) != nil || identity.Epoch != e.id() || identity.Ordinal != e.ordinal() {
				return fmt.Errorf("identity: %w", ErrDamaged)
			}
			e.identity = identity
			e.partial = tx.Bucket(bucketMeta).Get(keyPartial) != nil
			if e.moved, err = readMoved(tx); err != nil {
				return err
			}
			e.tail, err = readTail(tx, s.last)
			return err
		})
	})
}

func readMoved(tx *bbolt.Tx) (moved []*docklinev1.EpochRange, err error) {
	cursor := tx.Bucket(bucketMeta).Cursor()
	for key, value := cursor.Seek([]byte(movedPrefix)); bytes.HasPrefix(key, []byte(movedPrefix)); key, value = cursor.Next() {
		_, body, err := openRecord(value)
		r := &docklinev1.EpochRange{}
		if err != nil || proto.Unmarshal(body, r) != nil {
			return moved, fmt.Errorf("%s: %w", key, ErrDamaged)
		}
		moved = append(moved, r)
	}
	return moved, nil
}

// measure takes note of how large the file is. Free pages of the newest file will be used again; those of an older one not.
func (e *epoch) measure(newest bool) {
	pageSize := int64(e.db.Info().PageSize)
	guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			e.size = tx.Size()
			return nil
		})
	})
	e.used = e.size
	if newest {
		stats := e.db.Stats()
		e.used -= int64(stats.FreePageN+stats.PendingPageN) * pageSize
	}
}

// update is one write of a file, durable when it returns nil.
func (j *Journal) update(op string, e *epoch, f func(*bbolt.Tx) error) error {
	return guard(func() error {
		if err := j.fault(op, false); err != nil {
			return err
		}
		if err := e.db.Update(f); err != nil {
			return err
		}
		return j.fault(op, true)
	})
}

func (j *Journal) fault(op string, synced bool) error {
	if j.options.Fault == nil {
		return nil
	}
	return j.options.Fault(op, synced)
}

// firstSeq is the lowest Seq that the file still holds, 0 for none.
func (e *epoch) firstSeq(tx *bbolt.Tx) (uint64, error) {
	key, value := tx.Bucket(bucketPacks).Cursor().First()
	if key == nil {
		if len(e.tail.events) > 0 {
			return e.sealed() + 1, nil
		}
		return 0, nil
	}
	p, err := openPack(value)
	if err != nil {
		return 0, err
	}
	return p.envelope.FirstSeq, nil
}

func putCursor(tx *bbolt.Tx, c *docklinev1.PluginCursor) error {
	body, err := proto.Marshal(c)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketCursors).Put([]byte(c.Plugin), makeRecord(time.Time{}, body))
}

// cursors reads every plugin's cursor as of the last commit.
func (e *epoch) cursors() (map[string]*docklinev1.PluginCursor, error) {
	found := map[string]*docklinev1.PluginCursor{}
	err := guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketCursors).ForEach(func(key, value []byte) error {
				_, body, err := openRecord(value)
				if err != nil {
					return fmt.Errorf("cursor of %s: %w", key, err)
				}
				c := &docklinev1.PluginCursor{}
				if err := proto.Unmarshal(body, c); err != nil {
					return fmt.Errorf("cursor of %s: %w", key, ErrDamaged)
				}
				found[string(key)] = c
				return nil
			})
		})
	})
	return found, err
}

// remove closes the file and deletes it.
func (e *epoch) remove() error {
	guard(e.db.Close)
	if err := os.Remove(e.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(e.path))
}
