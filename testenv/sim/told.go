package sim

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/downlink"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// told: what a site shows its people of an event is what the centre says of it now. Where the database was put back without a word it need
// not be: DESIGN.md says why.
func (w *world) told(ctx context.Context) error {
	if w.unsaid {
		return nil
	}
	for _, s := range w.sites {
		held, err := s.inbox.Receipts(downlink.Filter{Limit: 1 << 20})
		if err != nil {
			return err
		}
		known := map[string]*docklinev1.EventReceipt{}
		for _, r := range held {
			known[r.GetEventId()] = r
		}
		said, err := w.receipts(ctx, s.name)
		if err != nil {
			return err
		}
		for _, r := range said {
			if k := known[r.GetEventId()]; k == nil {
				w.breaks("what became of an event is told: %s does not know that %s of %s is %s", s.name, r.GetEventId(), r.GetSubject(), r.GetLevel())
			} else if k.GetLevel() != r.GetLevel() || k.GetText() != r.GetText() {
				w.breaks("what became of an event is told: %s holds %s of %s for %s (%s), the centre says %s (%s)", s.name, r.GetEventId(), r.GetSubject(), k.GetLevel(), k.GetText(), r.GetLevel(), r.GetText())
			}
		}
	}
	return nil
}

// receipts are what the centre says of a site's events.
func (w *world) receipts(ctx context.Context, site string) (all []*docklinev1.EventReceipt, err error) {
	err = w.centre.quietly(func() error {
		return w.centre.db.Read(ctx, func(tx *db.Tx) error {
			all = nil
			rows, err := tx.Query(ctx, `SELECT event_id, body FROM receipt WHERE site = ? ORDER BY event_id`, site)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id string
				var body []byte
				if err := rows.Scan(&id, &body); err != nil {
					return err
				}
				r := &docklinev1.EventReceipt{}
				if err := proto.Unmarshal(body, r); err != nil {
					return err
				}
				r.EventId = id
				all = append(all, r)
			}
			return rows.Err()
		})
	})
	return all, err
}
