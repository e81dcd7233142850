package db

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// copyAbsent copies rows that are expected to be all new, as COPY knows no ON CONFLICT and costs half of an INSERT that does. Where the key
// of one is there, nothing of it stays, and it returns false. As with ON CONFLICT, a row that another transaction has put in under the same
// key is waited for.
func (tx *Tx) copyAbsent(ctx context.Context, ins Insert) (bool, error) {
	if _, err := tx.s.exec(ctx, "SAVEPOINT copy", nil); err != nil {
		return false, err
	}
	err := tx.copy(ctx, ins)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == uniqueViolation {
		tx.d.hope.lost(ins.Table)
		_, err = tx.s.exec(ctx, "ROLLBACK TO SAVEPOINT copy", nil)
		return false, err
	}
	if err == nil {
		_, err = tx.s.exec(ctx, "RELEASE SAVEPOINT copy", nil)
	}
	return err == nil, err
}

const uniqueViolation = "23505"

// hope remembers the tables in which a row was lately there that was expected not to be: a COPY that is undone is paid twice, so that the next
// ones go without.
type hope struct {
	mu      sync.Mutex
	without map[string]int
}

// without is how many inserts into the table go without COPY after one that was undone.
const without = 16

func (h *hope) of(table string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.without[table] > 0 {
		h.without[table]--
		return false
	}
	return true
}

func (h *hope) lost(table string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.without == nil {
		h.without = make(map[string]int)
	}
	h.without[table] = without
}
