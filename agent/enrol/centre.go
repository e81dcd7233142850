package enrol

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockline/dockline/proto/wire"
)

// Centre is the collector's door for those who ask for a certificate.
type Centre struct {
	// URL is https://host:port.
	URL string
	// Proxy is what the connection goes through, if anything.
	Proxy wire.Proxy
	// Machine and Host are told to the people at the centre.
	Machine, Host string
}

// requestTime bounds one request.
const requestTime = 20 * time.Second

// ErrAsked is what the caller gave, and must give otherwise.
var ErrAsked = errors.New("enrol")

// ErrStranger is a server that does not have the fingerprint: the same one again has it no more than before.
var ErrStranger = errors.New("the server does not have the fingerprint that was given: it is not this collector, or somebody is in between; nothing was sent. " +
	"Compare it with what `dockline-collector identity status` prints, or have `dockline-collector site add` print the command anew")

// Transient says whether an attempt that ended with this error may succeed when it is made again.
func Transient(err error) bool {
	var p *wire.Problem
	if err == nil || errors.Is(err, ErrAsked) || errors.Is(err, ErrStranger) {
		return false
	}
	return !errors.As(err, &p) || p.Status == http.StatusTooManyRequests || p.Status >= 500
}

// Advise adds to an error what to look at where nobody answers.
func Advise(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("%w. Nobody answers there: see that the collector is at work, that its mqtt.listen and mqtt.hosts (with another broker identity.listen) say this address, and that no firewall closes the port", err)
	}
	return err
}

// Enrol makes a key and a request in dir, unless they are there, and has the centre sign it for a one-time token. fingerprint is the SHA-256
// of the authority's certificate, in hex: nobody else is given the token. Called again with the same key it gets the same answer.
func (c Centre) Enrol(ctx context.Context, dir, token, fingerprint string) (*wire.EnrolAnswer, error) {
	tenant, site, _, ok := wire.SplitToken(token)
	if !ok {
		return nil, fmt.Errorf("%w: this is no token; it is tenant.site.secret, as `dockline-collector site add` printed it", ErrAsked)
	}
	pin, err := hex.DecodeString(strings.ReplaceAll(fingerprint, ":", ""))
	if err != nil || len(pin) != sha256.Size {
		return nil, fmt.Errorf("%w: the fingerprint is 64 hex digits, as `dockline-collector site add` printed them", ErrAsked)
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: %q: give the collector as https://host:port", ErrAsked, c.URL)
	}
	csr, err := NewKeyAndCSR(dir, tenant, site)
	if err != nil {
		return nil, err
	}
	own, err := selfSigned(filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, InsecureSkipVerify: true, // VerifyConnection looks instead
		VerifyConnection: func(s tls.ConnectionState) error { return pinned(s.PeerCertificates, pin, u.Hostname()) }}
	answer, err := c.post(ctx, wire.EnrolPath, config, wire.EnrolRequest{Token: token, CSR: string(csr)})
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	if answer.Tenant != tenant || answer.Site != site {
		return nil, fmt.Errorf("enrol: the centre answers for site %s of tenant %s", answer.Site, answer.Tenant)
	}
	return answer, Install(dir, []byte(answer.Certificate), []byte(answer.Authorities))
}

// Files are where a site's identity is kept.
type Files struct {
	CA, Certificate, Key string
}

// Renew has the centre sign a new certificate for the key of the one that there is, and puts it in its place with the authorities to trust.
// The one that there is may have ended.
func (c Centre) Renew(ctx context.Context, f Files, who wire.Identity) error {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return fmt.Errorf("renew: %s holds no certificate in PEM", f.CA)
	}
	csr, err := requestFor(pair.PrivateKey, who)
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	answer, err := c.post(ctx, wire.RenewPath, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots,
		// Whatever the centre says that it takes: ours may have ended, or be of an authority that it is about to forget.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
	}, wire.EnrolRequest{CSR: string(csr)})
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	return f.install([]byte(answer.Certificate), []byte(answer.Authorities))
}

func (c Centre) post(ctx context.Context, path string, config *tls.Config, q wire.EnrolRequest) (*wire.EnrolAnswer, error) {
	q.Machine, q.Host = c.Machine, c.Host
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	config.NextProtos = []string{wire.EnrolProtocol}
	transport := &http.Transport{DialContext: c.Proxy.DialContext, TLSClientConfig: config, TLSHandshakeTimeout: requestTime, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		p := &wire.Problem{}
		if json.Unmarshal(text, p) != nil || p.Status == 0 {
			p = &wire.Problem{Status: response.StatusCode, Detail: fmt.Sprintf("%s answered %s: is that the collector's address for enrolment?", c.URL, response.Status)}
		}
		return nil, p
	}
	answer := &wire.EnrolAnswer{}
	if err := json.Unmarshal(text, answer); err != nil {
		return nil, fmt.Errorf("the answer of %s cannot be read: %w", c.URL, err)
	}
	return answer, nil
}

// pinned says whether the server is of the authority with this fingerprint. A site's clock may be wrong on its first day, so the end of the
// server's certificate is not looked at.
func pinned(chain []*x509.Certificate, fingerprint []byte, host string) error {
	for _, c := range chain {
		if sum := sha256.Sum256(c.Raw); !bytes.Equal(sum[:], fingerprint) || !c.IsCA {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(c)
		leaf := chain[0]
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)})
		return err
	}
	return ErrStranger
}

// selfSigned is a certificate that proves nothing but that we hold the key.
func selfSigned(keyFile string) (tls.Certificate, error) {
	key, err := openKey(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a site that enrols"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
