package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/export"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/cloudevent"
	"github.com/dockline/dockline/proto/event/eventtest"
	"github.com/dockline/dockline/testenv"
)

// fill appends events as they come, and gives them their offsets.
func fill(t *testing.T, d *db.DB, events ...*docklinev1.Event) *eventlog.Log {
	t.Helper()
	log := &eventlog.Log{DB: d, Keys: func(e *docklinev1.Event) []eventlog.Touch {
		if order := event.OrderOf(e); order != "" {
			return []eventlog.Touch{{Key: event.OrderKey(order), Event: e}}
		}
		return nil
	}}
	appendAll(t, d, log, events...)
	return log
}

// appendAll appends events, and gives them their offsets.
func appendAll(t *testing.T, d *db.DB, log *eventlog.Log, events ...*docklinev1.Event) {
	t.Helper()
	recorded := make([]eventlog.Recorded, len(events))
	for i, e := range events {
		recorded[i].Event = e
		if e.GetSite() != "" {
			recorded[i].Epoch, recorded[i].EpochOrdinal, recorded[i].Seq = fmt.Sprintf("%032x", 1), 1, uint64(i+1)
		}
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := log.Append(t.Context(), tx, recorded); return err }); err != nil {
		t.Fatal(err)
	}
	sequencer := &eventlog.Sequencer{DB: d, Holder: "test"}
	for n := 1; n > 0; {
		var err error
		if n, err = sequencer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// told is the sample of each kind with an id of its own, in order of kinds.
func told() []*docklinev1.Event {
	var events []*docklinev1.Event
	for i, kind := range eventtest.Kinds() {
		e := eventtest.Sample(kind)
		e.Id, e.Traceparent, e.CorrelationId, e.CausationId, e.SourceKey = "", "", "", "", fmt.Sprintf("row/%d", i)
		e.OccurredAt = timestamppb.New(e.OccurredAt.AsTime().Add(time.Duration(i) * time.Minute))
		if strings.HasPrefix(event.KindName(kind), "invoice.") {
			e.Site, e.Source = "", "tryton"
		}
		event.Restore(e)
		events = append(events, e)
	}
	return events
}

// Every kind reaches the log and leaves it as a CloudEvent that tells the same event. Shows: S39
func TestEveryKindLeavesAsACloudEvent(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		events := told()
		log := fill(t, d, events...)
		for _, format := range []string{"cloudevents", "cloudevents-batch"} {
			var out bytes.Buffer
			done, err := export.Write(t.Context(), &out, log, eventlog.Selection{Tenant: "acme"}, export.Formats[format]())
			if err != nil || done.Written != len(events) || done.LeftOut != 0 || done.Upto != uint64(len(events)) {
				t.Fatalf("%s: %+v, %v", format, done, err)
			}
			made := decode(t, format, out.Bytes())
			if len(made) != len(events) {
				t.Fatalf("%s: %d of %d events", format, len(made), len(events))
			}
			for i, m := range made {
				e, at, err := m.Dockline()
				if err != nil {
					t.Fatal(err)
				}
				e.CorrelationId, events[i].CorrelationId = "", "" // the log gives it
				if !proto.Equal(e, events[i]) || at.Offset != uint64(i+1) || at.RecordedAt.IsZero() {
					t.Errorf("%s: offset %d: %v\nwant %v", format, at.Offset, e, events[i])
				}
			}
		}
	})
}

func decode(t *testing.T, format string, out []byte) (made []*cloudevent.Event) {
	t.Helper()
	if format == "cloudevents-batch" {
		if err := json.Unmarshal(out, &made); err != nil {
			t.Fatal(err)
		}
		return made
	}
	for line := range bytes.Lines(out) {
		e := &cloudevent.Event{}
		if err := json.Unmarshal(line, e); err != nil {
			t.Fatal(err)
		}
		made = append(made, e)
	}
	return made
}

// offsets are those of an export in Dockline's own form.
func offsets(t *testing.T, log *eventlog.Log, s eventlog.Selection) (found []uint64) {
	t.Helper()
	var out bytes.Buffer
	s.Tenant = "acme"
	if _, err := export.Write(t.Context(), &out, log, s, export.Formats["jsonl"]()); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out.Bytes()) {
		var l struct {
			Offset uint64
			Event  map[string]any
		}
		if err := json.Unmarshal(line, &l); err != nil || l.Event["id"] == "" {
			t.Fatalf("%s: %v", line, err)
		}
		found = append(found, l.Offset)
	}
	return found
}

func TestASelectionGivesWhatItNames(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		events := told()
		log := fill(t, d, events...)
		want := func(keep func(i int, e *docklinev1.Event) bool) (all []uint64) {
			for i, e := range events {
				if keep(i, e) {
					all = append(all, uint64(i+1))
				}
			}
			return all
		}
		began := events[0].OccurredAt.AsTime()
		picks, _ := export.Kinds([]string{"pick.*"})
		for name, c := range map[string]struct {
			s    eventlog.Selection
			keep func(i int, e *docklinev1.Event) bool
		}{
			"all":    {eventlog.Selection{}, func(int, *docklinev1.Event) bool { return true }},
			"offset": {eventlog.Selection{After: 3, Upto: 7}, func(i int, _ *docklinev1.Event) bool { return i >= 3 && i < 7 }},
			"time": {eventlog.Selection{Since: began.Add(2 * time.Minute), Before: began.Add(5 * time.Minute)},
				func(i int, _ *docklinev1.Event) bool { return i >= 2 && i < 5 }},
			"site":   {eventlog.Selection{Sites: []string{"dc-east"}}, func(_ int, e *docklinev1.Event) bool { return e.Site == "dc-east" }},
			"centre": {eventlog.Selection{Sites: []string{""}}, func(_ int, e *docklinev1.Event) bool { return e.Site == "" }},
			"kind":   {eventlog.Selection{Kinds: picks}, func(_ int, e *docklinev1.Event) bool { return e.GetPick() != nil }},
			"order": {eventlog.Selection{Keys: []string{event.OrderKey("SO00017")}},
				func(_ int, e *docklinev1.Event) bool { return event.OrderOf(e) == "SO00017" }},
			"nothing": {eventlog.Selection{After: 10_000}, func(int, *docklinev1.Event) bool { return false }},
		} {
			got, expected := offsets(t, log, c.s), want(c.keep)
			if !slices.Equal(got, expected) {
				t.Errorf("%s: %v, want %v", name, got, expected)
			}
			if name != "nothing" && len(got) == 0 {
				t.Errorf("%s selects nothing: the test shows nothing", name)
			}
		}
		var out bytes.Buffer
		if done, err := export.Write(t.Context(), &out, log, eventlog.Selection{Tenant: "other"}, export.Formats["cloudevents-batch"]()); err != nil || done.Written != 0 {
			t.Errorf("another tenant: %+v, %v", done, err)
		}
		if empty := decode(t, "cloudevents-batch", out.Bytes()); len(empty) != 0 {
			t.Errorf("another tenant: %s", out.String())
		}
	})
}

// Pages meet without a gap or a double, and what is appended while an export runs is left to the next.
func TestPagesMeet(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		var events []*docklinev1.Event
		for i := range 257 {
			e := eventtest.Sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED)
			e.Id, e.Traceparent, e.CorrelationId, e.SourceKey = "", "", "", fmt.Sprintf("row/%d", i)
			event.Restore(e)
			events = append(events, e)
		}
		log := fill(t, d, events[:256]...)
		growing := &growing{more: func() { fill(t, d, events[256]) }}
		done, err := export.Write(t.Context(), io.Discard, log, eventlog.Selection{Tenant: "acme"}, growing)
		if err != nil || done.Written != 256 || done.Upto != 256 {
			t.Fatalf("%+v, %v", done, err)
		}
		for i, offset := range growing.seen {
			if offset != uint64(i+1) {
				t.Fatalf("event %d has offset %d", i, offset)
			}
		}
		if done, err = export.Write(t.Context(), io.Discard, log, eventlog.Selection{Tenant: "acme", After: done.Upto}, export.Formats["jsonl"]()); err != nil || done.Written != 1 {
			t.Errorf("the next export: %+v, %v", done, err)
		}
	})
}

// growing is a form that makes the log grow as it writes.
type growing struct {
	more func()
	seen []uint64
}

func (g *growing) Header(io.Writer) error { g.more(); return nil }
func (g *growing) Footer(io.Writer) error { return nil }
func (g *growing) Event(_ io.Writer, e eventlog.Entry) (bool, error) {
	g.seen = append(g.seen, e.Offset)
	return true, nil
}

func TestAFullDiskIsTold(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		log := fill(t, d, told()...)
		full := errors.New("no space left on device")
		if _, err := export.Write(t.Context(), failing{full}, log, eventlog.Selection{Tenant: "acme"}, export.Formats["cloudevents"]()); !errors.Is(err, full) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := export.Write(ctx, io.Discard, log, eventlog.Selection{Tenant: "acme"}, export.Formats["cloudevents"]()); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestKindsAreNamedOrAllOfAnObject(t *testing.T) {
	for pattern, want := range map[string]int{"pick.confirmed": 1, "pick.*": 3, "transport.*": 5, "credit_memo.*": 1} {
		if got, err := export.Kinds([]string{pattern}); err != nil || len(got) != want {
			t.Errorf("%s: %v, %v", pattern, got, err)
		}
	}
	for _, pattern := range []string{"*", "pick", "pick*", "", "pick.nothing"} {
		if got, err := export.Kinds([]string{pattern}); err == nil {
			t.Errorf("%q: %v", pattern, got)
		}
	}
}
