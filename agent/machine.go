package agent

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"time"

	"github.com/dockline/dockline/agent/health"
)

// machine adds what this host says: how much room is left on the disk, and until when the site's certificate holds.
func (a *Agent) machine(f *health.Facts) {
	if free, err := diskFree(a.config.DataDir); err == nil {
		f.DiskKnown, f.DiskFree = true, free
	}
	if a.config.MQTT.CA == "" {
		return
	}
	// Read anew each time: a renewed certificate is taken with the next connection, without a restart.
	ends, err := certificateEnd(a.config.Path(a.config.MQTT.Certificate))
	if err != nil {
		f.CertificateFault = err.Error()
		return
	}
	f.CertificateEnds = ends
	if a.renewal != nil {
		f.Renewal = a.renewal.State().GetText()
	}
}

func certificateEnd(path string) (time.Time, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}, errors.New(path + " holds no certificate in PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return certificate.NotAfter, nil
}

// hostOf is host and port of a broker's URL, without what else may stand in it.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return ""
}
