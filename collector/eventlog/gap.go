package eventlog

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Causes of a gap.
const (
	// lost: the site no longer holds these events. The gap closes when they arrive after all, or a person accepts the loss.
	lost = "lost"
	// unreadable: they are in the inbox and cannot be read. The gap closes when a later version reads them.
	unreadable = "unreadable"
)

// openGap records a gap and says whether it is new.
func (l *Log) openGap(ctx context.Context, tx *db.Tx, site SiteKey, epoch string, lo, hi uint64, cause, sources string) (bool, error) {
	rows, err := tx.InsertAbsent(ctx, db.Insert{Table: "gap", Columns: []string{"tenant", "site", "epoch", "lo", "hi", "cause", "opened_at", "sources"},
		Rows:     [][]any{{site.Tenant, site.Site, epoch, lo, hi, cause, l.now().UnixMicro(), sources}},
		Conflict: []string{"tenant", "site", "epoch", "lo"}, Returning: []string{"lo"}})
	return len(rows) == 1, err
}

func (l *Log) closeGap(ctx context.Context, tx *db.Tx, site SiteKey, epoch string, lo uint64) error {
	_, err := tx.Exec(ctx, `UPDATE gap SET closed_at = ? WHERE tenant = ? AND site = ? AND epoch = ? AND lo = ? AND closed_at = 0`,
		l.now().UnixMicro(), site.Tenant, site.Site, epoch, lo)
	return err
}

// Gap records that events of a site are lost: its journal no longer holds them and the centre never had them. Streams of the
// site stop there, so that counts wait, until the events arrive after all, the sources, where they are named, have told them again, or
// AcceptGap is called.
func (l *Log) Gap(ctx context.Context, tx *db.Tx, tenant, site string, gap *docklinev1.StreamGap, sources string) error {
	key := SiteKey{tenant, site}
	isNew, err := l.openGap(ctx, tx, key, gap.GetEpoch(), gap.GetFirstSeq(), gap.GetLastSeq(), lost, sources)
	if err != nil {
		return fmt.Errorf("gap: %w", err)
	}
	if !isNew {
		return nil
	}
	if open, err := l.lostGaps(ctx, tx, key); err != nil || open > mostGapCases {
		if err != nil || open > mostGapCases+1 {
			return err
		}
		return l.report(ctx, tx, tenant, manyGapsOrigin(key), []Exception{manyGaps(site, tenant)})
	}
	n := gap.GetLastSeq() - gap.GetFirstSeq() + 1
	remedy := fmt.Sprintf("dockline-collector site loss %s --tenant %s says what can be read again, and what is to be counted. Counts of this site wait until the events arrive, "+
		"or the loss is accepted there.", site, tenant)
	if sources != "" {
		remedy = "Its sources read again from before that place, so there is nothing to do yet: this closes by itself when they have told everything up to now. " +
			"Counts of this site wait meanwhile."
	}
	return l.report(ctx, tx, tenant, gapOrigin(key, gap.GetEpoch(), gap.GetFirstSeq()), []Exception{{
		Code: "stream_gap", Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Severity: docklinev1.Severity_SEVERITY_ERROR, Site: site,
		Subject: fmt.Sprintf("%s seq %d to %d", site, gap.GetFirstSeq(), gap.GetLastSeq()),
		Title:   fmt.Sprintf("%s of %s %s lost", event.Several(n, "event"), site, event.Are(n)),
		Text: fmt.Sprintf("Site %s no longer has the events %d to %d of its journal's epoch %s, and the centre never got them: %s. %s",
			site, gap.GetFirstSeq(), gap.GetLastSeq(), gap.GetEpoch(), gap.GetReason(), remedy)}})
}

// mostGapCases is how many lost gaps of a site have a case each. What is beyond is one case for all: a journal has a handful at the very worst, and
// what tells of more is broken, or no agent.
const mostGapCases = 100

func manyGaps(site, tenant string) Exception {
	return Exception{Code: "stream_gaps", Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Severity: docklinev1.Severity_SEVERITY_ERROR, Site: site, Subject: site,
		Title: fmt.Sprintf("Site %s tells of more than %d losses", site, mostGapCases),
		Text: fmt.Sprintf("Site %s has lost events in more than %d places, by what it says of its journal; the first %d have a case each, the others this one. A journal does not look like that. "+
			"See what else uses the certificate of site %s, and look at its disk; if it is somebody else, replace the certificate (site revoke, site add). dockline-collector site loss %s --tenant %s lists all. "+
			"This closes when none of them is open.", site, mostGapCases, mostGapCases, site, site, tenant)}
}

func manyGapsOrigin(site SiteKey) string { return "gap/" + site.Site }

// lostGaps is how many lost gaps of a site are open, counted up to a few more than have a case each.
func (l *Log) lostGaps(ctx context.Context, tx *db.Tx, site SiteKey) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT 1 AS one FROM gap WHERE tenant = ? AND site = ? AND closed_at = 0 AND cause = ? LIMIT ?) AS g`,
		site.Tenant, site.Site, lost, mostGapCases+2).Scan(&n)
	return n, err
}

// caseClosed closes the case of a gap that is closed, and that of all when none is open.
func (l *Log) caseClosed(ctx context.Context, tx *db.Tx, site SiteKey, epoch string, lo uint64) error {
	if err := l.report(ctx, tx, site.Tenant, gapOrigin(site, epoch, lo), nil); err != nil {
		return err
	}
	open, err := l.lostGaps(ctx, tx, site)
	if err != nil || open > 0 {
		return err
	}
	return l.report(ctx, tx, site.Tenant, manyGapsOrigin(site), nil)
}

func gapOrigin(site SiteKey, epoch string, lo uint64) string {
	return "gap/" + site.Site + "/" + epoch + "/" + strconv.FormatUint(lo, 10)
}

// AcceptGap closes the lost gap that begins at lo: a person takes the events for gone. Streams of the site go on behind it.
func (l *Log) AcceptGap(ctx context.Context, tenant, site, epoch string, lo uint64) error {
	return l.DB.Write(ctx, func(tx *db.Tx) error { return l.AcceptGapIn(ctx, tx, tenant, site, epoch, lo) })
}

// AcceptGapIn is AcceptGap within the caller's transaction.
func (l *Log) AcceptGapIn(ctx context.Context, tx *db.Tx, tenant, site, epoch string, lo uint64) error {
	key := SiteKey{tenant, site}
	err := l.closeGap(ctx, tx, key, epoch, lo)
	if err == nil {
		err = l.caseClosed(ctx, tx, key, epoch, lo)
	}
	if err == nil {
		err = l.advance(ctx, tx, []SiteKey{key}, nil)
	}
	if err != nil {
		return fmt.Errorf("accept gap: %w", err)
	}
	return nil
}

// declared opens the gaps that the sites themselves have declared by an event; the case is opened by that event's fold.
func (l *Log) declared(ctx context.Context, tx *db.Tx, recorded []Recorded) error {
	for _, r := range recorded {
		gap := r.Event.GetStreamGap()
		if gap == nil || gap.GetFirstSeq() < 1 || gap.GetLastSeq() < gap.GetFirstSeq() {
			continue
		}
		site := SiteKey{r.Event.GetTenant(), r.Event.GetSite()}
		if _, err := l.openGap(ctx, tx, site, gap.GetEpoch(), gap.GetFirstSeq(), gap.GetLastSeq(), lost, ""); err != nil {
			return err
		}
	}
	return nil
}

// closeArrived closes the lost gaps of a site whose events are there after all, or come as part of a newer epoch.
func (l *Log) closeArrived(ctx context.Context, tx *db.Tx, site SiteKey) error {
	rows, err := tx.Query(ctx, `SELECT g.epoch, g.lo FROM gap g WHERE g.tenant = ? AND g.site = ? AND g.closed_at = 0 AND g.cause = ?
		AND (EXISTS (SELECT 1 FROM received r WHERE r.tenant = g.tenant AND r.site = g.site AND r.epoch = g.epoch AND r.lo <= g.lo AND r.hi >= g.hi)
			OR EXISTS (SELECT 1 FROM epoch_moved m WHERE m.tenant = g.tenant AND m.site = g.site AND m.epoch = g.epoch AND m.lo <= g.lo AND m.hi >= g.hi))
		ORDER BY g.epoch, g.lo`, site.Tenant, site.Site, lost)
	if err != nil {
		return err
	}
	defer rows.Close()
	type arrived struct {
		epoch string
		lo    uint64
	}
	var gaps []arrived
	for rows.Next() {
		var g arrived
		if err := rows.Scan(&g.epoch, &g.lo); err != nil {
			return err
		}
		gaps = append(gaps, g)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for _, g := range gaps {
		if err := l.closeGap(ctx, tx, site, g.epoch, g.lo); err != nil {
			return err
		}
		if err := l.caseClosed(ctx, tx, site, g.epoch, g.lo); err != nil {
			return err
		}
	}
	return nil
}
