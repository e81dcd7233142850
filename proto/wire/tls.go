package wire

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
)

// LoadTLS makes the configuration of a client that trusts the CAs in caFile and shows the certificate of certFile and keyFile (PEM). The
// certificate is read again for every connection, so a renewed one needs no restart; while it cannot be read the last good one is used.
func LoadTLS(caFile, certFile, keyFile string) (*tls.Config, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("load TLS: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load TLS: %s holds no certificate in PEM", caFile)
	}
	good, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load TLS: %w", err)
	}
	var mu sync.Mutex
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			mu.Lock()
			defer mu.Unlock()
			if fresh, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil {
				good = fresh
			}
			current := good
			return &current, nil
		},
	}, nil
}
