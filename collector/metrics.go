package collector

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/deadletter"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/replay"
	"github.com/dockline/dockline/collector/retention"
)

// metrics answers GET /metrics in the text form of Prometheus.
type metrics struct {
	db  *db.DB
	now func() time.Time
	log *slog.Logger
	// asked is nil where nobody knows what systems were asked.
	asked *asked
}

func (m *metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var text strings.Builder
	err := m.db.Read(r.Context(), func(tx *db.Tx) error {
		text.Reset()
		return m.write(r.Context(), tx, &text)
	})
	if err != nil {
		m.log.Warn("metrics", "err", err)
		http.Error(w, "the database does not answer; the collector's log says why", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(text.String())) // who hung up does not want it
}

func (m *metrics) write(ctx context.Context, tx *db.Tx, text *strings.Builder) error {
	family := func(name, kind, help string) {
		fmt.Fprintf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	letters, err := deadletter.Counts(ctx, tx, "")
	if err != nil {
		return err
	}
	family("dockline_collector_dead_letters", "gauge", "Refused records that nobody has settled.")
	for _, c := range letters {
		fmt.Fprintf(text, "dockline_collector_dead_letters%s %d\n", labels("tenant", c.Tenant, "site", c.Site, "code", c.Code), c.Open)
	}
	family("dockline_collector_dead_letter_oldest_seconds", "gauge", "Age of the oldest of them.")
	for _, c := range letters {
		fmt.Fprintf(text, "dockline_collector_dead_letter_oldest_seconds%s %.0f\n", labels("tenant", c.Tenant, "site", c.Site, "code", c.Code), max(0, m.now().Sub(c.Oldest).Seconds()))
	}
	replayed, err := replay.Replayed(ctx, tx)
	if err != nil {
		return err
	}
	family("dockline_collector_replayed_keys_total", "counter", "Keys that replays have folded again.")
	var tenants []string
	for tenant := range replayed {
		tenants = append(tenants, tenant)
	}
	slices.Sort(tenants)
	for _, tenant := range tenants {
		fmt.Fprintf(text, "dockline_collector_replayed_keys_total%s %d\n", labels("tenant", tenant), replayed[tenant])
	}
	overdue, err := milestone.Overdue(ctx, tx)
	if err != nil {
		return err
	}
	family("dockline_collector_milestones_overdue", "gauge", "Milestones that ran past their due and are not reached.")
	for _, o := range overdue {
		fmt.Fprintf(text, "dockline_collector_milestones_overdue%s %d\n", labels("tenant", o.Tenant, "region", o.Region, "site", o.Site, "milestone", o.Name), o.Count)
	}
	if err := m.master(ctx, tx, text, family); err != nil {
		return err
	}
	if err := m.archiving(ctx, tx, text, family); err != nil {
		return err
	}
	if m.asked != nil {
		if err := m.asked.write(ctx, tx, text, family); err != nil {
			return err
		}
	}
	return m.postings(ctx, tx, text, family)
}

// master is how far sites and systems are behind with master data, of the tenants that have any.
func (m *metrics) master(ctx context.Context, tx *db.Tx, text *strings.Builder, family func(name, kind, help string)) error {
	tenants, err := tx.Texts(ctx, `SELECT tenant FROM master_top ORDER BY tenant`)
	if err != nil || len(tenants) == 0 {
		return err
	}
	var behind, age, refused strings.Builder
	for _, tenant := range tenants {
		s, err := master.Lag(ctx, tx, tenant, m.now(), time.Time{})
		if err != nil {
			return err
		}
		for _, part := range []struct {
			what string
			rows []master.Behind
		}{{"site", s.Sites}, {"target", s.Targets}} {
			for _, b := range part.rows {
				of := labels("tenant", tenant, part.what, b.Name)
				fmt.Fprintf(&behind, "dockline_collector_master_behind%s %d\n", of, b.Behind)
				waits := 0.0
				if !b.Since.IsZero() {
					waits = max(0, m.now().Sub(b.Since).Seconds())
				}
				fmt.Fprintf(&age, "dockline_collector_master_behind_seconds%s %.0f\n", of, waits)
			}
		}
		for _, o := range s.Sources {
			fmt.Fprintf(&refused, "dockline_collector_master_refused%s %d\n", labels("tenant", tenant, "source", o.Name, "kind", o.Kind), o.Refused)
		}
	}
	family("dockline_collector_master_behind", "gauge", "Changes of master data that a site or a system does not have.")
	text.WriteString(behind.String())
	family("dockline_collector_master_behind_seconds", "gauge", "For how long the first of them waits.")
	text.WriteString(age.String())
	family("dockline_collector_master_refused", "gauge", "Records of a system that could not be taken.")
	text.WriteString(refused.String())
	return nil
}

// archiving is how the runs that archive ended.
func (m *metrics) archiving(ctx context.Context, tx *db.Tx, text *strings.Builder, family func(name, kind, help string)) error {
	last, well, err := retention.LastRuns(ctx, tx)
	if err != nil {
		return err
	}
	family("dockline_collector_retention_failed", "gauge", "1 where the last run that archives has failed.")
	for _, tenant := range slices.Sorted(maps.Keys(last)) {
		failed := 0
		if last[tenant].State == retention.Failed {
			failed = 1
		}
		fmt.Fprintf(text, "dockline_collector_retention_failed%s %d\n", labels("tenant", tenant), failed)
	}
	family("dockline_collector_retention_last_success_timestamp_seconds", "gauge", "When the last run that archives ended well.")
	for _, tenant := range slices.Sorted(maps.Keys(well)) {
		fmt.Fprintf(text, "dockline_collector_retention_last_success_timestamp_seconds%s %d\n", labels("tenant", tenant), well[tenant].EndedAt.Unix())
	}
	return nil
}

// sitesApart is up to how many sites histograms are told by site: each site has a dozen series for each kind of document, and a monitor that is to
// keep a hundred thousand of them keeps none well. With more sites they are told together, without a name in site.
const sitesApart = 500

// postings are what postings took by their timing class, and how many wait now.
func (m *metrics) postings(ctx context.Context, tx *db.Tx, text *strings.Builder, family func(name, kind, help string)) error {
	var sites int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM site`).Scan(&sites); err != nil {
		return err
	}
	took, err := posting.Histograms(ctx, tx, sites <= sitesApart)
	if err != nil {
		return err
	}
	const name = "dockline_collector_posting_seconds"
	family(name, "histogram", "From when a posting was wanted, or its hour, to when the system confirmed it.")
	var late strings.Builder
	for _, h := range took {
		of := []string{"tenant", h.Tenant, "target", h.Target, "kind", string(h.Kind), "site", h.Site, "class", string(h.Class)}
		n := int64(0)
		for i, bound := range posting.TookBounds {
			n += h.Counts[i]
			fmt.Fprintf(text, "%s_bucket%s %d\n", name, labels(append(of, "le", strconv.FormatFloat(bound.Seconds(), 'g', -1, 64))...), n)
		}
		fmt.Fprintf(text, "%s_bucket%s %d\n%s_sum%s %g\n%s_count%s %d\n", name, labels(append(of, "le", "+Inf")...), h.N, name, labels(of...), h.Sum.Seconds(), name, labels(of...), h.N)
		fmt.Fprintf(&late, "dockline_collector_posting_late_total%s %d\n", labels(of...), h.Late)
	}
	family("dockline_collector_posting_late_total", "counter", "Postings that took longer than their class allows.")
	text.WriteString(late.String())
	tenants, err := view.Tenants(ctx, tx)
	if err != nil {
		return err
	}
	var waiting, overdue strings.Builder
	for _, tenant := range tenants {
		list, err := posting.Timings(ctx, tx, tenant, m.now(), m.now())
		if err != nil {
			return err
		}
		for _, w := range list {
			of := labels("tenant", tenant, "target", w.Target, "kind", string(w.Kind), "class", string(w.Class))
			fmt.Fprintf(&waiting, "dockline_collector_posting_waiting%s %d\n", of, w.Waiting)
			fmt.Fprintf(&overdue, "dockline_collector_posting_overdue%s %d\n", of, w.Overdue)
		}
	}
	family("dockline_collector_posting_waiting", "gauge", "Postings that may be sent and are not confirmed.")
	text.WriteString(waiting.String())
	family("dockline_collector_posting_overdue", "gauge", "Of these, those that have waited longer than their class allows.")
	text.WriteString(overdue.String())
	return nil
}

// labels are names and values, the values as the text form writes them.
func labels(pairs ...string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pairs[i]+`="`+escape.Replace(pairs[i+1])+`"`)
	}
	return "{" + strings.Join(list, ",") + "}"
}
