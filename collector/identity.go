package collector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dockline/dockline/collector/broker"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/collector/install"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// OpenAuthority opens the configured authority.
func OpenAuthority(c *Config) (*identity.Authority, error) {
	a, err := identity.Open(c.Path("identity"))
	if err == nil {
		a.SiteLife = c.Identity.Life
	}
	return a, err
}

// openIdentity opens the authority, the embedded broker, and the door at which sites ask for certificates. With another broker there is a
// door only where it has an address of its own.
func (m *Collector) openIdentity(ctx context.Context) (err error) {
	if m.config.MQTT.URL != "" && m.config.Identity.Listen == "" {
		return nil
	}
	if m.authority, err = OpenAuthority(m.config); err != nil {
		return err
	}
	store := enrol.Store{DB: m.db}
	m.keeper = &enrol.Keeper{Store: store, Rotation: m.authority, Report: m.enrolCases, Log: m.log.With("part", "identity")}
	if err := m.keeper.Load(ctx); err != nil {
		return err
	}
	m.door = &enrol.Door{Server: &enrol.Server{Store: store, Signer: m.authority, Broker: m.config.BrokerURL(), Grace: m.config.Identity.Grace, Report: m.enrolCases,
		Log: m.log.With("part", "identity")}}
	m.door.Install = NewOffer(m.config, m.authority, m.log.With("part", "install"))
	serverTLS, err := m.authority.ServerTLS(m.config.MQTT.Hosts)
	if err != nil {
		return err
	}
	if m.config.Identity.Listen != "" {
		if m.door.Listener, err = tls.Listen("tcp", m.config.Identity.Listen, serverTLS); err != nil {
			return fmt.Errorf("enrolment: %w (identity.listen chooses the address)", err)
		}
	}
	if m.config.MQTT.URL != "" {
		return nil
	}
	if m.broker, err = broker.Open(broker.Config{Listen: m.config.MQTT.Listen, TLS: serverTLS, Check: m.keeper.Check, Enrol: m.door.Take, OnRefused: m.brokerRefused,
		Log: m.log.With("part", "broker")}); err != nil {
		return fmt.Errorf("embedded broker: %w (mqtt.listen chooses the address)", err)
	}
	m.keeper.Review = m.broker.Review
	return nil
}

// brokerRefused has people told what somebody wanted who has the certificate of a site.
func (m *Collector) brokerRefused(r broker.Refused) {
	refusal := enrol.Refusal{Who: r.Who, Address: r.Remote}
	switch {
	case errors.Is(r.Reason, enrol.ErrRevoked):
		refusal.Code, refusal.Detail = enrol.CodeCertificateRevoked, fmt.Sprintf("%s tried to connect with a revoked certificate of site %s.", r.Remote, r.Who.Site)
	case errors.Is(r.Reason, broker.ErrForeignClient):
		refusal.Code, refusal.Detail = enrol.CodeForeignClient, fmt.Sprintf("%s tried to connect as %.64q with the certificate of site %s.", r.Remote, r.ClientID, r.Who.Site)
	case errors.Is(r.Reason, broker.ErrForeignTopic):
		refusal.Code, refusal.Detail = enrol.CodeForeignTopic, fmt.Sprintf("%s, with the certificate of site %s, wanted a %.128s.", r.Remote, r.Who.Site, r.Reason)
	default:
		return
	}
	m.keeper.Refused(refusal)
}

func (m *Collector) enrolCases(ctx context.Context, tx *db.Tx, tenant, origin string, found []enrol.Exception) error {
	desired := make([]exception.Desired, len(found))
	for i, f := range found {
		desired[i] = m.owned(tenant, f.Code, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, f.Severity, exception.Desired{Subject: f.Subject, Site: f.Site, Title: f.Title, Text: f.Text})
	}
	return m.report(ctx, tx, tenant, origin, desired)
}

// makeLineTLS follows a rotation of the authority: whoever proves the broker tomorrow may not have been there today.
func (m *Collector) makeLineTLS() *tls.Config {
	config, err := m.lineTLS()
	if err != nil {
		m.log.Warn("the line's certificates cannot be read; those of before are used", "err", err)
		return nil
	}
	return config
}

// NewOffer is what machines that are to become sites are given.
func NewOffer(c *Config, authority *identity.Authority, log *slog.Logger) *install.Offer {
	return &install.Offer{Dir: c.Path(c.Install.Packages), Version: wire.Version, Collector: c.EnrolURL(), Authorities: authority.PEM, Log: log}
}
