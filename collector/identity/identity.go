// Package identity is a small certificate authority: it signs the certificates by which sites and collectors know each other.
package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dockline/dockline/proto/filelock"
	"github.com/dockline/dockline/proto/wire"
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	siteLife = 90 * 24 * time.Hour
	// ownLife is that of certificates which the collector makes for itself whenever it starts.
	ownLife = 365 * 24 * time.Hour
	// early is how far certificates reach back, for sites whose clock is behind.
	early = time.Hour

	keyFile      = "ca.key"
	certFile     = "ca.crt"
	nextKeyFile  = "next.key"
	nextCertFile = "next.crt"
	lockFile     = "lock"

	// lockWait is how long another process may write in the folder; it writes some files of a kilobyte.
	lockWait = 10 * time.Second
)

// Authority signs certificates. It is safe for concurrent use. While it is being replaced (Rotate) it is two: the one that was there, by
// which broker and collector still prove themselves, and the next one, which already signs sites.
type Authority struct {
	dir string
	// Now is the clock, time.Now unless set.
	Now func() time.Time
	// SiteLife is how long a site's certificate holds, 90 days unless set.
	SiteLife time.Duration

	mu    sync.RWMutex
	roots []*root // the one in force, and the next one while there is one
}

// root is one key with the certificate that it signed for itself.
type root struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

// Open reads the authority's key and certificate from dir, and makes both on first use: ca.key (P-256, mode 0600) and ca.crt (ten years).
func Open(dir string) (*Authority, error) {
	a := &Authority{dir: dir, Now: time.Now, SiteLife: siteLife}
	if a.read() == nil {
		return a, nil
	}
	if err := a.alone(func() error { return errors.Join(a.mend(), a.create(keyFile, certFile)) }); err != nil {
		return nil, fmt.Errorf("create authority in %s: %w", dir, err)
	}
	if err := a.Reload(); err != nil {
		return nil, err
	}
	return a, nil
}

// alone runs what writes in the folder while no other process does: a collector that starts for the first time and a command beside it would
// each make a key, and a certificate for the other's.
func (a *Authority) alone(write func() error) error {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	lock, err := filelock.Take(filepath.Join(a.dir, lockFile), lockWait)
	if err != nil {
		return err
	}
	defer lock.Close() // nothing was written to it
	return write()
}

// Reload reads the folder again: another process may have begun or ended a rotation. Where it is amidst that, Reload waits for it.
func (a *Authority) Reload() error {
	if a.read() == nil {
		return nil
	}
	return a.alone(a.read)
}

func (a *Authority) read() error {
	first, err := readRoot(a.dir, keyFile, certFile)
	if err != nil {
		return fmt.Errorf("open authority: %w", err)
	}
	roots := []*root{first}
	if exists(filepath.Join(a.dir, nextCertFile)) {
		next, err := readRoot(a.dir, nextKeyFile, nextCertFile)
		if err != nil {
			return fmt.Errorf("open the next authority: %w", err)
		}
		if !next.cert.Equal(first.cert) { // else the machine stopped while it was put in force
			roots = append(roots, next)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, r := range roots {
		if at := slices.IndexFunc(a.roots, func(known *root) bool { return known.cert.Equal(r.cert) }); at >= 0 {
			roots[i] = a.roots[at] // what hangs on it stays
		}
	}
	a.roots = roots
	return nil
}

func readRoot(dir, keyName, certName string) (*root, error) {
	key, err := os.ReadFile(filepath.Join(dir, keyName))
	if err != nil {
		return nil, err
	}
	r := &root{}
	if r.pem, err = os.ReadFile(filepath.Join(dir, certName)); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(r.pem, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, certName), err)
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("%s: not a CA with an ECDSA key", filepath.Join(dir, certName))
	}
	r.key, r.cert = private, pair.Leaf
	return r, nil
}

// create makes what is missing. A certificate that is lost, or was never written since the machine stopped, is made again for its key, by
// which the sites know it; a lost key is not replaced.
func (a *Authority) create(keyFile, certFile string) error {
	hasKey, hasCert := exists(filepath.Join(a.dir, keyFile)), exists(filepath.Join(a.dir, certFile))
	switch {
	case hasKey && hasCert:
		return nil
	case hasCert:
		return fmt.Errorf("%s is there without %s; bring the key back, a new one would shut out every site", certFile, keyFile)
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
	template := a.template(pkix.Name{CommonName: "Dockline CA", Organization: []string{"Dockline"}}, caLife, nil)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	return writeNew(filepath.Join(a.dir, certFile), encodeCert(der), 0o644)
}

// PEM is every certificate that a site is to trust: the authority's, and the next one's while there is one.
func (a *Authority) PEM() []byte {
	var all []byte
	for _, r := range a.all() {
		all = append(all, r.pem...)
	}
	return all
}

func (a *Authority) all() []*root {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.roots
}

// own is the root by which broker and collector prove themselves: every site knows it.
func (a *Authority) own() *root { return a.all()[0] }

// signer is the root that signs sites: the newest.
func (a *Authority) signer() *root {
	all := a.all()
	return all[len(all)-1]
}

// File is the path of the authority's certificate.
func (a *Authority) File() string { return filepath.Join(a.dir, certFile) }

// Fingerprint is the SHA-256 of the certificate by which the broker proves itself, in hex: what a site that enrols holds it against.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.own().cert.Raw)
	return hex.EncodeToString(sum[:])
}

// Pool holds the certificates of the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, r := range a.all() {
		pool.AddCert(r.cert)
	}
	return pool
}

// Verify says whether a client certificate is of this authority. No time is looked at: that is for who asks, and an authority's certificate
// that had to be made again is younger than those that its key has signed.
func (a *Authority) Verify(leaf *x509.Certificate) error {
	for _, r := range a.all() {
		if leaf.CheckSignatureFrom(r.cert) == nil && slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
			return nil
		}
	}
	return errors.New("the certificate is not a client's of this authority")
}

// SignSite signs a site's request for SiteLife. The key in it stays the site's; what else the request says is not taken over: the
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
	der, err := a.sign(a.signer(), who, a.SiteLife, request.PublicKey)
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
	der, err := a.sign(a.own(), wire.Identity{Collector: n}, ownLife, key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("issue collector: %w", err)
	}
	keyPEM, err = encodeKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue collector: %w", err)
	}
	return encodeCert(der), keyPEM, nil
}

// IssueServer makes a key and a server certificate for these host names and addresses. The authority's own follows it, so that a site that
// knows nothing but the fingerprint can tell the server by it.
func (a *Authority) IssueServer(hosts []string) (certPEM, keyPEM []byte, err error) {
	if len(hosts) == 0 {
		return nil, nil, errors.New("issue server: no host")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("issue server: %w", err)
	}
	by := a.own()
	template := a.template(pkix.Name{CommonName: hosts[0]}, ownLife, by)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue server: %w", err)
	}
	keyPEM, err = encodeKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue server: %w", err)
	}
	return append(encodeCert(der), by.pem...), keyPEM, nil
}

func keyPair(certPEM, keyPEM []byte, err error) (tls.Certificate, error) {
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// sign makes a client certificate. Its common name is the client id, which is what a broker other than ours goes by.
func (a *Authority) sign(by *root, who wire.Identity, life time.Duration, public any) ([]byte, error) {
	template := a.template(pkix.Name{CommonName: who.ClientID()}, life, by)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	template.URIs = []*url.URL{who.URI()}
	return x509.CreateCertificate(rand.Reader, template, by.cert, public, by.key)
}

func (a *Authority) template(name pkix.Name, life time.Duration, by *root) *x509.Certificate {
	now := a.Now()
	until := now.Add(life)
	if by != nil && until.After(by.cert.NotAfter) {
		until = by.cert.NotAfter
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
