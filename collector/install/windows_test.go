package install_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/install"
)

// The script for Windows names the package with its sum, and is whole: every place is filled, every bracket and quote is closed. No PowerShell
// reads it here.
func TestTheWindowsScript(t *testing.T) {
	o := newOffer(t)
	if code, text := get(t, o, "/install/agent.ps1"); code != http.StatusNotFound || !strings.Contains(text, "dockline-agent-1.2.3.msi") || o.HasWindows() {
		t.Errorf("without a package: %d %s", code, text)
	}
	put(t, o, "dockline-agent-1.2.3.msi", "an installer")
	sum := sha256.Sum256([]byte("an installer"))
	code, script := get(t, o, "/install/agent.ps1")
	if code != http.StatusOK || !o.HasWindows() {
		t.Fatalf("%d %s", code, script)
	}
	for _, line := range []string{"$collector = 'https://dock.example.com:8883'", "$version = '1.2.3'", "$file = 'dockline-agent-1.2.3.msi'", "$sum = '" + hex.EncodeToString(sum[:]) + "'"} {
		if strings.Count(script, line+"\n") != 1 {
			t.Errorf("the script does not say %s", line)
		}
	}
	if strings.Contains(script, "[[") || strings.Contains(script, "]]") {
		t.Error("a place was not filled")
	}
	whole(t, script)
	// PowerShell 5.1 reads the standard input itself where a script has its variable for it (ConsoleHost.cs, IsUsingDollarInput).
	for _, trap := range []string{"$input", "[Parameter", "[CmdletBinding", "Invoke-WebRequest", "Invoke-RestMethod"} {
		if strings.Contains(strings.ToLower(script), strings.ToLower(trap)) {
			t.Errorf("the script has %s", trap)
		}
	}
	// Each program that it runs is asked how it ended, but for the last, which says how the agent is.
	lines := strings.Split(script, "\n")
	for n, line := range lines {
		if !regexp.MustCompile(`(^|[^$=] |\| )& `).MatchString(strings.TrimSpace(line)) || strings.Contains(line, "& $agent status") || strings.Contains(line, "& $agent version") {
			continue
		}
		if !strings.Contains(lines[n+1], "$LASTEXITCODE -ne 0") {
			t.Errorf("nobody looks how this ends: %s", line)
		}
	}
	if n := strings.Count(script, "$LASTEXITCODE -ne 0"); n != 4 {
		t.Errorf("%d of 4 programs are asked how they ended", n)
	}
	if !regexp.MustCompile(`-ArgumentList '/i', .*'/qn', '/norestart', '/l\*v'`).MatchString(script) || strings.Contains(script, "TOKEN=") {
		t.Error("msiexec is not run unattended with a log, or is given the token")
	}
	if used := regexp.MustCompile(`-ArgumentList.*\$token`).FindString(script); used != "" {
		t.Errorf("the token is an argument, which everybody on the machine can read: %s", used)
	}
	if code, got := get(t, o, "/install/dockline-agent-1.2.3.msi"); code != http.StatusOK || got != "an installer" {
		t.Errorf("%d %q", code, got)
	}
}

// whole counts brackets outside comments and texts, and sees that each line's texts end.
func whole(t *testing.T, script string) {
	t.Helper()
	open := map[rune]int{}
	for n, line := range strings.Split(script, "\n") {
		var in, before rune
		for _, r := range line {
			switch {
			case in == '"' && before == '`':
				r = 0 // a quote that is meant as such
			case in != 0 && r == in:
				in = 0
			case in != 0:
			case r == '\'' || r == '"':
				in = r
			case r == '#':
				in = '#' // to the line's end
			case strings.ContainsRune("(){}[]", r):
				open[r]++
			}
			before = r
		}
		if in == '\'' || in == '"' {
			t.Errorf("line %d: a text does not end: %s", n+1, line)
		}
	}
	if open['('] != open[')'] || open['{'] != open['}'] || open['['] != open[']'] {
		t.Errorf("brackets are not closed: %v", open)
	}
}

// An address without a name is told apart: Windows' curl cannot hold it against a certificate.
func TestUnnamed(t *testing.T) {
	for address, unnamed := range map[string]bool{"https://dock.example.com:8883": false, "https://192.0.2.7:8883": true, "https://[2001:db8::7]:8883": true, "https://localhost:8883": false} {
		if install.Unnamed(address) != unnamed {
			t.Errorf("%s is unnamed: %t", address, !unnamed)
		}
	}
}

// The command gives nothing to whom the fingerprint does not name: the token leaves only for the script that was fetched under the authority.
func TestTheWindowsCommand(t *testing.T) {
	fingerprint := strings.Repeat("ab", 32)
	command := install.WindowsCommand("https://dock.example.com:8883", fingerprint, "main.dc-east.s3cret", []byte("plugins: []"))
	whole(t, command)
	if strings.Contains(command, "\n") || strings.Count(command, "s3cret") != 1 || strings.Count(command, fingerprint) != 3 {
		t.Fatalf("%s", command)
	}
	if !strings.Contains(command, "[Guid]::NewGuid()") {
		t.Error("its files have a name that others can know before")
	}
	order := []string{"/install/ca/" + fingerprint + ".pem", "SHA256", "-ne '" + fingerprint + "'){throw", `Set-Content "$f.pem" ('-----BEGIN CERTIFICATE-----',[Convert]::ToBase64String($d,`, `--cacert "$f.pem"`, "/install/agent.ps1", "'main.dc-east.s3cret' | powershell.exe", "-File"}
	at := 0
	for _, part := range order {
		i := strings.Index(command[at:], part)
		if i < 0 {
			t.Fatalf("%s does not follow in %s", part, command)
		}
		at += i
	}
	if !strings.HasSuffix(command, fingerprint+" cGx1Z2luczogW10=") {
		t.Errorf("the plugins are not at its end: %s", command)
	}
}
