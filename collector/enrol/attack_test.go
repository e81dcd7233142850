package enrol_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// hugeCSR is a request for an RSA key of so many bits, with a signature that cannot be one.
func hugeCSR(t *testing.T, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		Info struct {
			Version int
			Subject asn1.RawValue
			Key     struct {
				Algorithm asn1.RawValue
				Key       asn1.BitString
			}
			Attributes asn1.RawValue
		}
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &request); err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).SetBit(new(big.Int), bits-1, 1)
	n.SetBit(n, 0, 1)
	public, err := asn1.Marshal(struct {
		N *big.Int
		E int
	}{n, 1<<31 - 1})
	if err != nil {
		t.Fatal(err)
	}
	request.Info.Key.Key = asn1.BitString{Bytes: public, BitLength: 8 * len(public)}
	signature := make([]byte, bits/8)
	signature[0] = 0x7f
	request.Signature = asn1.BitString{Bytes: signature, BitLength: bits}
	if der, err = asn1.Marshal(request); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// A request that is made to cost much, or to leave something in the log or the database that cannot be there, costs little, and the site
// that comes after it gets its certificate.
func TestRequestsThatAreMadeToHarm(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDoor(t, d)
		token, err := w.server.NewToken(t.Context(), "acme", "dc-east", "anna", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		key, stranger := newKey(t), newKey(t)
		began := time.Now()
		for range 5 {
			if _, code := w.ask(wire.EnrolPath, own(t, stranger), wire.EnrolRequest{Token: token, CSR: hugeCSR(t, 180_000)}); code != "unreadable" {
				t.Errorf("a key of 180,000 bits: %q", code)
			}
		}
		t.Logf("five requests with a key of 180,000 bits took %s", time.Since(began))
		for _, host := range []string{strings.Repeat("ä", 80) + "x", "x" + strings.Repeat("ä", 80), "a\x00b", "a\n\x1b[31mb\u202e"} {
			w.now = w.now.Add(time.Second)
			answer, code := w.ask(wire.EnrolPath, own(t, key), wire.EnrolRequest{Token: token, CSR: csr(t, key), Host: host})
			if code != "" || answer.Certificate == "" {
				t.Fatalf("host %q: %q", host, code)
			}
			if token, err = w.server.NewToken(t.Context(), "acme", "dc-east", "anna", time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		certificates, err := w.server.Certificates(t.Context(), "acme", "dc-east")
		if err != nil || len(certificates) != 4 || certificates[0].Host != "a[31mb" {
			t.Errorf("%d certificates, the last of %+q, %v", len(certificates), certificates[0].Host, err)
		}
	})
}

// One address that holds as many connections as it gets, and says nothing, leaves room for others.
func TestOneAddressDoesNotHoldTheDoor(t *testing.T) {
	w := newDoor(t, testenv.SQLite(t))
	token, err := w.server.NewToken(t.Context(), "acme", "dc-east", "anna", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: w.authority.Pool(), Certificates: []tls.Certificate{own(t, newKey(t))}, NextProtos: []string{wire.EnrolProtocol}}
	var held []*tls.Conn
	for range 200 {
		conn, err := (&tls.Dialer{Config: config, NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}}).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "https://"))
		if err != nil {
			continue
		}
		held = append(held, conn.(*tls.Conn))
	}
	defer func() {
		for _, conn := range held {
			_ = conn.Close()
		}
	}()
	key := newKey(t)
	if _, code := w.ask(wire.EnrolPath, own(t, key), wire.EnrolRequest{Token: token, CSR: csr(t, key)}); code != "" {
		t.Errorf("another address is refused: %q", code)
	}
}

// Who needs no certificate to be let in holds neither the door nor what others fetch: of one address there are a few at a time, and a body that was
// announced and does not come is not waited for for ever.
func TestWhoShowsNothingHoldsNothing(t *testing.T) {
	w := newDoor(t, testenv.SQLite(t))
	config, err := w.authority.ServerTLS([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a package")) })
	go func() {
		ended <- (&enrol.Door{Server: w.server, Install: hello, Listener: listener, RequestTime: 2 * time.Second}).Run(ctx)
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	fetch := func(from byte, request string) *tls.Conn {
		dialer := &tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}, Config: &tls.Config{RootCAs: w.authority.Pool(), NextProtos: []string{wire.InstallProtocol}}}
		conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			return nil
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(3 * time.Minute))
		_, _ = conn.Write([]byte(request))
		return conn.(*tls.Conn)
	}
	var held []*tls.Conn
	for range 40 {
		if conn := fetch(2, "GET /install/agent.sh HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"); conn != nil {
			held = append(held, conn)
		}
	}
	answer, err := io.ReadAll(fetch(3, "GET /install/agent.sh HTTP/1.1\r\nHost: x\r\n\r\n"))
	if err != nil || !strings.HasSuffix(string(answer), "a package") {
		t.Errorf("another address: %v %s", err, answer)
	}
	for i, conn := range held {
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d of %d is still held", i, len(held))
		}
	}
}

// A site that renews without end gets so many certificates an hour; the one that it has goes on to count, and renews later.
func TestRenewalWithoutEnd(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDoor(t, d)
		token, err := w.server.NewToken(t.Context(), "acme", "dc-east", "anna", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		key := newKey(t)
		answer, code := w.ask(wire.EnrolPath, own(t, key), wire.EnrolRequest{Token: token, CSR: csr(t, key)})
		if code != "" {
			t.Fatal(code)
		}
		certificate, got := given(t, answer, key), 1
		for range 40 {
			w.now = w.now.Add(time.Second)
			if answer, code = w.ask(wire.RenewPath, certificate, wire.EnrolRequest{CSR: csr(t, key)}); code == "" {
				certificate, got = given(t, answer, key), got+1
			} else if code != "too_many" {
				t.Fatal(code)
			}
		}
		if kept, err := w.server.Certificates(t.Context(), "acme", "dc-east"); err != nil || len(kept) != got || got != 20 {
			t.Errorf("%d of 41 were given, %d are kept, %v", got, len(kept), err)
		}
		w.now = w.now.Add(time.Hour)
		if _, code = w.ask(wire.RenewPath, certificate, wire.EnrolRequest{CSR: csr(t, key)}); code != "" {
			t.Errorf("an hour later: %q", code)
		}
	})
}
