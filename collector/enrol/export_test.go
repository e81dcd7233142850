package enrol

import (
	"context"
	"crypto/x509"
)

// Showing is the context of a connection that has shown a certificate.
func Showing(ctx context.Context, leaf *x509.Certificate) context.Context {
	return context.WithValue(ctx, peerKey{}, leaf)
}
