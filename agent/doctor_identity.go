package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/dockline/dockline/agent/enrol"
	"github.com/dockline/dockline/proto/wire"
)

// lookIdentity looks at the three files by which site and broker know each other.
func lookIdentity(_ context.Context, p *patient, e examination) {
	m := p.config.MQTT
	if m.CA == "" {
		p.say(e, Hint, "The line is not encrypted, so none is used.", "Use mqtts:// outside of tests.")
		return
	}
	ca, certificate, key := p.config.Path(m.CA), p.config.Path(m.Certificate), p.config.Path(m.Key)
	if info, err := os.Stat(key); err != nil {
		p.ill(e, "If it is lost, `dockline-agent init` makes a new key and request, and the centre signs it.", "The key: %s.", err)
	} else if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		p.ill(e, "chmod 600 "+key+"; if others may have read it, have the centre sign a new one.", "Others than its owner may read the key %s (mode %04o).", key, info.Mode().Perm())
	}
	own, err := enrol.ReadCertificate(certificate)
	if err != nil {
		p.ill(e, "Put the site.crt there that `dockline-collector site add` wrote.", "The certificate: %s.", err)
		return
	}
	p.lookAtCertificate(e, own, ca)
	if _, err := tls.LoadX509KeyPair(certificate, key); err != nil && own != nil {
		if _, missing := os.Stat(key); missing == nil {
			p.ill(e, "Key and certificate are not of one request: have the centre sign the site.csr that lies beside the key.", "Key and certificate do not belong together: %s.", err)
		}
	}
	if p.found[len(p.found)-1].Code != e.Code {
		p.say(e, Fine, fmt.Sprintf("The certificate is for site %s of %s and holds until %s.", p.config.Site.ID, p.config.Site.Tenant, own.NotAfter.Format(time.DateOnly)), "")
	}
}

func (p *patient) lookAtCertificate(e examination, own *x509.Certificate, ca string) {
	who, err := wire.CertificateIdentity(own)
	if err != nil || who.Tenant != p.config.Site.Tenant || who.Site != p.config.Site.ID {
		p.ill(e, "Correct site in the configuration, or put this site's own certificate there.", "The certificate is for %s, and the configuration for site %s of %s.", who.URI(), p.config.Site.ID, p.config.Site.Tenant)
	}
	renew := "Sign the site's request again with `dockline-collector site add` and put the new certificate in its place."
	switch left := own.NotAfter.Sub(now()); {
	case left <= 0:
		p.ill(e, renew, "The certificate has ended on %s; the broker refuses it.", own.NotAfter.Format(time.DateOnly))
	case now().Before(own.NotBefore):
		p.ill(e, "Is this machine's clock right?", "The certificate begins to hold only at %s.", own.NotBefore.Format("2006-01-02 15:04 MST"))
	case left < 30*24*time.Hour:
		p.say(e, Hint, fmt.Sprintf("The certificate ends on %s.", own.NotAfter.Format(time.DateOnly)), renew)
	}
	text, err := os.ReadFile(ca)
	roots := x509.NewCertPool()
	if err == nil && !roots.AppendCertsFromPEM(text) {
		err = fmt.Errorf("%s holds no certificate in PEM", ca)
	}
	if err != nil {
		p.ill(e, "Put the ca.crt there that `dockline-collector site add` wrote.", "The authority: %s.", err)
		return
	}
	_, err = own.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: own.NotBefore.Add(time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		p.ill(e, "Take site.crt and ca.crt from one `dockline-collector site add`.", "The certificate is not from the authority in mqtt.ca: %s.", err)
	}
}
