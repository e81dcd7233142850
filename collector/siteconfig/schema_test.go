package siteconfig_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/ingest"
	"github.com/dockline/dockline/collector/siteconfig"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// doubling is a schema of a few lines by which one value is looked at 2^50 times.
func doubling() string {
	parts := []string{`"d0": {"type": "string"}`}
	for i := 1; i <= 50; i++ {
		parts = append(parts, fmt.Sprintf(`"d%d": {"allOf": [{"$ref": "#/$defs/d%d"}, {"$ref": "#/$defs/d%d"}]}`, i, i-1, i-1))
	}
	return `{"$defs": {` + strings.Join(parts, ", ") + `}, "$ref": "#/$defs/d50"}`
}

// What one site says that its plugins take decides of its own tenant's configurations only; a schema that cannot be used, or that is made to
// keep the centre busy, decides of nothing; and the schema of a plugin of ours does.
func TestSchemasThatAreMadeToHarm(t *testing.T) {
	own, err := os.ReadFile("../../plugins/wms-file/wmsfile/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		takes, err := ingest.New(t.Context(), ingest.Config{DB: d, Log: &eventlog.Log{DB: d}})
		if err != nil {
			t.Fatal(err)
		}
		f := &fleet.Fleet{DB: d}
		number := uint64(0)
		say := func(tenant, schema string) {
			t.Helper()
			number++
			h := &docklinev1.Heartbeat{Tenant: tenant, Site: "dc", Session: "s", Online: true, Number: number, SentAt: timestamppb.Now(),
				Plugins: []*docklinev1.PluginHealth{{Id: "wms", Name: "wms-file", Version: "1", State: "running"}},
				Schemas: []*docklinev1.PluginSchema{{Name: "wms-file", Version: "1", JsonSchema: schema}, {Name: "ä" + strings.Repeat("ü", 150) + "\x00", Version: "\x00", JsonSchema: "{}"}}}
			payload, err := proto.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := takes.Handle(t.Context(), []wire.Message{{Topic: wire.UpTopic(tenant, "dc", wire.Status), Payload: payload}}); err != nil {
				t.Fatal(err)
			}
		}
		for _, tenant := range []string{"acme", "other"} {
			if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: tenant, ID: "dc"}); err != nil {
				t.Fatal(err)
			}
		}
		store := &siteconfig.Store{DB: d}
		check := func() string {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			return fmt.Sprint(store.CheckSections(ctx, "acme", "", "plugins:\n- id: wms\n  config: {nonsense: 1}\n"))
		}
		say("acme", string(own))
		right := check()
		if !strings.Contains(right, "nonsense") {
			t.Fatalf("by the schema of the plugin: %s", right)
		}
		for _, schema := range []string{"false", doubling(), `{"type": 7}`, `{"$ref": "file:///etc/passwd"}`} {
			say("other", schema)
			if got := check(); got != right {
				t.Errorf("after another tenant's site said %.40s: %s", schema, got)
			}
		}
		for _, schema := range []string{doubling(), `{"type": 7}`, `{"$ref": "file:///etc/passwd"}`, `{"$dynamicRef": "#x"}`, `{"$ref": "#"}`, `{"properties": {"a": {"$ref": "#"}}}`} {
			say("acme", schema)
			if got := check(); got != "<nil>" {
				t.Errorf("a schema that cannot be used, %.40s: %s", schema, got)
			}
		}
	})
}
