package http_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// A system that is asked by a definition how its records are made: an update that takes a field away, adds one that must be given, and knows another
// status is told before anything fails by it.
//
// Shows: S71
func TestASystemTellsHowItsRecordsAreMade(t *testing.T) {
	w := openERP(t, sandbox.Faults{}, connectorhttp.Config{})
	was, err := connector.ShapeOf(t.Context(), w.connector)
	if err != nil || len(was) < 20 || !was["goods_issue.order"].Required {
		t.Fatalf("%d fields, %+v, %v", len(was), was["goods_issue.order"], err)
	}
	w.server.ChangeSchema("invoice.goods_issue", nil)
	w.server.ChangeSchema("goods_issue.carrier_code", &erp.SchemaField{Type: "string", Required: true})
	w.server.ChangeSchema("sales_order.status", &erp.SchemaField{Type: "string", Required: true, Values: []string{"cancelled", "held", "open", "shipped"}})
	now, err := connector.ShapeOf(t.Context(), w.connector)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]connector.Change{}
	for _, c := range now.Since(was) {
		got[c.Field] = c
	}
	if len(got) != 3 || !got["invoice.goods_issue"].Breaks || !got["goods_issue.carrier_code"].Breaks || got["sales_order.status"].Breaks || !strings.Contains(got["sales_order.status"].Text, "held") {
		t.Errorf("%v", got)
	}
}

// A definition without the section tells nothing, and one whose expression gives something else says where.
func TestAShapeThatCannotBeRead(t *testing.T) {
	w := openERP(t, sandbox.Faults{}, connectorhttp.Config{})
	text, err := os.ReadFile("definitions/sandbox-erp.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const section = "shape:\n  path: '\"/api/schema\"'\n  fields: 'body.fields'\n"
	for instead, says := range map[string]string{"": "", strings.Replace(section, "body.fields", "body.fields.map(f, f.name)", 1): "shape.fields"} {
		file := filepath.Join(t.TempDir(), "erp.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), section, instead, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		c := open(t, connectorhttp.Config{URL: w.web.URL(), Definition: file})
		shape, err := connector.ShapeOf(t.Context(), c)
		if says == "" && (shape != nil || err != nil) || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v, %v", instead, shape, err)
		}
	}
}
