package ingest

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// storeStatuses takes heartbeats and wills, then moves the streams of the sites whose heartbeat carried cursors. These are two
// transactions, since the second takes locks that the filler of the event log takes in another order.
func (i *Ingest) storeStatuses(ctx context.Context, b *batch) error {
	if len(b.statuses) == 0 {
		return nil
	}
	var moved []siteKey
	before, schemas := *b, takeSchemas(b.statuses)
	err := i.c.DB.WriteFirst(ctx, func(tx *db.Tx) (err error) {
		b.answers, b.agreed = slices.Clone(before.answers), nil
		if err := i.refresh(ctx, tx); err != nil {
			return err
		}
		if err := i.comparePlaces(ctx, tx, b); err != nil {
			return err
		}
		if err := storeSchemas(ctx, tx, schemas); err != nil {
			return err
		}
		taken, err := i.storePresence(ctx, tx, b.statuses)
		if err != nil {
			return err
		}
		if err := i.storeDays(ctx, tx, taken); err != nil {
			return err
		}
		moved, err = i.storeCursors(ctx, tx, b.statuses)
		return err
	})
	if err != nil {
		return err
	}
	i.saidDays()
	for _, s := range b.agreed {
		i.agreed[s] = i.incarnation
	}
	if len(moved) == 0 {
		return nil
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

// comparePlaces holds the places of heartbeats against this database. A site that speaks of another one is told of ours by an Ack: it
// may not have noticed that the collector behind the broker has a new one, and says Hello again.
func (i *Ingest) comparePlaces(ctx context.Context, tx *db.Tx, b *batch) error {
	byKey := make(map[epochKey]*epochState)
	var keys [][]any
	alive := make(map[siteKey]string)
	for _, h := range b.statuses {
		site := siteKey{h.GetTenant(), h.GetSite()}
		if !h.GetOnline() {
			continue
		}
		if err := i.compare(ctx, tx, b, position{site, h.GetIncarnation(), h.GetCommandsThrough(), h.GetReceiptsThrough(), nil}, nil); err != nil {
			return err
		}
		alive[site] = h.GetEpoch()
		key := epochKey{site, h.GetEpoch()}
		if h.GetIncarnation() != "" && h.GetIncarnation() != i.incarnation && h.GetEpoch() != "" && byKey[key] == nil {
			byKey[key] = &epochState{siteKey: site, epoch: h.GetEpoch()}
			keys = append(keys, byKey[key].key())
		}
	}
	if err := i.closeForks(ctx, tx, alive); err != nil {
		return err
	}
	if err := i.buryUnnamed(ctx, tx, alive); err != nil {
		return err
	}
	if err := readEpochs(ctx, tx, byKey, keys); err != nil {
		return err
	}
	for _, key := range keys {
		s := byKey[keyOf(key)]
		b.answer(s.tenant, s.site, &docklinev1.Answer{Answer: &docklinev1.Answer_Ack{Ack: s.received.ack(i.incarnation, s.epoch, s.lost)}})
	}
	return nil
}

// storePresence takes what counts of the statuses, and returns it: who is there, what they say, and a point of the history where it is due.
func (i *Ingest) storePresence(ctx context.Context, tx *db.Tx, statuses []*docklinev1.Heartbeat) (taken []*docklinev1.Heartbeat, err error) {
	sites := make([]siteKey, len(statuses))
	for n, h := range statuses {
		sites[n] = siteKey{h.GetTenant(), h.GetSite()}
	}
	byKey, err := readPresence(ctx, tx, sites)
	if err != nil {
		return nil, err
	}
	if err := readFollowed(ctx, tx, byKey, statuses); err != nil {
		return nil, err
	}
	before := make(map[siteKey]string, len(byKey))
	for key, p := range byKey {
		before[key] = p.session
	}
	points := db.Insert{Table: "site_point", Columns: []string{"tenant", "site", "at", "online", "backlog", "oldest_at", "severity", "mark"}, Conflict: []string{"tenant", "site", "at"}}
	for n, h := range statuses {
		point, counts, err := i.say(byKey[sites[n]], h)
		if err != nil {
			return nil, err
		}
		if counts {
			taken = append(taken, h)
		}
		if point != nil {
			points.Rows = append(points.Rows, point)
		}
	}
	now := db.Insert{Table: "presence", Columns: presenceColumns, Conflict: []string{"tenant", "site"}, Update: presenceColumns[2:]}
	for _, p := range byKey {
		if p.session != "" {
			now.Rows = append(now.Rows, p.row())
		}
	}
	bySite := func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)))
	}
	slices.SortFunc(now.Rows, bySite)
	slices.SortStableFunc(points.Rows, bySite)
	if err := saveFollowed(ctx, tx, byKey, before, i.c.Now().UnixMicro()); err != nil {
		return nil, err
	}
	if _, err := tx.InsertAbsent(ctx, points); err != nil {
		return nil, err
	}
	return taken, tx.Upsert(ctx, now)
}

// say applies one status, unless it is late and does not count, and returns the point that the history gets, if any.
func (i *Ingest) say(p *presence, h *docklinev1.Heartbeat) (point []any, counts bool, err error) {
	now := i.c.Now().UnixMicro()
	if !p.takes(h, now, i.c.OfflineAfter.Microseconds()) {
		return nil, false, nil
	}
	if !h.GetOnline() {
		p.online, p.ended, p.seenAt = 0, 1, now
		return p.point(nil, now), true, nil
	}
	if p.session != h.GetSession() {
		p.begin(h.GetSession(), micros(h.GetSentAt()), now)
	} else if p.online == 0 {
		p.connectedAt = now
	}
	raw, err := proto.Marshal(h)
	if err != nil {
		return nil, false, err
	}
	p.online, p.seenAt, p.heartbeat, p.saidAt, p.beat = 1, now, raw, micros(h.GetSentAt()), h.GetNumber()
	p.commands, p.receipts = i.positions(h.GetIncarnation(), h.GetCommandsThrough(), h.GetReceiptsThrough())
	return p.point(h, now), true, nil
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
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "epoch", Columns: []string{"tenant", "site", "epoch", "ordinal", "last_seq", "sources"}, Key: epochColumns, Rows: keys, Hold: true})
	if err != nil {
		return nil, err
	}
	list := newCursors()
	able := db.Update{Table: "epoch", Key: epochColumns, Set: []string{"sources"}}
	higher := db.Update{Table: "epoch", Key: epochColumns, Set: []string{"last_seq", "complete"}}
	var moved []siteKey
	for _, row := range rows {
		key := keyOf(row)
		h := byKey[key]
		if h.GetLastSeq() > uint64(row[4].(int64)) {
			higher.Rows = append(higher.Rows, []any{key.tenant, key.site, key.epoch, h.GetLastSeq(), 0})
		}
		if sources := sourcesOf(h); sources != row[5].(string) {
			able.Rows = append(able.Rows, []any{key.tenant, key.site, key.epoch, sources})
		}
		if len(h.GetCursors()) > 0 {
			moved = append(moved, key.siteKey)
			if err := list.add(key.siteKey, key.epoch, uint64(row[3].(int64)), h.GetLastSeq(), h.GetCursors()); err != nil {
				return nil, err
			}
		}
	}
	for _, update := range []db.Update{higher, able} {
		if _, err := tx.UpdateAll(ctx, update); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(moved, func(a, b siteKey) int { return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.site, b.site)) })
	return slices.Compact(moved), list.write(ctx, tx, true)
}
