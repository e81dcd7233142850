// Package enrol gives a site its identity: a key that never leaves the site, and the request that the centre signs.
package enrol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/proto/filelock"
	"github.com/dockline/dockline/proto/wire"
)

// Names of the files in a site's identity folder. The centre gives CertFile and CAFile.
const (
	KeyFile  = "site.key"
	CSRFile  = "site.csr"
	CertFile = "site.crt"
	CAFile   = "ca.crt"

	lockFile = "lock"
	// lockWait is how long another process may be at key and request.
	lockWait = 10 * time.Second
)

// NewKeyAndCSR makes site.key (P-256, mode 0600) and site.csr in dir and returns the request in PEM. Called again it keeps the key and,
// where that is for the same site, the request: enrolling twice is the same site. dir is made with mode 0700 where it is not there.
func NewKeyAndCSR(dir, tenant, site string) (csrPEM []byte, err error) {
	if !wire.ValidName(tenant) || !wire.ValidName(site) {
		return nil, fmt.Errorf("enrol: %q and %q are not names of letters, digits, - and _", tenant, site)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	// Two that enrol at once would each make a key, and one of them would ask for a certificate of the other's.
	lock, err := filelock.Take(filepath.Join(dir, lockFile), lockWait)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	defer lock.Close() // nothing was written to it
	key, err := openKey(filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	who := wire.Identity{Tenant: tenant, Site: site}
	path := filepath.Join(dir, CSRFile)
	if old, err := os.ReadFile(path); err == nil && fits(old, key, who) {
		return old, nil
	}
	if csrPEM, err = requestFor(key, who); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	if err := replace(path, csrPEM, 0o644); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return csrPEM, nil
}

// Install writes what the centre gave, after it is sure that the certificate belongs to the key in dir.
func Install(dir string, certPEM, caPEM []byte) error {
	return Files{CA: filepath.Join(dir, CAFile), Certificate: filepath.Join(dir, CertFile), Key: filepath.Join(dir, KeyFile)}.install(certPEM, caPEM)
}

func (f Files) install(certPEM, caPEM []byte) error {
	keyPEM, err := os.ReadFile(f.Key)
	if err != nil {
		return fmt.Errorf("install certificate: %w", err)
	}
	if err := belongs(certPEM, keyPEM, caPEM); err != nil {
		return fmt.Errorf("install certificate: %w", err)
	}
	if err := replace(f.CA, caPEM, 0o644); err != nil {
		return fmt.Errorf("install certificate: %w", err)
	}
	if err := replace(f.Certificate, certPEM, 0o644); err != nil {
		return fmt.Errorf("install certificate: %w", err)
	}
	return nil
}

// requestFor is a request for a site's certificate, in PEM.
func requestFor(key any, who wire.Identity) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: who.ClientID()}, URIs: []*url.URL{who.URI()}}, key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

func openKey(path string) (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key in PEM; move it away to make a new one", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, not an ECDSA key", path, parsed)
	}
	return key, nil
}

func createKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, replace(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// fits says whether a request is of this key and for this identity.
func fits(csrPEM []byte, key *ecdsa.PrivateKey, who wire.Identity) bool {
	block, _ := pem.Decode(csrPEM)
	if block == nil {
		return false
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	return err == nil && request.CheckSignature() == nil && key.PublicKey.Equal(request.PublicKey) &&
		len(request.URIs) == 1 && request.URIs[0].String() == who.URI().String()
}

// replace puts a file in place whole: after a power cut the old or the new one is there.
func replace(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // finds nothing after the rename
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
