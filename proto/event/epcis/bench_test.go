package epcis_test

import (
	"bytes"
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/proto/event/eventtest"
)

func BenchmarkWrite(b *testing.B) {
	e := eventtest.Sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED)
	x := exporter(numbered)
	for b.Loop() {
		made, _ := x.Events(e)
		if _, err := made[0].MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	made, _ := exporter(numbered).Events(eventtest.Sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED))
	text := document(b, made...)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		im := importer(numbered)
		if err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
			if im.Take(c)[0].GetPick() == nil {
				b.Fatal("no pick")
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}
