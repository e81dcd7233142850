package install_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/collector/install"
)

func newOffer(t *testing.T) *install.Offer {
	t.Helper()
	authority, err := identity.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &install.Offer{Dir: t.TempDir(), Version: "1.2.3", Collector: "https://dock.example.com:8883", Authorities: authority.PEM, Log: slog.New(slog.DiscardHandler)}
}

func put(t *testing.T, o *install.Offer, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(o.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, o *install.Offer, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	o.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

// The script names each package that is there with its sum, follows a file that has changed, and is sh.
func TestTheScriptNamesWhatIsThere(t *testing.T) {
	o := newOffer(t)
	if code, text := get(t, o, "/install/agent.sh"); code != http.StatusNotFound || !strings.Contains(text, "dockline-site-packages") || o.Has() {
		t.Errorf("without packages: %d %s", code, text)
	}
	put(t, o, "dockline-agent_1.2.2_amd64.deb", "of another version")
	if o.Has() {
		t.Error("a package of another version is handed out")
	}
	const name = "dockline-agent_1.2.3_amd64.deb"
	for _, text := range []string{"first", "second, and longer"} {
		put(t, o, name, text)
		sum := sha256.Sum256([]byte(text))
		code, script := get(t, o, "/install/agent.sh")
		if code != http.StatusOK || !strings.Contains(script, hex.EncodeToString(sum[:])) || !strings.Contains(script, "x86_64/dpkg) file='"+name+"'") || strings.Contains(script, "[[") {
			t.Fatalf("%d\n%s", code, script)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("no sh: %v %s", err, out)
		}
		if code, got := get(t, o, "/install/"+name); code != http.StatusOK || got != text {
			t.Errorf("%d %q", code, got)
		}
	}
}

// Only the agent's packages of this version leave the folder.
func TestNothingElseIsHandedOut(t *testing.T) {
	o := newOffer(t)
	put(t, o, "dockline-agent_1.2.2_amd64.deb", "older")
	put(t, o, "secret", "s3cret")
	for _, path := range []string{"/install/secret", "/install/../secret", "/install/dockline-agent_1.2.2_amd64.deb", "/install/", "/install/ca/", "/install/ca/../../secret", "/secret", "/install/dockline-agent_1.2.3_arm64.deb"} {
		if code, text := get(t, o, path); code != http.StatusNotFound || strings.Contains(text, "s3cret") {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/install/agent.sh", strings.NewReader("x")))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// The authority is given to who knows its fingerprint, and is the one with it.
// The printed command goes no further, and says why, where what answers is not the collector. Only up to there it needs no root.
func TestTheCommandSaysWhyItEnds(t *testing.T) {
	o := newOffer(t)
	stranger := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(o.Authorities()) }))
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	for _, address := range []string{stranger.URL, "https://127.0.0.1:1"} {
		sh := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(install.Command(address, strings.Repeat("0", 64), "main.dc-east.s3cret", nil), "sudo sh", "false"))
		sh.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
		said, err := sh.CombinedOutput()
		if err == nil || !strings.Contains(string(said), address+" does not answer with the authority") {
			t.Errorf("%s: %v, %s", address, err, said)
		}
	}
}

func TestTheAuthorityByItsFingerprint(t *testing.T) {
	o := newOffer(t)
	block, _ := pem.Decode(o.Authorities())
	sum := sha256.Sum256(block.Bytes)
	code, text := get(t, o, "/install/ca/"+hex.EncodeToString(sum[:])+".pem")
	if got, _ := pem.Decode([]byte(text)); code != http.StatusOK || got == nil || sha256.Sum256(got.Bytes) != sum {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := get(t, o, "/install/ca/"+strings.Repeat("0", 64)+".pem"); code != http.StatusNotFound {
		t.Errorf("an authority that there is not: %d", code)
	}
}
