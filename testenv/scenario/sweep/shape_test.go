package sweep_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/shape"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// TestAnUpdateOfTheERPIsSeenBeforeAPostingFails: an ERP that is updated wants a field that nobody sends, and has lost one that is read. That is one case
// of the team that keeps the connectors, which names both; it closes when somebody accepts it, or when the update is taken back.
//
// Shows: S71
func TestAnUpdateOfTheERPIsSeenBeforeAPostingFails(t *testing.T) {
	server, err := erp.New(erp.Config{Dir: t.TempDir(), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	web := sandbox.NewServer("127.0.0.1:0", server)
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { web.Stop(); server.Close() })
	dir := t.TempDir()
	path := filepath.Join(dir, "collector.yaml")
	text := fmt.Sprintf("data_dir: %q\nconnectors:\n  - {name: erp, tenant: main, kind: http, role: system_of_record, settings: {url: %q, definition: sandbox-erp}}\n", dir, web.URL())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := collector.LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	w, done, err := collector.OpenShapes(t.Context(), config, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	}()
	look := func() []exception.Exception {
		t.Helper()
		if err := w.Look(t.Context(), w.Targets[0]); err != nil {
			t.Fatal(err)
		}
		return open(t, w)
	}
	if found := look(); len(found) != 0 {
		t.Fatalf("the first look opens %+v", found)
	}
	server.ChangeSchema("goods_issue.carrier_code", &erp.SchemaField{Type: "string", Required: true})
	server.ChangeSchema("invoice.goods_issue", nil)
	look()
	found := look() // said twice, it is one case
	if len(found) != 1 || found[0].Code != shape.Code || found[0].Target != "erp" || found[0].Severity != docklinev1.Severity_SEVERITY_ERROR || found[0].Team == "" ||
		!strings.Contains(found[0].Text, "goods_issue.carrier_code is new, and must be given") || !strings.Contains(found[0].Text, "invoice.goods_issue is gone") {
		t.Fatalf("after the update: %+v", found)
	}
	t.Log(found[0].Title + ": " + found[0].Text)
	server.ChangeSchema("goods_issue.carrier_code", nil)
	if found := look(); len(found) != 1 || strings.Contains(found[0].Text, "carrier_code") {
		t.Errorf("with one of them taken back: %+v", found)
	}
	if _, err := collector.AcceptShape(t.Context(), w, "main", "erp", "ines", "the connector reads it elsewhere now"); err != nil {
		t.Fatal(err)
	}
	if found := look(); len(found) != 0 {
		t.Errorf("accepted: %+v", found)
	}
}

func open(t *testing.T, w *shape.Watch) (found []exception.Exception) {
	t.Helper()
	err := w.DB.Read(t.Context(), func(tx *db.Tx) (err error) {
		found, err = exception.List(t.Context(), tx, "main", exception.Filter{Unresolved: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
