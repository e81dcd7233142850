package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// store takes hellos and envelopes and opens cases, in one transaction.
func (i *Ingest) store(ctx context.Context, b *batch) error {
	if len(b.hellos)+len(b.envelopes)+len(b.faults) == 0 {
		return nil
	}
	if err := i.weigh(ctx, b); err != nil {
		return err
	}
	before := *b
	err := i.c.DB.WriteFirst(ctx, func(tx *db.Tx) error {
		*b = before // a second run begins anew
		b.answers = slices.Clone(before.answers)
		b.good, b.named = make(map[siteKey]bool), make(map[siteKey]int)
		if err := i.refresh(ctx, tx); err != nil {
			return err
		}
		for _, h := range b.hellos {
			if err := i.hello(ctx, tx, b, h); err != nil {
				return err
			}
		}
		if err := i.storeEnvelopes(ctx, tx, b); err != nil {
			return err
		}
		return i.reportFaults(ctx, tx, b)
	})
	if err != nil {
		return err
	}
	i.remember(b)
	i.rememberNames(b)
	if b.stored > 0 && slices.ContainsFunc(b.envelopes, func(in incoming) bool { return !in.envelope.GetLive() }) {
		i.c.DB.Burst() // the site sends the next as soon as it has the answer
	}
	return nil
}

// waitingBytes is what waits in the inbox, in all and of each site.
type waitingBytes struct {
	total  int64
	bySite map[siteKey]int64
}

func (w *waitingBytes) add(site siteKey, bytes int64) {
	w.total += bytes
	if w.bySite == nil {
		w.bySite = make(map[siteKey]int64)
	}
	w.bySite[site] += bytes
}

// full says whether a site's backlog must wait: more than most is there, and the site has its share of it.
func (w *waitingBytes) full(site siteKey, most int64) bool {
	return w.total > most && w.bySite[site] > most/int64(max(1, len(w.bySite)))
}

// weigh looks, once a second while backlog comes, how much waits in the inbox.
func (i *Ingest) weigh(ctx context.Context, b *batch) error {
	backlog := slices.ContainsFunc(b.envelopes, func(in incoming) bool { return !in.envelope.GetLive() })
	if !backlog || i.c.Now().Sub(i.waitedAt) < time.Second {
		return nil
	}
	i.waitedAt = i.c.Now()
	return i.c.DB.Read(ctx, func(tx *db.Tx) error {
		i.waiting = waitingBytes{}
		rows, err := tx.Query(ctx, `SELECT tenant, site, sum(length(envelope)) FROM inbox WHERE state = 0 GROUP BY tenant, site`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var site siteKey
			var bytes int64
			if err := rows.Scan(&site.tenant, &site.site, &bytes); err != nil {
				return err
			}
			i.waiting.add(site, bytes)
		}
		return rows.Err()
	})
}

// epochState is what the database has of one epoch of a site, and what this transaction makes of it.
type epochState struct {
	siteKey
	epoch   string
	ordinal uint64
	lastSeq uint64
	// sources are those that could tell again what the epoch held, as sourcesOf has them.
	sources  string
	received spans
	// was is received as it was read; lost is what the site no longer has.
	was, lost spans
	// unnamed: it is known from envelopes alone, since seenAt.
	unnamed  bool
	seenAt   time.Time
	incoming []incoming
	fresh    []incoming
}

type epochKey struct {
	siteKey
	epoch string
}

func (s *epochState) key() []any { return []any{s.tenant, s.site, s.epoch} }

var epochColumns = []string{"tenant", "site", "epoch"}

// storeEnvelopes appends what is new to the inbox and merges what is received, with the rows of the epochs locked, and reads the
// Ack of each epoch there.
func (i *Ingest) storeEnvelopes(ctx context.Context, tx *db.Tx, b *batch) error {
	if len(b.envelopes) == 0 {
		return nil
	}
	epochs, err := i.openEpochs(ctx, tx, b.envelopes)
	if err != nil {
		return err
	}
	for _, s := range epochs {
		refused := i.take(b, s)
		if refused < len(s.incoming) || len(s.received) > 0 {
			ack := s.received.ack(i.incarnation, s.epoch, s.lost)
			b.answer(s.tenant, s.site, &docklinev1.Answer{Answer: &docklinev1.Answer_Ack{Ack: ack}})
		}
	}
	return i.write(ctx, tx, epochs)
}

// maxLeap is how far beyond the highest Seq that a site has named for an epoch an envelope of it may begin. Between two heartbeats a
// journal cannot take more.
const maxLeap = 10_000_000

// mostRanges is in how many pieces an epoch is taken: whoever sends in order, as agents do, has one to a few. What fills a hole is always taken.
const mostRanges = 5_000

// take sorts out what of an epoch is new and returns how many envelopes were refused, as busy or as lies.
func (i *Ingest) take(b *batch, s *epochState) (refused int) {
	for _, in := range s.incoming {
		env := in.envelope
		switch {
		case s.received.covers(env.GetFirstSeq(), env.GetLastSeq()):
			b.dropped++
		case env.GetFirstSeq() > s.lastSeq+maxLeap:
			refused++
			b.lie(wire.Topic{Tenant: s.tenant, Site: s.site, Name: wire.Events}, &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_RANGE, Epoch: s.epoch,
				FirstSeq: env.GetFirstSeq(), LastSeq: env.GetLastSeq(), Text: fmt.Sprintf("seq %d to %d of an epoch that nobody has heard of beyond %d",
					env.GetFirstSeq(), env.GetLastSeq(), s.lastSeq)})
			continue
		case !env.GetLive() && !env.GetUrgent() && i.waiting.full(s.siteKey, i.c.MaxWaitingBytes):
			refused++
			b.refuse(s.tenant, s.site, &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_BUSY, Epoch: s.epoch,
				FirstSeq: env.GetFirstSeq(), LastSeq: env.GetLastSeq(), Text: "the collector has much to do; backlog is taken later"})
			continue
		default:
			grown := s.received.add(span{env.GetFirstSeq(), env.GetLastSeq(), env.GetCrc()})
			if len(grown) > max(mostRanges, len(s.received)) {
				refused++
				b.refuse(s.tenant, s.site, &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_BUSY, Epoch: s.epoch,
					FirstSeq: env.GetFirstSeq(), LastSeq: env.GetLastSeq(), Text: fmt.Sprintf("there are %d holes before it; it is taken when some of what is missing is there", len(grown)-1)})
				continue
			}
			s.received = grown
			s.lastSeq = max(s.lastSeq, env.GetLastSeq())
			s.fresh = append(s.fresh, in)
			b.stored++
			b.storedEvents += int64(env.GetCount())
			i.waiting.add(s.siteKey, int64(len(in.raw)))
		}
		b.good[s.siteKey] = true
	}
	return refused
}

// openEpochs groups envelopes by epoch, makes rows for epochs that are new, and locks and reads them all, in one order.
func (i *Ingest) openEpochs(ctx context.Context, tx *db.Tx, envelopes []incoming) ([]*epochState, error) {
	byKey := make(map[epochKey]*epochState)
	var epochs []*epochState
	for _, in := range envelopes {
		env := in.envelope
		key := epochKey{siteKey{env.GetTenant(), env.GetSite()}, env.GetEpoch()}
		s := byKey[key]
		if s == nil {
			s = &epochState{siteKey: key.siteKey, epoch: key.epoch, ordinal: env.GetEpochOrdinal()}
			byKey[key] = s
			epochs = append(epochs, s)
		}
		s.incoming = append(s.incoming, in)
	}
	slices.SortFunc(epochs, func(a, b *epochState) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.site, b.site), cmp.Compare(a.epoch, b.epoch))
	})
	fresh := db.Insert{Table: "epoch", Columns: []string{"tenant", "site", "epoch", "ordinal", "seen_at", "named"}, Conflict: epochColumns}
	keys := make([][]any, len(epochs))
	now := i.c.Now().UnixMicro() // one for all, so that ordinals order them
	for n, s := range epochs {
		keys[n] = s.key()
		fresh.Rows = append(fresh.Rows, append(s.key(), s.ordinal, now, 0))
	}
	if _, err := tx.InsertAbsent(ctx, fresh); err != nil {
		return nil, err
	}
	return epochs, readEpochs(ctx, tx, byKey, keys)
}

// readEpochs locks the rows of epochs and reads what is received and lost of them.
func readEpochs(ctx context.Context, tx *db.Tx, byKey map[epochKey]*epochState, keys [][]any) error {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "epoch", Columns: []string{"tenant", "site", "epoch", "last_seq"}, Key: epochColumns, Rows: keys, Hold: true})
	if err != nil {
		return err
	}
	for _, row := range rows {
		byKey[keyOf(row)].lastSeq = uint64(row[3].(int64))
	}
	rows, err = tx.Lookup(ctx, db.Lookup{Table: "received", Columns: []string{"tenant", "site", "epoch", "lo", "hi", "crc"}, Key: epochColumns, Rows: keys})
	if err != nil {
		return err
	}
	for _, row := range rows {
		s := byKey[keyOf(row)]
		s.received = append(s.received, span{uint64(row[3].(int64)), uint64(row[4].(int64)), uint32(row[5].(int64))})
	}
	rows, err = tx.Lookup(ctx, db.Lookup{Table: "gap", Columns: []string{"tenant", "site", "epoch", "lo", "hi"}, Key: epochColumns, Rows: keys, Where: "cause = 'lost'"})
	if err != nil {
		return err
	}
	for _, row := range rows {
		s := byKey[keyOf(row)]
		s.lost = append(s.lost, span{lo: uint64(row[3].(int64)), hi: uint64(row[4].(int64))})
	}
	for _, s := range byKey {
		s.received, s.lost = merge(s.received...), merge(s.lost...)
		s.was = s.received
	}
	return nil
}

func keyOf(row []any) epochKey {
	return epochKey{siteKey{row[0].(string), row[1].(string)}, row[2].(string)}
}

// write puts the new envelopes into the inbox and brings ranges, epochs and cursors to where they are now.
func (i *Ingest) write(ctx context.Context, tx *db.Tx, epochs []*epochState) error {
	inbox := db.Insert{Table: "inbox", Columns: []string{"tenant", "site", "epoch", "epoch_ordinal", "first_seq", "last_seq", "live", "urgent", "envelope", "received_at"}}
	merged := db.Insert{Table: "received", Columns: []string{"tenant", "site", "epoch", "lo", "hi", "crc"},
		Conflict: []string{"tenant", "site", "epoch", "lo"}, Update: []string{"hi", "crc"}}
	moved := db.Update{Table: "epoch", Key: epochColumns, Set: []string{"last_seq", "complete"}}
	var gone [][]any
	cursors := newCursors()
	now := i.c.Now().UnixMicro()
	for _, s := range epochs {
		if len(s.fresh) == 0 {
			continue
		}
		for _, in := range s.fresh {
			env := in.envelope
			inbox.Rows = append(inbox.Rows, append(s.key(), env.GetEpochOrdinal(), env.GetFirstSeq(), env.GetLastSeq(), env.GetLive(), env.GetUrgent(), in.raw, now))
		}
		changed, left := s.received.beside(s.was)
		for _, r := range changed {
			merged.Rows = append(merged.Rows, append(s.key(), r.lo, r.hi, r.crc))
		}
		for _, r := range left {
			gone = append(gone, append(s.key(), r.lo))
		}
		moved.Rows = append(moved.Rows, append(s.key(), s.lastSeq, 0))
		if err := cursors.addEpoch(s); err != nil {
			return err
		}
	}
	if err := tx.InsertAll(ctx, inbox); err != nil {
		return err
	}
	if err := tx.DeleteAll(ctx, "received", []string{"tenant", "site", "epoch", "lo"}, gone); err != nil {
		return err
	}
	if err := tx.Upsert(ctx, merged); err != nil {
		return err
	}
	if _, err := tx.UpdateAll(ctx, moved); err != nil {
		return err
	}
	return cursors.write(ctx, tx, false)
}

// cursors gathers rows of plugin_cursor, one for each key.
type cursors struct {
	rows map[cursorKey][]any
}

type cursorKey struct {
	epochKey
	plugin string
	seq    uint64
}

func newCursors() *cursors { return &cursors{make(map[cursorKey][]any)} }

// addEpoch keeps the cursors of the envelopes beyond the watermark, and of the newest one up to it: nobody asks for older ones.
func (c *cursors) addEpoch(s *epochState) error {
	watermark := s.received.ack("", "", s.lost).GetWatermark()
	var newest *docklinev1.Envelope
	for _, in := range s.fresh {
		env := in.envelope
		if env.GetLastSeq() > watermark {
			if err := c.add(s.siteKey, env.GetEpoch(), env.GetEpochOrdinal(), env.GetLastSeq(), env.GetCursors()); err != nil {
				return err
			}
		} else if newest == nil || env.GetLastSeq() > newest.GetLastSeq() {
			newest = env
		}
	}
	if newest == nil {
		return nil
	}
	return c.add(s.siteKey, newest.GetEpoch(), newest.GetEpochOrdinal(), newest.GetLastSeq(), newest.GetCursors())
}

func (c *cursors) add(site siteKey, epoch string, ordinal, seq uint64, list []*docklinev1.PluginCursor) error {
	for _, p := range list {
		body, err := proto.Marshal(p)
		if err != nil {
			return err
		}
		key := cursorKey{epochKey{site, epoch}, p.GetPlugin(), seq}
		c.rows[key] = []any{site.tenant, site.site, p.GetPlugin(), epoch, ordinal, seq, body}
	}
	return nil
}

// write keeps what is there unless newer is set: at one place a heartbeat is newer than the envelope that ends there.
func (c *cursors) write(ctx context.Context, tx *db.Tx, newer bool) error {
	ins := db.Insert{Table: "plugin_cursor", Columns: []string{"tenant", "site", "plugin", "epoch", "epoch_ordinal", "last_seq", "cursors"},
		Conflict: []string{"tenant", "site", "plugin", "epoch", "last_seq"}, Update: []string{"epoch_ordinal", "cursors"}}
	for _, row := range c.rows {
		ins.Rows = append(ins.Rows, row)
	}
	slices.SortFunc(ins.Rows, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)), cmp.Compare(a[2].(string), b[2].(string)),
			cmp.Compare(a[3].(string), b[3].(string)), cmp.Compare(a[5].(uint64), b[5].(uint64)))
	})
	if newer {
		return tx.Upsert(ctx, ins)
	}
	_, err := tx.InsertAbsent(ctx, ins)
	return err
}
