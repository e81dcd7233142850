package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// nothingLost: what a journal has accepted is in the log. What went with a disk, or with the last copy of it, and was told by somebody who
// cannot say it again, may be gone; what its source can tell again may not.
func (w *world) nothingLost(ctx context.Context) error {
	ids, err := w.centre.texts(ctx, `SELECT DISTINCT id FROM event WHERE site <> '' ORDER BY id`)
	if err != nil {
		return err
	}
	w.logged, w.have = len(ids), make(map[string]bool, len(ids))
	for _, id := range ids {
		w.have[id] = true
	}
	for _, s := range w.sites {
		for _, id := range slices.Sorted(maps.Keys(s.accepted)) {
			if e := s.accepted[id]; !w.have[id] && !s.mayLack(e) {
				w.breaks("nothing accepted is lost: the journal of %s has accepted %s %s (%s) and the log does not have it", s.name, event.KindName(e.Kind), e.SourceKey, id)
			}
		}
		for _, from := range s.sources {
			for _, record := range from.records {
				if id := s.stamp(from.name, record).Id; s.accepted[id] == nil && !w.have[id] {
					w.breaks("a source is read to its end: %s of %s was never told", record.SourceKey, s.name)
				}
			}
		}
	}
	return nil
}

// mayLack says whether an event may be lost for good: its site has lost something, and nobody can tell it again.
func (s *site) mayLack(e *docklinev1.Event) bool {
	again := slices.ContainsFunc(s.sources, func(from *source) bool { return from.name == e.GetSource() && from.stream != "" })
	return s.lossy && !again
}

// there counts the records that have come into the log.
func (w *world) there(s *site, records []*docklinev1.Event) (n int) {
	for _, record := range records {
		if w.have[s.stamp(s.sources[1].name, record).Id] {
			n++
		}
	}
	return n
}

// heard: of what a site has once said that its journal has given, all is there, or was sent as part of another epoch, or its loss is declared.
func (w *world) heard(ctx context.Context) error {
	return w.centre.quietly(func() error {
		return w.centre.db.Read(ctx, func(tx *db.Tx) error {
			there := map[string][][2]int64{}
			err := spans(ctx, tx, `SELECT site, epoch, lo, hi FROM received UNION ALL SELECT site, epoch, lo, hi FROM gap UNION ALL SELECT site, epoch, lo, hi FROM epoch_moved`,
				func(name string, lo, hi int64) { there[name] = append(there[name], [2]int64{lo, hi}) })
			if err != nil {
				return err
			}
			return spans(ctx, tx, `SELECT site, epoch, 1, last_seq FROM epoch ORDER BY site, epoch`, func(name string, next, last int64) {
				all := there[name]
				slices.SortFunc(all, func(a, b [2]int64) int { return int(a[0] - b[0]) })
				for _, span := range all {
					if span[0] <= next {
						next = max(next, span[1]+1)
					}
				}
				if next <= last {
					w.breaks("what is lost is declared: the centre has heard of %d events of %s, and number %d is neither there nor declared", last, name, next)
				}
			})
		})
	})
}

// spans reads ranges of numbers of the epochs of sites.
func spans(ctx context.Context, tx *db.Tx, query string, each func(name string, lo, hi int64)) error {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var site, epoch string
		var lo, hi int64
		if err := rows.Scan(&site, &epoch, &lo, &hi); err != nil {
			return err
		}
		each(fmt.Sprintf("epoch %s of %s", epoch, site), lo, hi)
	}
	return rows.Err()
}
