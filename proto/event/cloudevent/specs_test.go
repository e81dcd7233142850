package cloudevent_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/cloudevent"
)

// specs is the folder of the CloudEvents project's published schema and conformance cases.
func specs(t *testing.T) string {
	folder := os.Getenv("DOCKLINE_SPECS")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "..", "shared", "specs")
	}
	folder = filepath.Join(folder, "events", "cloudevents")
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("the CloudEvents project's published material is not here (DOCKLINE_SPECS): %v", err)
	}
	return folder
}

func TestEveryKindFitsTheOfficialSchema(t *testing.T) {
	official, err := jsonschema.NewCompiler().Compile(filepath.Join(specs(t), "cloudevents.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range event.Kinds() {
		text, err := json.Marshal(made(t, kind))
		if err != nil {
			t.Fatal(err)
		}
		if err := official.Validate(decoded(t, text)); err != nil {
			t.Errorf("%s: %v", event.KindName(kind), err)
		}
	}
	if official.Validate(decoded(t, []byte(`{"specversion":"1.0","id":"","source":"x","type":"y"}`))) == nil {
		t.Error("the official schema takes anything")
	}
}

// The official conformance cases of the JSON format: what is valid is read and written so that it is read the same, what is not is refused.
func TestOfficialConformanceCases(t *testing.T) {
	for _, file := range []string{"json-valid-events.json", "json-invalid-events.json"} {
		text, err := os.ReadFile(filepath.Join(specs(t), "conformance", file))
		if err != nil {
			t.Fatal(err)
		}
		var cases struct {
			TestType string
			Tests    []struct {
				ID    string
				Event json.RawMessage
			}
		}
		if err := json.Unmarshal(text, &cases); err != nil || len(cases.Tests) < 10 {
			t.Fatalf("%s: %d cases, %v", file, len(cases.Tests), err)
		}
		for _, c := range cases.Tests {
			var e cloudevent.Event
			switch err := json.Unmarshal(c.Event, &e); {
			case cases.TestType == "ValidSingleEvent" && err != nil:
				t.Errorf("%s: %v", c.ID, err)
			case cases.TestType == "ValidSingleEvent":
				again(t, &e)
			case err == nil:
				t.Errorf("%s is taken: %v", c.ID, e)
			}
		}
	}
}
