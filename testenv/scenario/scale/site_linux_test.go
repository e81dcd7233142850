package scale_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/downlink"
	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv/erp"
)

// site is one whose journal, inbox and uplink are those of an agent, in this process.
type site struct {
	c       *centre
	name    string
	journal *journal.Journal
	inbox   *downlink.Store
	orders  []erp.Order
	shipped []string
	// ids are those of what the journal has accepted: the site's own ledger.
	ids      []string
	accepted atomic.Int64
	movement uint64
	uplink   *uplink.Uplink
	board    health.Board
	began    time.Time
}

// condition says whether the site itself tells, by the checks of the agent, that something is wrong.
func (s *site) condition(code string) bool {
	line, held := s.uplink.Stats(), s.journal.Stats()
	now := time.Now()
	for _, c := range s.board.Evaluate(health.Facts{Now: now, Started: s.began, Connected: line.Connected, Greeted: line.Connected && line.Greeted, LineChanged: s.began,
		LastAckAt: line.LastAckAt, Waiting: int64(held.Events), OldestAt: held.OldestAt, Counts: health.Counts{Sent: line.Sent, Acks: line.Acks}}) {
		if c.GetCode() == code {
			return true
		}
	}
	return false
}

// openSite opens journal and inbox, and runs the uplink until the test ends.
func (c *centre) openSite(name string) *site {
	c.t.Helper()
	s := &site{c: c, name: name, began: time.Now()}
	var err error
	if s.journal, err = journal.Open(filepath.Join(c.dir, name, "journal"), journal.Options{Tenant: tenant, Site: name}); err != nil {
		c.t.Fatal(err)
	}
	if s.inbox, err = downlink.Open(filepath.Join(c.dir, name, "inbox.db"), downlink.Options{}); err != nil {
		c.t.Fatal(err)
	}
	s.uplink = uplink.New(uplink.Config{Tenant: tenant, Site: name, Line: wire.Config{URL: c.broker.URL(), MaxBackoff: time.Second}, Journal: agent.UplinkJournal{Journal: s.journal}, HeartbeatEvery: 3 * time.Second,
		Positions: s.inbox.Through, OnCommands: s.inbox.PutCommands, OnReceipts: s.inbox.PutReceipts, OnMaster: s.inbox.PutMaster, MasterThrough: s.inbox.MasterThrough,
		OnHelloReply: func(r *docklinev1.HelloReply) error { return s.inbox.SetIncarnation(r.GetIncarnation()) },
		Heartbeat: func() *docklinev1.Heartbeat {
			st := s.journal.Stats()
			return &docklinev1.Heartbeat{Epoch: st.Epoch, LastSeq: st.LastSeq, JournalEvents: st.Events, Cursors: st.Cursors}
		}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.uplink.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Errorf("%s: %v", name, err)
		}
		s.journal.Close()
		s.inbox.Close()
	})
	c.sites = append(c.sites, s)
	return s
}

// order makes orders of ten pieces in the ERP for each site, and waits until the centre knows them.
func (c *centre) order(each int) {
	c.t.Helper()
	total := 0
	for _, s := range c.sites {
		for range each {
			o, err := c.erp.CreateOrder(c.t.Context(), erp.NewOrder{Customer: "C-1", Site: s.name, Lines: []erp.NewOrderLine{{Item: "SKU-1", Quantity: decimal.NewFromInt(pieces)}}})
			if err == nil {
				o, err = c.erp.ConfirmOrder(c.t.Context(), o.Number)
			}
			if err != nil {
				c.t.Fatal(err)
			}
			s.orders = append(s.orders, o)
			total++
		}
	}
}

// pieces is how many an order is of; each is picked by itself.
const pieces = 10

// work captures what becomes of the site's next order: its picks one by one, and that it left.
func (s *site) work(ctx context.Context) error {
	of := s.orders[len(s.shipped)]
	order, line := of.Number, day.Line{OrderLine: of.Lines[0].Line, Item: "SKU-1", Unit: erp.Each, Quantity: day.Units(1), Ordered: day.Units(1), Bin: "A-01"}
	for i := range pieces {
		if err := s.capture(ctx, day.Movement{Kind: day.Pick, ID: fmt.Sprintf("%s-P%d", order, i), Order: order, Lines: []day.Line{line}}); err != nil {
			return err
		}
	}
	line.Quantity, line.Ordered = day.Units(pieces), 0
	shipment := "S-" + order
	s.shipped = append(s.shipped, order+"/"+shipment)
	return s.capture(ctx, day.Movement{Kind: day.Ship, ID: shipment, Order: order, Carrier: "DHL", Tracking: "JD" + order, Lines: []day.Line{line}})
}

// capture has the journal accept a movement, which is then in the site's ledger.
func (s *site) capture(ctx context.Context, m day.Movement) error {
	s.movement++
	m.Number, m.At, m.Operator = s.movement, time.Now(), "op-1"
	e := m.Event()
	cause := event.Cause{Tenant: tenant, Site: s.name, Source: "wms", SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(), Kind: event.KindName(e.GetKind())}
	e.Id, e.Tenant, e.Site, e.Source, e.CapturedAt = event.ID(cause), tenant, s.name, "wms", timestamppb.Now()
	if err := s.journal.Append(ctx, journal.Entry{Plugin: "wms", Events: []*docklinev1.Event{e}, Cursor: []byte(fmt.Sprint(s.movement))}); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.ids = append(s.ids, e.GetId())
	s.accepted.Add(1)
	return nil
}
