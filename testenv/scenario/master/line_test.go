package master_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/downlink"
	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

const siteOfCentre = "dc-east"

// watched is a site whose journal, inbox and uplink are those of an agent, with an ear on its line.
type watched struct {
	t        *testing.T
	line     *testenv.Line
	journal  *journal.Journal
	inbox    *downlink.Store
	movement uint64

	mu sync.Mutex
	// lists came so far; through is how far the last one goes, said how far the site has said since that it is.
	lists         int
	through, said uint64
	// abreast counts lists that came before the site had said that it holds the one before.
	abreast int
	// sent is the number of lists that had come when the envelope that ends at a Seq first went, waited the most that came until its Ack.
	sent   map[uint64]int
	waited int
	acked  uint64
}

// openSite opens a site on a line of so many kbit/s, and runs its uplink until the test ends.
func (c *centre) openSite(kbits int) *watched {
	c.t.Helper()
	s := &watched{t: c.t, sent: map[uint64]int{}}
	must := func(err error) {
		c.t.Helper()
		if err != nil {
			c.t.Fatal(err)
		}
	}
	var err error
	s.line, err = testenv.OpenLine(fmt.Sprintf("127.0.0.1:%d", c.broker.Port))
	must(err)
	s.line.Shape(kbits, 20*time.Millisecond)
	s.journal, err = journal.Open(filepath.Join(c.dir, "site", "journal"), journal.Options{Tenant: tenantOfCentre, Site: siteOfCentre})
	must(err)
	s.inbox, err = downlink.Open(filepath.Join(c.dir, "site", "inbox.db"), downlink.Options{})
	must(err)
	up := uplink.New(uplink.Config{Tenant: tenantOfCentre, Site: siteOfCentre, Line: wire.Config{URL: "mqtt://" + s.line.Addr(), MaxBackoff: time.Second}, Journal: agent.UplinkJournal{Journal: s.journal},
		HeartbeatEvery: 3 * time.Second, Positions: s.inbox.Through, OnCommands: s.inbox.PutCommands, OnReceipts: s.inbox.PutReceipts, OnMaster: s.inbox.PutMaster, MasterThrough: s.inbox.MasterThrough,
		Dial: s.dial, OnHelloReply: func(r *docklinev1.HelloReply) error { return s.inbox.SetIncarnation(r.GetIncarnation()) },
		Heartbeat: func() *docklinev1.Heartbeat {
			st := s.journal.Stats()
			return &docklinev1.Heartbeat{Epoch: st.Epoch, LastSeq: st.LastSeq, JournalEvents: st.Events}
		}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- up.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Error(err)
		}
		s.journal.Close()
		s.inbox.Close()
		s.line.Close()
	})
	return s
}

// dial is the line with an ear on it.
func (s *watched) dial(ctx context.Context, config wire.Config) (uplink.Line, error) {
	take := config.OnMessage
	config.OnMessage = func(m wire.Message) {
		s.came(m)
		take(m)
	}
	conn, err := wire.Dial(ctx, config)
	return &ear{conn, s}, err
}

type ear struct {
	*wire.Conn
	site *watched
}

func (e *ear) Publish(ctx context.Context, m wire.Message) error {
	e.site.goes(m)
	return e.Conn.Publish(ctx, m)
}

func (s *watched) came(m wire.Message) {
	topic, err := wire.ParseTopic(m.Topic)
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch topic.Name {
	case wire.Master:
		list := &docklinev1.MasterList{}
		if err := proto.Unmarshal(m.Payload, list); err != nil {
			s.t.Error(err)
		}
		if len(list.Records) == 0 {
			return
		}
		if s.lists++; s.said < s.through && list.Through > s.through { // one that comes again is no second one
			s.abreast++
			s.t.Logf("list %d, %d records from %d through %d; before it %d, the site said %d; whole %t", s.lists, len(list.Records), list.Previous, list.Through, s.through, s.said, list.Whole)
		}
		s.through = max(s.through, list.Through)
	case wire.AckName:
		answer := &docklinev1.Answer{}
		if err := proto.Unmarshal(m.Payload, answer); err != nil {
			s.t.Error(err)
		}
		for seq, lists := range s.sent {
			if seq <= answer.GetAck().GetWatermark() {
				s.waited = max(s.waited, s.lists-lists)
				delete(s.sent, seq)
			}
		}
		s.acked = max(s.acked, answer.GetAck().GetWatermark())
	}
}

func (s *watched) goes(m wire.Message) {
	topic, err := wire.ParseTopic(m.Topic)
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch topic.Name {
	case wire.Status:
		h := &docklinev1.Heartbeat{}
		if err := proto.Unmarshal(m.Payload, h); err != nil {
			s.t.Error(err)
		}
		s.said = max(s.said, h.GetMasterThrough())
	case wire.Events:
		e := &docklinev1.Envelope{}
		if err := proto.Unmarshal(m.Payload, e); err != nil {
			s.t.Error(err)
		}
		if _, again := s.sent[e.GetLastSeq()]; !again && e.GetLastSeq() > s.acked {
			s.sent[e.GetLastSeq()] = s.lists
		}
	}
}

// capture has the journal accept a movement.
func (s *watched) capture(m day.Movement) {
	s.t.Helper()
	s.movement++
	m.Number, m.At, m.Operator = s.movement, time.Now(), "op-1"
	e := m.Event()
	cause := event.Cause{Tenant: tenantOfCentre, Site: siteOfCentre, Source: "wms", SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(), Kind: event.KindName(e.GetKind())}
	e.Id, e.Tenant, e.Site, e.Source, e.CapturedAt = event.ID(cause), tenantOfCentre, siteOfCentre, "wms", timestamppb.Now()
	if err := s.journal.Append(s.t.Context(), journal.Entry{Plugin: "wms", Events: []*docklinev1.Event{e}, Cursor: []byte(fmt.Sprint(s.movement))}); err != nil {
		s.t.Fatal(err)
	}
}

// seen is what the ear has heard.
func (s *watched) seen() (lists, abreast, waited int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists, s.abreast, s.waited
}
