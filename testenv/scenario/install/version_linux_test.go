package install_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestVersionOfATree: what a tag, commits behind it, and changes that no commit holds make of the version; and in which order dpkg sees them.
func TestVersionOfATree(t *testing.T) {
	dir := t.TempDir()
	script, err := os.ReadFile("../../../installers/version.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "installers"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "installers", "version.sh")
	if err := os.WriteFile(path, script, 0o755); err != nil {
		t.Fatal(err)
	}
	do := func(line string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", line)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=n", "GIT_AUTHOR_EMAIL=e", "GIT_COMMITTER_NAME=n", "GIT_COMMITTER_EMAIL=e", "GIT_COMMITTER_DATE=2026-07-04T08:01:12+02:00")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	do("git init -q . && git add . && git commit -qm one")
	var seen []string
	for _, c := range []struct{ do, want string }{
		{"true", `0\.0\.0\+20260704060112\.[0-9a-f]{10}`},
		{"git tag v1.4.2-rc1", `1\.4\.2~rc1`},
		{"git commit -q --allow-empty -m two", `1\.4\.2~rc1\+1\.g[0-9a-f]+`},
		{"git tag v1.4.2", `1\.4\.2`},
		{"git commit -q --allow-empty -m three", `1\.4\.2\+1\.g[0-9a-f]+`},
		{"echo >>installers/version.sh", `1\.4\.2\+1\.g[0-9a-f]+\.dirty`},
		{"git commit -qam four && git tag v1.4.3 && echo >>installers/version.sh", `1\.4\.3\+dirty`},
	} {
		do(c.do)
		is := do("installers/version.sh")
		if !regexp.MustCompile("^" + c.want + "$").MatchString(is) {
			t.Errorf("after %s: %s, want %s", c.do, is, c.want)
		}
		seen = append(seen, is)
	}
	if _, err := exec.LookPath("dpkg"); err != nil {
		return
	}
	for i := range seen[1:] {
		do(fmt.Sprintf("dpkg --compare-versions %s lt %s", seen[i], seen[i+1]))
	}
}
