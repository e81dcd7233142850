package sweep

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// Ask asks for what a target should hold of a kind.
type Ask struct {
	Tenant, Target, Site string
	Kind                 connector.Kind
	Since                time.Time
	// Unsettled asks for what is not confirmed, of any kind; Keys for these alone.
	Unsettled bool
	Keys      []string
	After     int64
	Limit     int
}

// HeldAsk asks for orders: those that are named, and where Since is given those that were made since then and that the target should have too.
type HeldAsk struct {
	Tenant, Target, Site string
	Since                time.Time
	Numbers              []string
}

// Centre is what a sweep reads of the centre and what it says to it; the parent fills it in. All of it runs in the caller's transaction.
type Centre struct {
	Expected func(ctx context.Context, tx *db.Tx, a Ask) ([]Expected, error)
	// Find is what the connector is given to look for postings, by key.
	Find func(ctx context.Context, tx *db.Tx, a Ask) (map[string]*connector.Posting, error)
	// Held are orders as Dockline holds them, in the form of connector.OrderRecord; Cursor is up to where the target's feed was taken in.
	Held   func(ctx context.Context, tx *db.Tx, a HeldAsk) ([]Expected, error)
	Cursor func(ctx context.Context, tx *db.Tx, t *Target) (connector.Cursor, error)
	// Born is when the target was first told, or told, anything; zero for never.
	Born  func(ctx context.Context, tx *db.Tx, tenant, target string) (time.Time, error)
	Sites func(ctx context.Context, tx *db.Tx, tenant string) ([]string, error)
	// Orders tells which of some orders are known.
	Orders func(ctx context.Context, tx *db.Tx, tenant string, numbers []string) (map[string]bool, error)
	// Gaps says in words, by site, which streams have open gaps.
	Gaps    func(ctx context.Context, tx *db.Tx, tenant string) (map[string]string, error)
	Ledger  func(ctx context.Context, tx *db.Tx, tenant, site string) (map[Position]map[string]int64, error)
	Counted func(ctx context.Context, tx *db.Tx, tenant, site string) (map[Position]int64, error)
	// Unfolded is how many keys have facts of a site that are to be folded now.
	Unfolded func(ctx context.Context, tx *db.Tx, tenant, site string) (int, error)
	// Worth is what quantities of an order's lines cost, "" where nobody knows.
	Worth func(ctx context.Context, tx *db.Tx, tenant, order string, lines []connector.Line) (string, error)
	// Keepers are the systems that are the record of a kind of records and list them, by name.
	Keepers func(tenant string, kind connector.Kind) []string
	// Owner is who owns what differs, "" where nobody does.
	Owner func(tenant string, f *Finding) string
	// Heals says what is done about a finding by itself, "" for nothing; Heal does it, and says whether it did.
	Heals func(tenant string, t *Target, f *Finding) string
	Heal  func(ctx context.Context, tx *db.Tx, tenant string, t *Target, f *Finding) (bool, error)
	// Report makes the exceptions of one origin be exactly these.
	Report func(ctx context.Context, tx *db.Tx, tenant, origin string, t *Target, found []Finding) error
	// Unended makes it an exception that a sweep of the target does not come to its end, or not by every list; without a reason that one closes.
	Unended func(ctx context.Context, tx *db.Tx, tenant string, t *Target, why []string) error
}

// Target is one system that is swept.
type Target struct {
	Tenant, Name string
	// Connector keeps to the limits of the target's account.
	Connector connector.Connector
	// Stock: it keeps the book of the sites.
	Stock bool
	// Role is what it is the record for.
	Role string
	// Timeout ends one call; default 30 s.
	Timeout time.Duration
}

// stepTime is how long one step may take: the book of a site, or some postings one after the other, take several calls.
func (t *Target) stepTime() time.Duration {
	if t.Timeout == 0 {
		return 2 * time.Minute
	}
	return 4 * t.Timeout
}
