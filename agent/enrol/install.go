package enrol

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// belongs is an error where the certificate is not of the key, or not of the CA.
func belongs(certPEM, keyPEM, caPEM []byte) error {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(caPEM) {
		return errors.New("the CA's certificate is not in PEM")
	}
	// At the middle of its life: a site whose clock is wrong must be able to enrol.
	middle := pair.Leaf.NotBefore.Add(pair.Leaf.NotAfter.Sub(pair.Leaf.NotBefore) / 2)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: middle, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return fmt.Errorf("the certificate is not of this CA: %w", err)
	}
	return nil
}
