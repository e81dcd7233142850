package collector_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// Dead letters, overdue milestones, replayed keys and what postings took by their timing class are there for whoever alerts.
//
// Shows: S37, S42, S20
func TestMetricsCountWhatPeopleMustSee(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for i, state := range []string{"open", "open", "discarded"} {
				if _, err := tx.Exec(t.Context(), `INSERT INTO dead_letter (tenant, fold_key, event_id, site, source, code, class, order_number, since, state, settled_by, reason, corrected_by)
					VALUES ('acme', ?, 'e', 'dc-east', 'wms', 'a "code"', 2, '', ?, ?, '', '', '')`, fmt.Sprint(i), at.Add(time.Duration(i)*time.Minute).UnixMicro(), state); err != nil {
					return err
				}
			}
			for _, took := range [][]any{{100, 3, 0, 200}, {10000, 2, 1, 15000}, {0, 1, 1, 9000000}} {
				if _, err := tx.Exec(t.Context(), `INSERT INTO posting_timing (tenant, target, kind, site, class, bound, n, late, milliseconds) VALUES ('acme', 'erp', 'goods_issue', 'dc-east', 'synchronous', ?, ?, ?, ?)`,
					took...); err != nil {
					return err
				}
			}
			_, err := tx.Exec(t.Context(), `INSERT INTO replay (tenant, selection, phase, replayed, started_at, changed_at) VALUES ('acme', '{}', 'done', 7, 1, 1)`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		answer := httptest.NewRecorder()
		m := collector.NewMetrics(d, func() time.Time { return at.Add(time.Hour) }, slog.New(slog.DiscardHandler))
		m.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
		for _, line := range []string{`dockline_collector_dead_letters{tenant="acme",site="dc-east",code="a \"code\""} 2`, `oldest_seconds{tenant="acme",site="dc-east",code="a \"code\""} 3600`,
			`dockline_collector_replayed_keys_total{tenant="acme"} 7`,
			`dockline_collector_posting_seconds_bucket{tenant="acme",target="erp",kind="goods_issue",site="dc-east",class="synchronous",le="0.1"} 3`, `class="synchronous",le="5"} 3`,
			`class="synchronous",le="10"} 5`, `class="synchronous",le="+Inf"} 6`, `posting_seconds_sum{tenant="acme",target="erp",kind="goods_issue",site="dc-east",class="synchronous"} 9015.2`,
			`class="synchronous"} 6`, `posting_late_total{tenant="acme",target="erp",kind="goods_issue",site="dc-east",class="synchronous"} 2`, "# TYPE dockline_collector_milestones_overdue gauge"} {
			if !strings.Contains(answer.Body.String(), line) {
				t.Errorf("no line %q in\n%s", line, answer.Body)
			}
		}
	})
}

// A large fleet does not make a series for each of its sites: what postings took is then told of all together.
//
// Shows: S42
func TestMetricsOfALargeFleetAreFew(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		const sites = 501
		at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			known := db.Insert{Table: "site", Columns: []string{"tenant", "id", "created_at"}}
			took := db.Insert{Table: "posting_timing", Columns: []string{"tenant", "target", "kind", "site", "class", "bound", "n", "late", "milliseconds"}}
			for i := range sites {
				name := fmt.Sprint("site-", i)
				known.Rows = append(known.Rows, []any{"acme", name, at.UnixMicro()})
				took.Rows = append(took.Rows, []any{"acme", "erp", "goods_issue", name, "synchronous", 100, 2, 1, 60})
			}
			if err := tx.InsertAll(t.Context(), known); err != nil {
				return err
			}
			return tx.InsertAll(t.Context(), took)
		})
		if err != nil {
			t.Fatal(err)
		}
		answer := httptest.NewRecorder()
		collector.NewMetrics(d, func() time.Time { return at }, slog.New(slog.DiscardHandler)).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
		text := answer.Body.String()
		for _, line := range []string{`posting_seconds_bucket{tenant="acme",target="erp",kind="goods_issue",site="",class="synchronous",le="0.1"} 1002`,
			`posting_late_total{tenant="acme",target="erp",kind="goods_issue",site="",class="synchronous"} 501`} {
			if !strings.Contains(text, line) {
				t.Errorf("no line %q in\n%.2000s", line, text)
			}
		}
		if n := strings.Count(text, "\n"); n > 200 {
			t.Errorf("%d lines for %d sites", n, sites)
		}
	})
}
