package enrol_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/identity"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// door is a server at work, with a clock that a test sets.
type door struct {
	t         *testing.T
	now       time.Time
	authority *identity.Authority
	server    *enrol.Server
	keeper    *enrol.Keeper
	url       string
	open      map[string]string // codes by site
}

func newDoor(t *testing.T, d *db.DB) *door {
	t.Helper()
	w := &door{t: t, now: time.Now(), open: map[string]string{}}
	clock := func() time.Time { return w.now }
	var err error
	if w.authority, err = identity.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	w.authority.Now = clock
	if _, err := (&fleet.Fleet{DB: d}).AddSite(t.Context(), fleet.Registration{Tenant: "acme", ID: "dc-east"}); err != nil {
		t.Fatal(err)
	}
	store, log := enrol.Store{DB: d, Now: clock}, slog.New(slog.DiscardHandler)
	report := func(_ context.Context, _ *db.Tx, _, origin string, found []enrol.Exception) error {
		codes := make([]string, len(found))
		for i, f := range found {
			codes[i] = f.Code
		}
		w.open[strings.TrimPrefix(origin, "enrol/")] = strings.Join(codes, ",")
		return nil
	}
	w.server = &enrol.Server{Store: store, Signer: w.authority, Broker: "mqtts://broker:8883", Grace: 90 * 24 * time.Hour, Report: report, Log: log}
	w.keeper = &enrol.Keeper{Store: store, Rotation: w.authority, Report: report, Log: log}
	config, err := w.authority.ServerTLS([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	w.url = "https://" + listener.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- (&enrol.Door{Server: w.server, Listener: listener}).Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func csr(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// own is a certificate that a key made for itself.
func own(t *testing.T, key *ecdsa.PrivateKey) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func given(t *testing.T, answer wire.EnrolAnswer, key *ecdsa.PrivateKey) tls.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(answer.Certificate))
	if block == nil {
		t.Fatalf("no certificate in %+v", answer)
	}
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

// ask returns the answer, or the code of the refusal.
func (w *door) ask(path string, as tls.Certificate, q wire.EnrolRequest) (answer wire.EnrolAnswer, code string) {
	w.t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		w.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: w.authority.Pool(), Time: func() time.Time { return w.now }, Certificates: []tls.Certificate{as}, NextProtos: []string{wire.EnrolProtocol}}}}
	response, err := client.Post(w.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, &answer); err != nil {
			w.t.Fatal(err)
		}
		return answer, ""
	}
	var p wire.Problem
	if err := json.Unmarshal(text, &p); err != nil || p.Code == "" {
		w.t.Fatalf("%d %s", response.StatusCode, text)
	}
	return answer, p.Code
}

// The life of a site's identity, on both databases: one token is one certificate however often it is used; a thief is told apart from the
// site; renewal, grace, and a person's word after that; revocation, and a new beginning.
//
// Shows: E18, E19, S68
func TestLifeOfAnIdentity(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDoor(t, d)
		ctx, store := t.Context(), &w.server.Store
		token, err := store.NewToken(ctx, "acme", "dc-east", "anna", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.NewToken(ctx, "acme", "nowhere", "anna", time.Hour); err == nil {
			t.Error("a token for a site that is not there")
		}
		key := newKey(t)
		first, code := w.ask(wire.EnrolPath, own(t, key), wire.EnrolRequest{Token: token, CSR: csr(t, key)})
		if code != "" || first.Tenant != "acme" || first.Site != "dc-east" || first.Broker != "mqtts://broker:8883" {
			t.Fatalf("%+v %s", first, code)
		}
		for range 4 {
			if again, code := w.ask(wire.EnrolPath, own(t, key), wire.EnrolRequest{Token: token, CSR: csr(t, key)}); again != first {
				t.Errorf("again: %+v %s", again, code)
			}
		}
		thief := newKey(t)
		if _, code := w.ask(wire.EnrolPath, own(t, thief), wire.EnrolRequest{Token: token, CSR: csr(t, thief)}); code != enrol.CodeTokenStolen || w.open["dc-east"] != code {
			t.Errorf("a thief: %s, open %s", code, w.open["dc-east"])
		}
		if _, code := w.ask(wire.EnrolPath, own(t, thief), wire.EnrolRequest{Token: token, CSR: csr(t, key)}); code != enrol.CodeEnrolmentReplayed {
			t.Errorf("a replay: %s", code)
		}
		if _, code := w.ask(wire.RenewPath, own(t, thief), wire.EnrolRequest{CSR: csr(t, thief)}); code != "certificate_unknown" {
			t.Errorf("a certificate of his own: %s", code)
		}

		at := given(t, first, key)
		w.now = w.now.Add(61 * 24 * time.Hour)
		second, code := w.ask(wire.RenewPath, at, wire.EnrolRequest{CSR: csr(t, key)})
		if code != "" || second.Certificate == first.Certificate {
			t.Fatalf("renewal: %s", code)
		}
		if lost, _ := w.ask(wire.RenewPath, at, wire.EnrolRequest{CSR: csr(t, key)}); lost != second {
			t.Error("a renewal whose answer was lost brought another certificate")
		}
		w.now = w.now.Add(179 * 24 * time.Hour)
		third, code := w.ask(wire.RenewPath, given(t, second, key), wire.EnrolRequest{CSR: csr(t, key)})
		if code != "" {
			t.Fatalf("in the grace period: %s", code)
		}
		w.now = w.now.Add(181 * 24 * time.Hour)
		if _, code := w.ask(wire.RenewPath, given(t, third, key), wire.EnrolRequest{CSR: csr(t, key)}); code != enrol.CodeTooLongOffline {
			t.Errorf("after it: %s", code)
		}
		if err := store.Allow(ctx, "acme", "dc-east", "anna", w.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		fourth, code := w.ask(wire.RenewPath, given(t, third, key), wire.EnrolRequest{CSR: csr(t, key)})
		if code != "" || w.open["dc-east"] != "" {
			t.Errorf("let in: %s, open %s", code, w.open["dc-east"])
		}

		who := wire.Identity{Tenant: "acme", Site: "dc-east"}
		check := func(answer wire.EnrolAnswer) error {
			t.Helper()
			if err := w.keeper.Load(ctx); err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode([]byte(answer.Certificate))
			leaf, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			return w.keeper.Check(leaf, who)
		}
		if err := check(fourth); err != nil {
			t.Error(err)
		}
		unused, err := store.NewToken(ctx, "acme", "dc-east", "anna", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Revoke(ctx, "acme", "dc-east", "anna", "stolen"); err != nil {
			t.Fatal(err)
		}
		if err := store.Allow(ctx, "acme", "dc-east", "anna", w.now.Add(time.Hour)); !errors.Is(err, enrol.ErrShutOut) {
			t.Errorf("a site that is shut out is told that it may renew: %v", err)
		}
		if check(first) == nil || check(fourth) == nil {
			t.Error("a revoked certificate is taken")
		}
		if _, code := w.ask(wire.RenewPath, given(t, fourth, key), wire.EnrolRequest{CSR: csr(t, key)}); code != enrol.CodeCertificateRevoked {
			t.Errorf("renewal of a revoked one: %s", code)
		}
		fresh := newKey(t)
		if _, code := w.ask(wire.EnrolPath, own(t, fresh), wire.EnrolRequest{Token: unused, CSR: csr(t, fresh)}); code != "token_void" {
			t.Errorf("a token of before: %s", code)
		}
		w.now = w.now.Add(time.Minute)
		if token, err = store.NewToken(ctx, "acme", "dc-east", "anna", time.Hour); err != nil {
			t.Fatal(err)
		}
		fifth, code := w.ask(wire.EnrolPath, own(t, fresh), wire.EnrolRequest{Token: token, CSR: csr(t, fresh)})
		if code != "" || check(fifth) != nil || check(fourth) == nil {
			t.Errorf("a new beginning: %s, %v, and the old one %v", code, check(fifth), check(fourth))
		}
		for _, later := range []time.Duration{0, 2 * time.Minute} {
			w.now = w.now.Add(later)
			if _, code := w.ask(wire.RenewPath, given(t, fourth, key), wire.EnrolRequest{CSR: csr(t, key)}); code != enrol.CodeCertificateRevoked {
				t.Errorf("the former certificate after the new beginning: %s", code)
			}
			told := 0
			if err := d.Read(ctx, func(tx *db.Tx) error {
				open, err := enrol.Attempts(ctx, tx, "acme", "dc-east")
				for _, a := range open {
					if a.Code == enrol.CodeCertificateRevoked {
						told++
					}
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if want := min(1, int(later)); told != want {
				t.Errorf("%s after a new certificate the former one is told of %d times, want %d", later, told, want)
			}
		}
		expired, err := store.NewToken(ctx, "acme", "dc-east", "anna", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(2 * time.Hour)
		if _, code := w.ask(wire.EnrolPath, own(t, thief), wire.EnrolRequest{Token: expired, CSR: csr(t, thief)}); code != "token_expired" {
			t.Errorf("an old token: %s", code)
		}
		certificates, err := store.Certificates(ctx, "acme", "dc-east")
		if err != nil || len(certificates) != 5 || certificates[0].Via != enrol.ViaToken || certificates[1].Via != enrol.ViaGrace || certificates[3].Via != enrol.ViaRenewal {
			t.Errorf("%d certificates, %v", len(certificates), err)
		}

		// A rotation waits for the site, whatever it says of others.
		if err := w.authority.Rotate(); err != nil {
			t.Fatal(err)
		}
		behind := func() int {
			t.Helper()
			found, err := store.Behind(ctx, w.authority.Signer())
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		}
		if behind() != 1 {
			t.Error("nobody is behind")
		}
		w.now = w.now.Add(time.Hour)
		sixth, code := w.ask(wire.RenewPath, given(t, fifth, fresh), wire.EnrolRequest{CSR: csr(t, fresh)})
		if code != "" || strings.Count(sixth.Authorities, "BEGIN") != 2 {
			t.Errorf("%s, authorities %s", code, sixth.Authorities)
		}
		raw, err := proto.Marshal(&docklinev1.Heartbeat{Certificate: &docklinev1.CertificateState{Issuer: w.authority.Signer()}})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(ctx, func(tx *db.Tx) error {
			return tx.InsertAll(ctx, db.Insert{Table: "presence", Columns: []string{"tenant", "site", "session", "online", "connected_at", "seen_at", "heartbeat"},
				Rows: [][]any{{"acme", "dc-east", "s", int64(1), w.now.UnixMicro(), w.now.UnixMicro(), raw}}})
		}); err != nil {
			t.Fatal(err)
		}
		if behind() != 0 {
			t.Error("a site that has come is behind")
		}
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- w.keeper.Run(running) }()
		deadline := time.Now().Add(time.Minute)
		for w.authority.Rotating() && time.Now().Before(deadline) {
			<-time.After(10 * time.Millisecond)
		}
		stop()
		if err := <-ended; err != nil || w.authority.Rotating() {
			t.Errorf("the former authority is not retired: %v", err)
		}
	})
}
