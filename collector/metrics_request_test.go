package collector

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/remote"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// chatty makes a request for each call, and two for a look.
type chatty struct{ *connectortest.Memory }

func (c chatty) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	for range 2 {
		if err := connector.Pace(ctx); err != nil {
			return nil, err
		}
	}
	return c.Memory.Find(ctx, p)
}

func (c chatty) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	if err := connector.Pace(ctx); err != nil {
		return connector.Result{}, err
	}
	return c.Memory.Apply(ctx, p)
}

// What each system is asked is counted by what for, and told beside the events that came in meanwhile: those before the collector began count for
// nothing.
//
// Shows: S26
func TestRequestsAreCountedBesideEvents(t *testing.T) {
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := func(from, n int) {
		t.Helper()
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			for i := range n {
				at := from + i
				if _, err := tx.Exec(t.Context(), `INSERT INTO event (log_offset, tenant, partition_key, id, site, source, kind, subject, epoch, epoch_ordinal, seq, occurred_at, recorded_at, body)
					VALUES (?, 'acme', 'k', ?, '', 'erp', 1, 's', '', 0, 0, 0, 0, ?)`, at, fmt.Sprint(at), []byte{1}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	events(1, 3)
	m := &Collector{config: &Config{}, log: slog.New(slog.DiscardHandler), db: d, clock: time.Now}
	m.connectors = []*system{{config: ConnectorConfig{Name: "erp", Tenant: "acme"}, connector: chatty{&connectortest.Memory{}}}, {config: ConnectorConfig{Name: "crm", Tenant: "acme"}, connector: &connectortest.Memory{}}}
	govern(m.connectors, m.now, m.share)
	page, err := m.newMetrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	page.(*metrics).asked.systems[1].program = func() remote.Stats { return remote.Stats{Pid: 7, Starts: 3} }
	p := &connector.Posting{Tenant: "acme", Kind: connector.InvoiceTrigger, Key: "SO1", Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: "SO1"}}}}
	for range 3 {
		if _, err := m.connectors[0].governed.Find(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.connectors[0].governed.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	events(4, 10)
	answer := httptest.NewRecorder()
	page.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		"dockline_collector_events_total 13\n",
		`dockline_collector_target_requests_total{tenant="acme",target="erp",call="find"} 6` + "\n",
		`dockline_collector_target_requests_total{tenant="acme",target="erp",call="apply"} 1` + "\n",
		`dockline_collector_target_requests_total{tenant="acme",target="erp",call="changes"} 0` + "\n",
		`dockline_collector_target_requests_per_1000_events{tenant="acme",target="erp"} 700.0` + "\n",
		`dockline_collector_target_requests_per_1000_events{tenant="acme",target="crm"} 0.0` + "\n",
		`dockline_collector_program_up{tenant="acme",target="crm"} 1` + "\n",
		`dockline_collector_program_starts_total{tenant="acme",target="crm"} 3` + "\n",
	} {
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("does not say %q:\n%s", want, answer.Body)
		}
	}
}
