package windows_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
)

// TestPackageSignature signs with a throw-away certificate from the environment, as a release does with its own: the package and each program in
// it verify, one changed byte does not, and neither does what was never signed.
func TestPackageSignature(t *testing.T) {
	needTools(t)
	for _, tool := range []string{"osslsigncode", "msiextract"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.SkipServer(t, tool, "not installed")
		}
	}
	dir := t.TempDir()
	certificate, key := signer(t, dir)
	msi := filepath.Join(dir, "signed.msi")
	programs := filepath.Join(enroltest.Bin(t), "new")
	if err := pack(newVersion, programs, msi, "DOCKLINE_SIGN_CERT="+certificate, "DOCKLINE_SIGN_KEY="+key); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("msiextract", "-C", dir, msi).CombinedOutput(); err != nil {
		t.Fatalf("msiextract: %v: %s", err, out)
	}
	verifies := func(path string) bool {
		return exec.Command("osslsigncode", "verify", "-CAfile", certificate, "-in", path).Run() == nil
	}
	packed, err := filepath.Glob(filepath.Join(dir, "Dockline", "*.exe"))
	if err != nil || len(packed) != 2 {
		t.Fatalf("packed programs: %v, %v", packed, err)
	}
	for _, path := range append(packed, msi) {
		if !verifies(path) {
			t.Errorf("%s does not verify", filepath.Base(path))
		}
		flip(t, path)
		if verifies(path) {
			t.Errorf("%s verifies with a changed byte", filepath.Base(path))
		}
	}
	for _, path := range []string{filepath.Join(enroltest.Bin(t), newPackage), filepath.Join(programs, "dockline-agent.exe")} {
		if verifies(path) {
			t.Errorf("%s was never signed, and verifies", filepath.Base(path))
		}
	}
}

// flip changes one bit in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// signer makes a certificate for signing code that has itself as authority.
func signer(t *testing.T, dir string) (certificate, key string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Dockline test builds"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, BasicConstraintsValid: true, IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "sign.crt"), filepath.Join(dir, "sign.key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
