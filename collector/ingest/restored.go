package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// renewAgain is the least time between two incarnations that a site's word has led to, so that one that talks nonsense does not have
// all others send again without end.
const renewAgain = time.Minute

// position is how far a site says that it is, under which incarnation.
type position struct {
	siteKey
	incarnation        string
	commands, receipts uint64
	epochs             []*docklinev1.EpochRange
}

// refresh reads which database this is now: it may have been put back under us.
func (i *Ingest) refresh(ctx context.Context, tx *db.Tx) error {
	name, _, err := tx.Incarnation(ctx, false)
	if err == nil && name != "" {
		i.incarnation = name
	}
	return err
}

// ahead says in what a site is ahead of this database, "" where it is not. What it says of another database is no matter. through is up to
// where everything of its epochs is here: one that is there beyond a hole may be older than the Ack that the site has.
func (i *Ingest) ahead(ctx context.Context, tx *db.Tx, p position, through map[string]uint64) (string, error) {
	for _, e := range p.epochs {
		if e.GetAcknowledgedBy() != i.incarnation || e.GetAcknowledged() == 0 || e.GetAcknowledged() <= through[e.GetEpoch()] {
			continue
		}
		return fmt.Sprintf("it holds an acknowledgement of everything through %d of epoch %s", e.GetAcknowledged(), e.GetEpoch()), nil
	}
	if p.incarnation != i.incarnation {
		return i.forgotten(ctx, tx, p.incarnation)
	}
	if p.commands+p.receipts == 0 {
		return "", nil
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "list_position", Columns: []string{"list", "last"}, Key: []string{"tenant", "site"}, Rows: [][]any{{p.tenant, p.site}}})
	if err != nil {
		return "", err
	}
	given := map[string]uint64{}
	for _, row := range rows {
		given[row[0].(string)] = uint64(row[1].(int64))
	}
	for _, held := range []struct {
		list string
		last uint64
	}{{"receipt", p.receipts}, {"command", p.commands}} {
		if held.last > given[held.list] {
			return fmt.Sprintf("it holds the %ss through position %d, and %d were given here", held.list, held.last, given[held.list]), nil
		}
	}
	return "", nil
}

// forgotten says that a site has been told a name of this database of which the database knows nothing: it was put back to a state from
// before that. It is said of each name once, however many sites have heard of it.
func (i *Ingest) forgotten(ctx context.Context, tx *db.Tx, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	known, err := tx.RemembersIncarnation(ctx, name)
	if err != nil || known {
		return "", err
	}
	return fmt.Sprintf("it was last answered under the name %.8s, which this database has never had, unless the site comes from another collector", name), tx.RememberIncarnation(ctx, name)
}

// renew gives the database a new incarnation because a site is ahead of it, so that all sites send again what is missing, and says so to
// people. Where that was done a moment ago, by whatever collector, it is not done again.
func (i *Ingest) renew(ctx context.Context, tx *db.Tx, site siteKey, how string) error {
	name, restored, err := tx.Incarnation(ctx, true)
	if err != nil {
		return err
	}
	if name == i.incarnation && i.c.Now().Sub(restored) >= renewAgain {
		if name, err = tx.NewIncarnation(ctx, i.c.Now()); err != nil {
			return err
		}
		if i.c.OnRestored != nil {
			if err := i.c.OnRestored(ctx, tx); err != nil {
				return err
			}
		}
		i.c.Slog.Error("the database was put back to an older state; all sites are asked for what is missing", "site", site.site, "how", how)
	}
	i.incarnation = name
	return i.report(ctx, tx, site.tenant, aheadOrigin(site), []Exception{{Code: CodeDatabaseRestored, Subject: site.tenant + "/" + site.site, Class: technical,
		Severity: docklinev1.Severity_SEVERITY_ERROR, Site: site.site, Title: "The centre's database was put back to an older state",
		Text: fmt.Sprintf("Site %s is ahead of the database: %s. So the database is an older copy, restored without telling the collector. All sites now send again what "+
			"is missing, and what was posted meanwhile is found by reading back; there is nothing to do about that. After the next restore say so before the collector "+
			"starts: dockline-collector restore --mark.", site.site, how)}})
}

func aheadOrigin(s siteKey) string { return "ingest/ahead/" + s.site }

// agrees closes the case of a site that is not ahead any more.
func (i *Ingest) agrees(ctx context.Context, tx *db.Tx, b *batch, site siteKey) error {
	if i.agreed[site] == i.incarnation {
		return nil
	}
	b.agreed = append(b.agreed, site)
	return i.report(ctx, tx, site.tenant, aheadOrigin(site), nil)
}

// compare holds what a site says of its place against this database and does what follows.
func (i *Ingest) compare(ctx context.Context, tx *db.Tx, b *batch, p position, through map[string]uint64) error {
	how, err := i.ahead(ctx, tx, p, through)
	if err != nil {
		return err
	}
	if how != "" {
		return i.renew(ctx, tx, p.siteKey, how)
	}
	if p.incarnation != "" && p.incarnation != i.incarnation {
		return nil // it takes our name first
	}
	return i.agrees(ctx, tx, b, p.siteKey)
}
