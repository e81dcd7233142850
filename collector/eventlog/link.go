package eventlog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// What an event says belongs together is kept beside its facts, one row for each pair and event: whoever folds a key finds by it the facts of
// what is part of it, and people find by it what a name means. Whether the event that said so still counts, the fold of part_of says
// (in_force); here a row goes only with the body that another one under its id replaced.

// kindReference is what the keys of names begin with.
const kindReference = "reference"

// SearchName is the form in which names are compared: people write them in any case, and with blanks around them.
func SearchName(value string) string { return strings.ToUpper(strings.TrimSpace(value)) }

// searchName is the form of the name that a key stands for, "" where it stands for none.
func searchName(key string) string {
	if !strings.HasPrefix(key, kindReference+"/") {
		return ""
	}
	_, parts, err := event.ParseKey(key)
	if err != nil {
		return ""
	}
	return SearchName(parts[1])
}

// addLinks makes the rows of what an event in force says belongs together.
func (r *rows) addLinks(e *docklinev1.Event) {
	if r.log.Links == nil {
		return
	}
	for _, link := range r.log.Links(e) {
		r.links = append(r.links, []any{e.GetTenant(), link.Key, link.PartOf, e.GetId(), searchName(link.Key), 1})
	}
}

// writeLinks writes the links, and marks those keys under which something was told before anybody said to what they belong. What both are part
// of has a fact of the event, and so a mark.
func (r *rows) writeLinks(ctx context.Context, tx *db.Tx) error {
	if len(r.links) == 0 {
		return nil
	}
	if _, err := tx.CountAbsent(ctx, db.Insert{Table: "link", Columns: []string{"tenant", "link_key", "part_of", "event_id", "name", "in_force"},
		Conflict: []string{"tenant", "link_key", "part_of", "event_id"}, Rows: r.links}); err != nil {
		return err
	}
	return r.markTold(ctx, tx, r.links)
}

// markTold marks those keys of links that have facts.
func (r *rows) markTold(ctx context.Context, tx *db.Tx, links [][]any) error {
	keys := make([][]any, len(links))
	for i, link := range links {
		keys[i] = link[:2]
	}
	slices.SortFunc(keys, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)))
	})
	keys = slices.CompactFunc(keys, func(a, b []any) bool { return a[0] == b[0] && a[1] == b[1] })
	told, err := tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"tenant", "fold_key"}, Key: []string{"tenant", "fold_key"}, Rows: keys})
	for _, row := range told {
		r.dirty = append(r.dirty, dirtyKey{tenant: row[0].(string), key: row[1].(string)})
	}
	return err
}

// dropLinks takes back what a body said belongs together that no longer counts, and marks the keys which it joined.
func (l *Log) dropLinks(ctx context.Context, tx *db.Tx, e *docklinev1.Event) error {
	r := l.newRows()
	r.addLinks(e)
	if len(r.links) == 0 {
		return nil
	}
	keys := make([][]any, len(r.links))
	for i, link := range r.links {
		keys[i] = link[:4]
		r.dirty = append(r.dirty, dirtyKey{tenant: link[0].(string), key: link[2].(string)})
	}
	if err := tx.DeleteAll(ctx, "link", []string{"tenant", "link_key", "part_of", "event_id"}, keys); err != nil {
		return err
	}
	if err := r.markTold(ctx, tx, r.links); err != nil {
		return err
	}
	return r.mark(ctx, tx)
}

// markPartsOf marks what the keys are part of under which the event in row logID is filed.
func markPartsOf(ctx context.Context, tx *db.Tx, logID int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key) SELECT DISTINCT l.tenant, l.part_of FROM fact f JOIN link l ON l.tenant = f.tenant AND l.link_key = f.fold_key
		WHERE f.log_id = ? ORDER BY l.part_of`, logID)
	return err
}
