package master

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// tenantTop is how far a tenant's master data goes.
type tenantTop struct {
	version, forgotten int64
	// changed is when the newest version was given; loading: something is being read as a whole, and is not all there yet.
	changed time.Time
	loading bool
}

func readTops(ctx context.Context, tx *db.Tx) (map[string]tenantTop, error) {
	tops := map[string]tenantTop{}
	err := each(ctx, tx, `SELECT t.tenant, t.version, t.forgotten, coalesce((SELECT r.changed_at FROM master_record r WHERE r.tenant = t.tenant AND r.version = t.version), 0),
		CASE WHEN EXISTS (SELECT 1 FROM master_source s WHERE s.tenant = t.tenant AND s.whole_at = 0) THEN 1 ELSE 0 END FROM master_top t`, nil, func(scan func(...any) error) error {
		var tenant string
		var t tenantTop
		var changed, loading int64
		err := scan(&tenant, &t.version, &t.forgotten, &changed, &loading)
		if t.loading = loading == 1; changed > 0 {
			t.changed = time.UnixMicro(changed).UTC()
		}
		tops[tenant] = t
		return err
	})
	return tops, err
}

// online is a site with a session that has said something new, or lacks something.
type online struct {
	key     siteKey
	session string
	seen    int64
}

// look finds the sites to which a list is to go now.
func (f *Feed) look(ctx context.Context) (due []siteKey, tops map[string]tenantTop, err error) {
	since := f.now().Add(-cmp.Or(f.OfflineAfter, 20*time.Second)).UnixMicro()
	incarnation, err := f.DB.Incarnation(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = f.DB.Read(ctx, func(tx *db.Tx) (err error) {
		due = nil
		if tops, err = readTops(ctx, tx); err != nil || len(tops) == 0 {
			return err
		}
		var up []online
		err = each(ctx, tx, `SELECT tenant, site, session, seen_at FROM presence WHERE online = 1 AND seen_at >= ? ORDER BY tenant, site`, []any{since}, func(scan func(...any) error) error {
			var o online
			err := scan(&o.key.tenant, &o.key.site, &o.session, &o.seen)
			up = append(up, o)
			return err
		})
		if err != nil {
			return err
		}
		known := make(map[siteKey]*site, len(up))
		for _, o := range up {
			s := f.sites[o.key]
			if s == nil || s.session != o.session {
				s = &site{session: o.session, held: -1, length: cmp.Or(f.FirstLength, 50), began: -1, noted: true}
			}
			known[o.key] = s
			if err := f.hear(ctx, tx, o, s, incarnation, tops[o.key.tenant].version); err != nil {
				return err
			}
			if ready, err := f.ready(ctx, tx, o.key, s, tops[o.key.tenant]); err != nil {
				return err
			} else if ready {
				due = append(due, o.key)
			}
		}
		f.sites = known
		return nil
	})
	if err == nil {
		f.order(due)
	}
	return due, tops, err
}

// hear reads what a site says that it holds, where it may have said something new and lacks something.
func (f *Feed) hear(ctx context.Context, tx *db.Tx, o online, s *site, incarnation string, top int64) error {
	if s.seen == o.seen || s.held >= top {
		return nil
	}
	var raw []byte
	if err := tx.QueryRow(ctx, `SELECT heartbeat FROM presence WHERE tenant = ? AND site = ?`, o.key.tenant, o.key.site).Scan(&raw); err != nil {
		return err
	}
	h := &docklinev1.Heartbeat{}
	if err := proto.Unmarshal(raw, h); err != nil || h.GetSession() != o.session {
		return err // of this session nothing is known yet
	}
	s.seen = o.seen
	held := int64(0)
	if h.GetIncarnation() == incarnation {
		held = min(int64(h.GetMasterThrough()), top)
	}
	if s.held = held; s.sent > 0 && held >= s.sent && (!s.fresh || held == s.sent) {
		f.answered(s)
	}
	return nil
}

// ready says whether a list may go to a site now.
func (f *Feed) ready(ctx context.Context, tx *db.Tx, key siteKey, s *site, t tenantTop) (bool, error) {
	now := f.now()
	if s.sent > 0 && now.Sub(s.at) >= cmp.Or(f.Resend, 10*time.Second) {
		// It is lost, or the site cannot say that it has it: what follows begins again where the site says it is.
		s.sent, s.clear, s.length = 0, 0, max(leastLength, s.length/2)
	}
	if s.held < 0 || s.sent > 0 || t.version == 0 || max(s.held, s.clear) >= t.version && (s.finished || t.loading) || now.Before(s.next) {
		return false, nil
	}
	if s.held < t.forgotten && s.began < 0 {
		err := tx.QueryRow(ctx, `SELECT coalesce(max(forgotten), 0) FROM master_site WHERE tenant = ? AND site = ?`, key.tenant, key.site).Scan(&s.began)
		if err != nil {
			return false, err
		}
	}
	var waits int64
	err := tx.QueryRow(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM command c WHERE c.tenant = p.tenant AND c.site = p.site AND c.position > p.commands_through AND c.outcome = 0)
		OR EXISTS (SELECT 1 FROM receipt r WHERE r.tenant = p.tenant AND r.site = p.site AND r.position > p.receipts_through) THEN 1 ELSE 0 END
		FROM presence p WHERE p.tenant = ? AND p.site = ?`, key.tenant, key.site).Scan(&waits)
	switch {
	case err != nil:
		return false, err
	case waits == 0:
		s.waiting = time.Time{}
		return true, nil
	case s.waiting.IsZero():
		s.waiting = now
	}
	return now.Sub(s.waiting) >= cmp.Or(f.Yield, time.Second), nil
}
