package restore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// inProcess is a site whose journal and uplink run in this process; its line leads to the centre.
type inProcess struct {
	*site
	t       *testing.T
	journal *journal.Journal
	stop    func()
}

func (c *centre) openInProcess(name string) *inProcess {
	c.t.Helper()
	s := &inProcess{site: c.addSite(name, ""), t: c.t}
	s.openJournal()
	return s
}

func (s *inProcess) openJournal() {
	s.t.Helper()
	var err error
	s.journal, err = journal.Open(filepath.Join(s.data, "journal"), journal.Options{Tenant: tenant, Site: s.name, KeepAcknowledged: time.Hour})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.journal.Close() })
}

func (s *inProcess) lineConfig() wire.Config {
	s.t.Helper()
	identity := filepath.Join(s.data, "identity")
	tls, err := wire.LoadTLS(filepath.Join(identity, "ca.crt"), filepath.Join(identity, "site.crt"), filepath.Join(identity, "site.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	return wire.Config{URL: "mqtts://" + s.line.Addr(), TLS: tls, MaxBackoff: time.Second}
}

// connect runs an uplink over the journal until disconnect, with a rate in bits a second for the backlog; 0 is none.
func (s *inProcess) connect(window, rate int) {
	s.t.Helper()
	u := uplink.New(uplink.Config{Tenant: tenant, Site: s.name, Line: s.lineConfig(), Journal: agent.UplinkJournal{Journal: s.journal}, Window: window, RateLimit: rate, HeartbeatEvery: time.Second,
		Heartbeat: func() *docklinev1.Heartbeat {
			st := s.journal.Stats()
			return &docklinev1.Heartbeat{Epoch: st.Epoch, LastSeq: st.LastSeq, JournalEvents: st.Events, Cursors: st.Cursors}
		}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-ended; err != nil {
				s.t.Error(err)
			}
		}
	}
	s.t.Cleanup(s.stop)
}

// scan has the site capture n picks, as a scanner pushes them: without a cursor.
func (s *inProcess) scan(prefix string, n int) {
	s.t.Helper()
	for from := 0; from < n; from += 1000 {
		entry := journal.Entry{Plugin: "scanner"}
		for i := from; i < min(from+1000, n); i++ {
			entry.Events = append(entry.Events, scanned(s.name, prefix, i))
		}
		if err := s.journal.Append(s.t.Context(), entry); err != nil {
			s.t.Fatal(err)
		}
	}
}

// scanned is pick i, ten to an order.
func scanned(site, prefix string, i int) *docklinev1.Event {
	key, order := fmt.Sprintf("%s-%d", prefix, i), fmt.Sprintf("SO-%s-%d", prefix, i/10)
	return &docklinev1.Event{Id: key, Tenant: tenant, Site: site, Source: "scanner", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: order, SourceKey: key,
		OccurredAt: timestamppb.Now(), CapturedAt: timestamppb.Now(),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: key, Lines: []*docklinev1.Line{{Order: order, OrderLine: "10", Item: "SKU-1",
			Quantity: &docklinev1.Quantity{Value: "1", Unit: "each"}}}}}}
}

// otherLife sends what the same process and journal gave to the centre in a life that the snapshot knows nothing of: picks under the next
// numbers of the newest epoch.
func (s *inProcess) otherLife(n int) {
	s.t.Helper()
	stats := s.journal.Stats()
	var events [][]byte
	for i := range n {
		data, err := proto.Marshal(scanned(s.name, "other", i))
		if err != nil {
			s.t.Fatal(err)
		}
		events = append(events, data)
	}
	pack, crc, err := wire.SealPack(events)
	if err != nil {
		s.t.Fatal(err)
	}
	env := &docklinev1.Envelope{Tenant: tenant, Site: s.name, Epoch: stats.Epoch, EpochOrdinal: 1, FirstSeq: stats.LastSeq + 1, LastSeq: stats.LastSeq + uint64(n),
		Count: uint32(n), Crc: crc, Live: true, Pack: pack}
	payload, err := proto.Marshal(env)
	if err != nil {
		s.t.Fatal(err)
	}
	config := s.lineConfig()
	config.ClientID = wire.ClientID(tenant, s.name)
	up := make(chan struct{}, 1)
	config.OnUp = func() { up <- struct{}{} }
	conn, err := wire.Dial(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	<-up
	if err := conn.Publish(s.t.Context(), wire.Message{Topic: wire.UpTopic(tenant, s.name, wire.Events), Payload: payload}); err != nil {
		s.t.Fatal(err)
	}
	if err := conn.Close(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// TestRestoredMachine is TestRestoredSnapshot with the process never restarted: a virtual machine is put back with its memory, and goes on
// within the same epoch. A file cannot be put back under an open process here, so it is done the other way round: journal and uplink run
// on, and what is sent to a real collector in between is what they would have sent in the life that is gone, under the very numbers that
// they give next. 500 picks are captured without a line; with the line all three are in the log once.
func TestRestoredMachine(t *testing.T) {
	c := openCentre(t, "")
	s := c.openInProcess("dc-east")
	c.start()
	s.connect(16, 0)
	s.scan("before", 300)
	c.exactly(300, time.Minute)
	c.eventually("the journal is acknowledged", 20*time.Second, func() bool { return s.journal.Stats().Events == 0 })
	s.stop()
	s.otherLife(100)
	c.exactly(400, time.Minute)
	s.scan("offline", 500)
	s.connect(16, 0)
	c.exactly(900, time.Minute)
	c.eventually("the journal is acknowledged", 20*time.Second, func() bool { return s.journal.Stats().Events == 0 })
	s.scan("after", 10)
	c.exactly(910, time.Minute)
}
