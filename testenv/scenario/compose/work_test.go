package compose_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
	"github.com/dockline/dockline/testenv/world"
)

func TestMain(m *testing.M) { enroltest.Main(m) }

const patience = 90 * time.Second

// place is the compose file's folder on this machine: its collector.yaml with addresses and paths of here, and nothing else changed.
type place struct {
	*enroltest.Centre
	t                    *testing.T
	data                 string
	broker, door, health int
}

func lay(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t, data: filepath.Join(dir, "data")}
	for _, port := range []*int{&p.broker, &p.door, &p.health} {
		var err error
		if *port, err = testenv.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, "collector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	for _, r := range []struct{ there, here string }{
		{"/var/lib/dockline-collector", p.data},
		{"postgres://dockline@postgres/dockline?sslmode=disable", testenv.PostgreSQL(t)},
		{"mqtts://mosquitto:8883", fmt.Sprintf("mqtts://127.0.0.1:%d", p.broker)},
		{"0.0.0.0:8884", fmt.Sprintf("127.0.0.1:%d", p.door)},
		{"https://collector.example.com:8884", fmt.Sprintf("https://127.0.0.1:%d", p.door)},
		{"mqtts://collector.example.com:8883", fmt.Sprintf("mqtts://127.0.0.1:%d", p.broker)},
		{"0.0.0.0:8080", fmt.Sprintf("127.0.0.1:%d", p.health)},
	} {
		if !strings.Contains(config, r.there) {
			t.Fatalf("collector.yaml has no %s", r.there)
		}
		config = strings.ReplaceAll(config, r.there, r.here)
	}
	path := filepath.Join(dir, "collector.yaml")
	if err := os.Mkdir(p.data, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{path: config, filepath.Join(p.data, "token"): "a token of ours\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.Centre = &enroltest.Centre{T: t, Dir: dir, Config: path, URL: fmt.Sprintf("http://127.0.0.1:%d/", p.health)}
	return p
}

var step = regexp.MustCompile(`(?m)^#.*docker compose run --rm --no-deps collector (.+)$`)

// files runs the command of the compose file that writes what Mosquitto needs, with the paths of here.
func (p *place) files() {
	p.t.Helper()
	_, text, _ := read(p.t)
	command := step.FindStringSubmatch(text)
	if command == nil {
		p.t.Fatal("the compose file has no command that writes Mosquitto's files")
	}
	var argv []string
	for _, word := range strings.Fields(command[1]) {
		switch word = strings.NewReplacer("/var/lib/dockline-collector", p.data, "mosquitto,BROKER-NAME", "127.0.0.1").Replace(word); word {
		case "--config", "/etc/dockline/collector.yaml": // Must says it
		default:
			argv = append(argv, word)
		}
	}
	p.Must(argv...)
}

// mosquitto starts a Mosquitto with the very file that was written, which must listen where the containers' network is; here it is the loopback.
func (p *place) mosquitto() {
	p.t.Helper()
	path := filepath.Join(p.data, "broker", "mosquitto.conf")
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	anywhere := fmt.Sprintf("listener %d 0.0.0.0\n", p.broker)
	if !strings.Contains(string(text), anywhere) {
		p.t.Fatalf("no line %q in\n%s", anywhere, text)
	}
	here := filepath.Join(p.Dir, "mosquitto.conf")
	if err := os.WriteFile(here, []byte(strings.Replace(string(text), "0.0.0.0", "127.0.0.1", 1)), 0o600); err != nil {
		p.t.Fatal(err)
	}
	server, err := testenv.StartMosquitto(testenv.MosquittoConfig{File: here, Port: p.broker})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(server.Remove)
}

// siteTLS is the certificate of a site, from the authority of the place.
func (p *place) siteTLS(name string) *tls.Config {
	p.t.Helper()
	authority, err := identity.Open(filepath.Join(p.data, "identity"))
	if err != nil {
		p.t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		p.t.Fatal(err)
	}
	certificate, err := authority.SignSite(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), enroltest.Tenant, name)
	if err != nil {
		p.t.Fatal(err)
	}
	block, _ := pem.Decode(certificate)
	return &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}}}
}

// client is a line to the broker with what it has heard.
type client struct {
	*wire.Conn
	heard chan wire.Message
}

func (p *place) dial(id string, certificate *tls.Config, subscribe ...string) *client {
	p.t.Helper()
	c := &client{heard: make(chan wire.Message, 100)}
	up := make(chan struct{}, 10)
	conn, err := wire.Dial(p.t.Context(), wire.Config{URL: fmt.Sprintf("mqtts://127.0.0.1:%d", p.broker), ClientID: id, TLS: certificate, Subscribe: subscribe,
		OnUp: func() { up <- struct{}{} }, OnMessage: func(m wire.Message) { c.heard <- m }})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = conn.Close(ctx) // the broker may have ended it
	})
	select {
	case <-up:
	case <-time.After(patience):
		p.t.Fatalf("%s has no line: %s", id, conn.Stats().LastError)
	}
	c.Conn = conn
	return c
}

func (c *client) send(t *testing.T, topic, text string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return c.Publish(ctx, wire.Message{Topic: topic, Payload: []byte(text)})
}

func (c *client) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-c.heard:
		return string(m.Payload)
	case <-time.After(patience):
		t.Fatal("nothing was heard")
		return ""
	}
}

// TestComposeAtWork: the compose file's own collector.yaml with a real PostgreSQL, and a real Mosquitto with the very files that the compose file's own
// command writes. A site that is added enrols, and its events arrive. At the broker a site says and hears what is its own; what is
// another's it can neither say nor hear, and who has no certificate has no line.
//
// Shows: S36
func TestComposeAtWork(t *testing.T) {
	testenv.NeedMosquitto(t)
	p := lay(t)
	invited := p.Invite("dc-east")
	p.Invite("dc-west")
	p.Invite("dc-north")
	p.files()
	p.mosquitto()
	p.Collector = world.NewProcess("collector", p.Dir, filepath.Join(enroltest.Bin(t), "dockline-collector"), "run", "--config", p.Config)
	t.Cleanup(p.Collector.Stop)
	if err := p.Collector.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "the collector is well", func() bool {
		response, err := http.Get(p.URL + "healthz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}, func() string { return p.Collector.LogTail() })

	east := enroltest.NewSite(t, "dc-east", "dockline-agent")
	if out, err := east.Enrol(invited); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	east.Configure(invited.Broker, 0, 10, "")
	east.Start()
	testenv.Eventually(t, patience, "the site's events are in the log", func() bool {
		out, err := p.Run("site", "show", "main/dc-east", "--json")
		return err == nil && regexp.MustCompile(`"logged": [1-9]`).MatchString(out)
	}, func() string { return p.Collector.LogTail() })

	p.accessList()
}

// accessList: two sites that have no agent, a third in the centre's place at the broker's own client.
func (p *place) accessList() {
	t := p.t
	t.Helper()
	authority, err := identity.Open(filepath.Join(p.data, "identity"))
	if err != nil {
		t.Fatal(err)
	}
	west, north := wire.ClientID(enroltest.Tenant, "dc-west"), wire.ClientID(enroltest.Tenant, "dc-north")
	up := wire.UpTopic(enroltest.Tenant, "dc-west", wire.Events)
	down := wire.DownTopic(enroltest.Tenant, "dc-west", wire.AckName)
	// The collector's certificate names it by its name: the broker takes that for its client id, whatever it says.
	pair, err := tls.LoadX509KeyPair(filepath.Join(p.data, "broker", "collector.crt"), filepath.Join(p.data, "broker", "collector.key"))
	if err != nil {
		t.Fatal(err)
	}
	p.Collector.Stop() // its line would be taken over
	centre := p.dial(wire.CollectorClientID("1"), &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{pair}}, wire.UpTopic(enroltest.Tenant, "dc-west", "#"))
	own := p.dial(west, p.siteTLS("dc-west"), wire.DownTopic(enroltest.Tenant, "dc-west", "#"))
	other := p.dial(north, p.siteTLS("dc-north"), wire.DownTopic(enroltest.Tenant, "dc-north", "#"), wire.DownTopic(enroltest.Tenant, "dc-west", "#"))

	if err := other.send(t, up, "foreign"); err == nil {
		t.Error("a site may say something for another")
	}
	if err := own.send(t, up, "own"); err != nil {
		t.Errorf("a site may not say what is its own: %v", err)
	}
	if said := centre.next(t); said != "own" {
		t.Errorf("the centre has heard %q", said)
	}
	// One message for the other site, then one for each: who hears the first on the wrong line hears it before his own.
	for _, topic := range []string{down, wire.DownTopic(enroltest.Tenant, "dc-north", wire.AckName)} {
		if err := centre.send(t, topic, topic); err != nil {
			t.Fatal(err)
		}
	}
	if said := own.next(t); said != down {
		t.Errorf("a site has heard %q", said)
	}
	if said := other.next(t); said == down {
		t.Error("a site hears what is another's")
	}
	if conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.broker), &tls.Config{RootCAs: authority.Pool()}); err == nil {
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 1)); err == nil { // with TLS 1.3 the refusal comes with the first answer
			t.Error("there is a line without a certificate")
		}
	}
}
