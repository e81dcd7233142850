package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Advance moves the streams of sites to where the log is complete, and wakes the keys that wait for them. The caller has
// stored cursors of the sites in plugin_cursor.
func (l *Log) Advance(ctx context.Context, tx *db.Tx, sites []SiteKey) error {
	if err := l.advance(ctx, tx, sites, nil); err != nil {
		return fmt.Errorf("advance streams: %w", err)
	}
	return nil
}

// Cursors gives back, for every plugin of a site, the newest cursor at or below the place up to which everything is durable
// here: a site whose disk is new goes on from it.
func (l *Log) Cursors(ctx context.Context, tx *db.Tx, tenant, site string) ([]*docklinev1.PluginCursor, error) {
	key := SiteKey{tenant, site}
	progress, err := readProgress(ctx, tx, []SiteKey{key}, false)
	if err != nil {
		return nil, fmt.Errorf("cursors: %w", err)
	}
	stored, err := readCursors(ctx, tx, []SiteKey{key})
	if err != nil {
		return nil, fmt.Errorf("cursors: %w", err)
	}
	best := newest(progress, stored)
	cursors := make([]*docklinev1.PluginCursor, 0, len(best))
	for _, c := range best {
		cursors = append(cursors, c.cursor)
	}
	slices.SortFunc(cursors, func(a, b *docklinev1.PluginCursor) int { return cmp.Compare(a.GetPlugin(), b.GetPlugin()) })
	return cursors, nil
}

// cursorAt is one plugin's cursor as of a place in its site's journal.
type cursorAt struct {
	site    SiteKey
	epoch   string
	ordinal int64
	seq     int64
	cursor  *docklinev1.PluginCursor
}

type pluginKey struct {
	SiteKey
	plugin string
}

// advance takes, besides the stored cursors, those of envelopes that were just filled.
func (l *Log) advance(ctx context.Context, tx *db.Tx, sites []SiteKey, filled []*waiting) error {
	if len(sites) == 0 {
		return nil
	}
	locks := make([]string, len(sites))
	for i, s := range sites {
		locks[i] = "stream/" + s.Tenant + "/" + s.Site
	}
	if err := tx.LockAll(ctx, locks); err != nil {
		return err
	}
	progress, err := l.progress(ctx, tx, sites)
	if err != nil {
		return err
	}
	stored, err := readCursors(ctx, tx, sites)
	if err != nil {
		return err
	}
	all := stored
	for _, w := range filled {
		for _, c := range w.envelope.GetCursors() {
			all = append(all, cursorAt{w.site, w.envelope.GetEpoch(), int64(w.envelope.GetEpochOrdinal()), int64(w.envelope.GetLastSeq()), c})
		}
	}
	if err := moveStreams(ctx, tx, newest(progress, all)); err != nil {
		return err
	}
	if err := prune(ctx, tx, stored, newest(progress, stored)); err != nil {
		return err
	}
	return complete(ctx, tx, progress)
}

// progress reads how far sites are filled, after it has closed the gaps that are none any more.
func (l *Log) progress(ctx context.Context, tx *db.Tx, sites []SiteKey) (map[SiteKey]*siteProgress, error) {
	progress, err := readProgress(ctx, tx, sites, true)
	if err != nil {
		return nil, err
	}
	again := false
	for _, site := range sites {
		if p := progress[site]; p != nil && p.gaps {
			if err := l.closeArrived(ctx, tx, site); err != nil {
				return nil, err
			}
			if err := l.closeReread(ctx, tx, site, p); err != nil {
				return nil, err
			}
			again = true
		}
	}
	if !again {
		return progress, nil
	}
	return readProgress(ctx, tx, sites, true)
}

// newest is, of each plugin, the newest cursor that is covered.
func newest(progress map[SiteKey]*siteProgress, cursors []cursorAt) map[pluginKey]cursorAt {
	best := make(map[pluginKey]cursorAt)
	for _, c := range cursors {
		p := progress[c.site]
		if !p.covers(c) {
			continue
		}
		key := pluginKey{c.site, c.cursor.GetPlugin()}
		if have, ok := best[key]; !ok || p.compare(have, c) < 0 {
			best[key] = c
		}
	}
	return best
}

func readCursors(ctx context.Context, tx *db.Tx, sites []SiteKey) ([]cursorAt, error) {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "plugin_cursor", Columns: []string{"tenant", "site", "epoch", "epoch_ordinal", "last_seq", "cursors"},
		Key: []string{"tenant", "site"}, Rows: siteRows(sites)})
	if err != nil {
		return nil, err
	}
	cursors := make([]cursorAt, len(rows))
	for i, row := range rows {
		c := &cursors[i]
		*c = cursorAt{SiteKey{row[0].(string), row[1].(string)}, row[2].(string), row[3].(int64), row[4].(int64), &docklinev1.PluginCursor{}}
		if err := proto.Unmarshal(row[5].([]byte), c.cursor); err != nil {
			return nil, fmt.Errorf("cursor of %s: %w", c.site.Site, err)
		}
	}
	return cursors, nil
}

func siteRows(sites []SiteKey) [][]any {
	rows := make([][]any, len(sites))
	for i, s := range sites {
		rows[i] = []any{s.Tenant, s.Site}
	}
	return rows
}

type streamKey struct {
	pluginKey
	stream string
}

type streamState struct {
	movesStock, through, movement int64
}

// moveStreams writes how far each stream has told everything. A stream never goes back. Where one that moves stock has gone on,
// the keys that wait for its site are marked.
func moveStreams(ctx context.Context, tx *db.Tx, best map[pluginKey]cursorAt) error {
	var keys [][]any
	for key, c := range best {
		if len(c.cursor.GetCompleteThrough()) > 0 {
			keys = append(keys, []any{key.Tenant, key.Site, key.plugin})
		}
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "stream", Columns: []string{"tenant", "site", "plugin", "stream", "moves_stock", "through_at", "movement"},
		Key: []string{"tenant", "site", "plugin"}, Rows: keys})
	if err != nil {
		return err
	}
	have := make(map[streamKey]streamState, len(rows))
	for _, row := range rows {
		key := streamKey{pluginKey{SiteKey{row[0].(string), row[1].(string)}, row[2].(string)}, row[3].(string)}
		have[key] = streamState{row[4].(int64), row[5].(int64), row[6].(int64)}
	}
	moved := db.Insert{Table: "stream", Columns: []string{"tenant", "site", "plugin", "stream", "moves_stock", "through_at", "movement"},
		Conflict: []string{"tenant", "site", "plugin", "stream"}, Update: []string{"moves_stock", "through_at", "movement"}}
	wake := make(map[SiteKey]bool)
	for key, c := range best {
		for _, t := range c.cursor.GetCompleteThrough() {
			k := streamKey{key, t.GetStream()}
			was, known := have[k]
			is := was.with(t)
			if known && is == was {
				continue
			}
			have[k] = is
			if is.movesStock != 0 || was.movesStock != 0 {
				wake[key.SiteKey] = true
			}
			moved.Rows = append(moved.Rows, []any{k.Tenant, k.Site, k.plugin, k.stream, is.movesStock, is.through, is.movement})
		}
	}
	if err := tx.Upsert(ctx, moved); err != nil {
		return err
	}
	return wakeWaiting(ctx, tx, wake)
}

// with is where a stream stands after it has said t.
func (s streamState) with(t *docklinev1.CompleteThrough) streamState {
	s.movesStock = 0
	if t.GetMovesStock() {
		s.movesStock = 1
	}
	if t.GetTime() != nil {
		s.through = max(s.through, t.GetTime().AsTime().UnixMicro())
	}
	s.movement = max(s.movement, int64(t.GetMovement()))
	return s
}

func wakeWaiting(ctx context.Context, tx *db.Tx, sites map[SiteKey]bool) error {
	if len(sites) == 0 {
		return nil
	}
	var args []any
	for s := range sites {
		args = append(args, s.Tenant, s.Site)
	}
	_, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key, first_fact) SELECT DISTINCT tenant, fold_key, -1 FROM stream_wait
		WHERE (tenant, site) IN `+db.Tuples(len(sites), 2), args...)
	return err
}

// prune deletes the cursors that are older than the newest one that is covered.
func prune(ctx context.Context, tx *db.Tx, stored []cursorAt, best map[pluginKey]cursorAt) error {
	var old [][]any
	for _, c := range stored {
		b, ok := best[pluginKey{c.site, c.cursor.GetPlugin()}]
		if !ok || b.epoch == c.epoch && b.seq <= c.seq {
			continue
		}
		if b.epoch == c.epoch || b.ordinal > c.ordinal {
			old = append(old, []any{c.site.Tenant, c.site.Site, c.cursor.GetPlugin(), c.epoch, c.seq})
		}
	}
	return tx.DeleteAll(ctx, "plugin_cursor", []string{"tenant", "site", "plugin", "epoch", "last_seq"}, old)
}

// complete marks the epochs of which everything is in the log and that have a successor, so that nobody looks at them again.
func complete(ctx context.Context, tx *db.Tx, progress map[SiteKey]*siteProgress) error {
	var keys [][]any
	for site, p := range progress {
		for _, e := range p.epochs[:p.done] {
			keys = append(keys, []any{site.Tenant, site.Site, e.name, 1})
		}
	}
	_, err := tx.UpdateAll(ctx, db.Update{Table: "epoch", Key: []string{"tenant", "site", "epoch"}, Set: []string{"complete"}, Rows: keys})
	return err
}

// AdvanceSite is Advance for one site.
func (l *Log) AdvanceSite(ctx context.Context, tx *db.Tx, tenant, site string) error {
	return l.Advance(ctx, tx, []SiteKey{{tenant, site}})
}
