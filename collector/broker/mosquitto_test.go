package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/broker"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

var somewhere = []wire.Identity{{Collector: "1"}, {Tenant: "acme", Site: "dc-east"}, {Tenant: "acme", Site: "dc-west"}}

func TestMosquittoACL(t *testing.T) {
	got := broker.MosquittoACL(somewhere)
	want := `
user collector-1
topic readwrite dockline/v1/#

user acme.dc-east
topic write dockline/v1/acme/dc-east/up/#
topic read dockline/v1/acme/dc-east/down/#
`
	if !strings.Contains(got, want) {
		t.Errorf("%s\nlacks\n%s", got, want)
	}
}

func TestMosquittoConfig(t *testing.T) {
	got, err := broker.MosquittoConfig("0.0.0.0:8883", broker.MosquittoFiles{ACL: "/etc/acl", CA: "/etc/ca.crt", Certificate: "/etc/s.crt", Key: "/etc/s.key"})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"listener 8883 0.0.0.0", "require_certificate true", "use_identity_as_username true", "use_username_as_clientid true", "allow_anonymous false", "acl_file /etc/acl", "keyfile /etc/s.key"} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
	if _, err := broker.MosquittoConfig("nowhere", broker.MosquittoFiles{}); err == nil {
		t.Error("an address without a port was taken")
	}
}

// mosquitto starts a real Mosquitto with the rules of MosquittoACL, for certificates of its own authority.
func mosquitto(t *testing.T) (*testenv.MosquittoServer, *identity.Authority) {
	t.Helper()
	dir := t.TempDir()
	authority, err := identity.Open(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.IssueServer([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	config := testenv.MosquittoConfig{CAFile: authority.File(), CertFile: filepath.Join(dir, "server.crt"), KeyFile: filepath.Join(dir, "server.key"), ACL: broker.MosquittoACL(somewhere)}
	if err := errors.Join(os.WriteFile(config.CertFile, cert, 0o600), os.WriteFile(config.KeyFile, key, 0o600)); err != nil {
		t.Fatal(err)
	}
	return testenv.Mosquitto(t, config), authority
}

// The same client code and the same rules on a broker that is not ours.
func TestMosquittoTakesThePlaceOfTheBroker(t *testing.T) {
	server, authority := mosquitto(t)
	collectorTLS, err := authority.CollectorTLS("1")
	if err != nil {
		t.Fatal(err)
	}
	collector := dial(t, server.URL(), wire.Config{ClientID: "collector-1", TLS: collectorTLS, Subscribe: []string{wire.SharedUp}}).waitUp()
	status := wire.UpTopic("acme", "dc-east", wire.Status)
	site := dial(t, server.URL(), wire.Config{
		ClientID: "acme.dc-east", TLS: siteTLS(t, authority, authority, "acme", "dc-east"), Subscribe: []string{wire.DownTopic("acme", "dc-east", "#")},
		Will: &wire.Message{Topic: status, Payload: []byte("offline"), Retain: true},
	}).waitUp()
	if err := site.send(wire.UpTopic("acme", "dc-east", wire.Events), "pack"); err != nil {
		t.Fatal(err)
	}
	if m := collector.next(); string(m.Payload) != "pack" {
		t.Errorf("heard %s", m.Payload)
	}
	if err := collector.send(wire.DownTopic("acme", "dc-east", wire.AckName), "ack"); err != nil {
		t.Fatal(err)
	}
	if m := site.next(); string(m.Payload) != "ack" {
		t.Errorf("heard %s", m.Payload)
	}
	// One publishes for another site, one is not in the list at all. Mosquitto 2.0.11 answers with 0x87 or, with an unlimited queue, by
	// closing the connection.
	for _, name := range []string{"dc-west", "dc-north"} {
		other := dial(t, server.URL(), wire.Config{ClientID: wire.ClientID("acme", name), TLS: siteTLS(t, authority, authority, "acme", name)}).waitUp()
		if err := other.send(wire.UpTopic("acme", "dc-east", wire.Events), "foreign"); err == nil {
			t.Errorf("%s may publish for dc-east", name)
		}
	}
	server.Stop()
	if err := site.waitDown(); err == nil {
		t.Error("down without a reason")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	site.waitUp()
	collector.waitUp()
	if err := site.send(wire.UpTopic("acme", "dc-east", wire.Events), "after"); err != nil {
		t.Fatal(err)
	}
	// The first session's will may come first; nothing that was refused may come at all.
	for m := collector.next(); string(m.Payload) != "after"; m = collector.next() {
		if m.Topic != status {
			t.Errorf("heard %s on %s", m.Payload, m.Topic)
		}
	}
}
