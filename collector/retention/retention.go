// Package retention takes what has ended long ago out of the database: it is written into an archive first, with a manifest, and only what stands
// there word for word is deleted. What came once is still refused when it comes again, what is archived is still found, and can be put back.
// DESIGN.md says how.
package retention

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
)

// Classes of what is archived together, each with a term of its own.
const (
	// Orders: orders, what was submitted of them, their shipments and the names that lead to them.
	Orders = policy.KeepOrders
	// Returns: returns, with or without an authorisation.
	Returns = policy.KeepReturns
	// Inbound: suppliers' deliveries.
	Inbound = policy.KeepInbound
	// Movements of stock that belong to none of these.
	Movements = policy.KeepMovements
	// Records: records that were refused, answers to commands, gaps, trailers alone.
	Records = policy.KeepRecords
	// Events that belong to nothing that is followed.
	Events = policy.KeepEvents
)

var (
	// ErrBusy: another process archives this tenant.
	ErrBusy = errors.New("another process is archiving")
	// ErrDamaged: an archive is not what its manifest says, or not there.
	ErrDamaged = errors.New("the archive is damaged")
)

// Retention archives one database.
type Retention struct {
	DB *db.DB
	// Folder has a folder for each tenant, and in it the archives.
	Folder string
	// Term is how long what has ended of a class stays in a tenant's database, from its last event on; 0 is for ever.
	Term func(tenant, class string) time.Duration
	// Holder names this process among those that may archive.
	Holder string
	// MaxGroup is how many events what hangs together may have; more stays. 0 is 5,000, as many as are folded at once.
	MaxGroup int
	// MaxFile is how many groups an archive has at most. 0 is 2,000.
	MaxFile int
	// Page is how many old events are looked at together. 0 is 500.
	Page int
	// Together is how many groups one transaction deletes or puts back. 0 is 20.
	Together int
	// Rest is called between transactions with what the last one took, so that others have the database meanwhile; nil goes on at once.
	Rest func(ctx context.Context, worked time.Duration) error
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Fault lets a test fail at one point; nil: none fails.
	Fault func(point string) error
	// PutBack is called within the transaction that put keys back, with the numbers of their events and of those that were told of them since: the
	// event log tells each of the other, and the cases that something was told late are closed. Nil: nobody is told.
	PutBack func(ctx context.Context, tx *db.Tx, tenant string, keys []string, events []int64) error
}

const (
	defaultMaxGroup = 5000
	defaultMaxFile  = 2000
	defaultTogether = 20
	defaultPage     = 500
	lease           = time.Minute
)

func (r *Retention) now() time.Time {
	if r.Now == nil {
		return time.Now().UTC()
	}
	return r.Now().UTC()
}

func (r *Retention) fault(point string) error {
	if r.Fault == nil {
		return nil
	}
	return r.Fault(point)
}

func (r *Retention) maxGroup() int { return cmp.Or(r.MaxGroup, defaultMaxGroup) }

func (r *Retention) together() int { return cmp.Or(r.Together, defaultTogether) }

func (r *Retention) page() int { return cmp.Or(r.Page, defaultPage) }

func (r *Retention) maxFile() int { return cmp.Or(r.MaxFile, defaultMaxFile) }

// kindOf is the first part of a fold key.
func kindOf(key string) string {
	kind, _, _ := strings.Cut(key, "/")
	return kind
}
