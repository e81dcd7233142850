package identity_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
)

// TestOnboardingByScript brings several sites to their first logged event by a script: what `site add` prints for Linux is run as it stands,
// with the agent where the command looks for it. Each site is timed from `site add` to its first event in the log.
//
// Shows: S73
func TestOnboardingByScript(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the printed command for Linux needs a shell of Linux")
	}
	c := enroltest.Open(t, "", "")
	const sites = 4
	var longest time.Duration
	for n := range sites {
		name := fmt.Sprintf("dc-%d", n+1)
		began := time.Now()
		s := enroltest.NewSite(t, name, "dockline-agent")
		// sudo and the agent as the machine of a site has them; the agent's own folder is the site's.
		tools := filepath.Join(s.Dir, "bin")
		if err := os.MkdirAll(tools, 0o755); err != nil {
			t.Fatal(err)
		}
		script(t, filepath.Join(tools, "sudo"), `exec "$@"`)
		script(t, filepath.Join(tools, "dockline-agent"), fmt.Sprintf(`exec %q --config %q "$@"`, filepath.Join(enroltest.Bin(t), "dockline-agent"), s.Config))
		printed := c.Must("site", "add", "main/"+name, "--title", "Site "+name)
		_, command, found := strings.Cut(printed, "Linux:")
		command, _, _ = strings.Cut(strings.TrimSpace(command), "\n")
		if !found {
			t.Fatalf("site add prints no command: %s", printed)
		}
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
		cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		// What is left for a person: a plugin.
		text, err := os.ReadFile(s.Config)
		if err != nil {
			t.Fatal(err)
		}
		plugin := fmt.Sprintf("plugins: [{id: wms, path: %q, config: {acks: %q, rows: 3}}]", filepath.Join(enroltest.Bin(t), "rows"), filepath.Join(s.Dir, "acks"))
		configured := strings.NewReplacer("plugins: []", plugin, "127.0.0.1:7370", "127.0.0.1:0").Replace(string(text))
		if err := os.WriteFile(s.Config, []byte(configured), 0o644); err != nil {
			t.Fatal(err)
		}
		s.Start()
		testenv.Eventually(t, patience, "the first event of "+name, func() bool { return c.Site(name).Logged >= 1 })
		took := time.Since(began).Round(time.Millisecond)
		longest = max(longest, took)
		t.Logf("%s: from site add to its first logged event in %s", name, took)
		s.Agent.Stop()
	}
	testenv.Figure(t, "sites", sites, "longest from site add to the first logged event", longest)
}

func script(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
