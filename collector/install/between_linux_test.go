package install_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/install"
)

// selfSigned is a server's certificate for the loopback that is its own authority.
func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	template.Subject.CommonName = name
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// hidden writes a certificate in one line that sed takes away for its dashes, and that OpenSSL, which reads lines in pieces of 254 bytes, takes for
// one of several lines.
func hidden(der []byte) string {
	const piece = 254
	line := ""
	add := func(text string) { line += text + strings.Repeat(" ", piece-len(text)) }
	add("-----BEGIN CERTIFICATE-----")
	for text := base64.StdEncoding.EncodeToString(der); text != ""; {
		n := min(piece, len(text))
		add(text[:n])
		text = text[n:]
	}
	return line + "-----END CERTIFICATE-----\n"
}

// Whoever stands between a machine and the collector and answers with the true authority and his own beside it gets neither the token nor root: the
// command trusts only what has the fingerprint. From the collector itself the script comes, and gets the token.
func TestSomebodyInBetweenGetsNothing(t *testing.T) {
	for _, tool := range []string{"curl", "base64", "sha256sum", "mktemp"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIP-SERVER: no %s: apt-get install curl coreutils", tool)
		}
	}
	ours, theirs := selfSigned(t, "the collector"), selfSigned(t, "somebody")
	genuine := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.Certificate[0]}))
	sum := sha256.Sum256(ours.Certificate[0])
	for name, c := range map[string]struct {
		certificate tls.Certificate
		authority   string
		ran         bool
	}{
		"the collector":         {ours, genuine, true},
		"his own alone":         {theirs, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: theirs.Certificate[0]})), false},
		"his own before it":     {theirs, hidden(theirs.Certificate[0]) + genuine, false},
		"his own behind it":     {theirs, genuine + hidden(theirs.Certificate[0]), false},
		"the true one alone":    {theirs, genuine, false},
		"his own, in plain":     {theirs, genuine + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: theirs.Certificate[0]})), false},
		"nothing":               {theirs, "", false},
		"the true one, cut off": {ours, genuine[:200], false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/install/ca/") {
					_, _ = w.Write([]byte(c.authority))
					return
				}
				_, _ = w.Write([]byte("IFS= read -r token; echo \"$1 $token\" >" + dir + "/ran\n"))
			}))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{c.certificate}}
			server.StartTLS()
			defer server.Close()
			if err := os.WriteFile(filepath.Join(dir, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", install.Command(server.URL, hex.EncodeToString(sum[:]), "main.dc-east.s3cret", nil))
			cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "TMPDIR=" + dir}
			out, err := cmd.CombinedOutput()
			ran, _ := os.ReadFile(filepath.Join(dir, "ran"))
			if c.ran != (err == nil) || c.ran != (string(ran) == hex.EncodeToString(sum[:])+" main.dc-east.s3cret\n") || !c.ran && len(ran) > 0 {
				t.Errorf("it ended with %v, and the script had %q\n%s", err, ran, out)
			}
		})
	}
}
