package identity

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Root is one of the authority's certificates, as people are shown it.
type Root struct {
	// KeyID is what certificates that it signed name as their issuer, in hex.
	KeyID     string    `json:"key_id"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	// Proves: broker and collector prove themselves by it. Signs: certificates of sites come from it.
	Proves bool `json:"proves"`
	Signs  bool `json:"signs"`
}

// Roots lists them: one, or two while one takes over from the other.
func (a *Authority) Roots() []Root {
	all := a.all()
	found := make([]Root, len(all))
	for i, r := range all {
		found[i] = Root{KeyID: hex.EncodeToString(r.cert.SubjectKeyId), NotBefore: r.cert.NotBefore, NotAfter: r.cert.NotAfter, Proves: i == 0, Signs: i == len(all)-1}
	}
	return found
}

// Signer is the key id of the root that signs sites.
func (a *Authority) Signer() string { return hex.EncodeToString(a.signer().cert.SubjectKeyId) }

// Rotating says whether there are two.
func (a *Authority) Rotating() bool { return len(a.all()) > 1 }

var (
	// ErrRotating: a rotation has begun and not ended.
	ErrRotating = errors.New("a next authority is there already")
	// ErrNotRotating: there is no next authority.
	ErrNotRotating = errors.New("there is no next authority: identity rotate makes one")
)

// Rotate makes the next authority. From now on it signs sites, and is given to them beside the one in force.
func (a *Authority) Rotate() error {
	if len(a.all()) > 1 {
		return ErrRotating
	}
	if err := a.alone(func() error { return a.create(nextKeyFile, nextCertFile) }); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return a.Reload()
}

// Retire puts the next authority in force; what the former one signed is no longer taken. Its files are kept as retired-*.
func (a *Authority) Retire() error {
	all := a.all()
	if len(all) < 2 {
		return ErrNotRotating
	}
	former := "retired-" + hex.EncodeToString(all[0].cert.SubjectKeyId)[:12]
	err := a.alone(func() error {
		// Copies of the old one first; then each new file takes the place of the old one. A machine that stops between the two renames has a
		// key and a certificate that do not fit, which the next start mends from next.*, that are removed last.
		for _, step := range []func() error{
			func() error { return a.copy(keyFile, former+".key", 0o600) },
			func() error { return a.copy(certFile, former+".crt", 0o644) },
			func() error { return a.copy(nextKeyFile, keyFile, 0o600) },
			func() error { return a.copy(nextCertFile, certFile, 0o644) },
			func() error { return os.Remove(filepath.Join(a.dir, nextCertFile)) },
			func() error { return os.Remove(filepath.Join(a.dir, nextKeyFile)) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("retire: %w", err)
	}
	return a.Reload()
}

// RevocationList is what a broker other than ours refuses: the serials, in hex, of certificates that count no more, with when each was revoked.
// Every root signs the list, since a broker looks for one of each.
func (a *Authority) RevocationList(revoked map[string]time.Time) ([]byte, error) {
	list := &x509.RevocationList{Number: big.NewInt(a.Now().UnixMicro()), ThisUpdate: a.Now().Add(-early), NextUpdate: a.Now().Add(caLife)}
	for _, serial := range slices.Sorted(maps.Keys(revoked)) {
		n, ok := new(big.Int).SetString(serial, 16)
		if !ok {
			return nil, fmt.Errorf("revocation list: %q is not a serial", serial)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: n, RevocationTime: revoked[serial]})
	}
	var all []byte
	for _, r := range a.all() {
		der, err := x509.CreateRevocationList(rand.Reader, list, r.cert, r.key)
		if err != nil {
			return nil, fmt.Errorf("revocation list: %w", err)
		}
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	return all, nil
}

// mend ends a Retire that the machine stopped in: the key in force is the next one's already, its certificate not yet.
func (a *Authority) mend() error {
	path := func(name string) string { return filepath.Join(a.dir, name) }
	if !exists(path(nextCertFile)) || !exists(path(certFile)) {
		return nil
	}
	if _, err := tls.LoadX509KeyPair(path(certFile), path(keyFile)); err == nil {
		return nil
	}
	if _, err := tls.LoadX509KeyPair(path(nextCertFile), path(keyFile)); err != nil {
		return nil // that is something else, and Open says so
	}
	return a.copy(nextCertFile, certFile, 0o644)
}

func (a *Authority) copy(from, to string, mode os.FileMode) error {
	content, err := os.ReadFile(filepath.Join(a.dir, from))
	if err != nil {
		return err
	}
	return replace(filepath.Join(a.dir, to), content, mode)
}

// served is the broker's own certificate, made anew when another root proves it, and in good time before its end.
type served struct {
	a     *Authority
	hosts []string

	mu   sync.Mutex
	made tls.Certificate
	by   *root
}

func (s *served) pair() (tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by := s.a.own(); s.by != by || s.a.Now().After(s.made.Leaf.NotAfter.Add(-ownLife/4)) {
		made, err := keyPair(s.a.IssueServer(s.hosts))
		if err != nil {
			return tls.Certificate{}, err
		}
		s.made, s.by = made, by
	}
	return s.made, nil
}
