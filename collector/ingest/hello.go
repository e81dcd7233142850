package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// hello records what a site says that it holds, finds what it has lost, and makes the reply.
func (i *Ingest) hello(ctx context.Context, tx *db.Tx, b *batch, h *docklinev1.Hello) error {
	site := siteKey{h.GetTenant(), h.GetSite()}
	all := namedBy(h.GetEpochs())
	list := make([]string, len(all))
	for n, e := range all {
		list[n] = e.epoch
	}
	if may, err := i.newNames(ctx, tx, b, site, list); err != nil || !may {
		return err
	}
	twin, news, err := i.findTwin(ctx, tx, site, h.GetEpochs())
	if err != nil {
		return err
	}
	if err := i.keepMachine(ctx, tx, site, h.GetMachine(), newestOf(h.GetEpochs()).GetEpoch()); err != nil {
		return err
	}
	if news {
		if err := i.openFork(ctx, tx, site, twin); err != nil {
			return err
		}
	}
	if err := i.nameEpochs(ctx, tx, site, all, heldOf(h.GetEpochs())); err != nil {
		return err
	}
	if err := moveEpochs(ctx, tx, site, h.GetEpochs()); err != nil {
		return err
	}
	if twin == nil || !twin.certain { // else what this one does not hold the other does
		if err := i.findLost(ctx, tx, site, h.GetEpochs(), twin != nil); err != nil {
			return err
		}
	}
	received, through, err := receivedOf(ctx, tx, site, h.GetEpochs())
	if err != nil {
		return err
	}
	if err := i.compare(ctx, tx, b, position{site, h.GetIncarnation(), h.GetCommandsThrough(), h.GetReceiptsThrough(), h.GetEpochs()}, through); err != nil {
		return err
	}
	cursors, err := i.c.Log.Cursors(ctx, tx, site.tenant, site.site)
	if err != nil {
		return err
	}
	if err := i.born(ctx, tx, h); err != nil {
		return err
	}
	b.answer(site.tenant, site.site, &docklinev1.Answer{Answer: &docklinev1.Answer_HelloReply{HelloReply: &docklinev1.HelloReply{
		Session: h.GetSession(), Incarnation: i.incarnation, Cursors: cursors, Received: received,
		SentAt: timestamppb.New(i.c.Now()), CollectorVersion: wire.Version, Dictionaries: wire.Dictionaries()}}})
	return nil
}

// positions are what a site holds of our lists: nothing where it speaks of another database.
func (i *Ingest) positions(incarnation string, commands, receipts uint64) (uint64, uint64) {
	if incarnation != i.incarnation {
		return 0, 0
	}
	return commands, receipts
}

// named is an epoch that a Hello speaks of.
type named struct {
	epoch, predecessor       string
	ordinal, before, lastSeq uint64
}

// namedBy are the epochs that a Hello speaks of. The oldest one's predecessor, and those before the newest that gave anything, are known by name and
// last Seq only; the site may no longer have them.
func namedBy(epochs []*docklinev1.EpochRange) (all []named) {
	listed := make(map[string]bool)
	for _, e := range epochs {
		if !listed[e.GetEpoch()] {
			listed[e.GetEpoch()] = true
			all = append(all, named{e.GetEpoch(), e.GetPredecessor(), e.GetOrdinal(), e.GetPredecessorLastSeq(), e.GetLastSeq()})
		}
	}
	for _, e := range epochs {
		for _, r := range e.GetBefore() {
			if !listed[r.GetEpoch()] {
				listed[r.GetEpoch()] = true
				all = append(all, named{epoch: r.GetEpoch(), ordinal: r.GetOrdinal(), lastSeq: r.GetLastSeq()})
			}
		}
	}
	for _, e := range slices.Clone(all) {
		if e.predecessor != "" && !listed[e.predecessor] {
			listed[e.predecessor] = true
			all = append(all, named{epoch: e.predecessor, ordinal: max(e.ordinal, 1) - 1, lastSeq: e.before})
		}
	}
	return all
}

// nameEpochs brings the rows of epochs to what the site says, in the order of epochs.
func (i *Ingest) nameEpochs(ctx context.Context, tx *db.Tx, site siteKey, all []named, held map[string]bool) error {
	slices.SortFunc(all, func(a, b named) int {
		if a.epoch < b.epoch {
			return -1
		}
		return 1
	})
	now := i.c.Now().UnixMicro() // one for all: epochs of one Hello follow each other by ordinal, not by when their row was written
	for _, e := range all {
		// A predecessor that is only named must not move to the place of those that are there: its seen_at stays.
		if _, err := tx.Exec(ctx, `INSERT INTO epoch (tenant, site, epoch, ordinal, predecessor, predecessor_last_seq, last_seq, seen_at, named) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
			ON CONFLICT (tenant, site, epoch) DO UPDATE SET named = 1,
			ordinal = CASE WHEN excluded.seen_at = 0 THEN epoch.ordinal ELSE excluded.ordinal END,
			predecessor = CASE WHEN excluded.predecessor = '' THEN epoch.predecessor ELSE excluded.predecessor END,
			predecessor_last_seq = CASE WHEN excluded.predecessor = '' THEN epoch.predecessor_last_seq ELSE excluded.predecessor_last_seq END,
			complete = CASE WHEN excluded.last_seq > epoch.last_seq OR excluded.seen_at > epoch.seen_at THEN 0 ELSE epoch.complete END,
			last_seq = CASE WHEN excluded.last_seq > epoch.last_seq THEN excluded.last_seq ELSE epoch.last_seq END,
			seen_at = CASE WHEN excluded.seen_at = 0 THEN epoch.seen_at ELSE excluded.seen_at END`,
			site.tenant, site.site, e.epoch, e.ordinal, e.predecessor, e.before, e.lastSeq, seenAt(held[e.epoch], now)); err != nil {
			return fmt.Errorf("epoch %s: %w", e.epoch, err)
		}
	}
	return nil
}

// heldOf are the epochs that a site holds, of those that it speaks of.
func heldOf(epochs []*docklinev1.EpochRange) map[string]bool {
	held := make(map[string]bool)
	for _, e := range epochs {
		if e.GetMovedTo() == "" {
			held[e.GetEpoch()] = true
		}
	}
	return held
}

// seenAt is now for an epoch that the site holds, and 0 for one that it only names.
func seenAt(held bool, now int64) int64 {
	if held {
		return now
	}
	return 0
}

// moveEpochs records which epochs the site sends as part of a newer one. Of what it held of them nothing is lost.
func moveEpochs(ctx context.Context, tx *db.Tx, site siteKey, epochs []*docklinev1.EpochRange) error {
	moved := db.Update{Table: "epoch", Key: epochColumns, Set: []string{"moved_to", "moved_through"}}
	held := db.Insert{Table: "epoch_moved", Columns: []string{"tenant", "site", "epoch", "lo", "hi"}, Conflict: []string{"tenant", "site", "epoch", "lo"}}
	for _, e := range epochs {
		if e.GetMovedTo() == "" {
			continue
		}
		moved.Rows = append(moved.Rows, []any{site.tenant, site.site, e.GetEpoch(), e.GetMovedTo(), e.GetMovedThrough()})
		for _, r := range e.GetRanges() {
			held.Rows = append(held.Rows, []any{site.tenant, site.site, e.GetEpoch(), r.GetFirst(), r.GetLast()})
		}
	}
	if _, err := tx.UpdateAll(ctx, moved); err != nil {
		return err
	}
	_, err := tx.InsertAbsent(ctx, held)
	return err
}

// findLost compares what the site's journal has given with what is here and what the site still holds. What neither has is lost. copied
// says that the journal that is gone may be at work elsewhere.
func (i *Ingest) findLost(ctx context.Context, tx *db.Tx, site siteKey, held []*docklinev1.EpochRange, copied bool) error {
	if len(held) == 0 {
		return nil // it says nothing of its journal: nothing follows from that
	}
	open, err := openEpochsOf(ctx, tx, site)
	if err != nil {
		return err
	}
	for _, s := range open {
		have, still := slices.Concat(s.received, s.lost), ""
		for _, e := range held {
			if e.GetEpoch() != s.epoch {
				continue
			}
			still = "its journal has a hole there"
			top := uint64(0)
			for _, r := range e.GetRanges() {
				have = append(have, span{lo: r.GetFirst(), hi: r.GetLast()})
				top = max(top, r.GetLast())
			}
			if e.GetMovedTo() != "" {
				break // it held no more when it moved
			}
			// What it has given behind its newest pack waits to be packed. Without packs the same is true of what we do not have.
			if top == 0 {
				top = highest(have)
			}
			// Of what it has given since it said Hello it says nothing: that Hello may be older than what is here, as where another collector
			// was faster. Where its disk was put back instead, it opens a new epoch, and says so: an epoch behind which another stands has given
			// no more than it says.
			top = min(top, e.GetLastSeq())
			end := uint64(maxSeq)
			if newest := newestOf(held); e != newest {
				end = e.GetLastSeq()
			}
			if end > top {
				have = append(have, span{lo: top + 1, hi: end})
			}
		}
		sources := ""
		if still == "" && s.unnamed && i.c.Now().Sub(s.seenAt) < forkQuiet {
			continue // this Hello may be older than the epoch; see buryUnnamed
		}
		if still == "" {
			if !copied {
				sources = s.sources
			}
			still = "the journal that held them is gone"
		}
		for _, hole := range merge(have...).holes(1, s.lastSeq) {
			gap := &docklinev1.StreamGap{Epoch: s.epoch, FirstSeq: hole.lo, LastSeq: hole.hi, Reason: still}
			if err := i.c.Log.Gap(ctx, tx, site.tenant, site.site, gap, sources); err != nil {
				return err
			}
		}
	}
	return nil
}

func highest(ranges spans) (top uint64) {
	for _, r := range ranges {
		top = max(top, r.hi)
	}
	return top
}

// openEpochsOf locks and reads the epochs of a site that are not complete.
func openEpochsOf(ctx context.Context, tx *db.Tx, site siteKey) ([]*epochState, error) {
	rows, err := tx.Query(ctx, `SELECT epoch, last_seq, sources, named, seen_at FROM epoch WHERE tenant = ? AND site = ? AND complete = 0 ORDER BY epoch`, site.tenant, site.site)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var epochs []*epochState
	byKey := make(map[epochKey]*epochState)
	var keys [][]any
	for rows.Next() {
		s := &epochState{siteKey: site}
		var named, seen int64
		if err := rows.Scan(&s.epoch, &s.lastSeq, &s.sources, &named, &seen); err != nil {
			return nil, err
		}
		s.unnamed, s.seenAt = named == 0, time.UnixMicro(seen)
		epochs = append(epochs, s)
		byKey[epochKey{site, s.epoch}] = s
		keys = append(keys, s.key())
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	return epochs, readEpochs(ctx, tx, byKey, keys)
}

// receivedOf says what is here of the epochs that the site named, and up to where everything of each is.
func receivedOf(ctx context.Context, tx *db.Tx, site siteKey, epochs []*docklinev1.EpochRange) (out []*docklinev1.EpochRange, through map[string]uint64, err error) {
	byKey := make(map[epochKey]*epochState)
	var keys [][]any
	for _, e := range epochs {
		key := epochKey{site, e.GetEpoch()}
		if byKey[key] == nil {
			s := &epochState{siteKey: site, epoch: e.GetEpoch(), ordinal: e.GetOrdinal()}
			byKey[key] = s
			keys = append(keys, s.key())
		}
	}
	if err := readEpochs(ctx, tx, byKey, keys); err != nil {
		return nil, nil, err
	}
	through = make(map[string]uint64)
	for _, key := range keys {
		s := byKey[keyOf(key)]
		through[s.epoch] = s.received.ack("", s.epoch, s.lost).GetWatermark()
		r := &docklinev1.EpochRange{Epoch: s.epoch, Ordinal: s.ordinal, Ranges: s.received.ranges()}
		if n := len(s.received); n > 0 {
			r.LastSeq = s.received[n-1].hi
		}
		out = append(out, r)
	}
	return out, through, nil
}
