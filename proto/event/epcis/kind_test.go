package epcis_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/proto/event/eventtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// told are the samples of all kinds that have a form.
func told() []*docklinev1.Event {
	var found []*docklinev1.Event
	for _, kind := range eventtest.Kinds() {
		if epcis.HasForm(kind) && kind != docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED {
			found = append(found, eventtest.Sample(kind))
		}
	}
	return found
}

// Every kind that has an EPCIS form comes back from it as the same fact, and its form is the one that is on file.
//
// Shows: S39
func TestEveryKindComesBack(t *testing.T) {
	events := told()
	if len(events) < 35 {
		t.Fatalf("only %d kinds have a form", len(events))
	}
	for name, tenant := range map[string]*epcis.Tenant{"without numbers": plainTenant, "numbered": numbered} {
		for _, e := range events {
			t.Run(name+"/"+event.KindName(e.GetKind()), func(t *testing.T) {
				made, none := exporter(tenant).Events(e)
				if none != "" {
					t.Fatal(none)
				}
				text := document(t, made...)
				back := take(t, tenant, text)
				if len(back) != 1 {
					t.Fatalf("%d events came back: %v", len(back), back)
				}
				same(t, e, back[0])
				if tenant == numbered {
					golden(t, filepath.Join("kinds", event.KindName(e.GetKind())+".json"), text)
				}
			})
		}
	}
}

func golden(t *testing.T, name string, text []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s differs; the id of a fact once told must not change.\ngot:\n%s", name, b.Bytes())
	}
}

// What has been told under one id stays readable, and keeps its id.
func TestGoldenDocumentsAreStillRead(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("testdata", "kinds", "*.json"))
	if len(files) < 35 {
		t.Fatalf("%d golden files", len(files))
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range take(t, numbered, text) {
			if e.GetDeadLetter() != nil {
				t.Errorf("%s: %s", path, e.GetDeadLetter().GetText())
			}
		}
	}
}

// Every form is a valid document by GS1's schema, at sites that tell steps and at sites that tell the whole.
func TestEveryKindIsValidBySchema(t *testing.T) {
	s := schema(t)
	for _, tenant := range []*epcis.Tenant{plainTenant, wholeTenant, numbered} {
		for _, plain := range []bool{false, true} {
			x := exporter(tenant)
			x.Plain = plain
			for _, e := range told() {
				made, none := x.Events(e)
				if none != "" && tenant != wholeTenant {
					t.Fatal(none)
				}
				valid(t, s, document(t, made...))
			}
		}
	}
}
