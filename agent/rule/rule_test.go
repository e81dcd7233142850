package rule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/rule"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const (
	packed = docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED
	picked = docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED
	item   = docklinev1.MasterKind_MASTER_KIND_ITEM
	within = 10 * time.Second
)

// pack is a scan of a carton so long after noon.
func pack(id, unit string, after time.Duration) *docklinev1.Event {
	return &docklinev1.Event{Id: id, Source: "scanner", SourceKey: "key of " + id, Kind: packed, OccurredAt: timestamppb.New(noon.Add(after)), CapturedAt: timestamppb.New(noon.Add(after)),
		Payload: &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: unit, Lines: []*docklinev1.Line{{Order: "SO1", OrderLine: "1", Item: "SKU-1", Quantity: &docklinev1.Quantity{Value: "2", Unit: "EA"}}}}}}
}

func protected() *rule.Rules {
	return rule.New(rule.Config{Doubles: []rule.Double{{Step: packed, Within: within}}})
}

// told looks at an event in an entry of its own, which is kept, and says what became of it.
func told(t *testing.T, r *rule.Rules, e *docklinev1.Event) string {
	t.Helper()
	n := r.Begin(e.GetOccurredAt().AsTime())
	if fault := n.Look(e); fault != nil {
		return "refused " + fault.Code
	}
	n.Kept()
	var codes []string
	for _, w := range e.GetWarnings() {
		codes = append(codes, w.GetCode())
		if len(w.GetText()) < 20 {
			t.Errorf("warning %v has no words", w)
		}
	}
	return strings.TrimSpace(e.GetDoubleOf() + " " + strings.Join(codes, " "))
}

func TestTheSecondScanOfOneDeedIsADouble(t *testing.T) {
	r := protected()
	for _, step := range []struct {
		what string
		e    *docklinev1.Event
		want string
	}{
		{"the first", pack("a", "LPN-1", 0), ""},
		{"3 s later", pack("b", "LPN-1", 3*time.Second), "a double_scan"},
		{"another carton", pack("c", "LPN-2", 4*time.Second), ""},
		{"the first told again, as after a lost disk", pack("a", "LPN-1", 0), ""},
		{"the double told again", pack("b", "LPN-1", 3*time.Second), "a double_scan"},
		{"a little late and out of order", pack("d", "LPN-1", -5*time.Second), "a double_scan"},
		{"at the limit, seen from the one that counts", pack("e", "LPN-1", within), "a double_scan"},
		{"after it, though a double lies in between", pack("f", "LPN-1", 12*time.Second), ""},
		{"and from then on", pack("g", "LPN-1", 20*time.Second), "f double_scan"},
		{"from long before", pack("h", "LPN-1", -time.Hour), ""},
		{"the same still counts", pack("i", "LPN-1", 21*time.Second), "f double_scan"},
	} {
		if got := told(t, r, step.e); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
}

func TestWhatIsNoDoubleScan(t *testing.T) {
	change := func(f func(e *docklinev1.Event)) *docklinev1.Event {
		e := pack("b", "LPN-1", time.Second)
		f(e)
		return e
	}
	for what, test := range map[string]struct {
		e    *docklinev1.Event
		want string
	}{
		"other content": {change(func(e *docklinev1.Event) { e.GetPack().Lines[0].Quantity.Value = "3" }), "double_scan_differs"},
		"a revision":    {change(func(e *docklinev1.Event) { e.SourceKey, e.SourceRevision = "key of a", "2" }), ""},
		"no unit":       {change(func(e *docklinev1.Event) { e.GetPack().HandlingUnit = "" }), ""},
		"another step": {change(func(e *docklinev1.Event) {
			e.Kind, e.Payload = picked, &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Lines: []*docklinev1.Line{{HandlingUnit: "LPN-1", Item: "SKU-1"}}}}
		}), ""},
		"other weight":   {change(func(e *docklinev1.Event) { e.GetPack().WeightKg = "7.3" }), "a double_scan"},
		"another source": {change(func(e *docklinev1.Event) { e.Source, e.SourceKey = "wms", "key of a" }), "a double_scan"},
	} {
		r := protected()
		told(t, r, pack("a", "LPN-1", 0))
		if got := told(t, r, test.e); got != test.want {
			t.Errorf("%s: %q, want %q", what, got, test.want)
		}
	}
}

// What was looked at and never became durable counts for nothing: a scan whose answer was an error is made again.
func TestAScanThatWasNotKeptHasNoDouble(t *testing.T) {
	r := protected()
	lost := r.Begin(noon)
	if lost.Look(pack("a", "LPN-1", 0)) != nil {
		t.Fatal("refused")
	}
	if got := told(t, r, pack("b", "LPN-1", time.Second)); got != "" {
		t.Errorf("the next scan: %q", got)
	}
	both := r.Begin(noon)
	first, second := pack("c", "LPN-2", 0), pack("d", "LPN-2", time.Second)
	if both.Look(first) != nil || both.Look(second) != nil || second.GetDoubleOf() != "c" {
		t.Errorf("two in one entry: the second is a double of %q", second.GetDoubleOf())
	}
}

func TestWhatWasKeptBeforeThisProcessCounts(t *testing.T) {
	r := protected()
	double := pack("b", "LPN-1", 2*time.Second)
	double.DoubleOf = "a"
	r.Recall(pack("a", "LPN-1", 0))
	r.Recall(double)
	if got := told(t, r, pack("c", "LPN-1", 4*time.Second)); got != "a double_scan" {
		t.Errorf("%q", got)
	}
	if r.Horizon() == 0 || rule.New(rule.Config{}).Horizon() != 0 {
		t.Error("the horizon")
	}
}

func TestManyScansAreForgottenFromTheOldest(t *testing.T) {
	r := protected()
	for i := range 50_000 {
		told(t, r, pack(fmt.Sprint(i), fmt.Sprintf("LPN-%d", i), time.Duration(i)*time.Millisecond))
	}
	if got := told(t, r, pack("new", "LPN-49999", 50*time.Second)); got != "49999 double_scan" {
		t.Errorf("the newest: %q", got)
	}
	if got := told(t, r, pack("old", "LPN-0", 50*time.Second)); got != "" {
		t.Errorf("the oldest: %q", got)
	}
}

func TestCodesThatTheCentreDoesNotKnow(t *testing.T) {
	known := map[string]bool{"SKU-1": true, "EA": true}
	rules := func(answers map[docklinev1.MasterKind]rule.Answer) *rule.Rules {
		return rule.New(rule.Config{Codes: answers, Known: func(_ docklinev1.MasterKind, code string) bool { return known[code] }})
	}
	odd := func() *docklinev1.Event {
		e := pack("a", "LPN-1", 0)
		e.GetPack().Lines = append(e.GetPack().Lines, &docklinev1.Line{Item: "SKU-9", Quantity: &docklinev1.Quantity{Value: "1", Unit: "CASE"}, Bin: "A-1", Reason: "broken", Gtin: "4000000000009"},
			&docklinev1.Line{Item: "SKU-9", Quantity: &docklinev1.Quantity{Value: "1"}})
		return e
	}
	all := map[docklinev1.MasterKind]rule.Answer{}
	for _, check := range rule.Checks {
		all[check.Kind] = rule.Warn
	}
	r := rules(all)
	if got := told(t, r, odd()); got != "unknown_item unknown_gtin unknown_unit unknown_bin unknown_reason" {
		t.Errorf("all warned of: %q", got)
	}
	if got := told(t, r, pack("b", "LPN-1", 0)); got != "" {
		t.Errorf("known codes: %q", got)
	}
	order := &docklinev1.Event{Id: "o", OccurredAt: timestamppb.New(noon), Payload: &docklinev1.Event_Order{Order: &docklinev1.Order{Customer: "C9"}}}
	if got := told(t, r, order); got != "unknown_customer" {
		t.Errorf("customer: %q", got)
	}
	if n := len(r.Conditions(noon)); n != 6 {
		t.Errorf("%d conditions, want one for each kind: %v", n, r.Conditions(noon))
	}
	if text := r.Conditions(noon)[0].GetText(); !strings.Contains(text, "SKU-9") {
		t.Errorf("the condition does not name the code: %s", text)
	}
	known["SKU-9"] = true
	if c := r.Conditions(noon)[0]; c.GetCode() == "unknown_item" {
		t.Errorf("still said: %v", c)
	}
	if got := r.Conditions(noon.Add(25 * time.Hour)); len(got) != 0 {
		t.Errorf("a day later: %v", got)
	}
	if got := told(t, rules(map[docklinev1.MasterKind]rule.Answer{item: rule.Refuse}), odd()); got != "" {
		t.Errorf("a known item is not refused: %q", got)
	}
	delete(known, "SKU-9")
	refusing := rules(map[docklinev1.MasterKind]rule.Answer{item: rule.Refuse})
	e := odd()
	if got := told(t, refusing, e); got != "refused unknown_item" || len(e.GetWarnings()) > 0 {
		t.Errorf("refuse: %q, changed to %v", got, e.GetWarnings())
	}
	if got := told(t, rules(map[docklinev1.MasterKind]rule.Answer{item: rule.Ignore}), odd()); got != "" {
		t.Errorf("ignore: %q", got)
	}
}

// A check digit that does not fit is a warning by name, once for each code, wherever the code stands; plates of the site are its own affair.
func TestCheckDigitsAreLookedAt(t *testing.T) {
	const gtin, sscc = "4006381333932", "034012345000000018"
	look := func(answer rule.Answer, e *docklinev1.Event) ([]*docklinev1.SiteWarning, *event.Fault) {
		fault := rule.New(rule.Config{CheckDigits: answer}).Begin(time.Now()).Look(e)
		return e.GetWarnings(), fault
	}
	line := func(gtin, unit string) *docklinev1.Line { return &docklinev1.Line{Gtin: gtin, HandlingUnit: unit} }
	made := func() *docklinev1.Event {
		return &docklinev1.Event{Payload: &docklinev1.Event_Transformation{Transformation: &docklinev1.Transformation{
			Lines: []*docklinev1.Line{line("4006381333931", "TOTE-7"), line(gtin, "")}, Outputs: []*docklinev1.Line{line(gtin, sscc)}}}}
	}
	got, fault := look(rule.Warn, made())
	if fault != nil || len(got) != 2 || got[0].GetCode() != rule.CodeDigit || !strings.Contains(got[0].GetText(), "GTIN "+gtin) || !strings.Contains(got[1].GetText(), "SSCC "+sscc) {
		t.Errorf("%v, %v", got, fault)
	}
	if got, fault := look(rule.Refuse, made()); fault == nil || fault.Code != rule.CodeDigit || len(got) > 0 {
		t.Errorf("refused: %v, %v", got, fault)
	}
	if got, fault := look(rule.Ignore, made()); fault != nil || len(got) > 0 {
		t.Errorf("ignored: %v, %v", got, fault)
	}
	if got, _ := look(rule.Warn, &docklinev1.Event{Payload: &docklinev1.Event_Load{Load: &docklinev1.Load{HandlingUnits: []string{sscc, sscc}}}}); len(got) != 1 {
		t.Errorf("a load: %v", got)
	}
}

// A carton that is scanned into a trailer twice is one deed; scanned into another trailer it is another, with a warning.
func TestLoadingIsProtectedByUnitAndTrailer(t *testing.T) {
	const loaded = docklinev1.EventKind_EVENT_KIND_LOAD_LOADED
	r := rule.New(rule.Config{Doubles: []rule.Double{{Step: loaded, Within: within}}})
	n := r.Begin(noon)
	scan := func(id, trailer string) *docklinev1.Event {
		e := &docklinev1.Event{Id: id, Kind: loaded, SourceKey: id, OccurredAt: timestamppb.New(noon),
			Payload: &docklinev1.Event_Load{Load: &docklinev1.Load{Trailer: trailer, HandlingUnits: []string{"CARTON-7"}}}}
		if fault := n.Look(e); fault != nil {
			t.Fatal(fault)
		}
		return e
	}
	if first := scan("1", "TR-1"); first.GetDoubleOf() != "" || len(first.GetWarnings()) > 0 {
		t.Errorf("the first scan: %v", first)
	}
	if again := scan("2", "TR-1"); again.GetDoubleOf() != "1" {
		t.Errorf("the second scan: %v", again)
	}
	if other := scan("3", "TR-2"); other.GetDoubleOf() != "" || len(other.GetWarnings()) != 1 || other.GetWarnings()[0].GetCode() != rule.CodeOther {
		t.Errorf("another trailer: %v", other)
	}
}
