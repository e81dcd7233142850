package host

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestRestartsSlowDownAndACrashLoopIsQuarantined(t *testing.T) {
	c := crashes{limits: Limits{}.withDefaults(), jitter: func() float64 { return 0 }}
	now := noon
	for i, want := range []time.Duration{200, 400, 800, 1600} {
		if delay, q := c.failed(now, 0, false); q || delay != want*time.Millisecond {
			t.Errorf("crash %d: %s, quarantined %v", i+1, delay, q)
		}
		now = now.Add(time.Second)
	}
	if delay, q := c.failed(now, 0, false); !q || delay != 5*time.Minute {
		t.Errorf("fifth crash within a minute: %s, quarantined %v", delay, q)
	}
	now = now.Add(5 * time.Minute)
	if _, q := c.failed(now, 10*time.Second, false); !q {
		t.Error("a crash soon after quarantine leads back into it")
	}
	now = now.Add(10 * time.Minute)
	if delay, q := c.failed(now, 5*time.Minute, false); q || delay != 200*time.Millisecond {
		t.Errorf("after five good minutes: %s, quarantined %v", delay, q)
	}
	if _, q := c.failed(now, 5*time.Minute, true); !q {
		t.Error("what a restart cannot cure is quarantined at once")
	}
}

func TestRareCrashesAreNoLoop(t *testing.T) {
	c := crashes{limits: Limits{}.withDefaults(), jitter: func() float64 { return 1 }}
	now := noon
	for range 100 {
		if delay, q := c.failed(now, time.Hour, false); q || delay != 100*time.Millisecond {
			t.Fatalf("%s, quarantined %v", delay, q)
		}
		now = now.Add(time.Hour)
	}
	for range 100 {
		delay, q := c.failed(now, 30*time.Second, false)
		if q || delay > 30*time.Second {
			t.Fatalf("%s, quarantined %v", delay, q)
		}
		now = now.Add(30 * time.Second)
	}
}

func TestLogOfAPluginIsCapped(t *testing.T) {
	now := noon
	var out strings.Builder
	p := newPluginLog(slog.New(slog.NewTextHandler(&out, nil)), newLogBudget(2, func() time.Time { return now }))
	log := p.hclog().Named("wms")
	for range 1000 {
		log.Info("row read")
	}
	if n := strings.Count(out.String(), "row read"); n != 20 {
		t.Errorf("%d of 1000 lines came through, want a burst of 20", n)
	}
	now = now.Add(time.Second)
	log.Warn("battery is low", "device", "RF-7")
	if !strings.Contains(out.String(), "lines=980") || !strings.Contains(out.String(), `level=WARN msg="battery is low" device=RF-7`) {
		t.Errorf("what was left out is not said:\n%s", out.String()[len(out.String())-300:])
	}
	now = now.Add(time.Hour)
	log.Info(strings.Repeat("ä", 5000))
	if longest := len(out.String()) - strings.LastIndex(out.String(), "msg="); longest > maxLogText+100 {
		t.Errorf("a line of %d bytes", longest)
	}
}

func TestLastWordsAreThePanicAndNotItsStack(t *testing.T) {
	p := newPluginLog(slog.New(slog.DiscardHandler), newLogBudget(1, time.Now))
	log := p.hclog().Named("wms")
	log.Error("read failed")
	log.Error("panic: out of labels")
	log.Error("goroutine 1 [running]:")
	if words := p.lastWords(); words != "panic: out of labels" {
		t.Errorf("last words %q", words)
	}
}

func testStamper() *stamper {
	return &stamper{tenant: "acme", site: "dc-east", source: "wms", now: func() time.Time { return noon }, kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}}
}

func pick() *docklinev1.Event {
	return &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: "SO1", SourceKey: "7", SourceRevision: "1", OccurredAt: timestamppb.New(noon),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Lines: []*docklinev1.Line{{Order: "SO1", OrderLine: "1", Item: "A", Quantity: &docklinev1.Quantity{Value: "1"}}}}}}
}

func TestTheHostSaysWhoItIs(t *testing.T) {
	e := pick()
	e.Id, e.Tenant, e.Site, e.Source, e.CorrelationId = "forged", "other", "other", "other", "forged"
	e.DoubleOf, e.Warnings = "forged", []*docklinev1.SiteWarning{{Code: "forged"}}
	e, fault := testStamper().stamp(e, noRules{}.Look)
	if fault != nil {
		t.Fatal(fault)
	}
	want := event.ID(event.Cause{Tenant: "acme", Site: "dc-east", Source: "wms", SourceKey: "7", Revision: "1", Kind: "pick.confirmed"})
	if e.Id != want || e.Tenant != "acme" || e.Site != "dc-east" || e.Source != "wms" || e.CorrelationId != "" || e.DoubleOf != "" || len(e.Warnings) > 0 || !e.CapturedAt.AsTime().Equal(noon) {
		t.Errorf("stamped as %v", e)
	}
}

func TestAnEventWithoutAKeyHasAnIdOfItsOwn(t *testing.T) {
	a, b := pick(), pick()
	a.SourceKey, b.SourceKey = "", ""
	a, _ = testStamper().stamp(a, noRules{}.Look)
	b, _ = testStamper().stamp(b, noRules{}.Look)
	if a.Id == b.Id || len(a.Id) != 36 || a.Id[14] != '7' {
		t.Errorf("ids %s and %s", a.Id, b.Id)
	}
}

func TestEveryRefusedEventBecomesAValidDeadLetterWithAStableID(t *testing.T) {
	long := strings.Repeat("x", event.MaxSourceKeyBytes+1)
	tests := map[string]func(*docklinev1.Event){
		"undeclared kind":  func(e *docklinev1.Event) { e.Kind = docklinev1.EventKind_EVENT_KIND_PICK_SHORT },
		"unknown kind":     func(e *docklinev1.Event) { e.Kind = 9999 },
		"no payload":       func(e *docklinev1.Event) { e.Payload = nil },
		"no time":          func(e *docklinev1.Event) { e.OccurredAt = nil },
		"time in future":   func(e *docklinev1.Event) { e.OccurredAt = timestamppb.New(noon.AddDate(0, 0, 2)) },
		"time of no epoch": func(e *docklinev1.Event) { e.OccurredAt = &timestamppb.Timestamp{Seconds: 1, Nanos: -5} },
		"long key":         func(e *docklinev1.Event) { e.SourceKey, e.Subject, e.SourceRevision, e.Origin = long, long, long, long },
		"zero character":   func(e *docklinev1.Event) { e.Subject, e.SourceKey = "SO\x001", "7\x00" },
		"too large": func(e *docklinev1.Event) {
			e.GetPick().Lines[0].Description = strings.Repeat("y", event.MaxEventBytes+1)
		},
		"no hash": func(e *docklinev1.Event) { e.SourceRevision = ""; e.Payload = nil },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			bad := pick()
			spoil(bad)
			again := proto.CloneOf(bad)
			letter, fault := testStamper().stamp(bad, noRules{}.Look)
			if fault == nil || letter.GetKind() != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED || letter.GetDeadLetter().GetCode() != fault.Code {
				t.Fatalf("fault %v, event %v", fault, letter)
			}
			if f := event.Validate(letter); f != nil {
				t.Errorf("the dead letter is not valid: %v", f)
			}
			if len(letter.GetDeadLetter().GetRefusedEvent())+len(letter.GetDeadLetter().GetRaw()) == 0 {
				t.Error("nothing of the event is kept")
			}
			later := testStamper()
			later.now = func() time.Time { return noon.Add(time.Hour) }
			if second, _ := later.stamp(again, noRules{}.Look); second.GetId() != letter.GetId() {
				t.Errorf("read again it is %s, it was %s", second.GetId(), letter.GetId())
			}
		})
	}
}

func TestTwoBadRecordsOfOneKeyAreBothKept(t *testing.T) {
	a, b := pick(), pick()
	for _, e := range []*docklinev1.Event{a, b} {
		e.SourceRevision = ""
		e.GetPick().Lines[0].Quantity.Value = "many"
	}
	b.GetPick().Lines[0].Item = "B"
	a, _ = testStamper().stamp(a, noRules{}.Look)
	b, _ = testStamper().stamp(b, noRules{}.Look)
	if a.GetId() == b.GetId() {
		t.Error("the second would pass for the first")
	}
}

// A new agent has no plugin yet: its host stays until it is told to end, as the agent around it must.
func TestAHostWithoutPluginsStays(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Config{Tenant: "acme", Site: "dc-east", DataDir: dir, Journal: nil, Full: errors.New("full")})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("it ended unasked: %v", err)
		default:
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

// What comes as it was encoded is kept so, and a decoder finds in it what was stamped.
func TestAnEventIsKeptAsItCame(t *testing.T) {
	data, err := proto.Marshal(pick())
	if err != nil {
		t.Fatal(err)
	}
	s := testStamper()
	head, err := s.head(noon)
	if err != nil {
		t.Fatal(err)
	}
	e, encoded, fault := s.take(data, head, noon, noRules{}.Look)
	if fault != nil || !bytes.HasPrefix(encoded, data) {
		t.Fatalf("kept as %x (%v), it came as %x", encoded, fault, data)
	}
	kept := &docklinev1.Event{}
	if err := proto.Unmarshal(encoded, kept); err != nil || !proto.Equal(kept, e) {
		t.Errorf("what is kept reads as %v (%v), not %v", kept, err, e)
	}
	want, _ := testStamper().stamp(pick(), noRules{}.Look)
	if event.Restore(kept); !proto.Equal(kept, want) {
		t.Errorf("restored it is %v, not %v", kept, want)
	}
}

// Fields that are the host's are taken out of what a plugin sends, whichever it sets.
func TestAForgedEventIsWrittenAnew(t *testing.T) {
	want, _ := testStamper().stamp(pick(), noRules{}.Look)
	for name, forge := range map[string]func(*docklinev1.Event){
		"id": func(e *docklinev1.Event) { e.Id = "x" }, "tenant": func(e *docklinev1.Event) { e.Tenant = "x" }, "site": func(e *docklinev1.Event) { e.Site = "x" },
		"source": func(e *docklinev1.Event) { e.Source = "x" }, "correlation": func(e *docklinev1.Event) { e.CorrelationId = "x" },
		"causation": func(e *docklinev1.Event) { e.CausationId = "x" }, "trace": func(e *docklinev1.Event) { e.Traceparent = "x" },
		"time": func(e *docklinev1.Event) { e.CapturedAt = &timestamppb.Timestamp{Seconds: 5, Nanos: 5} },
	} {
		e := pick()
		forge(e)
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		s := testStamper()
		head, _ := s.head(noon)
		got, encoded, fault := s.take(data, head, noon, noRules{}.Look)
		if fault != nil || encoded != nil || !proto.Equal(got, want) {
			t.Errorf("%s: %v, to be kept as %x (%v)", name, got, encoded, fault)
		}
	}
}

func TestWhatIsNoEventBecomesADeadLetter(t *testing.T) {
	for name, data := range map[string][]byte{"not protobuf": {0xff, 0xff}, "text that is not UTF-8": {0x32, 2, 'a', 0xff}} {
		s := testStamper()
		head, _ := s.head(noon)
		letter, encoded, fault := s.take(data, head, noon, noRules{}.Look)
		if fault == nil || encoded != nil || letter.GetDeadLetter().GetCode() != "event_unreadable" || !bytes.Equal(letter.GetDeadLetter().GetRaw(), data) {
			t.Errorf("%s: %v, to be kept as %x (%v)", name, letter, encoded, fault)
			continue
		}
		if f := event.Validate(letter); f != nil {
			t.Errorf("%s: its dead letter is not valid: %v", name, f)
		}
		if again, _, _ := s.take(data, head, noon, noRules{}.Look); again.GetId() != letter.GetId() {
			t.Errorf("%s: read again it is %s, it was %s", name, again.GetId(), letter.GetId())
		}
	}
}

// What the rules of a site say of an event goes with its encoded form, as if it had been encoded with it; what a plugin says of that does not.
func TestMarksOfRulesAreKept(t *testing.T) {
	s := testStamper()
	head, err := s.head(noon)
	if err != nil {
		t.Fatal(err)
	}
	forged := pick()
	forged.DoubleOf, forged.Warnings = "forged", []*docklinev1.SiteWarning{{Code: "forged"}}
	for name, sent := range map[string]*docklinev1.Event{"as it came": pick(), "forged": forged} {
		data, err := proto.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		e, encoded, fault := s.take(data, head, noon, func(e *docklinev1.Event) *event.Fault {
			e.DoubleOf, e.Warnings = "first", append(e.Warnings, &docklinev1.SiteWarning{Code: "double_scan"})
			return nil
		})
		if fault != nil {
			t.Fatal(fault)
		}
		kept := e
		if encoded != nil {
			kept = &docklinev1.Event{}
			if err := proto.Unmarshal(encoded, kept); err != nil {
				t.Fatal(err)
			}
		}
		if kept.GetDoubleOf() != "first" || len(kept.GetWarnings()) != 1 || kept.GetSourceKey() != "7" || kept.GetTenant() != "acme" {
			t.Errorf("%s: kept as %v", name, kept)
		}
	}
	data, err := proto.Marshal(pick())
	if err != nil {
		t.Fatal(err)
	}
	letter, _, fault := s.take(data, head, noon, func(*docklinev1.Event) *event.Fault {
		return &event.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "unknown_item", Text: "No."}
	})
	if fault == nil || letter.GetDeadLetter().GetCode() != "unknown_item" || letter.GetId() == "" {
		t.Errorf("refused as %v", letter)
	}
}
