package wire_test

import (
	"encoding/json"
	"runtime"
	"testing"

	"github.com/dockline/dockline/proto/wire"
)

// What `version --json` prints has one name for each thing, in both programs; a program that was built outside a repository says "" for its commit.
func TestThisBuild(t *testing.T) {
	text, err := json.Marshal(wire.ThisBuild())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"version": wire.Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	for _, key := range []string{"commit", "committed_at", "modified"} {
		if _, there := got[key]; !there {
			t.Errorf("%s does not say %s", text, key)
		}
	}
}
