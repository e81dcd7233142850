package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// closeWait bounds the closing of a file whose lock a panic in bbolt may have left taken.
const closeWait = 2 * time.Second

// guard runs f on a file and turns what damage does to it, a panic or a fault on a mapped page, into errDamaged.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return f()
}

// isDamage tells a file whose content is at fault from one that can't be opened just now.
func isDamage(err error) bool {
	for _, other := range []error{bbolterrors.ErrTimeout, fs.ErrPermission, fs.ErrNotExist, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}

// damagedFile is a file that did not open or did not say who it is. epoch is nil where not even bbolt could open it.
type damagedFile struct {
	file  epochFile
	epoch *epoch
	cause error
}

// setAside takes what can be read of a damaged epoch over into the newest one, declares the rest as a gap and renames the
// file. Only then does the journal let go of it, so that a crash on the way begins again. The caller holds write.
func (j *Journal) setAside(e *epoch, cause error) error {
	if e == j.newest() {
		if err := j.begin(&docklinev1.EpochRange{Epoch: e.id(), LastSeq: e.state.last}, e.state.captured); err != nil {
			return err
		}
	}
	taken, err := j.absorb(e, false)
	if err != nil {
		return fmt.Errorf("salvage epoch %s: %w", e.id(), err)
	}
	return j.finish(e, taken, cause)
}

func (j *Journal) setAsideLocking(e *epoch, cause error) error {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return ErrClosed
	}
	if j.find(e.id()) == nil {
		return nil // Somebody else met it first.
	}
	return j.setAside(e, cause)
}

// setAsideFile does the same with a file that was found damaged when the journal was opened.
func (j *Journal) setAsideFile(d *damagedFile) error {
	if d.epoch != nil {
		return j.setAside(d.epoch, d.cause)
	}
	last := uint64(0)
	for _, e := range j.epochs {
		if e.identity.Predecessor == d.file.id {
			last = e.identity.PredecessorLastSeq
		}
	}
	if err := j.declareLost(d.file.path, d.file.id, []*docklinev1.SeqRange{{First: 1, Last: last}}, d.cause); err != nil {
		return err
	}
	_, err := moveAside(d.file.path)
	return err
}

// finish declares what is lost and renames the file.
func (j *Journal) finish(e *epoch, taken *salvage, cause error) error {
	if err := j.declareLost(e.path, e.id(), taken.lost, cause); err != nil {
		return err
	}
	if err := j.markMoved(e, taken.moved); err != nil {
		return err
	}
	j.forget(e)
	closeDamaged(e.db)
	_, err := moveAside(e.path)
	return err
}

func (j *Journal) declareLost(path, epoch string, lost []*docklinev1.SeqRange, cause error) error {
	j.options.Log.Error("journal: damaged file set aside; what could be read of it is sent from a new epoch", "file", path+damagedSuffix, "lost", fmt.Sprint(lost), "err", cause)
	// The time of the file, so that declaring it twice after a crash is one event.
	at := j.options.Now()
	if info, err := os.Stat(path); err == nil {
		at = info.ModTime()
	}
	return j.declare(epoch, lost, cause.Error(), at)
}

// declare journals a STREAM_GAP for each range. Where the end is not known, Last is 0, the gap names its first Seq only; the
// collector knows how far the epoch had come from heartbeats.
func (j *Journal) declare(epoch string, lost []*docklinev1.SeqRange, reason string, at time.Time) error {
	if len(lost) == 0 {
		return nil
	}
	entry := Entry{Plugin: "journal"}
	for _, r := range lost {
		kind := docklinev1.EventKind_EVENT_KIND_STREAM_GAP
		key := fmt.Sprintf("%s/%d-%d", epoch, r.First, r.Last)
		last, reason := r.Last, reason
		if last < r.First {
			last, reason = r.First, reason+"; how much is lost behind it can't be told"
		}
		entry.Events = append(entry.Events, &docklinev1.Event{
			Id: event.ID(event.Cause{
				Tenant: j.options.Tenant, Site: j.options.Site, Source: entry.Plugin, SourceKey: key, Revision: "1", Kind: event.KindName(kind),
			}),
			Tenant: j.options.Tenant, Site: j.options.Site, Source: entry.Plugin,
			Kind: kind, Subject: j.options.Site, SourceKey: key, SourceRevision: "1",
			OccurredAt: timestamppb.New(at), CapturedAt: timestamppb.New(j.options.Now()),
			Payload: &docklinev1.Event_StreamGap{StreamGap: &docklinev1.StreamGap{Epoch: epoch, FirstSeq: r.First, LastSeq: last, Reason: reason}},
		})
	}
	t, err := newTicket(entry)
	if err != nil {
		return err
	}
	return j.store([]*ticket{t}, false)
}

// sealOld packs what the last process left in the tail of e. From here on e is only read.
func (j *Journal) sealOld(e *epoch) error {
	if len(e.tail.events) == 0 {
		return nil
	}
	cursors, err := e.cursors()
	if err != nil {
		return j.setAside(e, err)
	}
	p, err := makePlan(e, cursors, nil, e.tail.at, true)
	if err != nil {
		return err
	}
	err = guard(func() error {
		return e.db.Update(func(tx *bbolt.Tx) error { return j.writePlan(tx, e, p, e.state) })
	})
	if errors.Is(err, errDamaged) {
		return j.setAside(e, err)
	}
	if err != nil {
		return fmt.Errorf("pack the tail of epoch %s: %w", e.id(), err)
	}
	j.view.Lock()
	defer j.view.Unlock()
	e.tail = tail{}
	e.measure(false)
	return nil
}

// bestCursors are the newest cursors of e that can be read: its own table, or else those in its last pack; nil for none.
func (e *epoch) bestCursors() map[string]*docklinev1.PluginCursor {
	if cursors, err := e.cursors(); err == nil {
		return cursors
	}
	var cursors map[string]*docklinev1.PluginCursor
	guard(func() error {
		return e.db.View(func(tx *bbolt.Tx) error {
			_, value := tx.Bucket(bucketPacks).Cursor().Last()
			p, err := openPack(value)
			if err != nil {
				return err
			}
			cursors = map[string]*docklinev1.PluginCursor{}
			for _, c := range p.envelope.Cursors {
				cursors[c.Plugin] = c
			}
			return nil
		})
	})
	return cursors
}

// closeDamaged closes a file, but does not wait for ever: a panic within a commit leaves bbolt's lock taken. The process
// then keeps the file open until it ends.
func closeDamaged(db *bbolt.DB) {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	go func() {
		defer cancel()
		guard(db.Close)
	}()
	<-ctx.Done()
}
