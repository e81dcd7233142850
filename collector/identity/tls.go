package identity

import (
	"crypto/tls"
	"slices"

	"github.com/dockline/dockline/proto/wire"
)

// ServerTLS is the configuration of a server on these hosts that takes only clients of this authority: what the broker needs. Who offers
// wire.EnrolProtocol is let in without a certificate of ours, and with one that has ended: whoever serves that protocol looks for himself.
// Who offers wire.InstallProtocol needs none: a machine that is to become a site has nothing yet. It follows a rotation without a restart.
func (a *Authority) ServerTLS(hosts []string) (*tls.Config, error) {
	current := &served{a: a, hosts: hosts}
	first, err := current.pair()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{first}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.Pool(),
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			pair, err := current.pair()
			if err != nil {
				return nil, err
			}
			c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.Pool()}
			if slices.Contains(hello.SupportedProtos, wire.EnrolProtocol) {
				// Session tickets would skip the proof of the key.
				c.ClientAuth, c.ClientCAs, c.NextProtos, c.SessionTicketsDisabled = tls.RequireAnyClientCert, nil, []string{wire.EnrolProtocol}, true
			} else if slices.Contains(hello.SupportedProtos, wire.InstallProtocol) {
				c.ClientAuth, c.ClientCAs, c.NextProtos = tls.NoClientCert, nil, []string{wire.InstallProtocol}
			}
			return c, nil
		},
	}, nil
}

// CollectorTLS is the configuration with which the collector of this number dials its broker.
func (a *Authority) CollectorTLS(n string) (*tls.Config, error) {
	pair, err := keyPair(a.IssueCollector(n))
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: a.Pool()}, nil
}
