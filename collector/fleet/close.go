package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// DayState is where the close of one site and day stands.
type DayState string

const (
	// DayOpen: the day is not over at the site, or the site has not told of its end. It moves on when the site speaks.
	DayOpen DayState = "open"
	// DayWaiting: the day is over; something of it is still on its way to the log, to a fold or to a posting. It moves on by itself.
	DayWaiting DayState = "waiting"
	// DayClosed: captured, logged and folded agree, or what is missing is declared, and everything is posted or with a person.
	DayClosed DayState = "closed"
	// DayDifference: the numbers do not agree and nothing explains it. An exception is open until they do.
	DayDifference DayState = "difference"
)

// Day is the account of one site and day, by when the site's host recorded the events, UTC.
type Day struct {
	Tenant, Site, Date string
	State              DayState
	// Captured is what the site's journal accepted, Refused the dead letters among it.
	Captured, Refused int64
	// Logged is what the log has of the day. Again were captured a second time, as by a source that was read again, and are one event
	// in the log; Lost are missing and declared so.
	Logged, Again, Lost int64
	// Unfolded, Pending and Parked are events of the log: not folded yet, on their way into a system, or with a person. The rest is
	// confirmed or needs no document.
	Unfolded, Pending, Parked int64
	// Unexplained is Captured without Logged, Again and Lost; below zero the log has more than the journal counted.
	Unexplained int64
	// Accepted is what of it a person has accepted, AcceptedFor why.
	Accepted    int64
	AcceptedFor string
	// Reason says in a sentence why the day is in this state; Remedy what to do, "" where there is nothing.
	Reason, Remedy string
	CheckedAt      time.Time
	ClosedAt       time.Time

	// end is when the day ends; overSince whether the site has said so.
	end        time.Time
	over       bool
	place      Place
	putBack    bool
	wasClosed  bool
	wasState   DayState
	wasReason  string
	wasCounts  [8]int64
	closedOnce time.Time
}

// Settled is what is neither pending nor parked: confirmed, or nothing to post.
func (d *Day) Settled() int64 { return max(0, d.Logged-d.Pending-d.Parked) }

// Place is a place in a site's journal.
type Place struct {
	Tenant, Site, Epoch string
	Seq                 int64
}

const (
	// closeDays is how many days are held against each other; the journal counts as many.
	closeDays = 40
	// pendingGrace is how long after its end what is not posted of a day is no difference yet.
	pendingGrace = 6 * time.Hour
)

func (d *Day) counts() [8]int64 {
	return [8]int64{d.Captured, d.Logged, d.Again, d.Refused, d.Lost, d.Unfolded, d.Pending, d.Parked}
}

// judge decides the state from the counts. settled says that nothing of the site's journal up to the day's last count is on its way.
func (d *Day) judge(now time.Time, settled bool) {
	d.Unexplained = d.Captured - d.Logged
	d.Reason, d.Remedy = "", ""
	switch {
	case d.place.Epoch == "":
		d.State, d.Unexplained = DayOpen, 0
		d.Reason = "The site's agent does not say how many events it accepted that day: it is older than that, or has not spoken since."
		return
	case !d.over:
		d.State, d.Unexplained = DayOpen, 0
		d.Reason = "The day is not over at the site, or the site has not been heard since."
		return
	case !settled:
		d.State, d.Unexplained = DayWaiting, 0
		d.Reason = "Events that the site captured before the end of the day are still on their way to the log."
		return
	}
	explained := min(max(d.Unexplained, 0), d.Again)
	d.Unexplained -= explained
	d.Lost = min(max(d.Unexplained, 0), d.Lost)
	d.Unexplained -= d.Lost
	if d.Unexplained < 0 && d.putBack {
		d.Unexplained = 0
		d.Reason = "The site's journal was put back to an older state and counts less than it sent; the log has everything. "
	}
	if d.Accepted != 0 && d.Accepted == d.Unexplained {
		d.Reason += fmt.Sprintf("A person has accepted a difference of %d: %s. ", d.Accepted, d.AcceptedFor)
		d.Unexplained = 0
	}
	switch {
	case d.Unexplained > 0:
		d.State = DayDifference
		d.Reason = fmt.Sprintf("The site accepted %s that day, the log has %d of them: %s missing, and no declared loss explains it.",
			events(uint64(d.Captured)), d.Logged+explained+d.Lost, plural(d.Unexplained, "is", "are"))
		d.Remedy = fmt.Sprintf("Have the sources of that day read again (dockline-collector site command reread %s --tenant %s --since %sT00:00:00Z --plugin ID), and compare with the site's own records of that day. When all is told again, or is known to be gone, say so: dockline-collector site close %[1]s --tenant %[2]s --date %[3]s --accept WHY.",
			d.Site, d.Tenant, d.Date)
		return
	case d.Unexplained < 0:
		d.State = DayDifference
		d.Reason = fmt.Sprintf("The log has %s of that day that the site's journal did not count: it counted %d, the log has %d. Nothing is missing, but somebody else may speak for this site.",
			events(uint64(-d.Unexplained)), d.Captured, d.Logged)
		d.Remedy = "See whether a second machine works with the site's identity, or whether its data folder was put back from a copy."
		return
	case d.Unfolded > 0:
		d.State = DayWaiting
		d.Reason += fmt.Sprintf("%s not folded into orders and stock yet.", plural(d.Unfolded, "is", "are"))
		if now.Sub(d.end) > pendingGrace {
			d.State, d.Remedy = DayDifference, "See the collector's log: folding does not get on."
		}
		return
	case d.Pending > 0:
		d.State = DayWaiting
		d.Reason += fmt.Sprintf("%s neither confirmed by the system of record nor with a person yet.", plural(d.Pending, "is", "are"))
		if now.Sub(d.end) > pendingGrace {
			d.State, d.Remedy = DayDifference, "See the console's page Postings for what waits, and whether the system of record can be reached."
		}
		return
	}
	d.State = DayClosed
	d.Reason += d.summary(explained)
}

func (d *Day) summary(again int64) string {
	parts := []string{fmt.Sprintf("%d captured, %d logged and folded", d.Captured, d.Logged)}
	for _, p := range []struct {
		n    int64
		text string
	}{{again, "captured a second time"}, {d.Lost, "declared lost"}, {d.Parked, "with a person"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.text))
		}
	}
	return strings.Join(parts, ", ") + "; the rest is confirmed or needs no document."
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 event " + one
	}
	return fmt.Sprintf("%d events %s", n, many)
}

// exception is the case of a day whose numbers do not agree.
func (d *Day) exception() Exception {
	return Exception{Code: "daily_close", Subject: d.Site + " " + d.Date, Site: d.Site, Title: fmt.Sprintf("The close of %s for %s does not agree", d.Site, d.Date),
		Text: fmt.Sprintf("%s Captured %d (%d of them dead letters), logged %d, captured again %d, declared lost %d; not folded %d, not posted %d, with a person %d. %s This closes by itself when the numbers agree.",
			d.Reason, d.Captured, d.Refused, d.Logged, d.Again, d.Lost, d.Unfolded, d.Pending, d.Parked, d.Remedy)}
}

func (d *Day) origin() string { return "fleet/close/" + d.Site + "/" + d.Date }

// Days returns the account of days as of the last comparison, the newest first: of one site, or of all of a tenant where site is "", and of
// one date, or all where date is "".
func (f *Fleet) Days(ctx context.Context, tenant, site, date string) ([]*Day, error) {
	var days []*Day
	err := f.DB.Read(ctx, func(tx *db.Tx) (err error) {
		days, err = readDays(ctx, tx, tenant, site, date, false)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("daily close: %w", err)
	}
	for _, d := range days {
		d.Unexplained = 0
		switch {
		case d.wasState != "":
			d.State, d.Reason = d.wasState, d.wasReason
			if d.State == DayDifference {
				d.Unexplained = d.Captured - d.Logged - d.Lost
				d.Unexplained -= min(max(d.Unexplained, 0), d.Again)
				if d.Unexplained == d.Accepted {
					d.Unexplained = 0
				}
			}
		case d.over:
			d.State, d.Reason = DayWaiting, "The comparison has not been made yet."
		default:
			d.judge(f.now(), false)
		}
	}
	slices.SortStableFunc(days, func(a, b *Day) int { return strings.Compare(b.Date, a.Date) })
	return days, nil
}

// AcceptDay takes a person's word that the difference of a day is known and will stay, and closes it with the next comparison.
// record, within the same transaction, keeps who said so.
func (f *Fleet) AcceptDay(ctx context.Context, tenant, site, date, why string, record func(*db.Tx) error) error {
	days, err := f.Days(ctx, tenant, site, date)
	if err != nil {
		return err
	}
	if len(days) != 1 || days[0].State != DayDifference || days[0].Unexplained == 0 {
		return fmt.Errorf("daily close of %s for %s: %w", site, date, ErrNoDifference)
	}
	return f.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE site_day_close SET accepted = ?, accepted_for = ? WHERE tenant = ? AND site = ? AND day = ?`, days[0].Unexplained, why, tenant, site, date); err != nil {
			return err
		}
		return record(tx)
	})
}

// readDays joins what the site said, what the log has, and what the last comparison came to. work leaves out days that are closed and have
// not moved since.
func readDays(ctx context.Context, tx *db.Tx, tenant, site, date string, work bool) ([]*Day, error) {
	rows, err := tx.Query(ctx, `SELECT k.tenant, k.site, k.day, coalesce(s.accepted + s.base, 0), coalesce(s.refused, 0), coalesce(s.base, 0), coalesce(s.epoch, ''), coalesce(s.last_seq, 0),
		coalesce(l.logged, 0), coalesce(l.again, 0), coalesce(p.said_at, 0),
		c.state, coalesce(c.captured, 0), coalesce(c.logged, 0), coalesce(c.again, 0), coalesce(c.refused, 0), coalesce(c.lost, 0), coalesce(c.unfolded, 0), coalesce(c.pending, 0), coalesce(c.parked, 0),
		coalesce(c.reason, ''), coalesce(c.remedy, ''), coalesce(c.accepted, 0), coalesce(c.accepted_for, ''), coalesce(c.checked_at, 0), coalesce(c.closed_at, 0)
		FROM (SELECT tenant, site, day FROM site_day_said UNION SELECT tenant, site, day FROM site_day_log) k
		LEFT JOIN site_day_said s ON s.tenant = k.tenant AND s.site = k.site AND s.day = k.day
		LEFT JOIN site_day_log l ON l.tenant = k.tenant AND l.site = k.site AND l.day = k.day
		LEFT JOIN site_day_close c ON c.tenant = k.tenant AND c.site = k.site AND c.day = k.day
		LEFT JOIN presence p ON p.tenant = k.tenant AND p.site = k.site
		WHERE (? = '' OR k.tenant = ?) AND (? = '' OR k.site = ?) AND (? = '' OR k.day = ?)
		AND (? = 0 OR c.state IS NULL OR c.state <> 'closed' OR c.captured <> coalesce(s.accepted + s.base, 0) OR c.logged <> coalesce(l.logged, 0) OR c.again <> coalesce(l.again, 0))
		ORDER BY k.tenant, k.site, k.day`, tenant, tenant, site, site, date, date, flag(work))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var days []*Day
	for rows.Next() {
		d := &Day{}
		var base, said, checked, closed int64
		var state *string
		w := &d.wasCounts
		if err := rows.Scan(&d.Tenant, &d.Site, &d.Date, &d.Captured, &d.Refused, &base, &d.place.Epoch, &d.place.Seq, &d.Logged, &d.Again, &said,
			&state, &w[0], &w[1], &w[2], &w[3], &w[4], &w[5], &w[6], &w[7], &d.wasReason, &d.Remedy, &d.Accepted, &d.AcceptedFor, &checked, &closed); err != nil {
			return nil, err
		}
		begin, err := time.Parse(time.DateOnly, d.Date)
		if err != nil {
			continue // no site of ours says such a day
		}
		d.end = begin.AddDate(0, 0, 1)
		d.over, d.putBack = d.place.Epoch != "" && said >= d.end.UnixMicro(), base > 0
		d.place.Tenant, d.place.Site = d.Tenant, d.Site
		d.CheckedAt, d.ClosedAt = fromMicros(checked), fromMicros(closed)
		d.closedOnce = d.ClosedAt
		if state != nil {
			d.wasState, d.wasClosed = DayState(*state), *state == string(DayClosed)
			d.Lost, d.Unfolded, d.Pending, d.Parked = w[4], w[5], w[6], w[7]
		}
		days = append(days, d)
	}
	return days, rows.Err()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
