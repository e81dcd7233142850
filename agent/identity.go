package agent

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"time"

	"github.com/dockline/dockline/agent/enrol"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// freshTLS reads authorities and certificate again for every connection, since either may have been renewed. While they cannot be read
// those of the start are used.
func (a *Agent) freshTLS() *tls.Config {
	c := a.config
	fresh, err := wire.LoadTLS(c.Path(c.MQTT.CA), c.Path(c.MQTT.Certificate), c.Path(c.MQTT.Key))
	if err != nil {
		a.log.Warn("the site's certificate cannot be read; the one before is used", "err", err)
		return nil
	}
	return fresh
}

func (a *Agent) newRenewal(proxy wire.Proxy) *enrol.Renewal {
	c := a.config
	return &enrol.Renewal{
		Centre: enrol.Centre{URL: cmp.Or(c.MQTT.Renew, renewURL(c.MQTT.URL)), Proxy: proxy, Machine: a.machineIs.GetFingerprint(), Host: a.machineIs.GetHost()},
		Files:  enrol.Files{CA: c.Path(c.MQTT.CA), Certificate: c.Path(c.MQTT.Certificate), Key: c.Path(c.MQTT.Key)},
		Who:    wire.Identity{Tenant: c.Site.Tenant, Site: c.Site.ID}, Now: now, Log: a.log.With("part", "identity"),
	}
}

// renewURL is the broker's own port, where the collector's embedded broker also renews certificates.
func renewURL(broker string) string {
	u, err := url.Parse(broker)
	if err != nil {
		return ""
	}
	return "https://" + net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "8883"))
}

// longestSpread is over what time the sites of a fleet come for their certificates when the centre asks all of them.
const longestSpread = 3 * time.Second

// renewIdentity fetches a certificate because the centre asks for it. Where that is not to be had now the command comes again.
func (a *Agent) renewIdentity(ctx context.Context, c *docklinev1.Command) (*docklinev1.CommandResult, error) {
	if a.renewal == nil {
		return outcome(c, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "this site's line needs no certificate"), nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Duration(rand.Float64() * float64(longestSpread))):
	}
	if err := a.renewal.RenewNow(ctx); err != nil {
		if enrol.Transient(err) {
			return nil, err
		}
		return outcome(c, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, err.Error()), nil
	}
	s := a.renewal.State()
	return outcome(c, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, fmt.Sprintf("certificate until %s, of authority %.12s", s.GetNotAfter().AsTime().Format(time.DateOnly), s.GetIssuer())), nil
}
