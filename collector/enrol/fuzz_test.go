package enrol_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/proto/wire"
)

// Whoever may talk to the door, with any certificate and any body, is answered with a refusal that is our JSON, and is given nothing.
func FuzzRequest(f *testing.F) {
	d, err := db.Open(f.Context(), "sqlite:"+filepath.Join(f.TempDir(), "collector.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := d.Close(); err != nil {
			f.Error(err)
		}
	})
	if err := d.Migrate(f.Context()); err != nil {
		f.Fatal(err)
	}
	authority, err := identity.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	server := &enrol.Server{Store: enrol.Store{DB: d, Now: func() time.Time { now = now.Add(time.Hour); return now }}, Signer: authority, Broker: "mqtts://broker:8883", Grace: time.Hour,
		Log: slog.New(slog.DiscardHandler)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		f.Fatal(err)
	}
	body, err := json.Marshal(wire.EnrolRequest{Token: "acme/dc-east/AAAA", CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})), Host: "dock"})
	if err != nil {
		f.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	shown, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(false, shown, body)
	f.Add(true, shown, body)
	f.Add(false, shown, []byte(`{"token":"`))
	f.Add(true, []byte{0x30}, []byte(`{"csr":"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"}`))
	f.Fuzz(func(t *testing.T, renew bool, certificate, body []byte) {
		path := wire.EnrolPath
		if renew {
			path = wire.RenewPath
		}
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		if leaf, err := x509.ParseCertificate(certificate); err == nil {
			r = r.WithContext(enrol.Showing(r.Context(), leaf))
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		p := &wire.Problem{}
		if w.Code < 400 || w.Code >= 500 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), p); err != nil || p.Detail == "" {
			t.Fatalf("%s is no refusal of ours: %v", w.Body, err)
		}
	})
}
