package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

const (
	// mostNames is how many epochs that nobody has heard of a site may name in a day: a journal begins one when its disk was changed or put back.
	mostNames = 4_000
	// fewNames of one Hello are taken all the same, so that a site which opens an epoch is not kept out by who used its certificate before.
	fewNames = 8
)

// heard is how many epochs a site has named for the first time, on one day; settled says that no case is open because of it.
type heard struct {
	day     string
	n       int
	settled bool
}

func journalsOrigin(site siteKey) string { return "ingest/journals/" + site.site }

// newNames counts the epochs of a Hello that nobody has heard of, and says whether the site may name them today. Each is a row for good, and what
// it is said to have held a loss that people are told of.
func (i *Ingest) newNames(ctx context.Context, tx *db.Tx, b *batch, site siteKey, epochs []string) (bool, error) {
	keys := make([][]any, len(epochs))
	for n, name := range epochs {
		keys[n] = []any{site.tenant, site.site, name}
	}
	known, err := tx.Lookup(ctx, db.Lookup{Table: "epoch", Columns: []string{"epoch"}, Key: epochColumns, Rows: keys})
	if err != nil {
		return false, err
	}
	fresh := len(epochs) - len(known)
	was, today := i.heard[site], i.c.Now().UTC().Format(time.DateOnly)
	if was.day != today {
		was = heard{day: today, settled: was.settled}
	}
	sum := was.n + b.named[site] + fresh
	if fresh > fewNames && sum > mostNames {
		text := fmt.Sprintf("%d journals that nobody has heard of, %d of them since midnight UTC", fresh, sum)
		b.refuse(site.tenant, site.site, &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_RANGE, Text: text})
		t := wire.Topic{Tenant: site.tenant, Site: site.site, Name: wire.Hello}
		b.fault(t, journalsOrigin(site), Exception{Code: CodeManyJournals, Subject: site.tenant + "/" + site.site, Title: fmt.Sprintf("Site %s names very many journals", site.site),
			Text: fmt.Sprintf("Site %s says that it has, or had, %s. No agent does that: what it said was not taken. See what else uses the certificate of site %s, and replace it (site revoke, site add); "+
				"the site's own agent is heard again as soon as it says only what is so.", site.site, text, site.site)})
		return false, nil
	}
	b.named[site] += fresh
	if was.settled {
		return true, nil
	}
	return true, i.report(ctx, tx, site.tenant, journalsOrigin(site), nil)
}

// rememberNames takes note of what a batch has named, after its commit.
func (i *Ingest) rememberNames(b *batch) {
	today := i.c.Now().UTC().Format(time.DateOnly)
	for site, n := range b.named {
		was := i.heard[site]
		if was.day != today {
			was = heard{day: today, settled: was.settled}
		}
		was.n, was.settled = was.n+n, true
		i.heard[site] = was
	}
	for key, e := range b.faults {
		if site := (siteKey{key.tenant, e.Site}); e.Code == CodeManyJournals {
			was := i.heard[site]
			was.settled = false
			i.heard[site] = was
		}
	}
}
