package agent

import (
	"strings"
	"testing"
)

func TestSecretsAreTakenOut(t *testing.T) {
	r := &redactor{}
	r.know("hunter2hunter2", "a b/c")
	for text, want := range map[string]string{
		"dial amqp://guest:pw@mq:5672/ failed":                                    "dial amqp://[hidden]@mq:5672/ failed",
		"see https://docs.example/a@b and x@y.example":                            "see https://docs.example/a@b and x@y.example",
		"Authorization: Bearer abc.def":                                           "Authorization: [hidden]",
		`{"client_secret": "x y z", "port": 5}`:                                   `{"client_secret": [hidden], "port": 5}`,
		"password=abc; user=b":                                                    "password=[hidden]; user=b",
		"sent hunter2hunter2 in plain words":                                      "sent [hidden] in plain words",
		"path a%20b%2Fc":                                                          "path [hidden]",
		"jwt eyJhbGciOi.eyJzdWIiOi.c2ln end":                                      "jwt [hidden] end",
		"-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nnext": "[hidden]\nnext",
		"-----BEGIN PRIVATE KEY-----\ncut off here":                               "[hidden]",
		"file taken: picks-17.csv, 12 events":                                     "file taken: picks-17.csv, 12 events",
	} {
		if got := r.text(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestOnlyTheConfigurationOfWhatTheCentreGaveIsLearnt(t *testing.T) {
	r := newRedactor(nil, givenYAML([]byte(`{"key":"config","version":2,"yaml":"plugins:\n  - id: wms\n    config: {password: swordfish}\n"}`)), "plugins:\n  - id: wms\n    config: {}\n")
	if got := r.text("config: swordfish"); got != "config: [hidden]" {
		t.Errorf("it becomes %q", got)
	}
	if got := newRedactor(nil, givenYAML([]byte("password: torn file"))).text("torn file"); got != hidden {
		t.Errorf("of a file that does not read: %q", got)
	}
}

func TestAConfigurationLeavesAsAnOutline(t *testing.T) {
	got := (&redactor{}).redactConfig([]byte("# password: inAComment\nsite: {tenant: main, id: dc}\nplugins:\n  - id: wms\n    config: {phrase: correct horse, port: 17, list: [one, 2]}\nrules: {unknown: {item: refuse}}\nnew_section: {phrase: battery}\n"))
	for _, gone := range []string{"inAComment", "correct horse", "battery", "one"} {
		if strings.Contains(got, gone) {
			t.Errorf("%q is still there:\n%s", gone, got)
		}
	}
	for _, there := range []string{"tenant: main", "port: 17", "[text of 13 characters]", "id: wms", "item: refuse"} {
		if !strings.Contains(got, there) {
			t.Errorf("%q is gone:\n%s", there, got)
		}
	}
	if got := (&redactor{}).redactConfig([]byte("a: [b: c\npassword: x")); strings.Contains(got, "password") {
		t.Errorf("what does not read is not left out: %s", got)
	}
}
