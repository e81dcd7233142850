package export_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/export"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/proto/event/eventtest"
	"github.com/dockline/dockline/testenv"
)

var stepwise = &epcis.Tenant{Name: "acme", Sites: map[string]epcis.Site{"dc-east": {Steps: true}}}

// document exports what is selected.
func document(t *testing.T, log *eventlog.Log, s eventlog.Selection) ([]byte, export.Result) {
	t.Helper()
	f := export.Formats["epcis"]().(*export.EPCIS)
	f.Tenant = func(string) *epcis.Tenant { return stepwise }
	s.Tenant = "acme"
	var out bytes.Buffer
	done, err := export.Write(t.Context(), &out, log, s, f)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), done
}

// readBack is what a document tells, in words: the id, and for a declaration of error its reason and what corrects it.
func readBack(t *testing.T, text []byte) (events []*docklinev1.Event, told []string) {
	t.Helper()
	im := &epcis.Importer{Tenant: stepwise, Source: "epcis", Received: eventtest.Stamp(1e6).AsTime()}
	if err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
		events = append(events, im.Take(c)...)
		id := c.Event.Get("eventID").(string)
		if d, ok := c.Event.Get("errorDeclaration").(*epcis.Object); ok {
			id = fmt.Sprintf("%s is wrong: %v by %v", id, d.Get("reason"), d.Get("correctiveEventIDs"))
		}
		told = append(told, id)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return append(events, im.Close()...), told
}

// withFacts appends events in this order to a log that knows every key.
func withFacts(t *testing.T, d *db.DB, events ...*docklinev1.Event) *eventlog.Log {
	t.Helper()
	log := fill(t, d)
	log.Keys = func(e *docklinev1.Event) (touched []eventlog.Touch) {
		for _, touch := range state.Keys(e, everything{}) {
			touched = append(touched, eventlog.Touch(touch))
		}
		return touched
	}
	appendAll(t, d, log, events...)
	return log
}

// everything is a mapping that takes codes as they are.
type everything struct{}

func (everything) Item(_, code, gtin string) (string, bool)            { return code + gtin, true }
func (everything) Base(_, _, _ string, millionths int64) (int64, bool) { return millionths, true }

func sample(kind docklinev1.EventKind, key, revision string) *docklinev1.Event {
	e := eventtest.Sample(kind)
	e.Id, e.Traceparent, e.CorrelationId, e.CausationId, e.SourceKey, e.SourceRevision = "", "", "", "", key, revision
	event.Restore(e)
	return e
}

// The whole log leaves as a valid document of which every event comes back as the fact that it was. Shows: A13
func TestTheLogLeavesAsEPCIS(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		events := told()
		text, done := document(t, fill(t, d, events...), eventlog.Selection{})
		back, _ := readBack(t, text)
		byID := map[string]*docklinev1.Event{}
		for _, e := range back {
			byID[e.GetId()] = e
		}
		expected := 0
		for _, e := range events {
			if !epcis.HasForm(e.GetKind()) || e.GetKind() == docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED {
				continue
			}
			expected++
			got := byID[e.GetId()]
			if got == nil || !bytes.Equal(event.BodyHash(got), event.BodyHash(e)) || got.GetSite() != e.GetSite() {
				t.Errorf("%s came back as %v", event.KindName(e.GetKind()), got)
			}
		}
		if done.Written != expected || done.Written+done.LeftOut != len(events) || len(back) != expected {
			t.Errorf("%+v, %d events came back, want %d", done, len(back), expected)
		}
	})
}

// A corrected record, a shipment that never left and an event that was declared wrong are told again with the declaration, and name what is
// right, whichever of the two came first. Shows: A12
func TestWhatIsCorrectedIsDeclaredNotEdited(t *testing.T) {
	one := func(e *docklinev1.Event) string {
		x := epcis.Exporter{Tenant: func(string) *epcis.Tenant { return stepwise }}
		made, none := x.Events(e)
		if none != "" || len(made) != 1 {
			t.Fatalf("%d events: %s", len(made), none)
		}
		return made[0].Get("eventID").(string)
	}
	first, second := sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, "pick/1", "1"), sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, "pick/1", "2")
	second.GetPick().Lines[0].Quantity.Value = "11"
	third := sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, "pick/1", "10")
	third.GetPick().Lines[0].Quantity.Value = "10"
	departed, void := sample(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, "ship/1", ""), sample(docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, "void/1", "")
	void.GetShipmentVoid().Lines = nil
	back := proto.CloneOf(void)
	back.GetShipmentVoid().DidNotOccur = false
	declared := sample(docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED, "error/1", "")
	declared.GetErrorDeclaration().EventId, declared.GetErrorDeclaration().CorrectiveEventIds = departed.GetId(), []string{first.GetId(), "unknown"}
	wrong := func(e *docklinev1.Event, reason, by string) string {
		return fmt.Sprintf("%s is wrong: %s by %s", one(e), reason, by)
	}
	for name, c := range map[string]struct {
		arrive []*docklinev1.Event
		want   []string
	}{
		"corrected":               {[]*docklinev1.Event{first, second}, []string{one(first), wrong(first, "incorrect_data", "["+one(second)+"]"), one(second)}},
		"corrected twice":         {[]*docklinev1.Event{first, second, third}, []string{one(first), wrong(first, "incorrect_data", "["+one(second)+"]"), one(second), wrong(second, "incorrect_data", "["+one(third)+"]"), one(third)}},
		"the former comes late":   {[]*docklinev1.Event{second, first}, []string{one(second)}},
		"one between comes late":  {[]*docklinev1.Event{first, third, second}, []string{one(first), wrong(first, "incorrect_data", "["+one(third)+"]"), one(third)}},
		"it never left":           {[]*docklinev1.Event{departed, void}, []string{one(departed), one(void), wrong(departed, "did_not_occur", "<nil>")}},
		"void before departure":   {[]*docklinev1.Event{void, departed}, []string{one(void), one(departed), wrong(departed, "did_not_occur", "<nil>")}},
		"it came back":            {[]*docklinev1.Event{departed, back}, []string{one(departed), one(back)}},
		"declared wrong":          {[]*docklinev1.Event{first, departed, declared}, []string{one(first), one(departed), wrong(departed, "incorrect_data", "["+one(first)+"]")}},
		"declared before it came": {[]*docklinev1.Event{first, declared, departed}, []string{one(first), one(departed), wrong(departed, "incorrect_data", "["+one(first)+"]")}},
		"declared, never came":    {[]*docklinev1.Event{declared}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				log := withFacts(t, d)
				for _, e := range c.arrive { // one by one: an offset is given after each
					appendAll(t, d, log, proto.CloneOf(e))
				}
				text, _ := document(t, log, eventlog.Selection{})
				events, told := readBack(t, text)
				if !slices.Equal(told, c.want) {
					t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(c.want, "\n"))
				}
				for _, e := range events {
					if e.GetDeadLetter() != nil {
						t.Errorf("not read back: %s", e.GetDeadLetter().GetText())
					}
				}
				comesBack := slices.ContainsFunc(events, func(e *docklinev1.Event) bool { return bytes.Equal(event.BodyHash(e), event.BodyHash(declared)) })
				if comesBack != (strings.HasPrefix(name, "declared") && len(c.want) > 0) {
					t.Errorf("the declaration came back: %v", comesBack)
				}
				// Told in two exports it is the same.
				half, done := document(t, log, eventlog.Selection{Upto: 1})
				rest, _ := document(t, log, eventlog.Selection{After: done.Upto})
				_, one := readBack(t, half)
				_, two := readBack(t, rest)
				if !slices.Equal(append(one, two...), c.want) {
					t.Errorf("in two exports: %v and %v", one, two)
				}
			})
		})
	}
}
