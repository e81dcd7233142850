package agent

import (
	"net/url"

	"github.com/dockline/dockline/agent/enrol"
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
	certificate, err := enrol.ReadCertificate(a.config.Path(a.config.MQTT.Certificate))
	if err != nil {
		f.CertificateFault = err.Error()
		return
	}
	f.CertificateEnds = certificate.NotAfter
	if a.renewal != nil {
		f.Renewal = a.renewal.State().GetText()
	}
}

// hostOf is host and port of a broker's URL, without what else may stand in it.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return ""
}
