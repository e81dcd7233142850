package broker

import (
	"fmt"
	"net"
	"strings"

	"github.com/dockline/dockline/proto/wire"
)

// MosquittoACL is an acl_file for a Mosquitto that takes the place of the embedded broker: the same rules, for these identities. The
// user name is the common name of the certificate, which identity.SignSite sets to the client id.
func MosquittoACL(identities []wire.Identity) string {
	var b strings.Builder
	b.WriteString("# Who may say and hear what. One block for each site and collector; nobody else may do anything.\n")
	for _, i := range identities {
		fmt.Fprintf(&b, "\nuser %s\n", i.ClientID())
		if i.Collector != "" {
			fmt.Fprintf(&b, "topic readwrite %s\n", wire.AllTopics)
			continue
		}
		fmt.Fprintf(&b, "topic write %s\n", wire.UpTopic(i.Tenant, i.Site, "#"))
		fmt.Fprintf(&b, "topic read %s\n", wire.DownTopic(i.Tenant, i.Site, "#"))
	}
	return b.String()
}

// MosquittoFiles names the files of a Mosquitto's configuration, as absolute paths.
type MosquittoFiles struct {
	// ACL as MosquittoACL writes it; CA, Certificate and Key in PEM. CRL is the authority's list of revoked certificates, "" for none.
	ACL, CA, Certificate, Key, CRL string
}

// MosquittoConfig is a mosquitto.conf (2.0 or newer) with one TLS listener on address, host:port.
func MosquittoConfig(address string, files MosquittoFiles) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("mosquitto: %w", err)
	}
	crl := ""
	if files.CRL != "" {
		crl = "crlfile " + files.CRL + "\n"
	}
	return fmt.Sprintf(`# The client is known by its certificate only: its common name is the user name that the ACL speaks of.
listener %s %s
cafile %s
certfile %s
keyfile %s
%srequire_certificate true
use_identity_as_username true
allow_anonymous false
acl_file %s
# Binds the client id to the certificate: else any site could throw another one off the line.
use_username_as_clientid true

# Sites and collectors remember by themselves; the broker need not.
persistence false
message_size_limit %d
set_tcp_nodelay true
max_inflight_messages 256
max_queued_messages 16384
max_keepalive 600
`, port, host, files.CA, files.Certificate, files.Key, crl, files.ACL, wire.MaxPacketBytes), nil
}
