package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/remote"
)

// programVariable has this test binary be a connector's program: one with a system in memory.
const programVariable = "DOCKLINE_TEST_PROGRAM"

func init() {
	if os.Getenv(programVariable) == "" {
		return
	}
	remote.Serve(remote.Program{Name: "ledger", Version: "2.1.0", Schema: `{"type": "object", "required": ["book"], "properties": {"book": {"type": "string"}}}`,
		Open: func(_ context.Context, c remote.Config) (connector.Connector, error) {
			if c.Secrets["password"] != "s3cret" || strings.Contains(strings.Join(append(os.Environ(), os.Args...), " "), "s3cret") {
				return nil, errors.New("the password is not where it belongs")
			}
			return traced{&connectortest.Memory{Settle: time.Second}}, nil
		}})
}

// traced shows a request of its own for each probe.
type traced struct{ *connectortest.Memory }

func (m traced) Probe(ctx context.Context) (connector.Metadata, error) {
	if err := connector.Pace(ctx); err != nil {
		return connector.Metadata{}, err
	}
	if show := connector.Tracer(ctx); show != nil {
		show(connector.Exchange{Method: "ASK", URL: "ledger://main", Status: 200, Answer: "here I am", Took: time.Millisecond})
	}
	return m.Memory.Probe(ctx)
}

// A connector that is a program of its own is tried as any other: its requests are seen, its secrets are not, and what is wrong with its
// configuration is said with its name, field and line.
//
// Shows: S1, S68
func TestAProgramIsTried(t *testing.T) {
	dir := filled(t)
	before, err := os.ReadFile(filepath.Join(dir, "collector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("password", "s3cret\n")
	document := write("issue.json", `{"goods_issue": {"order": "SO1"}}`)
	configure := func(config string) {
		write("collector.yaml", string(before)+fmt.Sprintf(`  - name: ledger
    tenant: acme
    kind: process
    role: crm
    settings:
      command: %s
      env: {%s: "1"}
      secrets: {password: %s}
      start_timeout: 2m
      config: %s
`, self, programVariable, filepath.Join(dir, "password"), config))
	}
	configure("{book: main}")
	for _, tc := range []struct {
		line string
		code int
		says []string
	}{
		{"ledger --stock dc-east --changes", exitFine, []string{"Probe", "ASK ledger://main", "here I am", "it is memory", "no changes"}},
		{"ledger --document " + document, exitFine, []string{"Find", "no document carries the reference"}},
		{"ledger --document " + document + " --apply --reason first --by " + admin, exitFine, []string{"Apply", "goods_issue M00001 was read back"}},
	} {
		out, said, code := command(t, dir, append(strings.Fields("connector try --timeout 2m --tenant acme"), strings.Fields(tc.line)...)...)
		for _, want := range tc.says {
			if code != tc.code || !strings.Contains(out+said, want) || strings.Contains(out+said, "s3cret") {
				t.Errorf("%s: code %d, does not say %q: %s%s", tc.line, code, want, out, said)
			}
		}
	}
	configure("{book: 7}")
	out, said, code := command(t, dir, strings.Fields("connector try --tenant acme ledger")...)
	for _, want := range []string{"ledger (settings from line ", "config.book", "want string", "program ledger 2.1.0"} {
		if code != exitWrong || !strings.Contains(out+said, want) {
			t.Errorf("code %d, does not say %q: %s%s", code, want, out, said)
		}
	}
}
