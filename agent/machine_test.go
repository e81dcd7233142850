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
	"testing"
	"time"

	"github.com/dockline/dockline/agent"
)

// selfSigned writes a certificate that ends then, its own authority, and its key.
func selfSigned(t *testing.T, dir string, ends time.Time) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: ends, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "site.crt"), filepath.Join(dir, "site.key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// A site whose certificate has run out gets no connection any more, so the agent says it before; and a renewed file is seen at once.
func TestACertificateThatEndsSoonIsTold(t *testing.T) {
	dir := t.TempDir()
	certificate, key := selfSigned(t, dir, time.Now().Add(10*24*time.Hour))
	path := filepath.Join(dir, "agent.yaml")
	text := fmt.Sprintf("site: {tenant: acme, id: dc-east}\ndata_dir: %q\nmqtt: {url: 'mqtts://127.0.0.1:1', ca: %q, certificate: %q, key: %q}\nlog: {level: error}\n",
		filepath.Join(dir, "data"), certificate, certificate, key)
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
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	told := func() (told bool) {
		for _, c := range a.Heartbeat().GetConditions() {
			told = told || c.GetCode() == "certificate_ends"
		}
		return told
	}
	if !told() {
		t.Errorf("a certificate that ends in ten days is not told of: %v", a.Heartbeat().GetConditions())
	}
	selfSigned(t, dir, time.Now().Add(300*24*time.Hour))
	if told() {
		t.Error("a renewed certificate is still told to end")
	}
}
