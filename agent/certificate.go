package agent

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"
)

// certificateEnds is when the certificate in a file ends, zero where there is none. The file is read each time, as each connection
// does: a new certificate needs no restart.
func certificateEnds(path string) time.Time {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return certificate.NotAfter
}
