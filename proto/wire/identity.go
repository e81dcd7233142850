package wire

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const scheme = "dockline"

// Identity is who a certificate says its holder is: a site of a tenant, or a collector.
type Identity struct {
	Tenant, Site string
	// Collector is the collector's number or name; it is empty for a site.
	Collector string
}

// ErrIdentity is wrapped by every fault of an identity.
var ErrIdentity = errors.New("no identity of ours")

// ClientID is a site's MQTT client id, "tenant.site", and the common name of its certificate.
func ClientID(tenant, site string) string { return tenant + "." + site }

// CollectorClientID is a collector's MQTT client id, "collector-1". More connections of one collector add "-" and a word.
// It has no dot, so no site can have the same.
func CollectorClientID(n string) string { return "collector-" + n }

// URI is the identity as it stands in the certificate: dockline://{tenant}/site/{site} or dockline://collector/{n}.
func (i Identity) URI() *url.URL {
	if i.Collector != "" {
		return &url.URL{Scheme: scheme, Host: "collector", Path: "/" + i.Collector}
	}
	return &url.URL{Scheme: scheme, Host: i.Tenant, Path: "/site/" + i.Site}
}

// ClientID is the MQTT client id of the identity.
func (i Identity) ClientID() string {
	if i.Collector != "" {
		return CollectorClientID(i.Collector)
	}
	return ClientID(i.Tenant, i.Site)
}

// MayUse says whether the holder may connect under this client id.
func (i Identity) MayUse(clientID string) bool {
	if clientID == i.ClientID() {
		return true
	}
	return i.Collector != "" && strings.HasPrefix(clientID, i.ClientID()+"-") && !strings.ContainsAny(clientID, "./#+")
}

// MayPublish says whether the holder may publish to topic: a site below its own up, a collector everything of ours.
func (i Identity) MayPublish(topic string) bool {
	if i.Collector != "" {
		return strings.HasPrefix(topic, root+"/")
	}
	return strings.HasPrefix(topic, UpTopic(i.Tenant, i.Site, ""))
}

// MaySubscribe says whether the holder may subscribe to filter: a site below its own down, a collector everything of ours,
// also as a shared subscription.
func (i Identity) MaySubscribe(filter string) bool {
	if i.Collector == "" {
		return strings.HasPrefix(filter, DownTopic(i.Tenant, i.Site, ""))
	}
	if shared, ok := strings.CutPrefix(filter, "$share/"); ok {
		_, filter, _ = strings.Cut(shared, "/")
	}
	return strings.HasPrefix(filter, root+"/")
}

// ParseIdentity reads an identity from its URI.
func ParseIdentity(u *url.URL) (Identity, error) {
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	var i Identity
	switch {
	case u.Scheme != scheme || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
	case u.Host == "collector" && len(parts) == 1:
		i.Collector = parts[0]
	case len(parts) == 2 && parts[0] == "site":
		i.Tenant, i.Site = u.Host, parts[1]
	}
	if i.Collector != "" && ValidName(i.Collector) || ValidName(i.Tenant) && ValidName(i.Site) {
		return i, nil
	}
	return Identity{}, fmt.Errorf("%q: %w", u.Redacted(), ErrIdentity)
}

// CertificateIdentity reads the identity of a certificate that has been verified: it has exactly one URI of ours.
func CertificateIdentity(c *x509.Certificate) (Identity, error) {
	var found []*url.URL
	for _, u := range c.URIs {
		if u.Scheme == scheme {
			found = append(found, u)
		}
	}
	if len(found) != 1 {
		return Identity{}, fmt.Errorf("certificate of %q has %d identities, not one: %w", c.Subject.CommonName, len(found), ErrIdentity)
	}
	return ParseIdentity(found[0])
}
