package retention

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/dockline/dockline/collector/db"
)

// errLost: this process was silent for longer than its lease, and another one has begun a run since, which ends what this one had begun.
var errLost = fmt.Errorf("%w: it has taken over, since this run gave no word for longer than %s", ErrBusy, lease)

// keep prolongs the run's lease, and says whether the run is still the one that archives its tenant. It is asked before each thing that is written
// into the folder; what is written into the database is fenced.
func (r *Retention) keep(ctx context.Context, run *Record) error {
	if err := r.hold(ctx, run.Tenant); err != nil {
		if errors.Is(err, ErrBusy) {
			err = errLost
		}
		return err
	}
	return r.DB.Read(ctx, func(tx *db.Tx) error { return run.is(ctx, tx, false) })
}

// fenced is a transaction in which no other run of the tenant begins, and which is refused where one has begun since.
func (r *Retention) fenced(ctx context.Context, run *Record, f func(tx *db.Tx) error) error {
	return r.DB.Write(ctx, func(tx *db.Tx) error {
		if err := run.is(ctx, tx, true); err != nil {
			return err
		}
		return f(tx)
	})
}

// is says whether it is still the run of its tenant, which is so until the transaction ends where hold is set: who begins another one changes its row.
func (run *Record) is(ctx context.Context, tx *db.Tx, hold bool) error {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "archive_run", Columns: []string{"state"}, Key: []string{"number"}, Rows: [][]any{{run.Number}}, Hold: hold})
	if err != nil {
		return err
	}
	if len(rows) == 0 || rows[0][0] != string(Running) {
		return errLost
	}
	return nil
}

// fault is a panic that was caught.
type fault struct {
	value any
	stack []byte
}

func (f *fault) Error() string {
	return fmt.Sprintf("a fault of the program, which needs a newer version: %v. The log says where", f.value)
}

// sound turns a panic into an error: what is wrong with one archive does not end the process.
func sound(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &fault{p, debug.Stack()}
		}
	}()
	return f()
}
