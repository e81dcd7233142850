// Package journal keeps a site's events until the collector has them: a folder of bbolt files, one file an epoch,
// always synced, bounded, and never stopped by damage.
package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
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
	// are kept for acknowledgements, cursors and gaps.
	LimitBytes, ReserveBytes int64
	// RotateBytes is the size at which a new epoch is begun (256 MiB, at most a quarter of the limit).
	RotateBytes int64
	// KeepAcknowledged is how long packs stay after capture although the collector has them, as long as no more than half of the
	// limit is used. 0: not at all.
	KeepAcknowledged time.Duration
	// Now is the clock (time.Now).
	Now func() time.Time
	// Log is where damage and forks are reported (nowhere).
	Log *slog.Logger
}

func (o *Options) setDefaults() {
	if o.LimitBytes <= 0 {
		o.LimitBytes = 2 << 30
	}
	if o.ReserveBytes <= 0 {
		o.ReserveBytes = 64 << 20
	}
	o.ReserveBytes = min(o.ReserveBytes, o.LimitBytes/4)
	if o.RotateBytes <= 0 {
		o.RotateBytes = 256 << 20
	}
	o.RotateBytes = min(o.RotateBytes, o.LimitBytes/4)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
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

	// view guards what follows and the fields of epochs; files are opened and closed under it.
	view   sync.RWMutex
	epochs []*epoch // by ordinal; the last one takes writes
	// gone has the ordinal of epochs that this process has removed, so that a position in one of them still has its place.
	gone    map[string]uint64
	cursors map[string]*docklinev1.PluginCursor
	changed chan struct{}

	// hungry is set while a reader has taken all there is: the next commit is then packed at once.
	hungry           atomic.Bool
	appends, commits atomic.Uint64
}

// Open opens the journal in dir, which it makes if need be, and begins a new epoch. What is damaged is set aside, what can
// be read of it is taken over, and the rest declared as a gap; an error means that nothing at all can be written there, or
// ErrLocked. The work does not grow with the number of events held.
func Open(dir string, o Options) (*Journal, error) {
	o.setDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := lockFile(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open journal %s: %w: %w", dir, ErrLocked, err)
	}
	j := &Journal{dir: dir, options: o, lock: lock, gone: map[string]uint64{}, cursors: map[string]*docklinev1.PluginCursor{}}
	if err := j.open(); err != nil {
		j.Close()
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return j, nil
}

func (j *Journal) open() error {
	files, highest, err := listEpochs(j.dir)
	if err != nil {
		return err
	}
	j.ordinal = highest
	var damaged []*damagedFile
	for _, file := range files {
		e, err := openEpoch(file)
		switch {
		case err == nil:
			j.epochs = append(j.epochs, e)
		case errors.Is(err, errDamaged):
			damaged = append(damaged, &damagedFile{file: file, epoch: e, cause: err})
		default:
			return err
		}
	}
	captured := uint64(0)
	for _, e := range j.epochs {
		captured = max(captured, e.state.captured)
	}
	j.restoreCursors(damaged)
	predecessor := &docklinev1.EpochRange{}
	if len(files) > 0 {
		predecessor.Epoch = files[len(files)-1].id
	}
	if n := len(j.epochs); n > 0 && j.epochs[n-1].id() == predecessor.Epoch {
		predecessor.LastSeq = j.epochs[n-1].state.last
	}
	old := len(j.epochs)
	if err := j.begin(predecessor, captured); err != nil {
		return err
	}
	for _, e := range append([]*epoch(nil), j.epochs[:old]...) {
		if err := j.sealOld(e); err != nil {
			return err
		}
	}
	if err := j.discardMoved(); err != nil {
		return err
	}
	for _, d := range damaged {
		if err := j.setAsideFile(d); err != nil {
			return err
		}
	}
	return j.expire()
}

// restoreCursors carries the newest cursors that can be read over to the new epoch. An older cursor is safe: what is read
// again has the same event ids.
func (j *Journal) restoreCursors(damaged []*damagedFile) {
	candidates := append([]*epoch(nil), j.epochs...)
	for _, d := range damaged {
		if d.epoch != nil {
			candidates = append(candidates, d.epoch)
		}
	}
	best := uint64(0)
	for _, e := range candidates {
		if cursors := e.bestCursors(); cursors != nil && e.ordinal() > best {
			best, j.cursors = e.ordinal(), cursors
		}
	}
}

// begin makes a new epoch that takes writes from now on.
func (j *Journal) begin(predecessor *docklinev1.EpochRange, captured uint64) error {
	identity := &docklinev1.EpochRange{
		Ordinal:            j.ordinal + 1,
		Predecessor:        predecessor.Epoch,
		PredecessorLastSeq: predecessor.LastSeq,
	}
	e, err := createEpoch(j.dir, identity, state{captured: captured}, j.cursors)
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
