package ingest

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A site's journal is one line of epochs: each names the one before, and none comes back once a newer one has spoken. So where an epoch
// begins at the same place as another that is known, the data folder was copied: put back from a copy, or taken to a second machine. And
// where an epoch speaks again after another one that it does not know of, both journals are alive. Neither mixes anything: ranges are
// kept by epoch, events by id.

// forkQuiet is after how long without a sign of the other journal a fork is taken for settled.
const forkQuiet = time.Hour

// fork is two journals of one site.
type fork struct {
	// epoch is what the one that spoke last was writing, other what the other one was.
	epoch, other string
	// certain: both have spoken since.
	certain bool
	// machines are the two in words, "" where they have not said.
	machines string
}

// findTwin looks, before the rows of epochs are brought up to date, whether this Hello is of another journal than one that was heard
// before. A fork that is open already is returned with every Hello; news says whether this one shows more of it.
func (i *Ingest) findTwin(ctx context.Context, tx *db.Tx, site siteKey, epochs []*docklinev1.EpochRange) (f *fork, news bool, err error) {
	newest := newestOf(epochs)
	if newest == nil {
		return nil, false, nil
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "site_fork", Columns: []string{"epoch", "other", "certain"}, Key: []string{"tenant", "site"},
		Rows: [][]any{{site.tenant, site.site}}, Where: "closed_at = 0", Hold: true})
	if err != nil {
		return nil, false, err
	}
	if len(rows) == 1 {
		f = &fork{epoch: rows[0][0].(string), other: rows[0][1].(string), certain: rows[0][2].(int64) != 0}
		switch here, there := names(epochs, f.epoch), names(epochs, f.other); {
		case here && !there: // the journal that spoke last
			news = f.epoch != newest.GetEpoch()
			f.epoch = newest.GetEpoch()
			return f, news, nil
		case there && !here:
			return &fork{epoch: newest.GetEpoch(), other: f.epoch, certain: true}, true, nil
		}
	}
	if another, err := i.anotherJournal(ctx, tx, site, epochs, newest); err != nil || another != nil {
		return another, true, err
	}
	return f, false, nil
}

// anotherJournal is the fork that this Hello shows, nil for none: an epoch that speaks again after one that it does not know, or that
// begins where another one did, or within one.
func (i *Ingest) anotherJournal(ctx context.Context, tx *db.Tx, site siteKey, epochs []*docklinev1.EpochRange, newest *docklinev1.EpochRange) (*fork, error) {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "presence", Columns: []string{"epoch"}, Key: []string{"tenant", "site"},
		Rows: [][]any{{site.tenant, site.site}}, Hold: true})
	if err != nil {
		return nil, err
	}
	last := ""
	if len(rows) == 1 {
		last = rows[0][0].(string)
	}
	var seen int64
	err = tx.QueryRow(ctx, `SELECT seen_at FROM epoch WHERE tenant = ? AND site = ? AND epoch = ?`, site.tenant, site.site, newest.GetEpoch()).Scan(&seen)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	switch {
	case seen > 0 && last != "" && last != newest.GetEpoch() && !names(epochs, last):
		return &fork{epoch: newest.GetEpoch(), other: last, certain: true}, nil
	case seen > 0:
		return nil, nil
	}
	if behind, err := behindUs(ctx, tx, site, epochs); err != nil || behind != "" {
		if err != nil {
			return nil, err
		}
		return &fork{epoch: newest.GetEpoch(), other: behind}, nil
	}
	if newest.GetPredecessor() == "" {
		return nil, nil
	}
	rows, err = tx.Lookup(ctx, db.Lookup{Table: "epoch", Columns: []string{"epoch"}, Key: []string{"tenant", "site", "predecessor"},
		Rows: [][]any{{site.tenant, site.site, newest.GetPredecessor()}}, Where: "seen_at > 0"})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if other := row[0].(string); other != newest.GetEpoch() && !names(epochs, other) {
			return &fork{epoch: newest.GetEpoch(), other: other}, nil
		}
	}
	return nil, nil
}

// behindUs is an epoch of which the centre has more than the site says that it ever gave, "" where there is none.
func behindUs(ctx context.Context, tx *db.Tx, site siteKey, epochs []*docklinev1.EpochRange) (string, error) {
	said := make(map[string]uint64)
	var keys [][]any
	for _, e := range epochs {
		if _, twice := said[e.GetEpoch()]; e.GetMovedTo() == "" && !twice {
			said[e.GetEpoch()] = e.GetLastSeq()
			keys = append(keys, []any{site.tenant, site.site, e.GetEpoch()})
		}
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "received", Columns: []string{"epoch", "hi"}, Key: epochColumns, Rows: keys})
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if epoch := row[0].(string); uint64(row[1].(int64)) > said[epoch] {
			return epoch, nil
		}
	}
	return "", nil
}

// newestOf is the epoch that is being written, nil where a Hello names none.
func newestOf(epochs []*docklinev1.EpochRange) *docklinev1.EpochRange {
	for _, e := range slices.Backward(epochs) {
		if e.GetMovedTo() == "" {
			return e
		}
	}
	return nil
}

// names says whether a Hello speaks of an epoch, as held, as moved or as one before.
func names(epochs []*docklinev1.EpochRange, epoch string) bool {
	return slices.ContainsFunc(epochs, func(e *docklinev1.EpochRange) bool {
		return e.GetEpoch() == epoch || e.GetPredecessor() == epoch || names(e.GetBefore(), epoch)
	})
}

// openFork keeps the fork and opens its case. One that was certain stays so.
func (i *Ingest) openFork(ctx context.Context, tx *db.Tx, site siteKey, f *fork) error {
	now := i.c.Now().UnixMicro()
	if err := nameMachines(ctx, tx, site, f); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO site_fork (tenant, site, epoch, other, certain, opened_at, heard_at, machines) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant, site) DO UPDATE SET epoch = excluded.epoch, other = excluded.other, heard_at = excluded.heard_at, machines = excluded.machines,
		certain = CASE WHEN site_fork.closed_at = 0 AND site_fork.certain = 1 THEN 1 ELSE excluded.certain END,
		opened_at = CASE WHEN site_fork.closed_at = 0 THEN site_fork.opened_at ELSE excluded.opened_at END, closed_at = 0`,
		site.tenant, site.site, f.epoch, f.other, f.certain, now, now, f.machines); err != nil {
		return err
	}
	var certain int64
	if err := tx.QueryRow(ctx, `SELECT certain FROM site_fork WHERE tenant = ? AND site = ?`, site.tenant, site.site).Scan(&certain); err != nil {
		return err
	}
	f.certain = certain != 0
	return i.report(ctx, tx, site.tenant, twinOrigin(site), []Exception{f.exception(site)})
}

func twinOrigin(s siteKey) string { return "ingest/twin/" + s.site }

func (f *fork) exception(site siteKey) Exception {
	e := Exception{Code: CodeForkedJournal, Subject: site.tenant + "/" + site.site, Class: technical, Site: site.site,
		Severity: docklinev1.Severity_SEVERITY_WARNING, Title: fmt.Sprintf("The journal of site %s forks", site.site),
		Text: fmt.Sprintf("An agent of site %s goes on from the same place of the journal as another one did before (epochs %.8s and %.8s). %sIts data folder was put back "+
			"from a copy, or taken to a second machine. Nothing is mixed up: each event counts once. If a second machine runs with a copy of that folder, stop its agent "+
			"there. This closes by itself when only one has spoken for an hour.", site.site, f.epoch, f.other, f.machines)}
	if f.certain {
		e.Code, e.Severity, e.Title = CodeTwoHosts, docklinev1.Severity_SEVERITY_ERROR, fmt.Sprintf("Two machines work as site %s", site.site)
		e.Text = fmt.Sprintf("Two agents with the data folder and certificate of site %s speak in turn (epochs %.8s and %.8s), each taking the other's connection. %sNothing is "+
			"mixed up or lost: each event counts once, and each machine keeps what it has not sent. Stop the agent on the machine that is not the site's own, after it has "+
			"sent what it holds, and give that machine an identity of its own: dockline-collector site add, dockline-agent enrol. This closes by itself when only one has "+
			"spoken for an hour.", site.site, f.epoch, f.other, f.machines)
	}
	return e
}

// sitesOf are keys for a lookup, in one order for all.
func sitesOf(alive map[siteKey]string) [][]any {
	var keys [][]any
	for s := range alive {
		keys = append(keys, []any{s.tenant, s.site})
	}
	slices.SortFunc(keys, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)))
	})
	return keys
}

// closeForks closes the forks of which nothing was seen for long, of the sites that have just said which epoch they write, and declares what
// went with the journal that is silent.
func (i *Ingest) closeForks(ctx context.Context, tx *db.Tx, alive map[siteKey]string) error {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "site_fork", Columns: []string{"tenant", "site", "heard_at"}, Key: []string{"tenant", "site"},
		Rows: sitesOf(alive), Where: "closed_at = 0"})
	if err != nil {
		return err
	}
	for _, row := range rows {
		site := siteKey{row[0].(string), row[1].(string)}
		if i.c.Now().Sub(time.UnixMicro(row[2].(int64))) < forkQuiet {
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE site_fork SET closed_at = ? WHERE tenant = ? AND site = ?`, i.c.Now().UnixMicro(), site.tenant, site.site); err != nil {
			return err
		}
		if err := i.report(ctx, tx, site.tenant, twinOrigin(site), nil); err != nil {
			return err
		}
		if err := i.buryTwin(ctx, tx, site, alive[site]); err != nil {
			return err
		}
	}
	return nil
}

// buryUnnamed declares what was in epochs that no Hello has ever named, of sites that have just said which epoch they write. An agent names a
// new epoch within a heartbeat; a Hello that came late says nothing of one that was begun since. So one that stays unnamed for longer than a
// message can be on its way was of a journal that is gone.
func (i *Ingest) buryUnnamed(ctx context.Context, tx *db.Tx, alive map[siteKey]string) error {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "epoch", Columns: []string{"tenant", "site", "epoch", "seen_at"}, Key: []string{"tenant", "site"}, Rows: sitesOf(alive),
		Where: "named = 0 AND complete = 0"})
	if err != nil {
		return err
	}
	var late []siteKey
	for _, row := range rows {
		site := siteKey{row[0].(string), row[1].(string)}
		if row[2].(string) != alive[site] && i.c.Now().Sub(time.UnixMicro(row[3].(int64))) >= forkQuiet {
			late = append(late, site)
		}
	}
	slices.SortFunc(late, func(a, b siteKey) int { return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.site, b.site)) })
	for _, site := range slices.Compact(late) {
		forked, err := tx.Lookup(ctx, db.Lookup{Table: "site_fork", Columns: []string{"epoch"}, Key: []string{"tenant", "site"}, Rows: [][]any{{site.tenant, site.site}}, Where: "closed_at = 0"})
		if err != nil {
			return err
		}
		if len(forked) > 0 {
			continue // the other journal may hold it
		}
		if err := i.buryOf(ctx, tx, site); err != nil {
			return err
		}
	}
	return nil
}

// buryOf declares what is missing of a site's unnamed epochs.
func (i *Ingest) buryOf(ctx context.Context, tx *db.Tx, site siteKey) error {
	open, err := openEpochsOf(ctx, tx, site)
	if err != nil {
		return err
	}
	var held []*docklinev1.EpochRange
	for _, s := range open {
		if !s.unnamed || i.c.Now().Sub(s.seenAt) < forkQuiet {
			held = append(held, &docklinev1.EpochRange{Epoch: s.epoch, LastSeq: maxSeq, Ranges: []*docklinev1.SeqRange{{First: 1, Last: maxSeq}}})
		}
	}
	if len(held) == 0 { // findLost asks for one: any that it does not know will do
		held = append(held, &docklinev1.EpochRange{LastSeq: maxSeq})
	}
	if err := i.findLost(ctx, tx, site, held, false); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE epoch SET named = 1 WHERE tenant = ? AND site = ? AND named = 0 AND seen_at <= ?`, site.tenant, site.site, i.c.Now().Add(-forkQuiet).UnixMicro())
	return err
}

// buryTwin takes for lost what only the journal had that is silent: as long as both were alive, what one did not hold the other did, and the
// one that is left says no Hello because the other has gone. What that holds itself, as of its last Hello, its next one settles. Its epochs
// are the newest from here on: a late word of the other may have come after them.
func (i *Ingest) buryTwin(ctx context.Context, tx *db.Tx, site siteKey, alive string) error {
	var seen int64
	err := tx.QueryRow(ctx, `SELECT seen_at FROM epoch WHERE tenant = ? AND site = ? AND epoch = ?`, site.tenant, site.site, alive).Scan(&seen)
	if errors.Is(err, sql.ErrNoRows) || err == nil && seen == 0 {
		return nil // it is not known from a Hello yet
	}
	if err != nil {
		return err
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "epoch", Columns: []string{"epoch", "predecessor", "predecessor_last_seq"}, Key: []string{"tenant", "site", "seen_at"},
		Rows: [][]any{{site.tenant, site.site, seen}}})
	if err != nil {
		return err
	}
	ends := make(map[string]uint64) // of the epochs that others of its follow, as those say
	for _, row := range rows {
		ends[row[1].(string)] = uint64(row[2].(int64))
	}
	var held []*docklinev1.EpochRange
	for _, row := range rows {
		end := ends[row[0].(string)]
		if end == 0 {
			end = maxSeq
		}
		held = append(held, &docklinev1.EpochRange{Epoch: row[0].(string), LastSeq: end, Ranges: []*docklinev1.SeqRange{{First: 1, Last: end}}})
	}
	held = append(held, &docklinev1.EpochRange{Epoch: alive, LastSeq: maxSeq, Ranges: []*docklinev1.SeqRange{{First: 1, Last: maxSeq}}}) // the newest stands last
	if err := i.findLost(ctx, tx, site, held, true); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE epoch SET seen_at = ?, complete = 0 WHERE tenant = ? AND site = ? AND seen_at = ?`, i.c.Now().UnixMicro(), site.tenant, site.site, seen)
	return err
}
