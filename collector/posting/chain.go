package posting

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// A stock adjustment books a delta, so a variance that changed after it was booked is corrected by a further document for the
// difference. The first posting has the natural key of the count's line; follow-ups have "#2", "#3" behind it and name the
// first one's key as their chain. The first one's document is always the whole variance that is wanted.

func isChain(r *row) bool {
	return r.Kind == connector.StockAdjustment && r.Style == connector.CreateOnce
}

// delta is the booked or wanted delta in millionths; what cannot be read was refused when it was put.
func delta(d *docklinev1.Document) int64 {
	n, err := event.ParseQuantity(d.GetStockAdjustment().GetDelta())
	if err != nil {
		return 0
	}
	return n
}

// settleChain brings the follow-ups of one adjustment in line with the variance that is wanted, unless one of them is under way,
// and says whether it changed anything. A follow-up that is new is returned, and all are the caller's to save.
func settleChain(first *row, follow []*row, now int64) (next *row, did bool, err error) {
	booked := int64(0)
	for _, r := range append([]*row{first}, follow...) {
		switch r.State {
		case Sending, Unknown, Blocked:
			return nil, false, nil
		case Diverged: // what stands in the target is not what we sent: a person looks at it first
			return nil, false, nil
		case Confirmed, Correcting:
			booked += delta(r.Booked)
		}
	}
	if first.State != Confirmed && first.State != Correcting {
		return nil, false, nil // nothing is booked yet: the first one carries the whole variance
	}
	total := int64(0)
	if first.Wanted {
		total = delta(first.Document)
	}
	rest := total - booked
	placed := false
	for _, r := range follow {
		if r.State == Confirmed {
			continue
		}
		if rest == 0 || placed {
			if r.State != Superseded {
				did = true
				r.caseDue = r.caseDue || r.State == Rejected
				r.say(Fault{})
				if err := r.move(Superseded); err != nil {
					return nil, false, err
				}
			}
			continue
		}
		placed = true
		changed, err := r.setFollowUp(first, rest, now)
		if err != nil {
			return nil, false, err
		}
		did = did || changed
	}
	if rest != 0 && !placed {
		if next, err = newFollowUp(first, len(follow)+2, rest, now); err != nil {
			return nil, false, err
		}
		did = true
	}
	return next, did, first.correct(rest != 0)
}

// correct moves the first posting of a chain to or from correcting.
func (r *row) correct(pending bool) error {
	switch {
	case pending && r.State == Confirmed:
		if err := r.move(Diverged); err != nil {
			return err
		}
		return r.move(Correcting)
	case !pending && r.State == Correcting:
		return r.move(Confirmed)
	}
	return nil
}

// followUp is the document for the rest of a variance, nil fields as in the first one.
func followUp(first *row, rest int64) *docklinev1.Document {
	d := proto.CloneOf(first.Document)
	d.GetStockAdjustment().Delta = event.FormatQuantity(rest)
	return d
}

// setFollowUp makes an open follow-up carry the rest.
func (r *row) setFollowUp(first *row, rest, now int64) (bool, error) {
	body, err := marshal(followUp(first, rest))
	if err != nil {
		return false, err
	}
	hash := hashOf(body)
	if hash == r.hash && r.State != Superseded {
		return false, nil
	}
	if hash != r.hash {
		r.body, r.hash, r.Document = body, hash, followUp(first, rest)
		r.SourceVersion++
		r.PolicyVersion = first.PolicyVersion
	}
	return true, r.plan(now)
}

func newFollowUp(first *row, number int, rest, now int64) (*row, error) {
	d := followUp(first, rest)
	body, err := marshal(d)
	if err != nil {
		return nil, err
	}
	ref := first.Ref
	ref.Key = fmt.Sprintf("%s#%d", first.Key, number)
	r := &row{body: body, hash: hashOf(body), chainKey: first.Key, chainNumber: int64(number), Entry: Entry{Tenant: first.Tenant,
		Ref: ref, FoldKey: first.FoldKey, SerialKey: first.SerialKey, Site: first.Site, CorrelationID: first.CorrelationID,
		Style: first.Style, Document: d, SourceVersion: 1, PolicyVersion: first.PolicyVersion}}
	r.begin(now)
	return r, nil
}

// holdChain loads and locks the first posting of a chain and its follow-ups in their order.
func holdChain(ctx context.Context, tx *db.Tx, r *row) (first *row, follow []*row, err error) {
	key := r.chainKey
	if key == "" {
		key = r.Key
	}
	// Two questions, each by its own index: asked as one with OR, the database reads every posting that is no follow-up.
	all, err := collect(tx.Hold(ctx, `SELECT `+columns+` FROM posting WHERE tenant = ? AND target = ? AND kind = ? AND natural_key = ?`, r.Tenant, r.Target, r.Kind, key))
	if err != nil {
		return nil, nil, err
	}
	later, err := collect(tx.Hold(ctx, `SELECT `+columns+` FROM posting WHERE tenant = ? AND target = ? AND kind = ? AND chain_key = ? ORDER BY id`, r.Tenant, r.Target, r.Kind, key))
	if err != nil {
		return nil, nil, err
	}
	all = append(all, later...)
	for _, c := range all {
		if c.id == r.id {
			c = r // the caller's copy, which may have changes that are not saved
		}
		if c.chainKey == "" {
			first = c
		} else {
			follow = append(follow, c)
		}
	}
	return first, follow, nil
}
