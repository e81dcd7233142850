// Package identity is a small certificate authority: it signs the certificates by which sites and collectors know each other.
package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/proto/wire"
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	siteLife = 90 * 24 * time.Hour
	// ownLife is that of certificates which the collector makes for itself whenever it starts.
	ownLife = 365 * 24 * time.Hour
	// early is how far certificates reach back, for sites whose clock is behind.
	early = time.Hour

	keyFile  = "ca.key"
	certFile = "ca.crt"
)

// Authority signs certificates. It is safe for concurrent use.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
	dir  string
	// Now is the clock, time.Now unless set.
	Now func() time.Time
}

// Open reads the authority's key and certificate from dir, and makes both on first use: ca.key (P-256, mode 0600) and ca.crt (ten years).
func Open(dir string) (*Authority, error) {
	a := &Authority{dir: dir, Now: time.Now}
	if err := a.create(); err != nil {
		return nil, fmt.Errorf("create authority in %s: %w", dir, err)
	}
	key, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if a.pem, err = os.ReadFile(filepath.Join(dir, certFile)); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	pair, err := tls.X509KeyPair(a.pem, key)
	if err != nil {
		return nil, fmt.Errorf("open authority in %s: %w", dir, err)
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("open authority in %s: not a CA with an ECDSA key", dir)
	}
	a.key, a.cert = private, pair.Leaf
	return a, nil
}

// create makes what is missing. A certificate that is lost, or was never written since the machine stopped, is made again for its key, by
// which the sites know it; a lost key is not replaced.
func (a *Authority) create() error {
	hasKey, hasCert := exists(filepath.Join(a.dir, keyFile)), exists(filepath.Join(a.dir, certFile))
	switch {
	case hasKey && hasCert:
		return nil
	case hasCert:
		return fmt.Errorf("%s is there without %s; bring the key back, a new one would shut out every site", certFile, keyFile)
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	if !hasKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		keyPEM, err := encodeKey(key)
		if err != nil {
			return err
		}
		if err := writeNew(filepath.Join(a.dir, keyFile), keyPEM, 0o600); err != nil {
			return err
		}
	}
	key, err := readKey(filepath.Join(a.dir, keyFile))
	if err != nil {
		return err
	}
	template := a.template(pkix.Name{CommonName: "Dockline CA", Organization: []string{"Dockline"}}, caLife)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	return writeNew(filepath.Join(a.dir, certFile), encodeCert(der), 0o644)
}

// PEM is the authority's certificate: what a site needs to know the broker by.
func (a *Authority) PEM() []byte { return a.pem }

// File is the path of the authority's certificate.
func (a *Authority) File() string { return filepath.Join(a.dir, certFile) }

// Pool holds the authority's certificate.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// SignSite signs a site's request for 90 days. The key in it stays the site's; what else the request says is not taken over: the
// certificate names this tenant and site.
func (a *Authority) SignSite(csrPEM []byte, tenant, site string) (certPEM []byte, err error) {
	if !wire.ValidName(tenant) || !wire.ValidName(site) {
		return nil, fmt.Errorf("sign site: %q and %q are not names of letters, digits, - and _", tenant, site)
	}
	block, _ := pem.Decode(csrPEM)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("sign site: not a certificate request in PEM")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("sign site: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("sign site: the request is not signed by its own key: %w", err)
	}
	if err := strong(request.PublicKey); err != nil {
		return nil, fmt.Errorf("sign site: %w", err)
	}
	who := wire.Identity{Tenant: tenant, Site: site}
	for _, u := range request.URIs {
		if claimed, err := wire.ParseIdentity(u); err != nil || claimed != who {
			return nil, fmt.Errorf("sign site: the request is for %s, not for %s", u.Redacted(), who.URI())
		}
	}
	der, err := a.sign(who, siteLife, request.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("sign site: %w", err)
	}
	return encodeCert(der), nil
}

// IssueCollector makes a key and a client certificate for a collector of this number or name.
func (a *Authority) IssueCollector(n string) (certPEM, keyPEM []byte, err error) {
	if !wire.ValidName(n) {
		return nil, nil, fmt.Errorf("issue collector: %q is not a name of letters, digits, - and _", n)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("issue collector: %w", err)
	}
	der, err := a.sign(wire.Identity{Collector: n}, ownLife, key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("issue collector: %w", err)
	}
	keyPEM, err = encodeKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue collector: %w", err)
	}
	return encodeCert(der), keyPEM, nil
}

// IssueServer makes a key and a server certificate for these host names and addresses.
func (a *Authority) IssueServer(hosts []string) (certPEM, keyPEM []byte, err error) {
	if len(hosts) == 0 {
		return nil, nil, errors.New("issue server: no host")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("issue server: %w", err)
	}
	template := a.template(pkix.Name{CommonName: hosts[0]}, ownLife)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue server: %w", err)
	}
	keyPEM, err = encodeKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue server: %w", err)
	}
	return encodeCert(der), keyPEM, nil
}

// ServerTLS is the configuration of a server on these hosts that takes only clients of this authority: what the broker needs.
func (a *Authority) ServerTLS(hosts []string) (*tls.Config, error) {
	pair, err := keyPair(a.IssueServer(hosts))
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.Pool()}, nil
}

// CollectorTLS is the configuration with which the collector of this number dials its broker.
func (a *Authority) CollectorTLS(n string) (*tls.Config, error) {
	pair, err := keyPair(a.IssueCollector(n))
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: a.Pool()}, nil
}

func keyPair(certPEM, keyPEM []byte, err error) (tls.Certificate, error) {
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// sign makes a client certificate. Its common name is the client id, which is what a broker other than ours goes by.
func (a *Authority) sign(who wire.Identity, life time.Duration, public any) ([]byte, error) {
	template := a.template(pkix.Name{CommonName: who.ClientID()}, life)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	template.URIs = []*url.URL{who.URI()}
	return x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
}

func (a *Authority) template(name pkix.Name, life time.Duration) *x509.Certificate {
	now := a.Now()
	until := now.Add(life)
	if a.cert != nil && until.After(a.cert.NotAfter) {
		until = a.cert.NotAfter
	}
	return &x509.Certificate{SerialNumber: serial(), Subject: name, NotBefore: now.Add(-early), NotAfter: until}
}

// serial is a random number of 127 bits; since Go 1.24 the random source cannot fail.
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}
