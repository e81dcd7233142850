package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// listPacks is how many packs one look takes: looks are short, so that they neither keep writers waiting nor pin pages.
const listPacks = 8

// Held is one event as the journal holds it.
type Held struct {
	Epoch        string
	Ordinal, Seq uint64
	CapturedAt   time.Time
	// Acknowledged: the collector has it; it is kept for a while.
	Acknowledged bool
	// Event is nil where it cannot be read.
	Event *docklinev1.Event
}

// behind is a place: behind a Seq of the epoch with an ordinal.
type behind struct{ ordinal, seq uint64 }

// Each calls f with what is held, the oldest first, until f says false or ctx ends: all of it, or what the collector has not acknowledged.
// It is for people, and says nothing of what was sent. Packs that cannot be read are left out, and the error says so.
func (j *Journal) Each(ctx context.Context, all bool, f func(Held) bool) error {
	look := func(at behind) ([]Held, behind, bool, error) {
		j.view.RLock()
		defer j.view.RUnlock()
		if len(j.epochs) == 0 {
			return nil, at, true, ErrClosed
		}
		return look(j.epochs, at, all)
	}
	return each(ctx, look, f)
}

// EachIn does the same for the folder of an agent that does not run; it changes nothing there.
func EachIn(ctx context.Context, dir string, all bool, f func(Held) bool) error {
	epochs, faults, err := openToRead(dir)
	if err != nil {
		return err
	}
	defer func() {
		for _, e := range epochs {
			_ = guard(e.db.Close) // it was only read
		}
	}()
	return errors.Join(append(faults, each(ctx, func(at behind) ([]Held, behind, bool, error) { return look(epochs, at, all) }, f))...)
}

func each(ctx context.Context, look func(behind) ([]Held, behind, bool, error), f func(Held) bool) error {
	var faults []error
	for at, done := (behind{}), false; !done && ctx.Err() == nil; {
		var held []Held
		var err error
		held, at, done, err = look(at)
		if err != nil && len(faults) < 10 {
			faults = append(faults, err)
		}
		for _, h := range held {
			if !f(h) {
				return errors.Join(faults...)
			}
		}
	}
	return errors.Join(append(faults, ctx.Err())...)
}

// look reads the next few packs, or a tail, behind a place.
func look(epochs []*epoch, at behind, all bool) (held []Held, next behind, done bool, err error) {
	for _, e := range epochs {
		if e.ordinal() < at.ordinal {
			continue
		}
		from := e.state.acked
		if all {
			from = 0
		}
		if e.ordinal() == at.ordinal {
			from = max(from, at.seq)
		}
		if from < e.sealed() {
			packs, retry, err := e.scan(from, listPacks)
			for _, p := range packs {
				held = append(held, e.opened(p)...)
				from = p.envelope.LastSeq
			}
			switch {
			case err != nil:
				return held, behind{e.ordinal(), max(from, retry)}, retry <= from, fmt.Errorf("%s: %w", filepath.Base(e.path), err)
			case len(packs) > 0:
				return held, behind{e.ordinal(), from}, false, nil
			}
		}
		if len(e.tail.events) > 0 && from < e.state.last {
			for i, item := range e.tail.events {
				held = append(held, e.held(e.tail.first+uint64(i), e.tail.at, item.data))
			}
			return held, behind{e.ordinal(), e.state.last}, false, nil
		}
	}
	return nil, at, true, nil
}

// opened are the events of a pack; where it cannot be unpacked, each is there without its content.
func (e *epoch) opened(p storedPack) []Held {
	events, err := wire.OpenPack(p.envelope.Pack, maxUnpacked)
	if err != nil || len(events) != int(p.envelope.Count) {
		events = make([][]byte, p.envelope.Count)
	}
	held := make([]Held, len(events))
	for i, data := range events {
		held[i] = e.held(p.envelope.FirstSeq+uint64(i), p.at, data)
	}
	return held
}

// maxUnpacked bounds what a pack may become; packs are made of far less.
const maxUnpacked = 64 << 20

func (e *epoch) held(seq uint64, at time.Time, data []byte) Held {
	h := Held{Epoch: e.id(), Ordinal: e.ordinal(), Seq: seq, CapturedAt: at, Acknowledged: seq <= e.state.acked}
	if one := (&docklinev1.Event{}); len(data) > 0 && proto.Unmarshal(data, one) == nil {
		h.Event = one
	}
	return h
}

// openToRead opens the files of a folder that no agent uses; ErrLocked where one does. What cannot be opened is a fault of its own.
func openToRead(dir string) (epochs []*epoch, faults []error, err error) {
	files, err := epochFiles(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		e := newEpoch(file)
		err := checkMetas(file.path)
		if err == nil {
			err = guard(func() (err error) {
				e.db, err = bbolt.Open(file.path, 0o600, &bbolt.Options{Timeout: openWait, FreelistType: bbolt.FreelistMapType, ReadOnly: true})
				return err
			})
		}
		if err == nil {
			err = e.reload()
		}
		if err != nil {
			if e.db != nil {
				_ = guard(e.db.Close)
			}
			if errors.Is(err, bbolterrors.ErrTimeout) {
				for _, open := range epochs {
					_ = guard(open.db.Close) // read only: what is told is why it cannot be read
				}
				return nil, nil, fmt.Errorf("%s: %w: an agent that does not answer has it open; where it has only just been started, try again in a moment", filepath.Base(file.path), ErrLocked)
			}
			faults = append(faults, fmt.Errorf("%s: %w", filepath.Base(file.path), err))
			continue
		}
		epochs = append(epochs, e)
	}
	return epochs, faults, nil
}

// epochFiles are the files of a folder by ordinal; unlike listEpochs it changes nothing.
func epochFiles(dir string) (files []epochFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	for _, entry := range entries {
		if file, ok := parseEpochFile(filepath.Join(dir, entry.Name())); ok {
			files = append(files, file)
		}
	}
	slices.SortFunc(files, func(a, b epochFile) int { return cmp.Compare(a.ordinal, b.ordinal) })
	return files, nil
}
