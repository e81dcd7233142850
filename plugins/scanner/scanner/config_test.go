package scanner

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The sample is sound by the schema as well as by the code.
func TestTheSampleFitsTheSchema(t *testing.T) {
	sampleSetup(t)
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("scanner.json", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("scanner.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := yaml.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(decoded)
	if err != nil {
		t.Fatal(err)
	}
	sample, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(sample); err != nil {
		t.Error(err)
	}
}

// The README's example is one that can be taken as it is.
func TestTheExampleOfTheREADME(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "        config:\n")
	example, _, found := strings.Cut(rest, "\n\n`sample.yaml`")
	if !found {
		t.Fatal("the README has lost its example")
	}
	if _, faults := load([]byte(strings.ReplaceAll("\n"+example, "\n          ", "\n"))); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestFaultsNameTheirLine(t *testing.T) {
	for _, c := range []struct{ change, to, path, text string }{
		{"flow: pack", "flow: pakc", "inputs[1].flow", "there is no flow"},
		{"take: {order: group.1, order_line: group.2}", "take: {order: group.3}", "flows[0].states.order.on[0].take.order", "no group 3"},
		{"'^BIN-([A-Z0-9-]+)$', take: {bin: group.1}, next: item", "'^BIN-(', take: {bin: group.1}, next: item", "flows[0].states.bin.on[0].pattern", "no pattern"},
		{"ai: \"01\", take: {gtin: ai.01, lot: ai.10, expires_at", "ai: \"05\", take: {gtin: ai.01, lot: ai.10, expires_at", "flows[0].states.item.on[0].ai", "no application identifier"},
		{"next: quantity}\n          - {symbology", "next: quantiy}\n          - {symbology", "flows[0].states.item.on[0].next", "no state"},
		{"kind: pick.confirmed", "kind: pick.done", "flows[0].events.picked.kind", "not known"},
		{"listen: \":4001\"", "listen: \"4001\"", "inputs[0].tcp", "no address"},
		{"row[\"code\"].startsWith(\"ITM\")", "code == 1", "flows[0].states.item.on[1].when", "expression"},
		{"missing: warn", "missing: complain", "inputs[0].labels.missing", "ignore, warn or refuse"},
		{"restart: keep", "restart: maybe", "restart", "keep or drop"},
		{"double_scan: 800ms\n    states:\n      order:\n", "double_scan: 2h\n    states:\n      order:\n", "flows[0].double_scan", "not between"},
	} {
		text, err := os.ReadFile("../sample.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), c.change) {
			t.Fatalf("the sample has no %q", c.change)
		}
		_, faults := load([]byte(strings.Replace(string(text), c.change, c.to, 1)))
		found := false
		for _, f := range faults {
			found = found || f.GetPath() == c.path && strings.Contains(f.GetText(), c.text) && f.GetLine() > 0
		}
		if !found {
			t.Errorf("%s: %v", c.to, faults)
		}
	}
}

// A sample file shows what would be told, and what a reader would hear.
func TestTry(t *testing.T) {
	config, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := New()
	tried, err := p.Try(&docklinev1.TryRequest{Config: config, FileName: "dock.txt",
		Sample: []byte("# a pick\nSO7\nBIN-A-01\n]C1010401234567890110A7<GS>17261231\n3\n]E04012345678902\n")})
	if err != nil {
		t.Fatal(err)
	}
	if len(tried.GetEvents()) != 1 || tried.GetEvents()[0].GetOrigin() != "dock.txt:5" || len(tried.GetFaults()) != 1 || tried.GetFaults()[0].GetLine() != 6 {
		t.Errorf("events %v, faults %v", tried.GetEvents(), tried.GetFaults())
	}
	if _, err := p.Try(&docklinev1.TryRequest{Config: config}); err == nil {
		t.Error("without a sample nothing was refused")
	}
}

func FuzzConfig(f *testing.F) {
	text, err := os.ReadFile("../sample.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("inputs: [{id: a}]\nflows: [{name: b, states: {c: {on: [{}]}}}]"))
	f.Fuzz(func(t *testing.T, config []byte) {
		s, faults := load(config)
		if (s == nil) != (len(faults) > 0) {
			t.Errorf("faults %v and a setup: %v", faults, s != nil)
		}
	})
}

var _ plugins.Source = (*Plugin)(nil)
