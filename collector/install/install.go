// Package install hands a site what it needs to become one: the agent's packages of the collector's own version, and a short script that takes
// the right one, enrols the site and starts its service. So a site needs the collector's address, and nothing else.
package install

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/template"
	"time"
)

// Path is where everything of this package is served.
const Path = "/install/"

// Script is the file that Linux sites run.
const Script = "agent.sh"

// Offer is what one collector hands out.
type Offer struct {
	// Dir holds the packages, as `make package` writes them and the package dockline-site-packages installs them.
	Dir string
	// Version is the collector's own; packages of another one are not handed out.
	Version string
	// Collector is the address that sites are told, https://host:port.
	Collector string
	// Authorities are the certificates, in PEM, by one of which the server proves itself.
	Authorities func() []byte
	Log         *slog.Logger

	mu   sync.Mutex
	sums map[string]summed
}

// summed is the SHA-256 of a file as it was.
type summed struct {
	size int64
	at   time.Time
	sum  string
}

// Command is what makes a Linux machine a site: it fetches the authority, holds it against its fingerprint, and runs the script that is fetched
// under it. Trusted is a file that is written anew of the very bytes that have the fingerprint: sed and curl need not agree on what else stands in
// what somebody in between has answered. All lies in a folder of its own: nobody else may put his script where root runs one. The token goes through
// the standard input: arguments stand in the list of processes. plugins is the section of that name of the site's agent.yaml, or empty.
func Command(collector, fingerprint, token string, plugins []byte) string {
	section := ""
	if len(plugins) > 0 {
		section = " " + base64.StdEncoding.EncodeToString(plugins)
	}
	return fmt.Sprintf("f=$(mktemp -d)/site && { curl -fsSk %[1]s%[4]sca/%[2]s.pem | sed /---/d | base64 -d >$f.der && sha256sum <$f.der | grep -q ^%[2]s || "+
		"! echo 'dockline: %[1]s does not answer with the authority of this command, so nothing was done. Is it the address of the collector? Else have site add print the command anew.' >&2; } && "+
		"(echo -----BEGIN CERTIFICATE-----; base64 $f.der; echo -----END CERTIFICATE-----) >$f && "+
		"curl -fsSo $f.sh --cacert $f %[1]s%[4]s%[5]s && echo '%[3]s' | sudo sh $f.sh %[2]s%[6]s", collector, fingerprint, token, Path, Script, section)
}

// kind is one package of the agent: what a machine calls itself (uname -m), and the file.
type kind struct{ Machine, Manager, File string }

// kinds are the agent's packages of a version, by the names that nfpm gives them.
func kinds(version string) []kind {
	var all []kind
	for _, a := range []struct{ machine, deb, rpm string }{{"x86_64", "amd64", "x86_64"}, {"aarch64", "arm64", "aarch64"}, {"armv7l", "armhf", "armv7hl"}} {
		all = append(all, kind{a.machine, "dpkg", "dockline-agent_" + version + "_" + a.deb + ".deb"}, kind{a.machine, "rpm", "dockline-agent-" + version + "-1." + a.rpm + ".rpm"})
	}
	return all
}

// Has says whether there is a package of this version for any Linux.
func (o *Offer) Has() bool {
	for _, k := range kinds(o.Version) {
		if _, err := os.Stat(filepath.Join(o.Dir, k.File)); err == nil {
			return true
		}
	}
	return false
}

// ServeHTTP answers /install/agent.sh, /install/agent.ps1, /install/ca/FINGERPRINT.pem, and the packages by their names.
func (o *Offer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "Use GET.", http.StatusMethodNotAllowed)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, Path)
	fingerprint, isAuthority := strings.CutPrefix(name, "ca/")
	switch {
	case !ok:
		http.NotFound(w, r)
	case isAuthority:
		o.authority(w, r, strings.TrimSuffix(fingerprint, ".pem"))
	case name == Script:
		o.script(w)
	case name == WindowsScript:
		o.windows(w)
	default:
		o.file(w, r, name)
	}
}

// authority answers with the certificate of this fingerprint: whoever asks holds the answer against it.
func (o *Offer) authority(w http.ResponseWriter, r *http.Request, fingerprint string) {
	for rest := o.Authorities(); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			http.NotFound(w, r)
			return
		}
		if sum := sha256.Sum256(block.Bytes); strings.EqualFold(hex.EncodeToString(sum[:]), fingerprint) {
			w.Header().Set("Content-Type", "application/x-pem-file")
			_ = pem.Encode(w, block) // whoever asked has gone
			return
		}
	}
}

//go:embed agent.sh
var agentScript string

var script = template.Must(template.New(Script).Delims("[[", "]]").Parse(agentScript))

// offered is a package with its sum, for the script.
type offered struct {
	kind
	Sum string
}

func (o *Offer) script(w http.ResponseWriter) {
	var found []offered
	for _, k := range kinds(o.Version) {
		sum, err := o.sum(k.File)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			o.Log.Error("read a package that sites ask for", "err", err)
			http.Error(w, "The collector cannot read its packages; its log says why.", http.StatusInternalServerError)
			return
		}
		found = append(found, offered{k, sum})
	}
	if len(found) == 0 {
		http.Error(w, fmt.Sprintf("The collector has no packages of its version %s: install dockline-site-packages of that version there, or set install.packages.", o.Version), http.StatusNotFound)
		return
	}
	var text bytes.Buffer
	if err := script.Execute(&text, map[string]any{"Collector": o.Collector, "Version": o.Version, "Packages": found}); err != nil {
		o.Log.Error("write the script for sites", "err", err)
		http.Error(w, "The collector cannot write its script; its log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
	_, _ = text.WriteTo(w) // whoever asked has gone
}

// file answers with a package of this version; other files of the folder are not handed out.
func (o *Offer) file(w http.ResponseWriter, r *http.Request, name string) {
	ours := name == windowsPackage(o.Version)
	for _, k := range kinds(o.Version) {
		ours = ours || k.File == name
	}
	if !ours {
		http.NotFound(w, r)
		return
	}
	file, err := os.Open(filepath.Join(o.Dir, name))
	if err != nil {
		http.Error(w, fmt.Sprintf("The collector has no %s in install.packages.", name), http.StatusNotFound)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, name, info.ModTime(), file)
}

// windowsPackage is the installer's name.
func windowsPackage(version string) string { return "dockline-agent-" + version + ".msi" }

// sum is a file's SHA-256 in hex, worked out again when the file has changed.
func (o *Offer) sum(name string) (string, error) {
	file, err := os.Open(filepath.Join(o.Dir, name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.sums[name]; s.sum != "" && s.size == info.Size() && s.at.Equal(info.ModTime()) {
		return s.sum, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	if o.sums == nil {
		o.sums = make(map[string]summed)
	}
	o.sums[name] = summed{info.Size(), info.ModTime(), hex.EncodeToString(h.Sum(nil))}
	return o.sums[name].sum, nil
}
