package wire

import (
	"context"
	"net"
	"strings"
)

// EnrolProtocol is the ALPN protocol by which a site that wants a certificate is told from one that speaks MQTT: both come to one port.
const EnrolProtocol = "dockline-enrol/1"

// InstallProtocol is what curl and browsers name: by it a machine that is to become a site fetches the agent, without any certificate. It is
// served on the same port, and gives nothing but what any site is given.
const InstallProtocol = "http/1.1"

// The paths of the HTTP spoken under EnrolProtocol.
const (
	EnrolPath = "/v1/enrol"
	RenewPath = "/v1/renew"
)

// EnrolRequest asks for a site's certificate: the first one by Token, a further one by the certificate shown with the connection.
type EnrolRequest struct {
	Token string `json:"token,omitempty"`
	// CSR is the certificate request in PEM.
	CSR string `json:"csr"`
	// Machine and Host say where the agent runs, for the people who look at it.
	Machine string `json:"machine,omitempty"`
	Host    string `json:"host,omitempty"`
}

// EnrolAnswer is what a site gets.
type EnrolAnswer struct {
	Tenant string `json:"tenant"`
	Site   string `json:"site"`
	// Certificate and Authorities are PEM; Authorities are all that the site is to trust from now on.
	Certificate string `json:"certificate"`
	Authorities string `json:"authorities"`
	// Broker is mqtts://host:port, empty where the centre does not know by which address sites reach it.
	Broker string `json:"broker,omitempty"`
}

// Problem is an error as RFC 9457 has it. Code is a short stable name of what is wrong.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

// JoinToken makes the token of a site from its secret part; SplitToken takes it apart.
func JoinToken(tenant, site, secret string) string { return tenant + "." + site + "." + secret }

// SplitToken says whose token this is. ok is false where it is no token.
func SplitToken(token string) (tenant, site, secret string, ok bool) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 || !ValidName(parts[0]) || !ValidName(parts[1]) || parts[2] == "" {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

// DialContext connects to host:port, through the proxy where there is one for it.
func (p Proxy) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	return p.dialTCP(ctx, address)
}
