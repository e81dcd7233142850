package fleet

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const siteQuery = `SELECT s.tenant, s.id, s.title, s.region, s.created_at, s.certificate_serial, s.certificate_not_after,
	p.session, p.online, p.connected_at, p.seen_at, p.heartbeat,
	(SELECT count(*) FROM inbox i WHERE i.tenant = s.tenant AND i.site = s.id AND i.state = 0),
	coalesce(t.logged, 0), coalesce(t.duplicates, 0), coalesce(t.conflicts, 0),
	(SELECT count(*) FROM command c WHERE c.tenant = s.tenant AND c.site = s.id AND c.outcome = 0 AND (c.position IS NULL OR c.position > coalesce(p.commands_through, 0))),
	(SELECT count(*) FROM receipt r WHERE r.tenant = s.tenant AND r.site = s.id AND r.position > coalesce(p.receipts_through, 0))
	FROM site s LEFT JOIN presence p ON p.tenant = s.tenant AND p.site = s.id LEFT JOIN site_total t ON t.tenant = s.tenant AND t.site = s.id
	WHERE (? = '' OR s.tenant = ?) AND (? = '' OR s.id = ?) ORDER BY s.tenant, s.id`

type siteKey struct {
	tenant, id string
}

func (f *Fleet) read(ctx context.Context, tenant, id string) ([]*Site, error) {
	var sites []*Site
	var listen *listeners
	err := f.DB.Read(ctx, func(tx *db.Tx) (err error) {
		sites = nil
		byKey := make(map[siteKey]*Site)
		if listen, err = readListeners(ctx, tx, f.now()); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, siteQuery, tenant, tenant, id, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			s, err := f.scan(listen, rows.Scan)
			if err != nil {
				return err
			}
			sites = append(sites, s)
			byKey[siteKey{s.Tenant, s.ID}] = s
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		if err := readGaps(ctx, tx, byKey); err != nil {
			return err
		}
		if err := readDifferences(ctx, tx, byKey); err != nil {
			return err
		}
		if err := readForks(ctx, tx, byKey); err != nil {
			return err
		}
		if err := readIdentity(ctx, tx, byKey); err != nil {
			return err
		}
		return readConfig(ctx, tx, byKey)
	})
	if err != nil {
		return nil, err
	}
	for _, s := range sites {
		s.judge(f.now(), listen)
	}
	return sites, nil
}

func (f *Fleet) scan(l *listeners, scan func(...any) error) (*Site, error) {
	s := &Site{State: NeverSeen}
	var created, notAfter int64
	var session *string
	var online, connected, seen *int64
	var heartbeat []byte
	if err := scan(&s.Tenant, &s.ID, &s.Title, &s.Region, &created, &s.CertificateSerial, &notAfter, &session, &online, &connected, &seen, &heartbeat,
		&s.Waiting, &s.Logged, &s.Duplicates, &s.Conflicts, &s.Commands, &s.Receipts); err != nil {
		return nil, err
	}
	s.CreatedAt, s.CertificateNotAfter = fromMicros(created), fromMicros(notAfter)
	if session == nil {
		return s, nil
	}
	s.Session, s.SeenAt = *session, fromMicros(*seen)
	s.State, s.Since = Online, fromMicros(*connected)
	if *online == 0 || l.silent(s.SeenAt) > offlineAfter(f.OfflineAfter) {
		s.State, s.Since = Offline, s.SeenAt
	}
	if heartbeat == nil {
		return s, nil
	}
	s.Heartbeat = &docklinev1.Heartbeat{}
	if err := proto.Unmarshal(heartbeat, s.Heartbeat); err != nil {
		return nil, fmt.Errorf("heartbeat of %s: %w", s.ID, err)
	}
	s.Backlog = s.Heartbeat.GetJournalEvents()
	if t := s.Heartbeat.GetOldestEventAt(); t != nil {
		s.OldestEventAt = t.AsTime()
	}
	return s, nil
}

func readGaps(ctx context.Context, tx *db.Tx, byKey map[siteKey]*Site) error {
	rows, err := tx.Query(ctx, `SELECT g.tenant, g.site, g.epoch, g.lo, g.hi, g.cause, g.opened_at, g.hi - g.lo + 1 - `+db.ArrivedOfGap+` FROM gap g
		WHERE g.closed_at = 0 ORDER BY g.opened_at, g.epoch, g.lo`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key siteKey
		var g Gap
		var opened int64
		if err := rows.Scan(&key.tenant, &key.id, &g.Epoch, &g.First, &g.Last, &g.Cause, &opened, &g.Missing); err != nil {
			return err
		}
		g.OpenedAt = fromMicros(opened)
		if s := byKey[key]; s != nil {
			s.Gaps = append(s.Gaps, g)
		}
	}
	return rows.Err()
}

func readDifferences(ctx context.Context, tx *db.Tx, byKey map[siteKey]*Site) error {
	rows, err := tx.Query(ctx, `SELECT tenant, site, day FROM site_day_close WHERE state = 'difference' ORDER BY tenant, site, day`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key siteKey
		var day string
		if err := rows.Scan(&key.tenant, &key.id, &day); err != nil {
			return err
		}
		if s := byKey[key]; s != nil {
			s.Differences = append(s.Differences, day)
		}
	}
	return rows.Err()
}

func readForks(ctx context.Context, tx *db.Tx, byKey map[siteKey]*Site) error {
	rows, err := tx.Query(ctx, `SELECT tenant, site, epoch, other, certain, opened_at, machines FROM site_fork WHERE closed_at = 0`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key siteKey
		var f Fork
		var certain, opened int64
		if err := rows.Scan(&key.tenant, &key.id, &f.Epoch, &f.Other, &certain, &opened, &f.Machines); err != nil {
			return err
		}
		f.Certain, f.OpenedAt = certain != 0, fromMicros(opened)
		if s := byKey[key]; s != nil {
			s.Fork = &f
		}
	}
	return rows.Err()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
