package manyagents

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/collector/identity"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// site is one of them.
type site struct {
	all     *Agents
	name    string
	journal *journal.Journal
	uplink  *uplink.Uplink
	running bool

	mu sync.Mutex
	// next is the number of its next event.
	next   uint64
	linked []time.Time
	// incarnation and receipts are what an inbox would keep.
	incarnation string
	receipts    uint64
}

func openSite(a *Agents, name, dir string, pool *x509.CertPool) (*site, error) {
	security, err := enrol(a.c.Authority, pool, a.c.Tenant, name)
	if err != nil {
		return nil, err
	}
	s := &site{all: a, name: name}
	if s.journal, err = journal.Open(dir, journal.Options{Tenant: a.c.Tenant, Site: name}); err != nil {
		return nil, err
	}
	s.uplink = uplink.New(uplink.Config{Tenant: a.c.Tenant, Site: name, Version: "manyagents", Window: a.c.Window, HeartbeatEvery: a.c.Heartbeat, Journal: agent.UplinkJournal{Journal: s.journal}, Heartbeat: s.heartbeat,
		Line:      wire.Config{URL: "mqtts://" + a.line.addr(), TLS: security, QueueBytes: 64 << 10},
		Dial:      s.dial,
		Positions: s.positions, OnReceipts: s.take, OnHelloReply: s.greeted})
	return s, nil
}

// enrol makes a site's key and has its certificate signed.
func enrol(authority *identity.Authority, pool *x509.CertPool, tenant, name string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return nil, err
	}
	signed, err := authority.SignSite(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}), tenant, name)
	if err != nil {
		return nil, err
	}
	leaf, err := identity.ParseCertificate(signed)
	if err != nil {
		return nil, err
	}
	chain := tls.Certificate{PrivateKey: key, Leaf: leaf}
	for block, rest := pem.Decode(signed); block != nil; block, rest = pem.Decode(rest) {
		chain.Certificate = append(chain.Certificate, block.Bytes)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{chain}}, nil
}

// dial is the agent's, which also notes when there was a link.
func (s *site) dial(ctx context.Context, config wire.Config) (uplink.Line, error) {
	up := config.OnUp
	config.OnUp = func() {
		s.mu.Lock()
		s.linked = append(s.linked, time.Now())
		s.mu.Unlock()
		up()
	}
	return wire.Dial(ctx, config)
}

// heartbeat says what an agent with two plugins says of itself.
func (s *site) heartbeat() *docklinev1.Heartbeat {
	j := s.journal.Stats()
	h := &docklinev1.Heartbeat{Epoch: j.Epoch, LastSeq: j.LastSeq, Cursors: j.Cursors, JournalEvents: j.Events, JournalBytes: uint64(j.Bytes), JournalLimitBytes: uint64(j.LimitBytes),
		CapturedTotal: j.CapturedTotal, Days: j.Days, DiskFreeBytes: 50 << 30,
		Plugins: []*docklinev1.PluginHealth{{Id: "wms", Name: "wms-file", Version: "1", State: "running"}, {Id: "scanner", Name: "scanner", Version: "1", State: "running"}}}
	if !j.OldestAt.IsZero() {
		h.OldestEventAt = timestamppb.New(j.OldestAt)
	}
	return h
}

func (s *site) positions() (string, uint64, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.incarnation, 0, s.receipts
}

func (s *site) greeted(r *docklinev1.HelloReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.incarnation != r.GetIncarnation() {
		s.incarnation, s.receipts = r.GetIncarnation(), 0
	}
	return nil
}

func (s *site) take(list *docklinev1.ReceiptList) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list.GetPrevious() > s.receipts {
		return nil // something before it is missing; the collector sends both again
	}
	for _, r := range list.GetReceipts() {
		s.receipts = max(s.receipts, r.GetPosition())
	}
	return nil
}

// capture appends so many events, some a call.
func (s *site) capture(ctx context.Context, events, perCall int) error {
	for left := events; left > 0; left -= perCall {
		n := min(left, perCall)
		s.mu.Lock()
		first := s.next
		s.next += uint64(n)
		s.mu.Unlock()
		entry := journal.Entry{Plugin: "wms", Cursor: fmt.Append(nil, first+uint64(n))}
		for i := range n {
			e := s.all.c.Event(s.name, first+uint64(i))
			e.Tenant, e.Site, e.CapturedAt = s.all.c.Tenant, s.name, timestamppb.Now()
			entry.Events = append(entry.Events, e)
		}
		if err := s.journal.Append(ctx, entry); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.all.captured.Add(uint64(n))
	}
	return nil
}
