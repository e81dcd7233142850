package identity_test

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
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
)

// TestRefused tries, in the name of a site that works, what a thief would: a used token with a key of his own, a recorded request without its
// key, a token that has ended, one that was never given, the certificate under another site's name, and another site's topics. Each is
// refused, stands in the collector's log, and what concerns the site is shown as its condition and as an exception that says from where it
// came and what to do. The site itself works on.
//
// Shows: S68, E18
func TestRefused(t *testing.T) {
	c := enroltest.Open(t, "", "")
	i := c.Invite("dc-east")
	s := enroltest.NewSite(t, "dc-east", "dockline-agent")
	if out, err := s.Enrol(i); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.Configure(i.Broker, 0, 10, "")
	s.Start()
	testenv.Eventually(t, patience, "the site works", func() bool { return c.Site("dc-east").Logged > 5 })
	c.Invite("dc-west")

	shown := func(code string, words ...string) {
		t.Helper()
		var text string
		testenv.Eventually(t, patience, "exception "+code, func() bool { _, text = c.Exception("dc-east", code); return text != "" })
		for _, word := range words {
			if !strings.Contains(text, word) {
				t.Errorf("%s does not say %q: %s", code, word, text)
			}
		}
		testenv.Eventually(t, patience, "condition "+code, func() bool { return c.Site("dc-east").Has(code) != nil })
		t.Logf("%s: %s", code, text)
	}
	t.Run("a stolen used token", func(t *testing.T) {
		thief := enroltest.NewSite(t, "dc-east", "dockline-agent")
		out, err := thief.Enrol(i)
		if err == nil || !strings.Contains(out, "by another key") {
			t.Fatalf("%v: %s", err, out)
		}
		if _, err := os.Stat(filepath.Join(thief.Identity, "site.crt")); err == nil {
			t.Fatal("the thief has a certificate")
		}
		host, _ := os.Hostname()
		shown("token_stolen", "from 127.0.0.1 ("+host+")", "site revoke main/dc-east")
	})
	t.Run("a replayed enrolment", func(t *testing.T) {
		csr, err := os.ReadFile(filepath.Join(s.Identity, "site.csr"))
		if err != nil {
			t.Fatal(err)
		}
		status, p := post(t, c, wire.EnrolPath, stranger(t), wire.EnrolRequest{Token: i.Token, CSR: string(csr)})
		if status != http.StatusForbidden || p.Code != "enrolment_replayed" {
			t.Fatalf("%d %+v", status, p)
		}
		shown("enrolment_replayed", "127.0.0.1", "Nothing was given out")
	})
	t.Run("tokens that count no more", func(t *testing.T) {
		other := enroltest.NewSite(t, "dc-south", "dockline-agent")
		first := c.Invite("dc-south")
		c.Invite("dc-south")
		if out, err := other.Enrol(first); err == nil || !strings.Contains(out, "counts no more") {
			t.Errorf("a token that was replaced: %v: %s", err, out)
		}
		first.Token = "main.dc-south." + strings.Repeat("x", 43)
		if out, err := other.Enrol(first); err == nil || !strings.Contains(out, "not known") {
			t.Errorf("a guessed token: %v: %s", err, out)
		}
		short := c.Invite("dc-south", "--token-for", "1ns")
		if out, err := other.Enrol(short); err == nil || !strings.Contains(out, "ended at") {
			t.Errorf("a token that has ended: %v: %s", err, out)
		}
		short.Fingerprint = strings.Repeat("ab", 32)
		if out, err := other.Enrol(short, "--patience", "1ms"); err == nil || !strings.Contains(out, "nothing was sent") {
			t.Errorf("a server with another fingerprint: %v: %s", err, out)
		}
	})
	t.Run("guessing is slowed down", func(t *testing.T) {
		own := stranger(t)
		csr, err := os.ReadFile(filepath.Join(s.Identity, "site.csr"))
		if err != nil {
			t.Fatal(err)
		}
		status := 0
		for range 50 {
			if status, _ = post(t, c, wire.EnrolPath, own, wire.EnrolRequest{Token: "main.dc-east.guess", CSR: string(csr)}); status == http.StatusTooManyRequests {
				break
			}
		}
		if status != http.StatusTooManyRequests {
			t.Errorf("the fiftieth guess is answered %d", status)
		}
	})
	file := func(name string) string { return filepath.Join(s.Identity, name) }
	certificate, err := wire.LoadTLS(file("ca.crt"), file("site.crt"), file("site.key"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the certificate of another site", func(t *testing.T) {
		conn := dial(t, c, "main.dc-west", "dockline/v1/main/dc-west/down/#", certificate)
		testenv.Eventually(t, patience, "a refusal", func() bool { return conn.Stats().Failures > 0 })
		shown("foreign_client_id", "main.dc-west", "127.0.0.1")
	})
	t.Run("a topic of another site", func(t *testing.T) {
		s.Agent.Stop()
		conn := dial(t, c, "main.dc-east", "dockline/v1/main/dc-east/down/#", certificate)
		testenv.Eventually(t, patience, "a link", conn.Connected)
		if err := conn.Publish(t.Context(), wire.Message{Topic: "dockline/v1/main/dc-west/up/events", Payload: []byte("x")}); err == nil {
			t.Error("it was let through")
		}
		shown("foreign_topic", "dc-west/up/events", "127.0.0.1")
		s.Start()
	})
	want := c.Site("dc-east").Logged + 10
	testenv.Eventually(t, patience, "the site works on", func() bool { return c.Site("dc-east").Logged >= want })
	for _, line := range []string{"a request for a certificate is refused", "token_stolen", "enrolment_replayed", "connection refused"} {
		if !strings.Contains(c.Collector.Log(), line) {
			t.Errorf("the collector's log does not say %q", line)
		}
	}
	c.Invite("dc-east")
	testenv.Eventually(t, patience, "a new token settles what was refused", func() bool {
		title, _ := c.Exception("dc-east", "token_stolen")
		return title == "" && c.Site("dc-east").Has("token_stolen") == nil
	})
}

// TestRevoked shuts a site out while it is connected: the connection ends at once, later ones are refused and shown, nothing that it captures
// is taken, and with a new token it comes back and everything arrives.
//
// Shows: S68
func TestRevoked(t *testing.T) {
	c := enroltest.Open(t, "", "")
	s := c.Join("dc-east", "dockline-agent", 0, 10, "")
	testenv.Eventually(t, patience, "the site works", func() bool { return c.Site("dc-east").Logged > 5 })
	c.Must("site", "revoke", "main/dc-east", "--by", "security", "--reason", "the machine was stolen")
	began := time.Now()
	testenv.Eventually(t, patience, "its connection ends", func() bool { return !s.Status().GetOnline() })
	t.Logf("cut after %s", time.Since(began).Round(time.Millisecond))
	testenv.Eventually(t, patience, "it is shown", func() bool {
		v := c.Site("dc-east")
		return v.Has("revoked") != nil && strings.Contains(v.Has("revoked").Text, "the machine was stolen") && v.Has("certificate_revoked") != nil
	})
	logged := c.Site("dc-east").Logged
	captured := s.Captured()
	testenv.Eventually(t, patience, "it captures", func() bool { return s.Captured() > captured+30 })
	if now := c.Site("dc-east").Logged; now != logged {
		t.Errorf("%d events of a revoked site were taken", now-logged)
	}
	if out, err := s.Enrol(c.Invite("dc-east")); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testenv.Eventually(t, patience, "everything has arrived", func() bool {
		v := c.Site("dc-east")
		return v.State == "online" && v.Logged > int64(captured+30) && v.Has("revoked") == nil && v.Has("certificate_revoked") == nil
	})
}

func dial(t *testing.T, c *enroltest.Centre, clientID, subscribe string, certificate *tls.Config) *wire.Conn {
	t.Helper()
	conn, err := wire.Dial(t.Context(), wire.Config{URL: "mqtts://" + c.Line.Addr(), ClientID: clientID, TLS: certificate, Subscribe: []string{subscribe}, MaxBackoff: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

// stranger is a certificate of somebody's own making.
func stranger(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "stranger"}, NotAfter: time.Now().Add(day)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// post asks the centre as a program of a stranger would, who does not care whom he talks to.
func post(t *testing.T, c *enroltest.Centre, path string, as tls.Certificate, q wire.EnrolRequest) (int, *wire.Problem) {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{as}, NextProtos: []string{wire.EnrolProtocol}}}}
	response, err := client.Post("https://"+c.Line.Addr()+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK && kind != "application/problem+json" {
		t.Errorf("a refusal is of type %s", kind)
	}
	p := &wire.Problem{}
	if err := json.Unmarshal(text, p); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return response.StatusCode, p
}
