package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

// known is what the tables say about the keys of a batch.
type known struct {
	marks []int64
	facts map[foldKey][]factRow
	// links are what is part of a key, and partOf what a key is part of.
	links, partOf map[foldKey][]linkRow
	states        map[foldKey]*stateRow
	// unmapped are the keys with an open exception about an unknown code.
	unmapped   map[foldKey]bool
	exceptions *exception.Batch
	postings   *posting.Batch
	reasons    map[foldKey]map[string]string
	waits      map[foldKey]map[string]bool
	clocks     *milestone.Batch
	commands   map[foldKey][]commandRow
	// leastVersion is the lowest version that a command may have, see db.Tx.LeastVersion.
	leastVersion int64
	streams      map[siteKey][]streamRow
	// openings are the snapshots that opened sites, as far as the batch has asked or folded them; opening keys sort before stock keys.
	openings map[siteKey]string
	// scans are, of the events that second scans name, those that the log has; doubled the movement keys with second scans that were folded before.
	scans, doubled map[foldKey]bool
}

func (k *known) opened(site siteKey, id string) {
	if k.openings == nil {
		k.openings = make(map[siteKey]string)
	}
	k.openings[site] = id
}

type factRow struct {
	logID, ordinal, seq int64
	body                []byte
}

type stateRow struct {
	body                         []byte
	hash, status, site, customer string
	policy                       string
	factCount, firstAt           int64
}

type commandRow struct {
	site, hash, text string
	version, outcome int64
}

type siteKey struct {
	tenant, site string
}

// streamRow is how far a stream that moves stock has told everything.
type streamRow struct {
	name              string
	through, movement int64
}

// isLedger tells keys of the stock ledger from those of orders, shipments and counts.
func isLedger(key string) bool {
	return strings.HasPrefix(key, state.KindStock+"/") || strings.HasPrefix(key, state.KindOpening+"/") || strings.HasPrefix(key, state.KindRecord+"/")
}

// isStock tells keys of buckets.
func isStock(key string) bool { return strings.HasPrefix(key, state.KindStock+"/") }

// load reads everything about keys in a few bulk queries, and returns those that are to be folded here.
func (b *batch) load(ctx context.Context, keys []foldKey) ([]foldKey, error) {
	err := b.loadAll(ctx, keys)
	if err == nil && len(b.digests) > 0 {
		keys, err = b.catchUp(ctx, keys)
	}
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return keys, nil
}

func (b *batch) loadAll(ctx context.Context, keys []foldKey) error {
	if err := b.loadLinks(ctx, keys); err != nil {
		return err
	}
	rows := rowsOf(keys)
	read := slices.DeleteFunc(b.withLinked(keys), func(key foldKey) bool { return b.digests[key] != nil })
	if err := b.loadFacts(ctx, rowsOf(read)); err != nil {
		return err
	}
	for _, part := range []func(context.Context, [][]any) error{b.loadStates, b.loadReasons, b.loadWaits} {
		if err := part(ctx, rows); err != nil {
			return err
		}
	}
	for _, part := range []func(context.Context, []foldKey) error{b.loadPostings, b.loadExceptions, b.loadCommands} {
		if err := part(ctx, keys); err != nil {
			return err
		}
	}
	if err := b.loadClocks(ctx, keys); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	b.streams = make(map[siteKey][]streamRow)
	return nil
}

var byKey = []string{"tenant", "fold_key"}

func keyOf(row []any) foldKey { return foldKey{row[0].(string), row[1].(string)} }

func (b *batch) loadFacts(ctx context.Context, keys [][]any) error {
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"tenant", "fold_key", "log_id", "epoch_ordinal", "seq", "body"}, Key: byKey, Rows: keys})
	if err != nil {
		return err
	}
	if b.facts == nil {
		b.facts = make(map[foldKey][]factRow, len(keys))
	}
	for _, key := range keys {
		delete(b.facts, keyOf(key))
	}
	for _, row := range found {
		b.facts[keyOf(row)] = append(b.facts[keyOf(row)], factRow{row[2].(int64), row[3].(int64), row[4].(int64), row[5].([]byte)})
	}
	return nil
}

func (b *batch) loadStates(ctx context.Context, keys [][]any) error {
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "state", Key: byKey, Rows: keys,
		Columns: []string{"tenant", "fold_key", "body", "hash", "status", "site", "customer", "policy_version", "fact_count", "first_at"}})
	if err != nil {
		return err
	}
	b.states = make(map[foldKey]*stateRow, len(keys))
	for _, row := range found {
		b.states[keyOf(row)] = &stateRow{body: row[2].([]byte), hash: row[3].(string), status: row[4].(string), site: row[5].(string), customer: row[6].(string),
			policy: row[7].(string), factCount: row[8].(int64), firstAt: row[9].(int64)}
	}
	return nil
}

func (b *batch) loadPostings(ctx context.Context, keys []foldKey) (err error) {
	all := make([]posting.FoldKey, len(keys))
	for i, key := range keys {
		all[i] = key.posting()
	}
	b.postings, err = posting.Load(ctx, b.tx, all, b.now)
	return err
}

func (k foldKey) posting() posting.FoldKey { return posting.FoldKey{Tenant: k.tenant, Key: k.key} }

func rowsOf(keys []foldKey) [][]any {
	rows := make([][]any, len(keys))
	for i, key := range keys {
		rows[i] = []any{key.tenant, key.key}
	}
	return rows
}

func (b *batch) loadReasons(ctx context.Context, keys [][]any) error {
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "no_document", Columns: []string{"tenant", "fold_key", "event_id", "reason"}, Key: byKey, Rows: keys})
	b.reasons = make(map[foldKey]map[string]string)
	for _, row := range found {
		if b.reasons[keyOf(row)] == nil {
			b.reasons[keyOf(row)] = make(map[string]string)
		}
		b.reasons[keyOf(row)][row[2].(string)] = row[3].(string)
	}
	return err
}

func (b *batch) loadWaits(ctx context.Context, keys [][]any) error {
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "stream_wait", Columns: []string{"tenant", "fold_key", "site"}, Key: byKey, Rows: keys})
	b.waits = make(map[foldKey]map[string]bool)
	for _, row := range found {
		if b.waits[keyOf(row)] == nil {
			b.waits[keyOf(row)] = make(map[string]bool)
		}
		b.waits[keyOf(row)][row[2].(string)] = true
	}
	return err
}

func (b *batch) loadExceptions(ctx context.Context, keys []foldKey) (err error) {
	var origins []exception.Origin
	for _, key := range keys {
		origins = append(origins, exception.Origin{Tenant: key.tenant, Name: key.origin()}, exception.Origin{Tenant: key.tenant, Name: key.failure()})
		if hasClocks(key.key) {
			origins = append(origins, exception.Origin{Tenant: key.tenant, Name: key.clocks()})
		}
	}
	if b.exceptions, err = exception.Load(ctx, b.tx, origins, b.now); err != nil {
		return err
	}
	b.unmapped = make(map[foldKey]bool)
	for _, key := range keys {
		for _, e := range b.exceptions.Of(exception.Origin{Tenant: key.tenant, Name: key.origin()}) {
			if e.State != exception.Resolved && (e.Code == state.CodeUnknownItem || e.Code == state.CodeUnknownUnit) {
				b.unmapped[key] = true
			}
		}
	}
	return nil
}

func (b *batch) loadCommands(ctx context.Context, keys []foldKey) error {
	byCommand := make(map[foldKey]foldKey)
	var rows [][]any
	for _, key := range keys {
		if kind, parts, err := event.ParseKey(key.key); err == nil && kind == state.KindOrder {
			name := state.CommandKey(parts[0])
			byCommand[foldKey{key.tenant, name}] = key
			rows = append(rows, []any{key.tenant, name})
		}
	}
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "command", Key: []string{"tenant", "command_key"}, Rows: rows,
		Columns: []string{"tenant", "command_key", "site", "body_hash", "outcome_text", "version", "outcome"}})
	if err == nil && len(rows) > 0 {
		b.leastVersion, err = b.tx.LeastVersion(ctx)
	}
	b.commands = make(map[foldKey][]commandRow)
	for _, row := range found {
		key := byCommand[keyOf(row)]
		b.commands[key] = append(b.commands[key], commandRow{row[2].(string), row[3].(string), row[4].(string), row[5].(int64), row[6].(int64)})
	}
	for _, list := range b.commands {
		slices.SortFunc(list, func(x, y commandRow) int { return cmp.Compare(x.site, y.site) })
	}
	return err
}

// streamsOf reads how far the streams that move a site's stock are complete.
func (b *batch) streamsOf(ctx context.Context, site siteKey) ([]streamRow, error) {
	if list, ok := b.streams[site]; ok {
		return list, nil
	}
	rows, err := b.tx.Query(ctx, `SELECT plugin, stream, through_at, movement FROM stream WHERE tenant = ? AND site = ? AND moves_stock = 1
		ORDER BY plugin, stream`, site.tenant, site.site)
	if err != nil {
		return nil, fmt.Errorf("streams of %s: %w", site.site, err)
	}
	defer rows.Close()
	list := []streamRow{}
	for rows.Next() {
		var plugin, stream string
		var s streamRow
		if err := rows.Scan(&plugin, &stream, &s.through, &s.movement); err != nil {
			return nil, err
		}
		s.name = plugin + "/" + stream
		list = append(list, s)
	}
	b.streams[site] = list
	return list, rows.Err()
}

// recorded is when the first and the last of these events entered the log.
func (b *batch) recorded(ctx context.Context, tenant string, ids []string) (first, last time.Time, err error) {
	keys := make([][]any, len(ids))
	for i, id := range ids {
		keys[i] = []any{tenant, id}
	}
	known, err := b.tx.Lookup(ctx, db.Lookup{Table: "event_identity", Columns: []string{"log_id"}, Key: []string{"tenant", "id"}, Rows: keys})
	if err != nil {
		return first, last, fmt.Errorf("when events were recorded: %w", err)
	}
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "event", Columns: []string{"recorded_at"}, Key: []string{"log_id"}, Rows: known})
	if err != nil {
		return first, last, fmt.Errorf("when events were recorded: %w", err)
	}
	first, last = b.now, b.now
	for i, row := range found {
		at := time.UnixMicro(row[0].(int64)).UTC()
		if i == 0 || at.Before(first) {
			first = at
		}
		if i == 0 || at.After(last) {
			last = at
		}
	}
	return first, last, nil
}
