// Package manysites is a fleet in one process: as many sites as wanted, each with its own certificate and connection, which speak the real
// protocol over the real dialling code and have nothing to send but how they are.
package manysites

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/identity"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Config says which sites there are and where they connect.
type Config struct {
	// Tenant of all, N how many.
	Tenant string
	N      int
	// Broker is host:port, with TLS.
	Broker string
	// Authority signs for them, Fleet makes them known.
	Authority *identity.Authority
	Fleet     *fleet.Fleet
	// Heartbeat is the time between two of them (10 s, the agent's).
	Heartbeat time.Duration
}

// Fleet is such sites at work.
type Fleet struct {
	sites []*Site
	stop  context.CancelFunc
	wait  sync.WaitGroup
}

// Site is one of them.
type Site struct {
	Name string

	tenant  string
	conn    *wire.Conn
	mu      sync.Mutex
	session string
	beat    uint64
	// linked are the moments at which it got a link.
	linked []time.Time
}

// regions are those that the sites lie in.
var regions = []string{"north", "south", "east", "west"}

// Open makes the sites known, with a certificate each, and connects them.
func Open(ctx context.Context, c Config) (*Fleet, error) {
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Second
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	f := &Fleet{stop: stop}
	for i := range c.N {
		s := &Site{Name: fmt.Sprintf("site-%04d", i), tenant: c.Tenant}
		security, registration, err := enrol(c, s.Name)
		if err != nil {
			f.Close()
			return nil, err
		}
		registration.Region = regions[i%len(regions)]
		if _, err := c.Fleet.AddSite(ctx, registration); err != nil {
			f.Close()
			return nil, err
		}
		if s.conn, err = wire.Dial(running, s.line(c, security)); err != nil {
			f.Close()
			return nil, err
		}
		f.sites = append(f.sites, s)
		f.wait.Go(func() { s.speak(running, c.Heartbeat) })
	}
	return f, nil
}

// enrol makes a site's key and has its certificate signed.
func enrol(c Config, name string) (*tls.Config, fleet.Registration, error) {
	r := fleet.Registration{Tenant: c.Tenant, ID: name}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, r, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return nil, r, err
	}
	signed, err := c.Authority.SignSite(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}), c.Tenant, name)
	if err != nil {
		return nil, r, err
	}
	certificate, err := identity.ParseCertificate(signed)
	if err != nil {
		return nil, r, err
	}
	r.CertificateSerial, r.CertificateNotAfter = certificate.SerialNumber.Text(16), certificate.NotAfter
	chain := tls.Certificate{PrivateKey: key, Leaf: certificate}
	for block, rest := pem.Decode(signed); block != nil; block, rest = pem.Decode(rest) {
		chain.Certificate = append(chain.Certificate, block.Bytes)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Authority.Pool(), Certificates: []tls.Certificate{chain}}, r, nil
}

// line is the agent's connection with small queues: nothing much comes down to these.
func (s *Site) line(c Config, security *tls.Config) wire.Config {
	return wire.Config{URL: "mqtts://" + c.Broker, ClientID: wire.ClientID(c.Tenant, s.Name), TLS: security, KeepAlive: 15 * time.Second, QueueBytes: 64 << 10,
		Subscribe: []string{wire.DownTopic(c.Tenant, s.Name, "#")}, OnUp: s.up, MakeWill: s.will,
		Birth: func() []wire.Message { return []wire.Message{s.status(), s.hello()} }}
}

func (s *Site) up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linked = append(s.linked, time.Now())
}

func (s *Site) message(name string, retain bool, body proto.Message) wire.Message {
	payload, err := proto.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("manysites: a message of our own cannot be encoded: %v", err))
	}
	return wire.Message{Topic: wire.UpTopic(s.tenant, s.Name, name), Payload: payload, Retain: retain}
}

// will begins a session.
func (s *Site) will() *wire.Message {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	s.mu.Lock()
	s.session, s.beat = hex.EncodeToString(id), 0
	h := &docklinev1.Heartbeat{Tenant: s.tenant, Site: s.Name, Session: s.session}
	s.mu.Unlock()
	m := s.message(wire.Status, true, h)
	return &m
}

func (s *Site) status() wire.Message {
	s.mu.Lock()
	s.beat++
	h := &docklinev1.Heartbeat{Tenant: s.tenant, Site: s.Name, Session: s.session, Online: true, Number: s.beat, SentAt: timestamppb.Now(), AgentVersion: "manysites",
		JournalLimitBytes: 2 << 30, DiskFreeBytes: 50 << 30, Epoch: hex.EncodeToString([]byte(s.Name)), LastSeq: 0,
		Plugins: []*docklinev1.PluginHealth{{Id: "wms", Name: "wms-file", Version: "1", State: "running"}, {Id: "scanner", Name: "scanner", Version: "1", State: "running"}}}
	s.mu.Unlock()
	return s.message(wire.Status, true, h)
}

func (s *Site) hello() wire.Message {
	return s.message(wire.Hello, false, &docklinev1.Hello{Tenant: s.tenant, Site: s.Name, Session: s.Session(), SentAt: timestamppb.Now(),
		Epochs: []*docklinev1.EpochRange{{Epoch: hex.EncodeToString([]byte(s.Name)), Ordinal: 1}}})
}

// speak sends heartbeats while there is a link, each site at its own moment.
func (s *Site) speak(ctx context.Context, every time.Duration) {
	next := time.NewTimer(time.Duration(mathrand.Int64N(int64(every))))
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		next.Reset(every)
		if s.conn.Connected() {
			_ = s.conn.Publish(ctx, s.status()) // one that is lost with the link is no loss
		}
	}
}

// Session is the one that the site is in.
func (s *Site) Session() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session
}

// Links are the moments at which the site got a link, since a moment.
func (s *Site) Links(since time.Time) (at []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.linked {
		if t.After(since) {
			at = append(at, t)
		}
	}
	return at
}

// Sites are all of them.
func (f *Fleet) Sites() []*Site { return f.sites }

// Connected is how many have a link.
func (f *Fleet) Connected() (n int) {
	for _, s := range f.sites {
		if s.conn.Connected() {
			n++
		}
	}
	return n
}

// Attempts is how often the sites have tried to connect so far.
func (f *Fleet) Attempts() (n uint64) {
	for _, s := range f.sites {
		stats := s.conn.Stats()
		n += stats.Connections + stats.Failures
	}
	return n
}

// Right counts the sites that the centre sees as they are: online, in the very session that the site is in.
func (f *Fleet) Right(ctx context.Context, centre *fleet.Fleet, tenant string, state fleet.State) (n int, err error) {
	found, err := centre.Sites(ctx, tenant)
	if err != nil {
		return 0, err
	}
	byName := make(map[string]*fleet.Site, len(found))
	for _, s := range found {
		byName[s.ID] = s
	}
	for _, s := range f.sites {
		if seen := byName[s.Name]; seen != nil && seen.State == state && (state != fleet.Online || seen.Session == s.Session()) {
			n++
		}
	}
	return n, nil
}

// Close ends all connections.
func (f *Fleet) Close() {
	f.stop()
	f.wait.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, s := range f.sites {
		_ = s.conn.Close(ctx)
	}
}
