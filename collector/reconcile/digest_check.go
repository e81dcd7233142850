package reconcile

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// digestCheck holds the digest of a key against the key's facts, a page at a time.
type digestCheck struct {
	*digest
	// counted is what the facts of each group come to, by part.
	counted map[int64]*tally
	facts   int64
	// contested are facts that must stand apart for what others say.
	contested []int64
	found     []string
}

// checkDigest begins to check the digest of a key; nil where it has none that is ready.
func checkDigest(ctx context.Context, tx *db.Tx, key foldKey) (*digestCheck, error) {
	found, err := readDigests(ctx, tx, []foldKey{key})
	if err != nil || found[key] == nil || !found[key].ready {
		return nil, err
	}
	c := &digestCheck{digest: found[key], counted: make(map[int64]*tally)}
	if err := c.loadGroups(ctx, tx); err != nil {
		c.differ("%v", err)
	}
	return c, nil
}

// differ notes what is found first: that says enough.
func (c *digestCheck) differ(format string, args ...any) {
	if len(c.found) == 0 {
		c.found = append(c.found, "its digest "+fmt.Sprintf(format, args...))
	}
}

// page checks up to most facts behind a log id, and returns how far it came, and whether there are more.
func (c *digestCheck) page(ctx context.Context, tx *db.Tx, after int64, most int) (last int64, more bool, err error) {
	rows, err := tx.Query(ctx, `SELECT f.log_id, f.epoch_ordinal, f.seq, f.body, COALESCE(m.part, -1) FROM fact f LEFT JOIN digest_fact m ON m.digest = ? AND m.log_id = f.log_id
		WHERE f.tenant = ? AND f.fold_key = ? AND f.log_id > ? ORDER BY f.log_id LIMIT ?`, c.id, c.tenant, c.key, after, most)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	var list []incoming
	var parts []int64
	n := 0
	for ; rows.Next(); n++ {
		var in incoming
		var part int64
		if err := rows.Scan(&in.logID, &in.ordinal, &in.seq, &in.body, &part); err != nil {
			return 0, false, err
		}
		in.event, last = &docklinev1.Event{}, in.logID
		if err := proto.Unmarshal(in.body, in.event); err != nil {
			c.facts++
			continue // the fold itself says so
		}
		list, parts = append(list, in), append(parts, part)
	}
	if err := rows.Err(); err != nil {
		return 0, false, err
	}
	rows.Close()
	named, err := c.contests(ctx, tx, list)
	if err != nil {
		return 0, false, err
	}
	c.contested = append(c.contested, named...)
	for i := range list {
		c.fact(&list[i], parts[i])
	}
	return last, n == most, nil
}

func (c *digestCheck) fact(in *incoming, part int64) {
	c.facts++
	if part == 0 {
		return
	}
	like, quantity, ok := state.Grouped(in.event)
	switch {
	case part < 0:
		c.differ("lacks event %s", in.event.GetId())
	case !ok || in.contested || part > int64(len(c.groups)):
		c.differ("has event %s in a group where it cannot be", in.event.GetId())
	default:
		if alike, err := (proto.MarshalOptions{Deterministic: true}).Marshal(like); err != nil || !bytes.Equal(alike, c.groups[part-1].alike) {
			c.differ("has event %s in the group of others", in.event.GetId())
			return
		}
		if c.counted[part] == nil {
			c.counted[part] = &tally{Quantities: make(map[string]int64)}
		}
		c.counted[part].add(in.event, quantity)
	}
}

// end says how the digest differs, when all pages were looked at; nothing where it does not.
func (c *digestCheck) end(ctx context.Context, tx *db.Tx, folded int64) ([]string, error) {
	var members int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM digest_fact WHERE digest = ?`, c.id).Scan(&members); err != nil {
		return nil, err
	}
	if members != c.facts {
		c.differ("has %d facts, there are %d", members, c.facts)
	}
	if c.folded != folded {
		c.differ("was last folded from %d facts, the state from %d", c.folded, folded)
	}
	for _, g := range c.groups {
		counted := c.counted[g.part]
		if counted == nil {
			counted = &tally{}
		}
		if !g.tally.agrees(counted) {
			c.differ("counts other facts than there are")
		}
	}
	var keys [][]any
	for _, id := range slices.Compact(slices.Sorted(slices.Values(c.contested))) {
		keys = append(keys, []any{c.id, id})
	}
	grouped, err := tx.Lookup(ctx, db.Lookup{Table: "digest_fact", Columns: []string{"log_id"}, Key: []string{"digest", "log_id"}, Rows: keys, Where: "t.part > 0"})
	if len(grouped) > 0 {
		c.differ("has an event in a group that another one names")
	}
	return c.found, err
}

// agrees tells whether a tally is that of the facts that were counted into another one, which knows as many of the first and newest as one can.
func (t *tally) agrees(counted *tally) bool {
	first := func(list, of []happened) bool { return len(list) <= len(of) && slices.Equal(list, of[:len(list)]) }
	return maps.Equal(t.Quantities, counted.Quantities) && t.known() && first(t.First, counted.First) && first(t.Oldest, counted.Oldest) &&
		len(t.Newest) <= len(counted.Newest) && slices.Equal(t.Newest, counted.Newest[len(counted.Newest)-len(t.Newest):])
}

// digestDiffers checks the digest of a key of which nothing is waiting.
func (b *batch) digestDiffers(ctx context.Context, key foldKey) ([]string, error) {
	c, err := checkDigest(ctx, b.tx, key)
	if err != nil || c == nil {
		return nil, err
	}
	last, more := int64(0), true
	for more {
		if last, more, err = c.page(ctx, b.tx, last, defaultPage); err != nil {
			return nil, err
		}
	}
	return c.end(ctx, b.tx, b.folded(key))
}

// folded is from how many facts the state of a key was folded, as it says.
func (b *batch) folded(key foldKey) int64 {
	if had := b.states[key]; had != nil {
		return had.factCount
	}
	return 0
}

// readDigestCheck checks the digest of a key of very many facts, each page in a transaction of its own, but for its end.
func (w *Worker) readDigestCheck(ctx context.Context, key foldKey) (c *digestCheck, err error) {
	last, more := int64(0), true
	for more && err == nil {
		err = w.DB.Read(ctx, func(tx *db.Tx) (err error) {
			if c == nil {
				if c, err = checkDigest(ctx, tx, key); err != nil || c == nil {
					more = false
					return err
				}
			}
			last, more, err = c.page(ctx, tx, last, w.pageSize())
			return err
		})
	}
	return c, err
}
