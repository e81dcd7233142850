// Package journal keeps a site's events until the collector has them: a folder of bbolt files, one file an epoch,
// always synced, bounded, and never stopped by damage.
package journal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/filelock"
)

var (
	// ErrFull says that the journal has reached its limit, or the disk is full. Nothing of the entry was stored; the
	// source must wait and offer it again.
	ErrFull = errors.New("journal full: the collector must be reached, or journal.limit raised, before more can be taken")
	// ErrClosed says that the journal was closed. Nothing of the entry was stored.
	ErrClosed = errors.New("journal closed")
	// ErrLocked says that another process has the journal open.
	ErrLocked = errors.New("journal in use by another process")
)

// Options of a journal. The zero value of each number takes the default in its comment.
type Options struct {
	// Tenant and Site stand in events of the journal's own: gaps.
	Tenant, Site string
	// LimitBytes is the most that all files may take (2 GiB). ReserveBytes of it (64 MiB, at most a quarter of the limit)
	// are kept for acknowledgements, cursors and gaps. A 32 bit program takes mapLimit at most.
	LimitBytes, ReserveBytes int64
	// RotateBytes is the size at which a new epoch is begun (256 MiB, at most a quarter of the limit).
	RotateBytes int64
	// KeepAcknowledged is how long packs stay after capture although the collector has them, as long as no more than half of the
	// limit is used. 0: not at all.
	KeepAcknowledged time.Duration
	// Check looks at a file, as CheckFile does, in a process of its own, after an unclean stop: nil for a good one, ErrDamaged for one that
	// another reader may open, any other error for one that ended its reader. With it Open leaves the older files to Recover;
	// without it they are read at once.
	Check func(ctx context.Context, path string) error
	// Now is the clock (time.Now).
	Now func() time.Time
	// Random is where ids of epochs come from (crypto/rand).
	Random io.Reader
	// Fault lets a write of a file fail, so that a test can fail exactly one. It is asked before the write, where nothing of it stays, and
	// with synced after it, where all of it does, as when the disk fails in the very act of syncing. op is "commit", "seal", "link", "split",
	// "acked" or "drop". Nil: none fails.
	Fault func(op string, synced bool) error
	// InOrder has freed pages used again in a fixed order, so that the same writes give the same file, to the byte. It is slower.
	InOrder bool
	// Log is where damage and forks are reported (nowhere).
	Log *slog.Logger
}

// mapLimit is what a 32 bit program may keep: all files are mapped, each up to twice as large as it is, and 2 or 3 GiB of addresses is
// all there are.
const mapLimit = 768 << 20

// limitFor is the limit of a program whose addresses have so many bits.
func limitFor(bits int, limit int64) int64 {
	if bits == 32 {
		return min(limit, mapLimit)
	}
	return limit
}

func (o *Options) setDefaults() {
	if o.LimitBytes <= 0 {
		o.LimitBytes = 2 << 30
	}
	if o.ReserveBytes <= 0 {
		o.ReserveBytes = 64 << 20
	}
	o.LimitBytes = limitFor(strconv.IntSize, o.LimitBytes)
	o.ReserveBytes = min(o.ReserveBytes, o.LimitBytes/4)
	if o.RotateBytes <= 0 {
		o.RotateBytes = 256 << 20
	}
	o.RotateBytes = min(o.RotateBytes, o.LimitBytes/4)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func (o *Options) pages() bbolt.FreelistType {
	if o.InOrder {
		return bbolt.FreelistArrayType
	}
	return bbolt.FreelistMapType
}

// Journal is an open journal. All methods may be called at the same time.
type Journal struct {
	dir     string
	options Options
	lock    *os.File

	queue queue

	// write is held by whoever changes files. It is taken before view.
	write sync.Mutex
	// ordinal is the highest ever used in this folder. Guarded by write.
	ordinal uint64
	closed  bool
	// pending are the files that Recover has to take up; began is the ordinal of the first epoch of this process.
	pending []epochFile
	began   uint64
	// known is closed when the cursors are.
	known chan struct{}

	// view guards what follows and the fields of epochs; files are opened and closed under it.
	view   sync.RWMutex
	epochs []*epoch // by ordinal; the last one takes writes
	// gone has the ordinal of epochs that this process has removed, so that a position in one of them still has its place.
	gone    map[string]uint64
	cursors map[string]*docklinev1.PluginCursor
	changed chan struct{}

	// hungry is set while a reader has taken all there is: the next commit is then packed at once.
	hungry           atomic.Bool
	dictionary       atomic.Uint32
	appends, commits atomic.Uint64
}

// Open opens the journal in dir, which it makes if need be, and begins a new epoch. What is damaged is set aside, what can
// be read of it is taken over, and the rest declared as a gap; an error means that nothing at all can be written there, or
// ErrLocked. The work does not grow with the number of events held. After it Append works; Recover must follow.
func Open(dir string, o Options) (*Journal, error) {
	wanted := o.LimitBytes
	o.setDefaults()
	if wanted > o.LimitBytes {
		o.Log.Warn("journal: a 32 bit program keeps less than journal.limit", "limit_bytes", o.LimitBytes)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	lock, err := filelock.Take(filepath.Join(dir, lockName), openWait)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("open journal %s: %w: %w", dir, ErrLocked, err)
	} else if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{dir: dir, options: o, lock: lock, known: make(chan struct{}), gone: map[string]uint64{}, cursors: map[string]*docklinev1.PluginCursor{}}
	if err := j.open(); err != nil {
		j.Close()
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return j, nil
}

// open begins a new epoch and, where the older files may be read at once, takes them up. The new one is there first, since those who
// push can't wait.
func (j *Journal) open() error {
	files, highest, err := listEpochs(j.dir)
	if err != nil {
		return err
	}
	clean, err := takeStop(j.dir, files)
	if err != nil {
		return err
	}
	j.ordinal, j.began, j.pending = highest, highest+1, files
	predecessor := &docklinev1.EpochRange{}
	if len(files) > 0 {
		predecessor.Epoch = files[len(files)-1].id
	}
	if err := j.begin(predecessor, state{}); err != nil {
		return err
	}
	if clean {
		j.options.Check = nil
	}
	if j.options.Check != nil {
		return nil
	}
	j.options.Check = func(context.Context, string) error { return nil }
	return j.Recover(context.Background())
}

// begin makes a new epoch that takes writes from now on, and counts on from before. Of its predecessor it takes the name, the last Seq and what came
// before, with the predecessor itself.
func (j *Journal) begin(predecessor *docklinev1.EpochRange, before state) error {
	identity := &docklinev1.EpochRange{
		Ordinal:            j.ordinal + 1,
		Predecessor:        predecessor.Epoch,
		PredecessorLastSeq: predecessor.LastSeq,
		Before:             predecessor.Before,
	}
	partial := j.partial()
	if partial {
		before = state{} // it comes with the rest
	}
	id := make([]byte, 16)
	if _, err := io.ReadFull(j.options.Random, id); err != nil {
		return err
	}
	identity.Epoch = hex.EncodeToString(id)
	e, err := createEpoch(j.dir, identity, state{captured: before.captured, days: before.days}, j.cursors, partial, j.options.pages())
	if err != nil {
		return err
	}
	e.measure(true)
	j.view.Lock()
	defer j.view.Unlock()
	j.ordinal++
	j.epochs = append(j.epochs, e)
	return nil
}

// partial says whether an epoch begun now lacks what its predecessors know.
func (j *Journal) partial() bool {
	select {
	case <-j.known:
		return false
	default:
		return true
	}
}

// UseDictionary has packs of few events made with a dictionary of package wire from now on; 0 is none. What is packed stays as it is.
func (j *Journal) UseDictionary(id uint32) { j.dictionary.Store(id) }

func (j *Journal) newest() *epoch { return j.epochs[len(j.epochs)-1] }

// Close writes down what is acknowledged and closes the files. Waiting Appends end with ErrClosed.
func (j *Journal) Close() error {
	j.queue.close()
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	var errs []error
	for _, e := range j.epochs {
		errs = append(errs, j.saveAcked(e))
	}
	j.view.Lock()
	for _, e := range j.epochs {
		errs = append(errs, guard(e.db.Close))
	}
	j.epochs = nil
	j.notify()
	j.view.Unlock()
	if err := errors.Join(errs...); err == nil && len(j.pending) == 0 {
		errs = append(errs, noteStop(j.dir))
	}
	errs = append(errs, j.lock.Close())
	return errors.Join(errs...)
}

// Changed is closed when there is something new to send. Take it before calling Next.
func (j *Journal) Changed() <-chan struct{} {
	j.view.Lock()
	defer j.view.Unlock()
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	return j.changed
}

// notify wakes those who wait on Changed. The caller holds view.
func (j *Journal) notify() {
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}
