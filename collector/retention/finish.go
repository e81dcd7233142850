package retention

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dockline/dockline/collector/db"
)

// errEmpty: an archive would hold nothing, or one of a version before does.
var errEmpty = fmt.Errorf("%w: it holds no events", ErrDamaged)

func (r *Retention) written(ctx context.Context, run *Record, a *Archive) error {
	a.State, a.ChangedAt = Written, r.now()
	return r.fenced(ctx, run, func(tx *db.Tx) error { return a.save(ctx, tx) })
}

// leave gives an archive up, of which nothing is deleted.
func (r *Retention) leave(ctx context.Context, run *Record, a *Archive) error {
	a.State, a.ChangedAt = Left, r.now()
	return r.fenced(ctx, run, func(tx *db.Tx) error { return a.save(ctx, tx) })
}

// finish ends what a process that is gone had begun: an archive that is whole is taken out of the database, one that is not is given up. One that
// can be neither is set aside, and does not hold up the others.
func (r *Retention) finish(ctx context.Context, run *Record) (done []*Archive, err error) {
	var begun []*Archive
	if err := r.DB.Read(ctx, func(tx *db.Tx) (err error) {
		begun, err = list(ctx, tx, `tenant = ? AND state IN ('writing', 'written') ORDER BY number`, run.Tenant)
		return err
	}); err != nil {
		return nil, err
	}
	for _, a := range begun {
		whole, err := r.end(ctx, run, a)
		if ofFiles(err) {
			var back bool
			if back, err = r.takeBack(ctx, run, a, err); err == nil && !back {
				continue
			}
		}
		if err != nil {
			return done, err
		}
		if whole {
			done = append(done, a)
		}
	}
	return done, nil
}

// end does what is left to do with one.
func (r *Retention) end(ctx context.Context, run *Record, a *Archive) (whole bool, err error) {
	if a.State == Writing {
		if whole, err := r.adopt(ctx, run, a); err != nil || !whole {
			return false, err
		}
	}
	if err := r.prune(ctx, run, a); err != nil {
		return false, err
	}
	return true, nil
}

// ofFiles: the files of an archive are not there, not whole, or cannot be read; the database has no part in it.
func ofFiles(err error) bool {
	_, ofPath := errors.AsType[*fs.PathError](err)
	return ofPath || errors.Is(err, ErrDamaged)
}

// adopt looks whether an archive that was being written is whole, and gives it up where it is not.
func (r *Retention) adopt(ctx context.Context, run *Record, a *Archive) (whole bool, err error) {
	if err := r.keep(ctx, run); err != nil {
		return false, err
	}
	path := r.path(a.Tenant, a.Manifest)
	m, sum, err := ReadManifest(path)
	switch {
	case err == nil && m.CreatedAt.UnixMicro() != a.CreatedAt.UnixMicro(): // it is that of another database
		return false, r.leave(ctx, run, a)
	case err == nil:
		a.Groups, a.Events, a.Bytes, a.SHA256 = m.Groups, m.Events, m.Bytes, sum
		return true, errors.Join(remove1(path+".part"), r.written(ctx, run, a))
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("archive %d: %w", a.Number, err)
	}
	if err := r.removeFiles(a); err != nil {
		return false, err
	}
	return false, r.leave(ctx, run, a)
}

// takeBack gives up an archive with which something is wrong, where all that it should hold is still in the database. Where that is not so it is set
// aside: its files may be had from elsewhere, and the next run goes on with it.
func (r *Retention) takeBack(ctx context.Context, run *Record, a *Archive, wrong error) (back bool, err error) {
	var keys, events, followers int64
	a.ChangedAt = r.now()
	err = r.fenced(ctx, run, func(tx *db.Tx) error {
		for query, n := range map[string]*int64{`SELECT COUNT(*) FROM archive_key WHERE tenant = ? AND archive = ?`: &keys, `SELECT COUNT(*) FROM event_identity WHERE tenant = ? AND archive = ?`: &events,
			`SELECT COUNT(*) FROM archive WHERE tenant = ? AND previous = ? AND state IN ('written', 'pruned')`: &followers} {
			if err := tx.QueryRow(ctx, query, a.Tenant, a.Number).Scan(n); err != nil {
				return err
			}
		}
		back = keys == 0 && events == 0 && (followers == 0 || errors.Is(wrong, errEmpty))
		if !back {
			return nil
		}
		if a.State = Left; followers > 0 {
			a.State = Pruned // the chain goes on from it
		}
		return a.save(ctx, tx)
	})
	switch {
	case err != nil:
		return false, err
	case !back:
		run.aside = errors.Join(run.aside, fmt.Errorf("%w. It is set aside: %d events of it are deleted from the database and cannot be put back until it is whole. Bring %s and the file beside it back from a copy; "+
			"the next run goes on with it", wrong, events, filepath.Join(a.Tenant, a.Manifest)))
	case a.State == Left && (errors.Is(wrong, errEmpty) || errors.Is(wrong, fs.ErrNotExist)): // half of one, or none
		err = r.removeFiles(a)
	}
	return back, err
}

// clear removes what a run that had lost its lease has written of an archive, if the one that took over has given that up.
func (r *Retention) clear(ctx context.Context, a *Archive) error {
	var now *Archive
	if err := r.DB.Read(ctx, func(tx *db.Tx) (err error) { now, err = Get(ctx, tx, a.Tenant, a.Number); return err }); err != nil {
		return err
	}
	if now.State != Left {
		return nil
	}
	return r.removeFiles(a)
}

func (r *Retention) removeFiles(a *Archive) error {
	base := strings.TrimSuffix(r.path(a.Tenant, a.Manifest), ".json")
	var errs []error
	for _, end := range []string{".jsonl.zst", ".jsonl.zst.part", ".json", ".json.part"} {
		errs = append(errs, remove1(base+end))
	}
	return errors.Join(errs...)
}

// remove1 removes a file, if it is there.
func remove1(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
