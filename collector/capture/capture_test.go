package capture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/capture"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/proto/event/eventtest"
	"github.com/dockline/dockline/testenv"
)

var tenant = &epcis.Tenant{Name: "acme", Sites: map[string]epcis.Site{"dc-east": {GLN: "4012345000054", Steps: true}}}

func importer() *epcis.Importer {
	return &epcis.Importer{Tenant: tenant, Source: "partner", File: "day.jsonld", Received: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// opened is a capture into a database of its own, and the log to look into.
func opened(d *db.DB) (*capture.Capture, *eventlog.Log) {
	log := &eventlog.Log{DB: d}
	return &capture.Capture{DB: d, Batch: 3, Bring: func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (int, int, []*docklinev1.Event, error) {
		b, err := log.Bring(ctx, tx, events)
		return b.Taken, b.Known, b.Differing, err
	}}, log
}

// all is every event of the log, by id.
func all(t *testing.T, d *db.DB, log *eventlog.Log) map[string]eventlog.Entry {
	t.Helper()
	sequencer := &eventlog.Sequencer{DB: d, Holder: "test"}
	for n := 1; n > 0; {
		var err error
		if n, err = sequencer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]eventlog.Entry{}
	if err := log.Each(t.Context(), eventlog.Selection{Tenant: "acme"}, func(e eventlog.Entry) error {
		found[e.Event.GetId()] = e
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// exported are samples of all kinds that have a form, with ids of their own, and the document of them.
func exported(t *testing.T) ([]*docklinev1.Event, []byte) {
	t.Helper()
	x := epcis.Exporter{Tenant: func(string) *epcis.Tenant { return tenant }}
	var b bytes.Buffer
	w, err := epcis.NewWriter(&b, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var events []*docklinev1.Event
	for i, kind := range eventtest.Kinds() {
		e := eventtest.Sample(kind)
		e.Id, e.Traceparent, e.SourceKey = "", "", fmt.Sprintf("row/%d", i)
		event.Restore(e)
		made, none := x.Events(e)
		if none != "" {
			continue
		}
		events = append(events, e)
		for _, o := range made {
			if err := w.Write(o); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return events, b.Bytes()
}

// What one Dockline exported another takes in as the same facts; a second time nothing changes. Shows: A13
func TestAnExportIsTakenInOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c, log := opened(d)
		events, text := exported(t)
		done, err := c.EPCIS(t.Context(), bytes.NewReader(text), importer())
		if err != nil || done.Taken != len(events) || done.Known != 0 || done.Refused != 0 {
			t.Fatalf("%+v, %v", done, err)
		}
		found := all(t, d, log)
		for _, e := range events {
			got := found[e.GetId()].Event
			if !bytes.Equal(event.BodyHash(got), event.BodyHash(e)) || got.GetSite() != e.GetSite() || got.GetSource() != e.GetSource() {
				t.Errorf("%s is in the log as %v", event.KindName(e.GetKind()), got)
			}
		}
		again, err := c.EPCIS(t.Context(), bytes.NewReader(text), importer())
		if err != nil || again.Taken != 0 || again.Known != len(events) || len(all(t, d, log)) != len(found) {
			t.Errorf("taken in again: %+v, %v", again, err)
		}
	})
}

// What the site's own journal told keeps its place, and its content where a document says something else. Shows: A13
func TestADocumentNeverOutranksTheSite(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c, log := opened(d)
		events, text := exported(t)
		mine, other := events[0], proto.CloneOf(events[1])
		other.Actor = "somebody else"
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := log.Append(t.Context(), tx, []eventlog.Recorded{{Event: mine, Epoch: strings.Repeat("0", 31) + "1", EpochOrdinal: 4, Seq: 7},
				{Event: other, Epoch: strings.Repeat("0", 31) + "1", EpochOrdinal: 4, Seq: 8}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			done, err := c.EPCIS(t.Context(), bytes.NewReader(text), importer())
			if err != nil || done.Refused != 1 || len(done.Reasons) != 1 || !strings.Contains(done.Reasons[0], other.GetId()) {
				t.Fatalf("%+v, %v", done, err)
			}
			found := all(t, d, log)
			if e := found[mine.GetId()]; e.EpochOrdinal != 4 || e.Seq != 7 {
				t.Errorf("the event of the journal is now at %d, %d", e.EpochOrdinal, e.Seq)
			}
			if e := found[other.GetId()]; e.Event.GetActor() != "somebody else" || e.Seq != 8 {
				t.Errorf("the site's own event became %v", e.Event)
			}
			if len(found) != len(events)+1 {
				t.Errorf("%d events in the log, want %d and the refused one", len(found), len(events))
			}
		}
	})
}

// A partner's document: what is understood becomes an event, the rest is kept and says where it stood and why. Shows: A13
func TestAPartnersDocument(t *testing.T) {
	const document = `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-11-02T09:00:00Z",
		"epcisBody":{"eventList":[
		{"type":"ObjectEvent","eventTime":"2026-11-02T08:00:00+01:00","eventTimeZoneOffset":"+01:00","epcList":["urn:epc:id:sscc:4012345.0000000333"],
		 "quantityList":[{"epcClass":"urn:epc:class:lgtin:4012345.012345.998877","quantity":200,"uom":"KGM"}],"action":"OBSERVE","bizStep":"receiving","disposition":"in_progress",
		 "readPoint":{"id":"urn:epc:id:sgln:4012345.00005.0"},"bizTransactionList":[{"type":"po","bizTransaction":"urn:epcglobal:cbv:bt:4012345000009:PO-7"}]},
		{"type":"ObjectEvent","eventID":"urn:uuid:1","eventTime":"2026-11-02T08:00:00+01:00","eventTimeZoneOffset":"+01:00","epcList":["urn:epc:id:sscc:4012345.0000000333"],"action":"OBSERVE","bizStep":"encoding"},
		{"type":"ObjectEvent","eventID":"urn:uuid:1","eventTime":"2026-11-02T08:00:00+01:00","eventTimeZoneOffset":"+01:00","epcList":["urn:epc:id:sscc:4012345.0000000333"],"action":"OBSERVE","bizStep":"encoding",
		 "errorDeclaration":{"declarationTime":"2026-11-02T09:00:00Z","reason":"incorrect_data"}}]}}`
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c, log := opened(d)
		done, err := c.EPCIS(t.Context(), strings.NewReader(document), importer())
		if err != nil || done.Read != 3 || done.Taken != 3 || done.Refused != 2 || !strings.HasPrefix(done.Reasons[0], "epcisBody.eventList[1].bizStep: ") {
			t.Fatalf("%+v, %v", done, err)
		}
		again, err := c.EPCIS(t.Context(), strings.NewReader(document), importer())
		if err != nil || again.Taken != 0 || again.Known != 3 || again.Refused != 2 {
			t.Errorf("taken in again: %+v, %v", again, err)
		}
		for _, e := range all(t, d, log) {
			if letter := e.Event.GetDeadLetter(); letter != nil {
				if !json.Valid(letter.GetRaw()) || letter.GetFile() != "day.jsonld" {
					t.Errorf("kept as %v", letter)
				}
				continue
			}
			l := e.Event.GetInbound().GetLines()[0]
			if e.Event.GetKind() != docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED || e.Event.GetSite() != "dc-east" || l.GetGtin() != "04012345123456" || l.GetLot() != "998877" ||
				l.GetOrder() != "PO-7" || l.GetQuantity().GetValue() != "200" || l.GetQuantity().GetUnit() != "KGM" || l.GetHandlingUnit() != "040123450000003338" {
				t.Errorf("understood as %v", e.Event)
			}
		}
	})
}

// A document that breaks off has given what stood before; the whole one then brings the rest.
func TestADocumentThatBreaksOff(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c, log := opened(d)
		events, text := exported(t)
		done, err := c.EPCIS(t.Context(), bytes.NewReader(text[:len(text)/2]), importer())
		if err == nil || !strings.Contains(err.Error(), "byte ") || done.Taken == 0 || done.Taken >= len(events) {
			t.Fatalf("%+v, %v", done, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.EPCIS(ctx, bytes.NewReader(text), importer()); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		rest, err := c.EPCIS(t.Context(), bytes.NewReader(text), importer())
		if err != nil || rest.Taken+done.Taken != len(events) || len(all(t, d, log)) != len(events) {
			t.Errorf("%+v after %+v, %v", rest, done, err)
		}
	})
}

// TestADocumentNeverOutranksTheSource: an event that a document says first, and its own source says otherwise when its line is back, is what the
// source says. The id of an event proves nothing of what a document says of it.
func TestADocumentNeverOutranksTheSource(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c, log := opened(d)
		events, text := exported(t)
		if _, err := c.EPCIS(t.Context(), bytes.NewReader(text), importer()); err != nil {
			t.Fatal(err)
		}
		for i, e := range events {
			own := proto.CloneOf(e)
			if own.OccurredAt.Seconds -= 60; i%2 == 0 {
				own = e
			}
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				r := eventlog.Recorded{Event: own}
				if e.GetSite() != "" {
					r.Epoch, r.EpochOrdinal, r.Seq = strings.Repeat("0", 32), 7, uint64(i+1)
				}
				_, err := log.Append(t.Context(), tx, []eventlog.Recorded{r})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			got := all(t, d, log)[e.GetId()]
			if !bytes.Equal(event.BodyHash(got.Event), event.BodyHash(own)) {
				t.Errorf("%s %s: the document's word is in force", event.KindName(e.GetKind()), e.GetId())
			}
			if e.GetSite() != "" && (got.EpochOrdinal != 7 || got.Seq != uint64(i+1)) {
				t.Errorf("%s %s stands at %d/%d, not where the journal had it", event.KindName(e.GetKind()), e.GetId(), got.EpochOrdinal, got.Seq)
			}
		}
	})
}
