package wmshttp

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sampleParts is the plugin's sample, with secrets that are there, and without certificates, which are not.
func sampleParts(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.ToSlash(filepath.Join(t.TempDir(), "secret"))
	if err := os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PARTNER_TOKEN", "0123456789abcdef")
	return []byte(strings.NewReplacer("/etc/dockline/http-wms.token", file, "/etc/dockline/wms.secret", file, "  ca: /etc/dockline/wms-ca.pem\n", "",
		"  tls: {certificate: /etc/dockline/http.crt, key: /etc/dockline/http.key, client_ca: /etc/dockline/senders-ca.pem}", "  cleartext: true").Replace(string(raw)))
}

// The sample is a configuration without a fault, fits the schema, and says every key that the schema has.
func TestSampleIsSoundAndComplete(t *testing.T) {
	raw := sampleParts(t)
	set, faults := load(raw)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if len(set.listen) != 2 || len(set.polls) != 4 || len(set.work) != 1 {
		t.Errorf("%d streams listened to, %d asked for, %d kinds of work", len(set.listen), len(set.polls), len(set.work))
	}
	var document any
	if err := yaml.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		t.Fatal(err)
	}
	of, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", of); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(parsed); err != nil {
		t.Errorf("the sample does not fit the schema: %v", err)
	}
	whole, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(node any)
	walk = func(node any) {
		o, ok := node.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := o["properties"].(map[string]any); ok {
			for key := range properties {
				if !strings.Contains(string(whole), key) {
					t.Errorf("the sample does not say %s", key)
				}
			}
		}
		for name, below := range o {
			if name != "$defs" {
				walk(below)
			}
		}
	}
	walk(of)
}

// Faults are told with their line and what to do, before anything is captured.
func TestFaultsSayWhereAndWhatToDo(t *testing.T) {
	const stream = `{name: a, kind: pick.confirmed, key: id, columns: {id: task, o: order, s: item, q: quantity, d: occurred_at}}`
	const asked = "zone: UTC\npoll:\n  url: http://wms.example\n  streams:\n    - "
	for name, test := range map[string]struct{ config, path, text string }{
		"nothing":             {"{}", "listen", "nothing is to be done"},
		"open to all":         {"zone: UTC\nlisten: {address: ':80', cleartext: true, streams: [" + stream + "]}", "listen.tokens", "give each sender a token"},
		"in the clear":        {"zone: UTC\nlisten: {address: ':80', streams: [" + stream + "]}", "listen.tls", "name a certificate"},
		"short token":         {"listen: {tokens: [{name: a, env: NO_SUCH_VARIABLE}]}", "listen.tokens[0]", "fewer than 16"},
		"no location number":  {"listen: {epcis: {}}", "listen.epcis.gln", "global location number"},
		"a wrong number":      {"listen: {epcis: {gln: '4012345000055'}}", "listen.epcis", "check digit"},
		"one path twice":      {"zone: UTC\nlisten:\n  streams:\n    - " + stream + "\n    - " + strings.Replace(stream, "name: a", "name: b, path: /events/a", 1), "listen.streams[1].path", "is the path of"},
		"no key":              {"zone: UTC\nlisten: {streams: [" + strings.Replace(stream, "key: id, ", "", 1) + "]}", "listen.streams[0].key", "no key"},
		"a path that is none": {"zone: UTC\nlisten: {streams: [" + strings.Replace(stream, "o: order", "'o..p': order", 1) + "]}", "listen.streams[0].columns", "no path"},
		"another time each":   {"zone: UTC\nlisten: {streams: [" + strings.Replace(stream, "d: occurred_at", "'@received_at': occurred_at", 1) + "]}", "listen.streams[0].columns.@received_at", "Idempotency-Key"},
		"one key for many":    {"zone: UTC\nlisten: {streams: [" + strings.Replace(stream, "key: id", "key: '@idempotency_key'", 1) + "]}", "listen.streams[0].key", "@index"},
		"taken back by post":  {"zone: UTC\nlisten: {streams: [" + strings.Replace(stream, "key: id", "deleted: 'true', key: id", 1) + "]}", "listen.streams[0].deleted", "poll"},
		"no address":          {"poll: {url: wms}", "poll.url", "https://wms.example/api"},
		"no items":            {asked + strings.Replace(stream, "name: a", "name: a, path: '\"/\"'", 1), "poll.streams[0].items", "is missing"},
		"wrong CEL":           {asked + strings.Replace(stream, "name: a", "name: a, items: body, path: '\"/\" + 1'", 1), "poll.streams[0].path", "column 5"},
		"wrong type":          {asked + strings.Replace(stream, "name: a", "name: a, items: '\"x\"', path: '\"/\"'", 1), "poll.streams[0].items", "wanted is list"},
		"two ways":            {asked + strings.Replace(stream, "name: a", "name: a, items: body, path: '\"/\"', next: body.n, pages: {style: next, next: body.n}", 1), "poll.streams[0].next", "write pages.next"},
		"short overlap":       {asked + strings.Replace(stream, "name: a", "name: a, items: body, path: '\"/\"', clock: {changed: 'timestamp(item.c)', id: item.i, size: 9, overlap: 1s, resolution: 1m}", 1), "poll.streams[0].clock.overlap", "never read"},
		"no secret":           {"poll: {url: 'http://x', auth: {user: u, password_file: /no/such/file}}", "poll.auth.password_file", "let the agent's service account read"},
		"two proofs":          {"poll: {url: 'http://x', auth: {bearer_file: /no/such, user: u}}", "poll.auth", "several ways"},
		"post without find":   {"commands: {url: 'http://x', cancel_order: {path: '\"/\"'}}", "commands.cancel_order.find", "do the work twice"},
		"no work":             {"commands: {url: 'http://x'}", "commands", "no work is handed over"},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := load([]byte(test.config))
			for _, f := range faults {
				if f.GetPath() == test.path && strings.Contains(f.GetText(), test.text) {
					return
				}
			}
			t.Errorf("wanted %s: ...%s...; there are %v", test.path, test.text, faults)
		})
	}
}

// A sample shows what would be told before anything is captured: what is sent to a stream, what a system answers, a document of EPCIS.
func TestTrySaysWhatWouldBeTold(t *testing.T) {
	p := New()
	for name, test := range map[string]struct {
		file, text     string
		events, faults int
	}{
		"records":   {"picks.json", `{"picks":[{"id":1,"version":1,"state":"DONE","order":{"number":"SO1"},"sku":"A","qty":1,"picked_at":"2026-07-04T08:00:00Z"},{"id":2,"state":"DONE","sku":"A"}]}`, 1, 1},
		"an answer": {"moves.json", `{"moves":[{"id":"M1","from":"A","to":"B","sku":"A","qty":1,"at":"2026-07-04T08:00:00Z"}]}`, 1, 0},
		"EPCIS": {"day.jsonld", `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-11-02T09:00:00Z","epcisBody":{"eventList":[
			{"type":"ObjectEvent","eventTime":"2026-11-02T08:00:00+01:00","eventTimeZoneOffset":"+01:00","epcList":["urn:epc:id:sscc:4012345.0000000333"],"action":"OBSERVE","bizStep":"encoding"}]}}`, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := p.Try(&docklinev1.TryRequest{Config: sampleParts(t), FileName: test.file, Sample: []byte(test.text)})
			if err != nil || len(out.GetEvents()) != test.events || len(out.GetFaults()) != test.faults {
				t.Errorf("%v, %v", out, err)
			}
		})
	}
	if _, err := p.Try(&docklinev1.TryRequest{Config: sampleParts(t), FileName: "other.json", Sample: []byte("{}")}); err == nil || !strings.Contains(err.Error(), "other") {
		t.Error(fmt.Sprint("a sample for no stream: ", err))
	}
}
