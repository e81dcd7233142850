package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// stopName is the file that an orderly stop leaves: how the folder was then. Without it, or where it does not agree with the folder,
// the older files are checked before they are read.
const stopName = "journal.stopped"

// keyPartial marks an epoch that was begun before its predecessors were known: it lacks their last Seq, their count of events
// and the cursors of plugins that have told nothing in it.
var keyPartial = []byte("partial")

// Recover checks the files that an unclean stop left, the newest first, and takes them up. Append works meanwhile, Cursor waits
// until the cursors are known, and everything else may only be called after Recover has returned. After a clean stop, and
// without Options.Check, there is nothing to do.
func (j *Journal) Recover(ctx context.Context) error {
	if len(j.pending) == 0 && !j.partial() {
		return nil
	}
	r := &recovery{journal: j, bad: map[*epoch]error{}}
	for _, file := range slices.Backward(j.pending) {
		verdict := j.options.Check(ctx, file.path)
		if ctx.Err() != nil {
			return nil
		}
		if err := r.locked(func() error { return r.takeUp(file, verdict) }); err != nil {
			return fmt.Errorf("recover journal: %w", err)
		}
	}
	if err := r.locked(r.finish); err != nil {
		return fmt.Errorf("recover journal: %w", err)
	}
	return nil
}

// recovery takes up the files of earlier processes, the newest first.
type recovery struct {
	journal *Journal
	linked  bool
	// bad are open epochs that the check found damaged.
	bad    map[*epoch]error
	wrecks []*wreck
}

func (r *recovery) locked(step func() error) error {
	r.journal.write.Lock()
	defer r.journal.write.Unlock()
	if r.journal.closed {
		return ErrClosed
	}
	return step()
}

// takeUp opens a file, unless its check ended in a way that another reader should not try, and hands out the cursors as soon as they
// are known.
func (r *recovery) takeUp(file epochFile, verdict error) error {
	j := r.journal
	var e *epoch
	err := verdict
	if verdict == nil || errors.Is(verdict, ErrDamaged) {
		e, err = openEpoch(file, j.options.pages())
	}
	switch {
	case err == nil:
		j.insert(e)
		if verdict != nil {
			r.bad[e] = verdict
		}
	case e == nil && verdict == nil && !errors.Is(err, ErrDamaged):
		return err
	default:
		if e != nil {
			e.closeDamaged()
		}
		w, err := readWreck(file, err)
		if err != nil {
			return err
		}
		r.wrecks = append(r.wrecks, w)
	}
	if e == nil || e.partial || err != nil {
		return nil
	}
	return r.link()
}

// insert puts an older epoch in its place.
func (j *Journal) insert(e *epoch) {
	j.view.Lock()
	defer j.view.Unlock()
	at := slices.IndexFunc(j.epochs, func(newer *epoch) bool { return newer.ordinal() > e.ordinal() })
	j.epochs = slices.Insert(j.epochs, at, e)
}

// ancestor is what an epoch inherits.
type ancestor struct {
	ordinal  uint64
	id       string
	last     uint64
	captured uint64
	days     dayCounts
	cursors  map[string]*docklinev1.PluginCursor
	before   []*docklinev1.EpochRange // with itself
}

// link gives every partial epoch what it lacks, and opens the pull sources: an older cursor than the last one is safe, since what is read
// again has the same event ids.
func (r *recovery) link() error {
	if r.linked {
		return nil
	}
	j := r.journal
	known := ancestor{cursors: map[string]*docklinev1.PluginCursor{}}
	wrecks := slices.Clone(r.wrecks)
	slices.Reverse(wrecks)
	for _, e := range slices.Clone(j.epochs) {
		for len(wrecks) > 0 && wrecks[0].file.ordinal < e.ordinal() {
			known = wrecks[0].after(known)
			wrecks = wrecks[1:]
		}
		if e.partial {
			if err := j.inherit(e, known); err != nil {
				return err
			}
		}
		known = ancestor{ordinal: e.ordinal(), id: e.id(), last: e.state.last, captured: e.state.captured, days: e.state.days, cursors: j.cursors, before: e.chain()}
		if e != j.newest() {
			known.cursors = maps.Clone(known.cursors)
			if cursors := e.bestCursors(); cursors != nil {
				known.cursors = cursors
			}
		}
	}
	r.linked = true
	close(j.known)
	return nil
}

// after is what a wreck leaves to those behind it; not its last Seq, of which it is never certain.
func (w *wreck) after(before ancestor) ancestor {
	a := ancestor{ordinal: w.file.ordinal, id: w.file.id, captured: max(before.captured, w.state.captured),
		days: before.days.atLeast(w.state.days), cursors: maps.Clone(before.cursors), before: w.identity.Before}
	if len(a.before) == 0 {
		a.before = before.before
	}
	maps.Copy(a.cursors, w.cursors)
	return a
}

// inherit writes into a partial epoch what it lacks.
func (j *Journal) inherit(e *epoch, from ancestor) error {
	cursors := j.cursors
	if e != j.newest() {
		var err error
		if cursors, err = e.cursors(); err != nil {
			return nil // It is met as damaged when its turn comes.
		}
	}
	missing := maps.Clone(from.cursors)
	maps.DeleteFunc(missing, func(plugin string, _ *docklinev1.PluginCursor) bool { return cursors[plugin] != nil })
	after, identity := e.state, proto.CloneOf(e.identity)
	identity.Before = from.before
	after.captured += from.captured
	after.days = after.days.plus(from.days).latest()
	if identity.Predecessor == from.id {
		identity.PredecessorLastSeq = from.last
	}
	body, err := proto.Marshal(identity)
	if err != nil {
		return err
	}
	err = j.update("link", e, func(tx *bbolt.Tx) error {
		for _, c := range missing {
			if err := putCursor(tx, c); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		return errors.Join(after.days.put(meta, e.state.days), meta.Put(keyIdentity, makeRecord(time.Time{}, body)), meta.Put(keyState, after.record()), meta.Delete(keyPartial))
	})
	if err != nil {
		return fmt.Errorf("link epoch %s: %w", e.id(), err)
	}
	j.view.Lock()
	defer j.view.Unlock()
	e.state, e.saved, e.identity, e.partial = after, after.acked, identity, false
	if e == j.newest() {
		maps.Copy(j.cursors, missing)
	}
	return nil
}

// finish packs what lies in old tails and sets aside what is damaged.
func (r *recovery) finish() error {
	j := r.journal
	if err := r.link(); err != nil {
		return err
	}
	old := slices.Clone(j.epochs)
	for _, e := range old {
		if e.ordinal() >= j.began {
			break
		}
		if cause := r.bad[e]; cause != nil {
			if err := j.setAsideOpen(e, cause, false); err != nil {
				return err
			}
		} else if err := j.sealOld(e); err != nil {
			return err
		}
	}
	if err := j.discardMoved(); err != nil {
		return err
	}
	for _, w := range r.wrecks {
		w.endFrom(j.epochs)
		from := w.state.acked
		if len(w.packs) > 0 {
			// Its state may be an old one: what the collector has is sent again rather than left out.
			from = min(from, w.packs[0].first-1)
		}
		if err := j.setAside(w, nil, from); err != nil {
			return err
		}
	}
	j.pending = nil
	return j.expire()
}

// endFrom takes the last Seq from the epoch that followed, where the pages do not tell.
func (w *wreck) endFrom(epochs []*epoch) {
	for _, e := range epochs {
		if e.identity.Predecessor == w.file.id && e.identity.PredecessorLastSeq > 0 {
			w.state.last, w.endless = e.identity.PredecessorLastSeq, false
		}
	}
}

// stopped describes the epoch files as an orderly stop leaves them.
func stopped(files []epochFile) ([]byte, error) {
	var b bytes.Buffer
	for _, f := range files {
		info, err := os.Stat(f.path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(&b, filepath.Base(f.path), info.Size(), info.ModTime().UnixNano())
	}
	return b.Bytes(), nil
}

// takeStop says whether the last process stopped in order and nobody has touched a file since. The note is gone after it, so that it
// never speaks for this process.
func takeStop(dir string, files []epochFile) (clean bool, err error) {
	path := filepath.Join(dir, stopName)
	noted, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return len(files) == 0, nil
	}
	if err != nil {
		return false, err
	}
	is, err := stopped(files)
	if err != nil {
		return false, err
	}
	return bytes.Equal(noted, is), errors.Join(os.Remove(path), syncDir(dir))
}

// noteStop leaves the note. All files must be closed.
func noteStop(dir string) error {
	files, _, err := listEpochs(dir)
	if err != nil {
		return err
	}
	text, err := stopped(files)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, stopName)
	f, err := os.Create(path + temporarySuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+temporarySuffix, path), syncDir(dir))
}
