package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
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

// guard runs f on a file and turns what damage does to it, a panic or a fault on a mapped page, into ErrDamaged.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return f()
}

// isDamage tells a file whose content is at fault from one that can't be opened just now.
func isDamage(err error) bool {
	others := append([]error{bbolterrors.ErrTimeout, fs.ErrPermission, fs.ErrNotExist, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE}, errsJustNow...)
	return !slices.ContainsFunc(others, func(other error) bool { return errors.Is(err, other) })
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
	return j.setAsideOpen(e, cause, false)
}

func (j *Journal) declareLost(w *wreck, lost []*docklinev1.SeqRange) error {
	j.options.Log.Error("journal: damaged file set aside; what could be read of it is sent from a new epoch", "file", w.file.path+damagedSuffix, "lost", fmt.Sprint(lost), "err", w.cause)
	// The time of the file, so that declaring it twice after a crash is one event.
	at := j.options.Now()
	if info, err := os.Stat(w.file.path); err == nil {
		at = info.ModTime()
	}
	return j.declare(w.file.id, lost, w.cause.Error(), at)
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
		return j.setAsideOpen(e, err, false)
	}
	p, err := makePlan(e, cursors, nil, e.tail.at, true, 0)
	if err != nil {
		return err
	}
	err = j.update("seal", e, func(tx *bbolt.Tx) error { return j.writePlan(tx, e, p, e.state) })
	if errors.Is(err, ErrDamaged) {
		return j.setAsideOpen(e, err, false)
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

// closeDamaged closes the file, but does not wait for ever: a panic within a commit leaves bbolt's lock taken. Then only the mapping
// stays until the process ends; the file itself is closed, since Windows renames none that is open.
func (e *epoch) closeDamaged() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	go func() {
		defer cancel()
		guard(e.db.Close)
	}()
	<-ctx.Done()
	_ = e.file.Close() // most often it is closed already
}
