package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/proto/wire"
)

func open(t *testing.T, dir string) *identity.Authority {
	t.Helper()
	a, err := identity.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func request(t *testing.T, key any, template x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAuthorityIsMadeOnceAndKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	first := open(t, dir)
	if again := open(t, dir); string(again.PEM()) != string(first.PEM()) {
		t.Error("opened again it is another authority")
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v", info.Mode())
	}
	cert, err := identity.ParseCertificate(first.PEM())
	if err != nil || !cert.IsCA || time.Until(cert.NotAfter) < 9*365*24*time.Hour {
		t.Errorf("%v, CA %v until %v", err, cert.IsCA, cert.NotAfter)
	}
	// A machine that stopped between key and certificate: sites that the old one signed are still of the new one.
	key := newKey(t)
	signed, err := first.SignSite(request(t, key, x509.CertificateRequest{}), "acme", "dc-east")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(first.File()); err != nil {
		t.Fatal(err)
	}
	leaf, err := identity.ParseCertificate(signed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: open(t, dir).Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("after the certificate was made again: %v", err)
	}
	// A lost key is not replaced behind the operator's back.
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.Open(dir); err == nil {
		t.Error("a lost key was replaced")
	}
}

// TestManyMakeTheAuthorityAtOnce: a collector that starts for the first time and commands beside it come to know one authority, and it is the one on
// disk.
func TestManyMakeTheAuthorityAtOnce(t *testing.T) {
	for range 20 {
		dir := filepath.Join(t.TempDir(), "identity")
		var all sync.WaitGroup
		prints := make([]string, 6)
		for i := range prints {
			all.Go(func() {
				a, err := identity.Open(dir)
				if err != nil {
					t.Error(err)
					return
				}
				prints[i] = a.Fingerprint()
			})
		}
		all.Wait()
		kept := open(t, dir).Fingerprint()
		for _, print := range prints {
			if print != kept {
				t.Fatalf("they know %q, kept is %s", prints, kept)
			}
		}
	}
}

func TestSignSite(t *testing.T) {
	a := open(t, t.TempDir())
	key := newKey(t)
	// What a request asks for beyond its key is not granted.
	greedy := request(t, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "collector-1"}, DNSNames: []string{"broker"}})
	signed, err := a.SignSite(greedy, "acme", "dc-east")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := identity.ParseCertificate(signed)
	if err != nil {
		t.Fatal(err)
	}
	who, err := wire.CertificateIdentity(cert)
	if err != nil || who != (wire.Identity{Tenant: "acme", Site: "dc-east"}) {
		t.Errorf("it is for %+v, %v", who, err)
	}
	if cert.Subject.CommonName != "acme.dc-east" || len(cert.DNSNames) > 0 || cert.IsCA || !key.PublicKey.Equal(cert.PublicKey) {
		t.Errorf("%s %v CA %v", cert.Subject.CommonName, cert.DNSNames, cert.IsCA)
	}
	if left := time.Until(cert.NotAfter); left < 89*24*time.Hour || left > 90*24*time.Hour {
		t.Errorf("it lives %s", left)
	}
	if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("usage %v", cert.ExtKeyUsage)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
}

func TestSignSiteRefuses(t *testing.T) {
	a := open(t, t.TempDir())
	good := request(t, newKey(t), x509.CertificateRequest{})
	other := request(t, newKey(t), x509.CertificateRequest{URIs: []*url.URL{wire.Identity{Tenant: "acme", Site: "dc-west"}.URI()}})
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := []byte(string(good))
	block, _ := pem.Decode(forged)
	block.Bytes[len(block.Bytes)-1] ^= 1
	for name, c := range map[string]struct {
		csr          []byte
		tenant, site string
	}{
		"not PEM":       {[]byte("x"), "acme", "dc-east"},
		"a certificate": {a.PEM(), "acme", "dc-east"},
		"dotted tenant": {good, "ac.me", "dc-east"},
		"empty site":    {good, "acme", ""},
		"another site":  {other, "acme", "dc-east"},
		"small key":     {request(t, small, x509.CertificateRequest{}), "acme", "dc-east"},
		"forged":        {pem.EncodeToMemory(block), "acme", "dc-east"},
	} {
		if signed, err := a.SignSite(c.csr, c.tenant, c.site); err == nil || signed != nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestIssue(t *testing.T) {
	a := open(t, t.TempDir())
	server, _, err := a.IssueServer([]string{"broker.example", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := identity.ParseCertificate(server)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"broker.example", "127.0.0.1"} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	collector, key, err := a.IssueCollector("1")
	if err != nil || len(key) == 0 {
		t.Fatal(err)
	}
	cert, err = identity.ParseCertificate(collector)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := wire.CertificateIdentity(cert); err != nil || who != (wire.Identity{Collector: "1"}) || cert.Subject.CommonName != "collector-1" {
		t.Errorf("%+v %v %s", who, err, cert.Subject.CommonName)
	}
	if _, _, err := a.IssueCollector("../1"); err == nil {
		t.Error("a collector of a bad name")
	}
	if _, _, err := a.IssueServer(nil); err == nil {
		t.Error("a server without a host")
	}
}
