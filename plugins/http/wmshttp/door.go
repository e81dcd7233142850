package wmshttp

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// minSecret is how long a token must be; openssl rand -hex 32 gives 64.
const minSecret = 16

// checkDoor: nobody unknown is let in, unless from this computer.
func (l *loader) checkDoor(n *Listen) {
	host, port, err := net.SplitHostPort(n.Address)
	if err != nil || port == "" {
		l.fault("listen.address", "%q is no address such as 127.0.0.1:8080 or :8443", n.Address)
	}
	ip := net.ParseIP(host)
	local := host == "localhost" || ip != nil && ip.IsLoopback()
	names := map[string]bool{}
	for i, t := range n.Tokens {
		at := fmt.Sprintf("listen.tokens[%d]", i)
		switch {
		case t.Name == "" || names[t.Name]:
			l.fault(at+".name", "each token has a name of its own: that of who sends")
		case (t.File == "") == (t.Env == ""):
			l.fault(at, "name either the file that holds the token or the environment variable")
		default:
			if _, err := t.value(); err != nil {
				l.fault(at, "%v", err)
			}
		}
		names[t.Name] = true
	}
	if n.TLS == nil {
		if !local && !n.Cleartext {
			l.fault("listen.tls", "%s is reached from other computers: name a certificate under tls, or write cleartext: true where the network is trusted", n.Address)
		}
	} else if _, err := n.TLS.config(); err != nil {
		l.fault("listen.tls", "%v", err)
	}
	if len(n.Tokens) == 0 && (n.TLS == nil || n.TLS.ClientCA == "") && !local {
		l.fault("listen.tokens", "anybody could send: give each sender a token, or name the authority of their certificates under tls.client_ca")
	}
}

func (t Token) value() (string, error) {
	if t.Env != "" {
		if v := strings.TrimSpace(os.Getenv(t.Env)); len(v) >= minSecret {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set, or has fewer than %d letters", t.Env, minSecret)
	}
	v, err := secret(t.File)
	if err == nil && len(v) < minSecret {
		err = fmt.Errorf("%s holds fewer than %d letters; make one by openssl rand -hex 32", t.File, minSecret)
	}
	return v, err
}

// certificate reads certificate and key anew when their file has changed.
type certificate struct {
	tls *TLS
	mu  sync.Mutex
	at  time.Time
	now *tls.Certificate
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.tls.Certificate)
	if err == nil && (c.now == nil || !info.ModTime().Equal(c.at)) {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.tls.Certificate, c.tls.Key); err == nil {
			c.now, c.at = &pair, info.ModTime()
		}
	}
	if c.now != nil {
		return c.now, nil // half written, most likely: the former one still serves
	}
	return nil, err
}

func (t *TLS) config() (*tls.Config, error) {
	c := &certificate{tls: t}
	if _, err := c.get(nil); err != nil {
		return nil, fmt.Errorf("certificate and key cannot be used: %w", err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	if t.ClientCA != "" {
		raw, err := os.ReadFile(t.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("client_ca cannot be read: %w", err)
		}
		out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !out.ClientCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", t.ClientCA)
		}
	}
	return out, nil
}

// door knows who may send.
type door struct {
	tokens []Token
	open   bool // nobody is asked

	mu   sync.Mutex
	sums map[string][sha256.Size]byte
	read time.Time
}

func newDoor(n *Listen) *door {
	return &door{tokens: n.Tokens, open: len(n.Tokens) == 0}
}

// rereadEvery is how often token files are read again for a token that is not known: it may be a new one.
const rereadEvery = time.Second

// sender is who sends a request; false where he is not known.
func (d *door) sender(r *http.Request, now time.Time) (string, bool) {
	if d.open {
		if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			return r.TLS.VerifiedChains[0][0].Subject.CommonName, true
		}
		return "", true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		given = r.Header.Get("X-Api-Key")
	}
	if given == "" {
		return "", false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	name, ok := d.match(given)
	if !ok && now.Sub(d.read).Abs() >= rereadEvery {
		d.load()
		d.read = now
		name, ok = d.match(given)
	}
	return name, ok
}

func (d *door) load() {
	d.sums = map[string][sha256.Size]byte{}
	for _, t := range d.tokens {
		if v, err := t.value(); err == nil {
			d.sums[t.Name] = sha256.Sum256([]byte(v))
		}
	}
}

// match compares with every token, in a time that says nothing of any.
func (d *door) match(given string) (name string, ok bool) {
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	for n, of := range d.sums {
		if subtle.ConstantTimeCompare(sum[:], of[:]) == 1 {
			name, ok = n, true
		}
	}
	return name, ok
}
