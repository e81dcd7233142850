package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dockline/dockline/proto/wire"
)

// lineTimeout is how long one step towards the broker may take.
const lineTimeout = 10 * time.Second

// broker is host and port of the broker.
func (p *patient) broker() (host, port string, err error) {
	u, err := url.Parse(p.config.MQTT.URL)
	if err != nil {
		return "", "", err
	}
	if port = u.Port(); port == "" {
		port = map[bool]string{true: "8883", false: "1883"}[u.Scheme == "mqtts"]
	}
	if u.Hostname() == "" {
		return "", "", fmt.Errorf("%s names no broker", p.config.MQTT.URL)
	}
	return u.Hostname(), port, nil
}

func (p *patient) proxy() wire.Proxy {
	return wire.Proxy{URL: p.config.MQTT.Proxy, Credentials: p.config.Path(p.config.MQTT.ProxyCredentials)}
}

func lookDNS(ctx context.Context, p *patient, e examination) {
	host, _, err := p.broker()
	switch {
	case err != nil:
		p.ill(e, "Give it as mqtts://host:port.", "%s.", err)
		return
	case p.BeforeInstall && p.URL == "":
		p.say(e, Skipped, "No broker is named: give it with --url mqtts://host:port.", "")
		return
	case p.config.MQTT.Proxy != "":
		p.say(e, Skipped, "The proxy finds the broker.", "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lineTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		p.ill(e, "Correct mqtt.url, or have this machine's DNS know the name.", "%s is not found: %s.", host, err)
		return
	}
	p.say(e, Fine, host+" is "+strings.Join(addresses, ", ")+".", "")
}

func lookProxy(ctx context.Context, p *patient, e examination) {
	if p.config.MQTT.Proxy == "" {
		p.say(e, Fine, "None is configured.", "")
		return
	}
	if file := p.config.Path(p.config.MQTT.ProxyCredentials); file != "" {
		if _, err := os.ReadFile(file); err != nil {
			p.ill(e, "mqtt.proxy_credentials names a file with user:password, readable by the agent's own user.", "%s.", err)
		}
	}
	address := p.config.MQTT.Proxy
	if address == "environment" {
		return // lookPort goes through whatever it is
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		p.ill(e, "Give it as http://host:port.", "mqtt.proxy cannot be read.")
		return
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	conn, err := (&net.Dialer{Timeout: lineTimeout}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		p.ill(e, "Correct mqtt.proxy, or ask who runs the proxy.", "The proxy %s cannot be reached: %s.", u.Host, err)
		return
	}
	_ = conn.Close() // it was only tried
}

func lookPort(ctx context.Context, p *patient, e examination) {
	host, port, err := p.broker()
	if err != nil || p.BeforeInstall && p.URL == "" {
		p.say(e, Skipped, "No broker is named.", "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lineTimeout)
	defer cancel()
	conn, err := p.proxy().Connect(ctx, net.JoinHostPort(host, port))
	if err != nil {
		p.ill(e, "Is the broker at work there, and does the firewall let this machine out to that port?", "Port %s of %s cannot be reached: %s.", port, host, err)
		return
	}
	_ = conn.Close() // it was only tried
	p.say(e, Fine, fmt.Sprintf("Port %s of %s is open.", port, host), "")
}

func lookTLS(ctx context.Context, p *patient, e examination) {
	host, port, err := p.broker()
	if err != nil || p.BeforeInstall && p.URL == "" {
		p.say(e, Skipped, "No broker is named.", "")
		return
	}
	if !strings.HasPrefix(p.config.MQTT.URL, "mqtts:") {
		p.say(e, Hint, "The line is not encrypted: mqtt.url says mqtt://.", "Use mqtts:// outside of tests.")
		return
	}
	config, err := p.tls()
	if err != nil {
		p.say(e, Skipped, "Without key, certificate and authority there is nothing to try.", "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lineTimeout)
	defer cancel()
	conn, err := p.proxy().Connect(ctx, net.JoinHostPort(host, port))
	if err != nil {
		p.say(e, Skipped, "The port cannot be reached.", "")
		return
	}
	state, err := wire.Handshake(ctx, conn, host, config)
	if err != nil && p.BeforeInstall && state != nil {
		p.say(e, Fine, "The broker answers, and wants the site's certificate as it should.", "")
		return
	}
	if err != nil {
		p.ill(e, tlsRemedy(err), "The broker and this site do not agree: %s.", err)
		return
	}
	shown := state.PeerCertificates[0]
	p.say(e, Fine, fmt.Sprintf("The broker shows a certificate for %s, until %s.", strings.Join(append(shown.DNSNames, shown.Subject.CommonName), ", "), shown.NotAfter.Format(time.DateOnly)), "")
}

// tls is what the line would use. Before an installation there is neither authority nor key: then only who answers is looked at.
func (p *patient) tls() (*tls.Config, error) {
	if p.BeforeInstall {
		return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, nil
	}
	return wire.LoadTLS(p.config.Path(p.config.MQTT.CA), p.config.Path(p.config.MQTT.Certificate), p.config.Path(p.config.MQTT.Key))
}

func tlsRemedy(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "Its certificate is not from the authority in mqtt.ca: take the ca.crt of `dockline-collector site add`. A firewall that opens TLS would look like this too."
	case errors.As(err, &name):
		return "mqtt.url names it otherwise than its certificate does."
	case errors.As(err, &invalid):
		return "Its certificate is not valid now: is this machine's clock right? Else the centre must renew it."
	case errors.As(err, &record):
		return "There is something at that port that does not speak TLS."
	}
	return "The broker's own log says why it refused; most often the site's certificate is not from its authority, or has ended."
}

// clock says how far this clock is ahead of the collector's, and whose word that is.
func (p *patient) clock(ctx context.Context) (ahead time.Duration, from string, err error) {
	if p.Collector == "" {
		if p.running == nil || p.running.ClockAheadSeconds == nil {
			return 0, "", nil
		}
		return time.Duration(p.running.GetClockAheadSeconds() * float64(time.Second)), "the collector's, as the running agent measured it", nil
	}
	ctx, cancel := context.WithTimeout(ctx, lineTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, p.Collector, nil)
	if err != nil {
		return 0, "", err
	}
	began := now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	_ = response.Body.Close() // only its head counts
	theirs, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0, "", fmt.Errorf("%s says no time", p.Collector)
	}
	half := now().Sub(began) / 2
	return began.Add(half).Sub(theirs.Add(500 * time.Millisecond)), p.Collector, nil
}

func lookPagePort(_ context.Context, p *patient, e examination) {
	if p.running != nil {
		p.say(e, Fine, "The running agent has it.", "")
		return
	}
	listener, err := net.Listen("tcp", p.config.Health.Listen)
	if err != nil {
		p.ill(e, "Choose another with health.listen, or stop what has it; the agent does not start without.", "The local page cannot be served at %s: %s.", p.config.Health.Listen, err)
		return
	}
	_ = listener.Close() // it was only tried
}
