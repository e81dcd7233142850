package http_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
)

// specFile reads a published contract; without it there is nothing to test against.
func specFile(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("DOCKLINE_SPECS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "specs")
	}
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if os.IsNotExist(err) {
		t.Skipf("%s is not there; DOCKLINE_SPECS names its folder", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Out of two vendors' contracts, in JSON and in YAML, a definition is begun that loads, with the operations that were named, those that fit best
// where none was, and what is known of the posting in its body.
//
// Shows: S1
func TestScaffoldOfPublishedContracts(t *testing.T) {
	for name, tc := range map[string]struct {
		file  string
		s     connectorhttp.Scaffold
		wants []string
	}{
		"square": {"vendor/square/inventory-orders-locations.openapi.json", connectorhttp.Scaffold{System: "square", Kinds: []connector.Kind{connector.OrderCreate, connector.StockAdjustment},
			Operations: map[string]string{"probe": "ListLocations", "order_create.find": "SearchOrders", "stock_adjust.find": "BatchRetrieveInventoryChanges", "stock_adjust.create": "BatchChangeInventory"}},
			[]string{`probe: # ListLocations`, `path: '"/v2/locations"'`, "# SearchOrders", "items: 'body.orders'", "item.reference_id == posting.key", "- # CreateOrder", `"idempotency_key": posting.key`,
				`"location_id": posting.order_create.site`, "posting.order_create.lines.map(l, {", `path: '"/v2/inventory/changes/batch-create"'`, "OAuth 2 with a person's consent"}},
		"chosen by name": {"vendor/square/inventory-orders-locations.openapi.json", connectorhttp.Scaffold{System: "square"}, []string{"kinds:", "order_create:", "# CreateOrder", "stock_adjust:"}},
		"business central": {"vendor/business-central/BCOAS1.0.yaml", connectorhttp.Scaffold{System: "bc", Kinds: []connector.Kind{connector.OrderCreate}},
			[]string{"order_create:", "salesOrders", "body.value", "externalDocumentNumber"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := tc.s.Write(filepath.Base(tc.file), specFile(t, tc.file))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.wants {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %s", want)
				}
			}
			if t.Failed() {
				head, _, _ := strings.Cut(string(out), "# What else there is")
				t.Logf("%s", head)
			}
			if _, err := connectorhttp.Parse("again.yaml", out); err != nil {
				t.Error(err)
			}
		})
	}
}

// A document that is none, a kind and an operation that there are not, are told with what there is.
func TestScaffoldSaysWhatIsWrong(t *testing.T) {
	const small = `{"openapi": "3.0.3", "info": {"title": "Small: '1' # x\nsystem: y"}, "paths": {"/things": {
		"get": {"operationId": "ListThings", "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": {"properties": {"in": {"type": "string"}}}}}}}}},
		"post": {"operationId": "MakeThing\n  break: out", "requestBody": {"content": {"application/json": {"schema": {"type": "object", "required": ["a-b", "x"], "properties": {"a-b": {"type": "string"}, "x": {"$ref": "#/components/schemas/X"}}}}}}}}},
		"components": {"schemas": {"X": {"type": "object", "required": ["self"], "properties": {"self": {"$ref": "#/components/schemas/X"}}}}}}`
	for name, tc := range map[string]struct {
		text string
		s    connectorhttp.Scaffold
		want string
	}{
		"no document":   {"a: [", connectorhttp.Scaffold{System: "x"}, "neither JSON nor YAML"},
		"swagger":       {`{"swagger": "2.0"}`, connectorhttp.Scaffold{System: "x"}, "no OpenAPI 3 document"},
		"nothing fits":  {small, connectorhttp.Scaffold{System: "x"}, "--operation KIND.find=ID"},
		"no kind":       {small, connectorhttp.Scaffold{System: "x", Kinds: []connector.Kind{"refund"}}, "is no kind of posting"},
		"no operation":  {small, connectorhttp.Scaffold{System: "x", Operations: map[string]string{"probe": "Ping"}}, `no operation "Ping"; it has ListThings`},
		"no use":        {small, connectorhttp.Scaffold{System: "x", Operations: map[string]string{"goods_issue.delete": "ListThings"}}, "is nothing that an operation is for"},
		"kind unfound":  {small, connectorhttp.Scaffold{System: "x", Kinds: []connector.Kind{connector.GoodsIssue}}, "--operation goods_issue.find=ID"},
		"names that do": {small, connectorhttp.Scaffold{System: "x", Operations: map[string]string{"goods_issue.find": "ListThings", "goods_issue.create": "MakeThing\n  break: out"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := tc.s.Write("small.json", []byte(tc.text))
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(out), "\nsystem: y") || strings.Contains(string(out), "\n  break: out") {
					t.Errorf("a text of the document became more than a comment:\n%s", out)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("not told: %s; told: %v", tc.want, err)
			}
		})
	}
}
