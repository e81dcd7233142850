package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/dockline/dockline/collector/db"
)

// Anchor is the end of a chain as somebody has written it down: whatever is done to the database later, act N had this hash.
type Anchor struct {
	Tenant string `json:"tenant"`
	N      int64  `json:"n"`
	Hash   string `json:"hash"`
}

// ErrBroken is returned where the acts are not those that were recorded.
var ErrBroken = errors.New("the audit is broken")

// Verify holds every act of a tenant against its hash, their end against the count that is kept beside, and those that anchors name against
// them. The error names the first act that is not what was recorded. It returns where the chain ends.
func Verify(ctx context.Context, tx *db.Tx, tenant string, anchors ...Anchor) (Anchor, error) {
	end := Anchor{Tenant: tenant}
	named := make(map[int64]string)
	last := int64(0)
	for _, a := range anchors {
		if a.Tenant == tenant {
			named[a.N], last = a.Hash, max(last, a.N)
		}
	}
	err := Walk(ctx, tx, tenant, func(e Entry) error {
		switch {
		case e.N != end.N+1:
			return fmt.Errorf("%w: act %d of tenant %s is missing", ErrBroken, end.N+1, tenant)
		case e.Hash != e.chain(end.Hash):
			return fmt.Errorf("%w: act %d of tenant %s, %s of %s by %s, is not what was recorded, or was put there", ErrBroken, e.N, tenant, e.Action, e.Object, e.By)
		case named[e.N] != "" && named[e.N] != e.Hash:
			return fmt.Errorf("%w: act %d of tenant %s was another one when its hash was written down: it, or one before it, was changed and the hashes made anew", ErrBroken, e.N, tenant)
		}
		end.N, end.Hash = e.N, e.Hash
		return nil
	})
	if err != nil {
		return end, err
	}
	n, hash, err := head(ctx, tx, tenant)
	switch {
	case err != nil:
		return end, err
	case n > end.N || last > end.N:
		return end, fmt.Errorf("%w: act %d of tenant %s is missing, with all behind it: there were %d", ErrBroken, end.N+1, tenant, max(n, last))
	case n != end.N || hash != end.Hash:
		return end, fmt.Errorf("%w: tenant %s has %d acts, and %d are counted: act %d was not recorded but put there, or the count was changed", ErrBroken, tenant, end.N, n, n+1)
	}
	return end, nil
}
