package dockline_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/cloudevent"
	"github.com/dockline/dockline/proto/event/eventtest"
)

var update = flag.Bool("update", false, "write the made part of docs/events.md anew")

const (
	eventsPage  = "docs/events.md"
	eventsBegin = "<!-- every kind: made by go test . -run EventsPage -update -->\n"
	examples    = "proto/event/cloudevent/testdata/events/"
)

// docs/events.md has every kind with what the code says of it: the page cannot fall behind. Shows: S39
func TestEventsPage(t *testing.T) {
	text, err := os.ReadFile(eventsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, made, found := strings.Cut(string(text), eventsBegin)
	if !found {
		t.Fatalf("%s has lost the mark %q", eventsPage, eventsBegin)
	}
	want := kindPages(t)
	if *update {
		if err := os.WriteFile(eventsPage, []byte(before+eventsBegin+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if made != want {
		t.Errorf("%s differs from the code; write it anew with -update", eventsPage)
	}
}

func kindPages(t *testing.T) string {
	comments := protoComments(t)
	var b strings.Builder
	for _, kind := range event.Kinds() {
		name, rule := event.KindName(kind), event.RequirementOf(kind)
		if cloudevent.About(kind) == "" {
			t.Errorf("nothing is said about %s", name)
		}
		if _, err := os.Stat(filepath.FromSlash(examples + name + ".json")); err != nil {
			t.Errorf("%s has no example: %v", name, err)
		}
		fmt.Fprintf(&b, "\n### %s\n%s %s", name, cloudevent.About(kind), owners(kind))
		if mapping.Needs(kind) != nil {
			b.WriteString(" A plugin's mapping can give it.")
		}
		fmt.Fprintf(&b, "\n\n    %s\n\n", smallest(t, kind))
		payload := event.Payload(eventtest.Sample(kind)).ProtoReflect().Descriptor()
		fmt.Fprintf(&b, "`%s` ([every field](../%s%s.json)):\n\n| field | |\n|---|---|\n", rule.Payload, examples, name)
		for i := range payload.Fields().Len() {
			f := payload.Fields().Get(i)
			fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name(), strings.Join(fieldNotes(f, rule, comments), " "))
		}
	}
	return b.String()
}

func owners(kind docklinev1.EventKind) string {
	words := map[ownership.Role]string{ownership.Site: "the site", ownership.SystemOfRecord: "the system of record", ownership.CRM: "the CRM", ownership.Carrier: "the carrier",
		ownership.API:      "the API",
		ownership.Dockline: "Dockline itself"}
	var names []string
	for _, role := range policy.Default().Ownership.Owners(kind) {
		names = append(names, words[role])
	}
	if len(names) == 0 {
		return "Whoever tells facts may tell it."
	}
	return "Told by " + strings.Join(names, ", ") + "."
}

// fieldNotes are what the rule asks of a field, and the schema's own comment.
func fieldNotes(f protoreflect.FieldDescriptor, rule event.Requirement, comments map[string]string) (notes []string) {
	name := string(f.Name())
	for _, need := range rule.Needs {
		if slices.Contains(need, name) {
			notes = append(notes, map[bool]string{true: "**must be there**.", false: "**one of** " + strings.Join(need, ", ") + "."}[len(need) == 1])
		}
	}
	lines := map[string]event.LineRequirement{"lines": rule.Lines, "outputs": rule.Outputs}
	if l, ok := lines[name]; ok {
		var needs []string
		for _, need := range l.Needs {
			needs = append(needs, strings.Join(need, " or "))
		}
		notes = append(notes, map[bool]string{true: "**at least one**, each", false: "each"}[l.Some]+" with "+strings.Join(needs, ", ")+".")
		if l.Negative {
			notes = append(notes, "Quantities may be below zero.")
		}
	}
	if words := rule.Words[name]; words != nil {
		notes = append(notes, "`"+strings.Join(words, "`, `")+"`.")
	}
	if comment := comments[string(f.Parent().Name())+"."+name]; comment != "" {
		notes = append(notes, comment)
	}
	return notes
}

// smallest is the data of the smallest valid event of a kind: only what its rule asks for.
func smallest(t *testing.T, kind docklinev1.EventKind) string {
	t.Helper()
	e, rule := eventtest.Sample(kind), event.RequirementOf(kind)
	payload := event.Payload(e).ProtoReflect()
	keep := map[string]bool{"lines": rule.Lines.Some, "outputs": rule.Outputs.Some, "outcome": true, "first_seq": true, "last_seq": true}
	for _, need := range rule.Needs {
		keep[need[0]] = true
	}
	if rule.Payload == "inbound" {
		keep["purchase_order"] = true
	}
	strip(payload, keep)
	for name, l := range map[protoreflect.Name]event.LineRequirement{"lines": rule.Lines, "outputs": rule.Outputs} {
		keep := map[string]bool{"ordered": kind == docklinev1.EventKind_EVENT_KIND_PICK_SHORT}
		for _, need := range l.Needs {
			keep[need[0]] = true
		}
		if f := payload.Descriptor().Fields().ByName(name); f != nil && payload.Has(f) {
			strip(payload.Get(f).List().Get(0).Message(), keep)
		}
	}
	if f := event.Validate(e); f != nil {
		t.Errorf("the smallest %s is not valid: %v", event.KindName(kind), f)
	}
	only := &docklinev1.Event{Payload: e.Payload}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(only)
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if err := json.Compact(&plain, text); err != nil {
		t.Fatal(err)
	}
	return plain.String()
}

func strip(m protoreflect.Message, keep map[string]bool) {
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if !keep[string(f.Name())] {
			m.Clear(f)
		}
		return true
	})
}

var (
	protoMessage = regexp.MustCompile(`^message (\w+) \{`)
	protoField   = regexp.MustCompile(`^  (?:repeated )?[\w.]+ (\w+) = \d+;`)
)

// protoComments are the comments before fields in event.proto, by message and field.
func protoComments(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("proto/dockline/v1/event.proto")
	if err != nil {
		t.Fatal(err)
	}
	found, message, comment := map[string]string{}, "", []string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch m, f := protoMessage.FindStringSubmatch(line), protoField.FindStringSubmatch(line); {
		case m != nil:
			message = m[1]
		case f != nil && message != "":
			if len(comment) > 0 {
				found[message+"."+f[1]] = strings.ReplaceAll(strings.Join(comment, " "), "|", "\\|")
			}
		case strings.HasPrefix(line, "  // "):
			comment = append(comment, strings.TrimPrefix(line, "  // "))
			continue
		}
		comment = nil
	}
	return found
}
