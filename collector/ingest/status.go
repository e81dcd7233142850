package ingest

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// presence is what a site last said of itself, as its row has it.
type presence struct {
	siteKey
	session            string
	online             int64
	connectedAt        int64
	seenAt             int64
	heartbeat          any
	commands, receipts uint64
}

var presenceColumns = []string{"tenant", "site", "session", "online", "connected_at", "seen_at", "heartbeat", "commands_through", "receipts_through"}

// storeStatuses takes heartbeats and wills, then moves the streams of the sites whose heartbeat carried cursors. These are two
// transactions, since the second takes locks that the filler of the event log takes in another order.
func (i *Ingest) storeStatuses(ctx context.Context, b *batch) error {
	if len(b.statuses) == 0 {
		return nil
	}
	var moved []siteKey
	err := i.c.DB.WriteFirst(ctx, func(tx *db.Tx) (err error) {
		if err := i.storePresence(ctx, tx, b.statuses); err != nil {
			return err
		}
		moved, err = i.storeCursors(ctx, tx, b.statuses)
		return err
	})
	if err != nil || len(moved) == 0 {
		return err
	}
	return i.c.DB.WriteFirst(ctx, func(tx *db.Tx) error {
		for _, s := range moved {
			if err := i.c.Log.AdvanceSite(ctx, tx, s.tenant, s.site); err != nil {
				return err
			}
		}
		return nil
	})
}

func (i *Ingest) storePresence(ctx context.Context, tx *db.Tx, statuses []*docklinev1.Heartbeat) error {
	byKey := make(map[siteKey]*presence)
	var keys [][]any
	for _, h := range statuses {
		key := siteKey{h.GetTenant(), h.GetSite()}
		if byKey[key] == nil {
			byKey[key] = &presence{siteKey: key}
			keys = append(keys, []any{key.tenant, key.site})
		}
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "presence", Columns: presenceColumns, Key: []string{"tenant", "site"}, Rows: keys, Hold: true})
	if err != nil {
		return err
	}
	for _, row := range rows {
		p := byKey[siteKey{row[0].(string), row[1].(string)}]
		p.session, p.online, p.connectedAt, p.seenAt = row[2].(string), row[3].(int64), row[4].(int64), row[5].(int64)
		p.heartbeat, p.commands, p.receipts = row[6], uint64(row[7].(int64)), uint64(row[8].(int64))
	}
	for _, h := range statuses {
		if err := i.say(byKey[siteKey{h.GetTenant(), h.GetSite()}], h); err != nil {
			return err
		}
	}
	now := db.Insert{Table: "presence", Columns: presenceColumns, Conflict: []string{"tenant", "site"}, Update: presenceColumns[2:]}
	for _, p := range byKey {
		if p.session != "" {
			now.Rows = append(now.Rows, []any{p.tenant, p.site, p.session, p.online, p.connectedAt, p.seenAt, p.heartbeat, p.commands, p.receipts})
		}
	}
	slices.SortFunc(now.Rows, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)))
	})
	return tx.Upsert(ctx, now)
}

// say applies one heartbeat. A will of a session that is no longer the site's does nothing: it is late.
func (i *Ingest) say(p *presence, h *docklinev1.Heartbeat) error {
	now := i.c.Now().UnixMicro()
	if !h.GetOnline() {
		if h.GetSession() == p.session && p.online != 0 {
			p.online, p.seenAt = 0, now
		}
		return nil
	}
	if p.session != h.GetSession() || p.online == 0 {
		p.connectedAt = now
	}
	raw, err := proto.Marshal(h)
	if err != nil {
		return err
	}
	p.session, p.online, p.seenAt, p.heartbeat = h.GetSession(), 1, now, raw
	p.commands, p.receipts = i.positions(h.GetIncarnation(), h.GetCommandsThrough(), h.GetReceiptsThrough())
	return nil
}

// storeCursors keeps the cursors of heartbeats, which may be newer than those of envelopes where a source told how far it is
// without an event, and the highest Seq, by which a loss of the disk is seen later. It returns the sites with cursors.
func (i *Ingest) storeCursors(ctx context.Context, tx *db.Tx, statuses []*docklinev1.Heartbeat) ([]siteKey, error) {
	byKey := make(map[epochKey]*docklinev1.Heartbeat)
	var keys [][]any
	for _, h := range statuses {
		key := epochKey{siteKey{h.GetTenant(), h.GetSite()}, h.GetEpoch()}
		if !h.GetOnline() || h.GetEpoch() == "" {
			continue
		}
		if byKey[key] == nil {
			keys = append(keys, []any{key.tenant, key.site, key.epoch})
		}
		byKey[key] = h
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "epoch", Columns: []string{"tenant", "site", "epoch", "ordinal", "last_seq"}, Key: epochColumns, Rows: keys, Hold: true})
	if err != nil {
		return nil, err
	}
	list := newCursors()
	higher := db.Update{Table: "epoch", Key: epochColumns, Set: []string{"last_seq", "complete"}}
	var moved []siteKey
	for _, row := range rows {
		key := keyOf(row)
		h := byKey[key]
		if h.GetLastSeq() > uint64(row[4].(int64)) {
			higher.Rows = append(higher.Rows, []any{key.tenant, key.site, key.epoch, h.GetLastSeq(), 0})
		}
		if len(h.GetCursors()) > 0 {
			moved = append(moved, key.siteKey)
			if err := list.add(key.siteKey, key.epoch, uint64(row[3].(int64)), h.GetLastSeq(), h.GetCursors()); err != nil {
				return nil, err
			}
		}
	}
	if _, err := tx.UpdateAll(ctx, higher); err != nil {
		return nil, err
	}
	slices.SortFunc(moved, func(a, b siteKey) int { return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.site, b.site)) })
	return slices.Compact(moved), list.write(ctx, tx, true)
}
