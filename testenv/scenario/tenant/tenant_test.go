// Package tenant_test shows that tenants of one collector do not mix.
package tenant_test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// TestTwoTenantsDoNotMix runs two companies on one collector. Their sites have one name and their ERPs number orders alike, so that
// whatever were told apart by anything but the tenant would meet: each agrees with its own docks, ERP and CRM; the API tells each of
// its own only; every row belongs to one; and a site's certificate opens no topic of the other tenant.
//
// Shows: S80
func TestTwoTenantsDoNotMix(t *testing.T) {
	first := worldtest.Open(t, world.Config{Seed: 12, Sites: []string{world.FileSite}})
	second := worldtest.Join(t, first, world.Config{Tenant: "acme", Seed: 13, Sites: []string{world.FileSite}})
	companies := []*world.World{first, second}
	for _, w := range companies {
		worldtest.Orders(t, w, 8)
	}
	for _, w := range companies {
		worldtest.Settle(t, w, 5*time.Minute)
	}
	t.Run("orders of one number", func(t *testing.T) { ordersOfOneNumber(t, first, second) })
	t.Run("API", func(t *testing.T) { answers(t, first, second) })
	t.Run("topics and certificates", func(t *testing.T) { topics(t, first, second) })
	t.Run("rows", func(t *testing.T) { rows(t, first, second) })
}

// ordersOfOneNumber compares what both tenants call SO100001 and so on.
func ordersOfOneNumber(t *testing.T, first, second *world.World) {
	var seen []string
	for _, w := range []*world.World{first, second} {
		truth, err := w.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(truth.Orders) != 8 || truth.Orders[0].Number != "SO100001" {
			t.Fatalf("%d orders from %+v: they do not have the same numbers", len(truth.Orders), truth.Orders[0])
		}
		for _, o := range truth.Orders {
			track, err := w.Track(t.Context(), o.Number)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range track.Events {
				if e.Event.Tenant != w.Config.Tenant || slices.Contains(seen, e.ID) {
					t.Errorf("%s, order %s: event %s of tenant %q", w.Config.Tenant, o.Number, e.ID, e.Event.Tenant)
				}
				seen = append(seen, e.ID)
			}
			for _, p := range track.Postings {
				if own := strings.HasSuffix(p.Target, "-acme"); own != (w.Config.Tenant == "acme") {
					t.Errorf("%s, order %s: a posting to %s", w.Config.Tenant, o.Number, p.Target)
				}
			}
		}
	}
}

// answers asks every list for either tenant, for none, and for one that is not there.
func answers(t *testing.T, first, second *world.World) {
	lists := map[string]string{"sites": "", "events": "limit=1000", "orders": "", "postings": "limit=1000", "exceptions": "", "stock": "limit=1000",
		"receipts": "limit=1000&site=" + world.FileSite, "orders/SO100001": ""}
	for list, query := range lists {
		body := map[string]string{}
		for _, w := range []*world.World{first, second} {
			status, text := ask(t, first, list+"?"+query+"&tenant="+w.Config.Tenant)
			if status != http.StatusOK {
				t.Errorf("%s of %s: %d %s", list, w.Config.Tenant, status, text)
			}
			for _, tenant := range tenantsIn(t, text) {
				if tenant != w.Config.Tenant {
					t.Errorf("%s of %s speaks of tenant %q", list, w.Config.Tenant, tenant)
				}
			}
			body[w.Config.Tenant] = text
		}
		if list != "exceptions" && body["main"] == body["acme"] {
			t.Errorf("%s is the same for both: %.200s", list, body["main"])
		}
		if status, text := ask(t, first, list+"?"+query); status != http.StatusBadRequest || !strings.Contains(text, "tenant=") {
			t.Errorf("%s of nobody in particular: %d %s", list, status, text)
		}
		if status, _ := ask(t, first, list+"?"+query+"&tenant=nobody"); status != http.StatusNotFound {
			t.Errorf("%s of a tenant that is not there: %d", list, status)
		}
	}
}

func ask(t *testing.T, w *world.World, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.ConsoleURL+"api/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// tenantsIn finds every value of a field "tenant", however deep.
func tenantsIn(t *testing.T, text string) []string {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	var found []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, below := range v {
				if tenant, ok := below.(string); ok && name == "tenant" {
					found = append(found, tenant)
				}
				walk(below)
			}
		case []any:
			for _, below := range v {
				walk(below)
			}
		}
	}
	walk(tree)
	return found
}

// global are the tables that belong to the collector itself (as its policy does, which is one for all tenants, and its accounts at systems, which tenants
// may share), and those whose only key is a hash that
// holds the tenant, or the number of a row that has it.
var global = []string{"account_rest", "account_share", "digest_fact", "digest_group", "goose_db_version", "lease", "listener", "member", "meta", "policy_approval", "policy_folder", "policy_proposal", "record_first", "record_later", "replay_key", "sweep_document", "sweep_finding",
	"sqlite_sequence"}

// rows looks into the database: every table of business has a tenant in each row, and those that a day fills have rows of both.
func rows(t *testing.T, first, second *world.World) {
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(first.Config.Dir, "collector", "collector.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	tables := column(t, d, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	both := 0
	for _, table := range tables {
		if slices.Contains(global, table) {
			continue
		}
		if !slices.Contains(column(t, d, `SELECT name FROM pragma_table_info('`+table+`')`), "tenant") {
			t.Errorf("table %s has no tenant", table)
			continue
		}
		tenants := column(t, d, `SELECT DISTINCT tenant FROM `+table+` ORDER BY tenant`)
		for _, tenant := range tenants {
			if tenant != first.Config.Tenant && tenant != second.Config.Tenant {
				t.Errorf("table %s has a row of tenant %q", table, tenant)
			}
		}
		if len(tenants) == 2 {
			both++
		}
	}
	if both < 12 {
		t.Errorf("only %d of %d tables have rows of both", both, len(tables))
	}
}

func column(t *testing.T, d *db.DB, query string) (found []string) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		found = nil
		rows, err := tx.Query(t.Context(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			found = append(found, text)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return found
}
