package eventlog

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// writeReceipts says to the sites that new events are in the log; later levels are for others to say. These receipts get their position at
// once: the row of the site's list is locked until the commit, so that a position is never seen before a lower one.
func writeReceipts(ctx context.Context, tx *db.Tx, fresh []*arrival) error {
	counts := make(map[SiteKey]int64)
	for _, a := range fresh {
		if a.Event.GetSite() != "" {
			counts[a.site()]++
		}
	}
	if len(counts) == 0 {
		return nil
	}
	last, err := takePositions(ctx, tx, "receipt", counts)
	if err != nil {
		return err
	}
	ins := db.Insert{Table: "receipt", Columns: []string{"tenant", "site", "event_id", "version", "position", "level", "body"}}
	for _, a := range fresh {
		if a.Event.GetSite() == "" {
			continue
		}
		last[a.site()]++
		ins.Rows = append(ins.Rows, []any{a.Event.GetTenant(), a.Event.GetSite(), a.Event.GetId(), 1, last[a.site()], logged, a.receipt})
	}
	return tx.InsertAll(ctx, ins)
}

const logged = docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED

// addReceipt makes the body of the receipt of an event of a site.
func (a *arrival) addReceipt() (err error) {
	if a.Event.GetSite() != "" {
		a.receipt, err = proto.Marshal(&docklinev1.EventReceipt{EventId: a.Event.GetId(), Version: 1, Level: logged, Subject: a.Event.GetSubject(),
			OccurredAt: a.Event.GetOccurredAt(), EventKind: a.Event.GetKind(), Origin: a.Event.GetOrigin()})
	}
	return err
}

// takePositions takes the next so many positions of each site's list and returns the last one given before. Until the commit nobody else
// takes any.
func takePositions(ctx context.Context, tx *db.Tx, list string, counts map[SiteKey]int64) (map[SiteKey]int64, error) {
	rows := db.Insert{Table: "list_position", Columns: []string{"tenant", "site", "list", "last"}, Conflict: []string{"tenant", "site", "list"}, Update: []string{"last"}}
	var keys [][]any
	var sites []SiteKey
	for site := range counts {
		sites = append(sites, site)
	}
	slices.SortFunc(sites, compareSites)
	for _, site := range sites {
		rows.Rows = append(rows.Rows, []any{site.Tenant, site.Site, list, 0})
		keys = append(keys, []any{site.Tenant, site.Site, list})
	}
	if _, err := tx.InsertAbsent(ctx, rows); err != nil {
		return nil, err
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "list_position", Columns: []string{"tenant", "site", "last"}, Key: rows.Conflict, Rows: keys, Hold: true})
	if err != nil {
		return nil, err
	}
	last := make(map[SiteKey]int64, len(found))
	for _, row := range found {
		last[SiteKey{row[0].(string), row[1].(string)}] = row[2].(int64)
	}
	for i, site := range sites {
		rows.Rows[i][3] = last[site] + counts[site]
	}
	return last, tx.Upsert(ctx, rows)
}
