package eventlog

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The log counts a site's events by the day on which the site's host recorded them, as the site's journal does, so that both can be
// compared when the day is over. An id that comes again with another moment was captured a second time, as by a source that was read
// again, and the journal counts it twice; with the same moment it was only sent twice.

type siteDay struct {
	SiteKey
	// day is days since 1970.
	day int64
}

const dayMicros = 24 * 3600 * 1_000_000

func (d siteDay) date() string { return time.UnixMicro(d.day * dayMicros).UTC().Format(time.DateOnly) }

type dayTally struct {
	logged, refused, again int64
}

type dayTallies map[siteDay]*dayTally

func (d dayTallies) of(a *arrival) *dayTally {
	if a.site().Site == "" || a.captured <= 0 {
		return &dayTally{} // of a source that has no journal
	}
	key := siteDay{a.site(), a.captured / dayMicros}
	if d[key] == nil {
		d[key] = &dayTally{}
	}
	return d[key]
}

// first counts an id that is new.
func (d dayTallies) first(a *arrival) {
	t := d.of(a)
	t.logged++
	if a.letter {
		t.refused++
	}
}

// repeat counts a body that was known, unless it was only sent again.
func (d dayTallies) repeat(a *arrival, known int64) {
	if a.captured != known {
		d.of(a).again++
	}
}

// add writes what one transaction has counted.
func (d dayTallies) add(ctx context.Context, tx *db.Tx) error {
	keys := slices.SortedFunc(maps.Keys(d), func(a, b siteDay) int { return cmp.Or(compareSites(a.SiteKey, b.SiteKey), cmp.Compare(a.day, b.day)) })
	for _, key := range keys {
		t := d[key]
		if _, err := tx.Exec(ctx, `INSERT INTO site_day_log (tenant, site, day, logged, refused, again) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (tenant, site, day) DO UPDATE SET logged = site_day_log.logged + excluded.logged, refused = site_day_log.refused + excluded.refused,
			again = site_day_log.again + excluded.again`, key.Tenant, key.Site, key.date(), t.logged, t.refused, t.again); err != nil {
			return err
		}
	}
	return nil
}

// capturedAt is when the host recorded the event, in Unix microseconds; 0 where it does not say.
func capturedAt(t *timestamppb.Timestamp) int64 {
	if !t.IsValid() {
		return 0
	}
	return t.AsTime().UnixMicro()
}

func isLetter(e *docklinev1.Event) bool {
	return e.GetKind() == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED
}

// Place is a place in a site's journal.
type Place struct {
	SiteKey
	Epoch string
	Seq   int64
}

// Settled says of each place whether everything before it, and it, is in the log, or has been declared missing. Unlike a stream, which
// waits behind an open gap, a count of what was captured can be compared as soon as it is known what is gone.
func (l *Log) Settled(ctx context.Context, tx *db.Tx, places []Place) ([]bool, error) {
	var sites []SiteKey
	for _, p := range places {
		if !slices.Contains(sites, p.SiteKey) {
			sites = append(sites, p.SiteKey)
		}
	}
	settled := make([]bool, len(places))
	if len(sites) == 0 {
		return settled, nil
	}
	progress, err := readSettled(ctx, tx, sites)
	if err != nil {
		return nil, err
	}
	for i, p := range places {
		site := progress[p.SiteKey]
		settled[i] = site.settles(p.Epoch, p.Seq)
	}
	return settled, nil
}

// readSettled is readProgress with open gaps taken for what they say: that nothing will come.
func readSettled(ctx context.Context, tx *db.Tx, sites []SiteKey) (map[SiteKey]*siteProgress, error) {
	progress, err := readProgress(ctx, tx, sites, true)
	if err != nil {
		return nil, err
	}
	var keys [][]any
	for site, p := range progress {
		for _, e := range p.epochs {
			keys = append(keys, []any{site.Tenant, site.Site, e.name})
		}
	}
	known, err := readRanges(ctx, tx, keys, db.Lookup{Table: "received"}, db.Lookup{Table: "gap"})
	if err != nil {
		return nil, err
	}
	moved, err := readRanges(ctx, tx, keys, db.Lookup{Table: "epoch_moved"})
	if err != nil {
		return nil, err
	}
	waiting := make(map[epochKey][]seqRange)
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "inbox", Columns: []string{"tenant", "site", "epoch", "first_seq", "last_seq"}, Key: []string{"tenant", "site", "epoch"}, Rows: keys, Where: "state = 0"})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		key := epochKey{SiteKey{row[0].(string), row[1].(string)}, row[2].(string)}
		waiting[key] = append(waiting[key], seqRange{row[3].(int64), row[4].(int64)})
	}
	for site, p := range progress {
		for i := range p.epochs {
			e := &p.epochs[i]
			key := epochKey{site, e.name}
			e.through, e.withMoved = fromOne(known[key]), fromOne(append(known[key], moved[key]...))
			for _, w := range waiting[key] {
				e.through, e.withMoved = min(e.through, w.lo-1), min(e.withMoved, w.lo-1)
			}
		}
	}
	return progress, nil
}

// settles says whether nothing is to come of a site's journal up to a place. An epoch that is not in the list is complete.
func (p *siteProgress) settles(epoch string, seq int64) bool {
	at := p.index(epoch)
	if at < 0 {
		return true
	}
	for i := range at {
		if !p.reaches(i, p.epochs[i].lastSeq) {
			return false
		}
	}
	return p.reaches(at, seq)
}

// reaches says whether epoch i is there up to seq, by itself or as part of a newer one.
func (p *siteProgress) reaches(i int, seq int64) bool {
	e := p.epochs[i]
	if e.through >= seq {
		return true
	}
	to := p.index(e.movedTo)
	return e.movedTo != "" && e.withMoved >= seq && (to < 0 || to > i && p.reaches(to, e.movedThrough))
}
