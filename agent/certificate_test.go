package agent_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/agent"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// writeIdentity writes a certificate that is its own authority, and its key.
func writeIdentity(t *testing.T, dir string, life time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life), IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"site.crt": {Type: "CERTIFICATE", Bytes: certificate}, "site.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnAgentSaysWhenItsCertificateEnds also after a new one was put in its place, without a restart; and how much room its disk has.
func TestAnAgentSaysWhenItsCertificateEnds(t *testing.T) {
	dir := t.TempDir()
	writeIdentity(t, dir, 10*24*time.Hour)
	path := filepath.Join(dir, "agent.yaml")
	text := fmt.Sprintf("site: {tenant: acme, id: dc-east}\ndata_dir: %q\nmqtt: {url: 'mqtts://127.0.0.1:1', ca: %q, certificate: %q, key: %q}\nhealth: {listen: '127.0.0.1:0'}\nlog: {level: error}\n",
		filepath.Join(dir, "data"), filepath.Join(dir, "site.crt"), filepath.Join(dir, "site.crt"), filepath.Join(dir, "site.key"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := agent.LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ends := func(c *docklinev1.Condition) bool { return c.GetCode() == "certificate_ends" }
	h := a.Heartbeat()
	if !slices.ContainsFunc(h.GetConditions(), ends) {
		t.Errorf("it says %v", h.GetConditions())
	}
	if h.GetDiskFreeBytes() == 0 {
		t.Error("it does not say how much room the disk has")
	}
	writeIdentity(t, dir, 90*24*time.Hour)
	if h = a.Heartbeat(); slices.ContainsFunc(h.GetConditions(), ends) {
		t.Errorf("with a new one it says %v", h.GetConditions())
	}
}
