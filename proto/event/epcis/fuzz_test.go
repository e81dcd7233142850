package epcis_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/proto/event/epcis"
)

// A stranger's EPCIS document is read event by event: whatever stands in it, each event comes with what it is or why it is none.
func FuzzRead(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	nested, err := filepath.Glob("testdata/*/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for i, name := range append(samples, nested...) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if i < 12 && len(text) < 20_000 {
			f.Add(text)
		}
	}
	f.Add([]byte(`{"@context":"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld","type":"EPCISDocument","schemaVersion":"2.0","epcisBody":{"eventList":[{"type":"ObjectEvent","eventTime":"2026-11-24T08:00:00Z","eventTimeZoneOffset":"+00:00","action":"OBSERVE","epcList":["urn:epc:id:sscc:0614141.1234567890"]}]}}`))
	f.Add([]byte(`{"epcisBody":{"event":{"type":"`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		_ = epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
			if c == nil {
				t.Fatal("nothing was captured")
			}
			return nil
		})
	})
}
