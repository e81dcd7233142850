package ingest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// maxDays is how many days of one heartbeat count, and how old a day may be: the journal tells of 40.
	maxDays = 60
	// daysAhead is how far ahead of the centre's clock a day may be; a site whose clock is further off is told of by its clock.
	daysAhead = 2
	// maxOfDay bounds what a site can have accepted in a day, and maxBase what is counted beyond that: sums of them are made for the whole
	// fleet at once, and one site's numbers must not break them.
	maxOfDay = 1 << 40
	maxBase  = 1 << 50
)

// plausible says whether a site can have counted so much on that day.
func (n daySaid) plausible(date string, now time.Time) bool {
	day, err := time.Parse(time.DateOnly, date)
	return err == nil && !day.Before(now.AddDate(0, 0, -maxDays)) && !day.After(now.AddDate(0, 0, daysAhead)) && n.accepted <= maxOfDay && n.refused <= maxOfDay
}

type dayKey struct {
	siteKey
	date string
}

type daySaid struct {
	accepted, refused uint64
}

// storeDays keeps what journals have accepted by day, as of the place that the heartbeat names. What this process has written before, of
// the same database, is not written again: most heartbeats change one day or none.
func (i *Ingest) storeDays(ctx context.Context, tx *db.Tx, taken []*docklinev1.Heartbeat) error {
	i.saying = nil
	if i.saidOf != i.incarnation {
		i.saidOf, i.said = i.incarnation, make(map[dayKey]daySaid)
	}
	news := make(map[dayKey]*docklinev1.Heartbeat)
	counts := make(map[dayKey]daySaid)
	for _, h := range taken {
		if !h.GetOnline() || h.GetEpoch() == "" {
			continue
		}
		for _, d := range h.GetDays()[:min(len(h.GetDays()), maxDays)] {
			key, n := dayKey{siteKey{h.GetTenant(), h.GetSite()}, d.GetDate()}, daySaid{d.GetAccepted(), d.GetRefused()}
			if !n.plausible(key.date, i.c.Now()) {
				continue
			}
			if before, ok := i.said[key]; (!ok || before != n) || news[key] != nil {
				news[key], counts[key] = h, n
			}
		}
	}
	if len(news) == 0 {
		return nil
	}
	if err := writeDays(ctx, tx, news, counts); err != nil {
		return err
	}
	i.saying = counts
	return nil
}

// saidDays takes note of what a commit has written.
func (i *Ingest) saidDays() {
	for key, n := range i.saying {
		i.said[key] = n
	}
	i.saying = nil
}

// writeDays sets each day to what the journal now says. Where that is less than it said before, its folder was put back to an older state
// or lost: what it had counted beyond stays counted.
func writeDays(ctx context.Context, tx *db.Tx, news map[dayKey]*docklinev1.Heartbeat, counts map[dayKey]daySaid) error {
	var keys [][]any
	for key := range news {
		keys = append(keys, []any{key.tenant, key.site, key.date})
	}
	slices.SortFunc(keys, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)), cmp.Compare(a[2].(string), b[2].(string)))
	})
	columns := []string{"tenant", "site", "day", "accepted", "refused", "base", "epoch", "last_seq"}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "site_day_said", Columns: columns[:6], Key: columns[:3], Rows: keys, Hold: true})
	if err != nil {
		return err
	}
	base, same := make(map[dayKey]int64), make(map[dayKey]bool)
	for _, row := range rows {
		key := dayKey{siteKey{row[0].(string), row[1].(string)}, row[2].(string)}
		before, now := row[3].(int64), counts[key]
		base[key] = min(row[5].(int64)+max(0, before-int64(now.accepted)), maxBase)
		same[key] = before == int64(now.accepted) && row[4].(int64) == int64(now.refused)
	}
	said := db.Insert{Table: "site_day_said", Columns: columns, Conflict: columns[:3], Update: columns[3:]}
	for _, k := range keys {
		key := dayKey{siteKey{k[0].(string), k[1].(string)}, k[2].(string)}
		if h, n := news[key], counts[key]; !same[key] {
			said.Rows = append(said.Rows, []any{key.tenant, key.site, key.date, n.accepted, n.refused, base[key], h.GetEpoch(), h.GetLastSeq()})
		}
	}
	return tx.Upsert(ctx, said)
}
