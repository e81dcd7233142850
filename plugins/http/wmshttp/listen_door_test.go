package wmshttp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify makes a certificate, signed by another or by itself, and writes it and its key.
func certify(t *testing.T, dir, name string, ca *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: ca == nil, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := template, any(key)
	if ca != nil {
		signer = ca.PrivateKey
		if parent, err = x509.ParseCertificate(ca.Certificate[0]); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: raw}, ".key": {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// With an authority for clients, only who has a certificate of it gets as far as HTTP.
func TestCertificatesAreAskedFor(t *testing.T) {
	dir := t.TempDir()
	ca := certify(t, dir, "ca", nil)
	certify(t, dir, "server", &ca)
	good, stranger := certify(t, dir, "scanner-7", &ca), certify(t, dir, "stranger", nil)
	at := func(name string) string { return filepath.ToSlash(filepath.Join(dir, name)) }
	h := newHost()
	config := fmt.Sprintf(listening, fmt.Sprintf("tls: {certificate: %q, key: %q, client_ca: %q}", at("server.crt"), at("server.key"), at("ca.crt")))
	config = strings.Replace(config, "qty: quantity, at: occurred_at, ../batch: custom.batch", "qty: quantity, at: occurred_at, ../batch: custom.batch, \"@sender\": device", 1)
	r := run(t, h, t.TempDir(), config, true)
	roots := x509.NewCertPool()
	root, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(root)
	send := func(certificates ...tls.Certificate) (int, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}, DisableKeepAlives: true}}
		req, err := http.NewRequestWithContext(context.Background(), "POST", "https://"+r.address+"/events/picks", text(onePick))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := send(good); err != nil || status != 200 {
		t.Errorf("with a certificate: %d, %v", status, err)
	}
	for what, certificates := range map[string][]tls.Certificate{"without a certificate": nil, "with another's": {stranger}} {
		if status, err := send(certificates...); err == nil {
			t.Errorf("%s: %d", what, status)
		}
	}
	if all := h.all(); len(all) != 1 || all[0].GetDevice() != "scanner-7" {
		t.Errorf("told: %v", all)
	}
}
