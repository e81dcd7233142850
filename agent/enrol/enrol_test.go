package enrol_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/enrol"
	"github.com/dockline/dockline/proto/wire"
)

func TestEnrolTwiceIsTheSameSite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	first, err := enrol.NewKeyAndCSR(dir, "acme", "dc-east")
	if err != nil {
		t.Fatal(err)
	}
	again, err := enrol.NewKeyAndCSR(dir, "acme", "dc-east")
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("the second request differs, %v", err)
	}
	request := parse(t, first)
	if request.Subject.CommonName != "acme.dc-east" || len(request.URIs) != 1 || request.URIs[0].String() != "dockline://acme/site/dc-east" {
		t.Errorf("it is for %s %v", request.Subject.CommonName, request.URIs)
	}
	info, err := os.Stat(filepath.Join(dir, enrol.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v", info.Mode())
	}
	// A request that is lost is made again with the same key; one for another site too.
	if err := os.Remove(filepath.Join(dir, enrol.CSRFile)); err != nil {
		t.Fatal(err)
	}
	for _, site := range []string{"dc-east", "dc-west"} {
		csr, err := enrol.NewKeyAndCSR(dir, "acme", site)
		if err != nil {
			t.Fatal(err)
		}
		if next := parse(t, csr); !request.PublicKey.(*ecdsa.PublicKey).Equal(next.PublicKey) || next.Subject.CommonName != "acme."+site {
			t.Errorf("%s: another key, or for %s", site, next.Subject.CommonName)
		}
	}
}

// TestManyEnrolAtOnce: whoever comes at the same moment asks with the same request, which is of the key that is kept.
func TestManyEnrolAtOnce(t *testing.T) {
	for range 10 {
		dir := filepath.Join(t.TempDir(), "identity")
		requests := make([][]byte, 6)
		var all sync.WaitGroup
		for i := range requests {
			all.Go(func() {
				var err error
				if requests[i], err = enrol.NewKeyAndCSR(dir, "acme", "dc-east"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		kept, err := enrol.NewKeyAndCSR(dir, "acme", "dc-east")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range requests {
			if !bytes.Equal(r, kept) {
				t.Fatal("two requests for one folder")
			}
		}
	}
}

func TestEnrolRefuses(t *testing.T) {
	if _, err := enrol.NewKeyAndCSR(t.TempDir(), "ac.me", "dc-east"); err == nil {
		t.Error("a tenant with a dot")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, enrol.KeyFile), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := enrol.NewKeyAndCSR(dir, "acme", "dc-east"); err == nil {
		t.Error("a damaged key was replaced or ignored")
	}
}

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	csr, err := enrol.NewKeyAndCSR(dir, "acme", "dc-east")
	if err != nil {
		t.Fatal(err)
	}
	ca := newAuthority(t)
	cert := ca.sign(t, parse(t, csr).PublicKey)
	if err := enrol.Install(dir, cert, ca.pem); err != nil {
		t.Fatal(err)
	}
	config, err := wire.LoadTLS(filepath.Join(dir, enrol.CAFile), filepath.Join(dir, enrol.CertFile), filepath.Join(dir, enrol.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := config.GetClientCertificate(nil)
	if err != nil || len(shown.Certificate) != 1 {
		t.Fatalf("%v %v", shown, err)
	}
	// A renewed certificate is shown without a restart.
	renewed := ca.sign(t, parse(t, csr).PublicKey)
	if err := enrol.Install(dir, renewed, ca.pem); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(renewed)
	if shown, err = config.GetClientCertificate(nil); err != nil || !bytes.Equal(shown.Certificate[0], block.Bytes) {
		t.Errorf("the old certificate is shown, %v", err)
	}
	// One that is torn is not: the last good one goes on.
	if err := os.WriteFile(filepath.Join(dir, enrol.CertFile), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if shown, err = config.GetClientCertificate(nil); err != nil || !bytes.Equal(shown.Certificate[0], block.Bytes) {
		t.Errorf("a torn certificate: %v", err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := enrol.Install(dir, ca.sign(t, stranger.Public()), ca.pem); err == nil {
		t.Error("a certificate of another key was installed")
	}
	if err := enrol.Install(dir, cert, newAuthority(t).pem); err == nil {
		t.Error("a certificate of another authority was installed")
	}
}

func parse(t *testing.T, csr []byte) *x509.CertificateRequest {
	t.Helper()
	block, _ := pem.Decode(csr)
	if block == nil {
		t.Fatalf("no PEM: %s", csr)
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := request.CheckSignature(); err != nil {
		t.Fatal(err)
	}
	return request
}

// authority stands for the centre, whose packages the agent does not import.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) sign(t *testing.T, public any) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestWhatWasGivenWrongIsNotTriedAgain: only the collector's own silence is worth another attempt.
func TestWhatWasGivenWrongIsNotTriedAgain(t *testing.T) {
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.TLS = &tls.Config{NextProtos: []string{wire.EnrolProtocol}}
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	token, pin := wire.JoinToken("acme", "dc-east", "secret"), strings.Repeat("ab", 32)
	for name, given := range map[string][3]string{
		"no token":              {stranger.URL, "half a token", pin},
		"no fingerprint":        {stranger.URL, token, "abc"},
		"the broker's address":  {"mqtts://localhost:8883", token, pin},
		"another's fingerprint": {stranger.URL, token, pin},
	} {
		_, err := enrol.Centre{URL: given[0]}.Enrol(t.Context(), t.TempDir(), given[1], given[2])
		if err == nil || enrol.Transient(err) {
			t.Errorf("%s: %v is tried again", name, err)
		}
	}
	stranger.Close()
	_, err := enrol.Centre{URL: stranger.URL}.Enrol(t.Context(), t.TempDir(), token, pin)
	if !enrol.Transient(err) {
		t.Errorf("a collector that does not answer: %v is not tried again", err)
	}
	if text := enrol.Advise(err).Error(); !strings.Contains(text, "mqtt.listen") {
		t.Errorf("where nobody answers it is not said what to look at: %s", text)
	}
}
