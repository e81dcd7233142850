package scale_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/testenv"
)

// TestThreeCollectors has three collectors work on one PostgreSQL and one Mosquitto for forty sites, whose journals, inboxes and uplinks are
// those of the agent, while one after another is killed, stopped for longer than its leases hold, or asked to end: whoever has just the
// role that it is about. The two others take over and carry on; no lease holds longer after its owner than its term, and one that was given
// up in good order not at all. In the end the log has what the sites' journals accepted, event by event and once, and the ERP one goods
// issue and one invoice of every shipment.
//
// Shows: S73
func TestThreeCollectors(t *testing.T) {
	c := openCentre(t, testenv.PostgreSQL(t), 40)
	for _, name := range []string{"a", "b", "c"} {
		c.add(name, filepath.Join(programs.Dir(t), "dockline-collector"), "")
	}
	for _, s := range c.master.Sites {
		c.openSite(s.Code)
	}
	events, kills := testenv.Count("scale.events"), testenv.Count("scale.kills")
	each := events / (len(c.sites) * (pieces + 1))
	c.order(each)
	for _, m := range c.collectors {
		c.start(m)
	}
	c.until("all three know each other", func() bool { return c.count(`SELECT count(*) FROM member`) == 3 })
	k := &killer{centre: c, roles: map[string]int{}, ways: map[string]int{}, waited: map[string]bool{}}
	work, stop := errgroup.WithContext(t.Context())
	for _, s := range c.sites {
		work.Go(func() error { return s.shift(stop, each, &k.struck, kills) })
	}
	for range kills {
		k.strike()
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	c.settled()
	c.agree()
	t.Logf("%d events of %d sites, %d shipments; %d blows: roles %v, ways %v; longest until short leases had gone over: %s; long ones waited out: %v", c.accepted(), len(c.sites), each*len(c.sites), kills, k.roles, k.ways, k.longest, slices.Sorted(maps.Keys(k.waited)))
}

// shift works off the site's orders, so that there is something to do until the last blow.
func (s *site) shift(ctx context.Context, orders int, struck interface{ Load() int64 }, blows int) error {
	for n := range orders {
		for int(struck.Load())*orders < n*blows && ctx.Err() == nil { // the blow that this order belongs to is still to come
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		if err := s.work(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until everything is logged, folded and told.
func (c *centre) settled() {
	c.t.Helper()
	total := 0
	for _, s := range c.sites {
		total += len(s.shipped)
	}
	testenv.Eventually(c.t, 5*patience, "everything is in the log and in the ERP", func() bool {
		return c.logged() >= c.accepted() && c.count(`SELECT count(*) FROM posting WHERE state = 'confirmed' AND kind IN ('goods_issue', 'invoice_trigger')`) >= 2*total &&
			c.count(`SELECT count(*) FROM posting WHERE state NOT IN ('confirmed', 'superseded')`) == 0 && c.count(`SELECT count(*) FROM dirty WHERE due_at = 0`) == 0
	}, c.told)
	c.until("every journal is acknowledged", func() bool {
		return !slices.ContainsFunc(c.sites, func(s *site) bool { return s.journal.Stats().Events > 0 })
	})
}

// agree holds each site's ledger against the log, and the shipments against the ERP.
func (c *centre) agree() {
	c.t.Helper()
	for _, s := range c.sites {
		logged, err := c.idsOf(s.name)
		if err != nil {
			c.t.Fatal(err)
		}
		slices.Sort(logged)
		slices.Sort(s.ids)
		if !slices.Equal(logged, s.ids) {
			c.t.Errorf("%s: %d events in the log, %d in its journal's ledger, and they are not the same", s.name, len(logged), len(s.ids))
		}
	}
	issues, err := c.erp.Issues(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	invoices, err := c.erp.Invoices(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	issued, billed := map[string]int{}, map[string]int{}
	for _, i := range issues {
		issued[i.ExternalReference]++
	}
	for _, i := range invoices {
		billed[i.ExternalReference]++
	}
	for _, s := range c.sites {
		for _, shipment := range s.shipped {
			if issued[shipment] != 1 || billed[shipment] != 1 {
				c.t.Errorf("shipment %s has %d goods issues and %d invoices in the ERP", shipment, issued[shipment], billed[shipment])
			}
			delete(issued, shipment)
			delete(billed, shipment)
		}
	}
	if len(issued)+len(billed) > 0 {
		c.t.Errorf("the ERP has documents of shipments that no site made: %v %v", issued, billed)
	}
	if n := c.count(`SELECT coalesce(sum(conflicts), 0) FROM site_total`); n != 0 {
		c.t.Errorf("%d events came with two contents", n)
	}
}

// killer strikes one collector after another.
type killer struct {
	*centre
	struck  counter
	roles   map[string]int
	ways    map[string]int
	longest time.Duration
	// waited are the long leases, with the way in which their owner went, that were waited out.
	waited map[string]bool
}

// strike ends or stops whoever has a role, waits until another has it and goes on, and brings the first one back.
func (k *killer) strike() {
	k.t.Helper()
	n := int(k.struck.Load())
	role := roles[n%len(roles)]
	var m *collector
	testenv.Eventually(k.t, termOf(role)+patience, role+" has an owner", func() bool { m = k.holder(role); return m != nil }, k.told)
	way := []string{"killed", "stopped", "killed", "asked to end", "killed"}[n%5]
	k.roles[role]++
	k.ways[way]++
	var held map[string]lease
	switch way {
	case "stopped":
		if err := m.Halt(); err != nil {
			k.t.Fatal(err)
		}
		held = k.outlived(m)
	case "killed":
		m.Kill()
		held = k.outlived(m)
	case "asked to end":
		m.Stop()
		if held := k.outlived(m); len(held) > 0 {
			k.t.Errorf("collector %s ended in good order and kept %v", m.name, held)
		}
	}
	k.takenOver(m, held)
	k.struck.Add(1) // the sites go on capturing: somebody must take it
	k.goesOn(m)
	k.waitOut(m, way, held)
	if way == "stopped" {
		if err := m.Resume(); err != nil {
			k.t.Fatal(err)
		}
	} else if err := m.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.until("collector "+m.name+" is back after it was "+way, func() bool { return k.leases()["member/"+m.name].left > 0 && m.status() == 200 })
}

// longTerm is beyond which a lease is not waited out at every blow: that would be minutes each.
const longTerm = 15 * time.Second

// takenOver waits until no lease of before of a short term holds in its owner's name.
func (k *killer) takenOver(m *collector, held map[string]lease) {
	k.t.Helper()
	began := time.Now()
	for name, was := range held {
		if termOf(name) <= longTerm {
			k.ended(m, name, was)
		}
	}
	k.longest = max(k.longest, time.Since(began))
}

// waitOut looks at the leases of long terms of an owner that is gone, after the others have gone on without it: none is prolonged, and so none holds
// for longer than its term, by the database's clock. In full each is waited out once for each way in which an owner goes, until another has it.
func (k *killer) waitOut(m *collector, way string, held map[string]lease) {
	k.t.Helper()
	for name, was := range held {
		if termOf(name) <= longTerm {
			continue
		}
		if k.waited[name+" "+way] || !testenv.Full() {
			k.prolonged(m, name, was)
			continue
		}
		k.waited[name+" "+way] = true
		k.ended(m, name, was)
		testenv.Eventually(k.t, patience, "another than collector "+m.name+" has "+name, func() bool { next := k.holder(name); return next != nil && next != m }, k.told)
	}
}

// ended waits until a lease does not hold in the name of its former owner.
func (k *killer) ended(m *collector, name string, was lease) {
	k.t.Helper()
	testenv.Eventually(k.t, termOf(name)+patience, fmt.Sprintf("%s is no longer that of collector %s", name, m.name), func() bool {
		now, wrong := k.prolonged(m, name, was)
		return wrong || now.holder != m.name || now.left <= 0
	}, k.told)
}

// prolonged fails the test where a lease holds for longer than when its owner went.
func (k *killer) prolonged(m *collector, name string, was lease) (now lease, is bool) {
	k.t.Helper()
	now = k.leases()[name]
	if now.holder == m.name && now.left > was.left {
		k.t.Errorf("%s of collector %s was prolonged after its end: it held for %s, now for %s", name, m.name, was.left, now.left)
		return now, true
	}
	return now, false
}

// goesOn waits until the others have put something more into the log, if there is something.
func (k *killer) goesOn(m *collector) {
	k.t.Helper()
	before := k.logged()
	k.until("the others go on without collector "+m.name, func() bool { n := k.logged(); return n > before || n == k.accepted() })
}
