package replay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/replay"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// centre is a database with an event log, a worker under the policy in force, and what replays.
type centre struct {
	*testing.T
	d      *db.DB
	log    *eventlog.Log
	worker *reconcile.Worker
	replay *replay.Replay
	clock  time.Time
	seq    uint64
}

func newCentre(t *testing.T, d *db.DB) *centre {
	t.Helper()
	c := &centre{T: t, d: d, clock: Morning.Add(time.Hour)}
	now := func() time.Time { return c.clock }
	p := c.policy("0")
	c.log = &eventlog.Log{DB: d, Now: now, Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
		for _, t := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}, Links: func(e *docklinev1.Event) (links []eventlog.Link) {
		for _, l := range state.Links(e) {
			links = append(links, eventlog.Link(l))
		}
		return links
	}}
	c.worker = &reconcile.Worker{DB: d, Policy: p, Now: now}
	c.activate(p)
	c.replay = c.process("one")
	return c
}

// process is what another process would have.
func (c *centre) process(name string) *replay.Replay {
	r := collector.NewReplay(c.d, c.worker, name)
	r.Page, r.Now = 3, c.worker.Now
	r.Fold = func(ctx context.Context) (bool, error) { n, err := c.worker.Step(ctx); return n > 0, err }
	return r
}

// policy lets so many percent more than ordered leave.
func (c *centre) policy(tolerance string) *policy.Policy {
	c.Helper()
	p, err := policy.Load(fstest.MapFS{"milestones.yaml": &fstest.MapFile{Data: []byte("default: {}\n")},
		"fulfilment.yaml": &fstest.MapFile{Data: []byte("default: {over_ship: hold, over_ship_tolerance: \"" + tolerance + "\"}\n")},
		"targets.yaml":    &fstest.MapFile{Data: []byte("targets:\n  - {name: erp, role: system_of_record}\n")}})
	if err != nil {
		c.Fatal(err)
	}
	return p
}

func (c *centre) activate(p *policy.Policy) {
	c.Helper()
	if err := reconcile.Activate(c.Context(), c.d, Tenant, p, nil, c.clock); err != nil {
		c.Fatal(err)
	}
	c.worker.Policy = p
	c.settle()
}

func (c *centre) write(f func(tx *db.Tx) error) {
	c.Helper()
	if err := c.d.Write(c.Context(), f); err != nil {
		c.Fatal(err)
	}
}

func (c *centre) exec(query string, args ...any) {
	c.Helper()
	c.write(func(tx *db.Tx) error { _, err := tx.Exec(c.Context(), query, args...); return err })
}

func (c *centre) count(query string) (n int) {
	c.Helper()
	c.write(func(tx *db.Tx) error { return tx.QueryRow(c.Context(), query).Scan(&n) })
	return n
}

func (c *centre) tell(events ...*docklinev1.Event) {
	c.Helper()
	c.write(func(tx *db.Tx) error {
		var recorded []eventlog.Recorded
		for _, e := range events {
			r := eventlog.Recorded{Event: e}
			if e.GetSite() != "" {
				c.seq++
				r.Epoch, r.EpochOrdinal, r.Seq = "e1", 1, c.seq
			}
			recorded = append(recorded, r)
		}
		_, err := c.log.Append(c.Context(), tx, recorded)
		return err
	})
	c.settle()
}

func (c *centre) settle() {
	c.Helper()
	for n := 1; n > 0; {
		var err error
		if n, err = c.worker.Step(c.Context()); err != nil {
			c.Fatal(err)
		}
	}
}

// orders tells of so many orders; of every third more leaves than was ordered. All that is posted is confirmed.
func (c *centre) orders(n int) {
	c.Helper()
	for i := range n {
		number := fmt.Sprintf("SO%02d", i)
		left := "10"
		if i%3 == 0 {
			left = "11"
		}
		c.tell(Accepted(number, "1", L("", "1", "A", "10")), Pick(10, "p"+number, In(L(number, "1", "A", left), "B-01", "")), Shipment(20+i, "S"+number, L(number, "1", "A", left)))
	}
	c.exec(`UPDATE posting SET state = 'confirmed', confirmed_hash = document_hash, confirmed_version = source_version, confirmed_document = document, sent_document = document`)
}

// try makes a dry run.
func (c *centre) try(s replay.Selection) *replay.Job {
	c.Helper()
	s.Tenant = Tenant
	j, err := c.replay.Begin(c.Context(), s)
	if err != nil {
		c.Fatal(err)
	}
	c.through(c.replay, j)
	return j
}

func (c *centre) through(r *replay.Replay, j *replay.Job) {
	c.Helper()
	for range 500 {
		if j.Ended() {
			return
		}
		if err := r.Step(c.Context(), j); err != nil {
			c.Fatal(err)
		}
	}
	c.Fatalf("it does not end: %+v", j)
}

func (c *centre) start(token string) *replay.Job {
	c.Helper()
	j, err := c.replay.Start(c.Context(), Tenant, token, "ana", "the tolerance was wrong")
	if err != nil {
		c.Fatal(err)
	}
	return j
}

// Each way to select takes the keys that it names, and a dry run changes nothing.
//
// Shows: S42
func TestADryRunCountsAndChangesNothing(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c := newCentre(t, d)
		c.orders(6)
		before := c.count(`SELECT COUNT(*) FROM dirty`) + c.count(`SELECT COUNT(*) FROM posting`)
		for _, s := range []struct {
			what string
			of   replay.Selection
			keys int64
		}{
			{"one order with its shipment", replay.Selection{Order: "SO01"}, 2},
			{"one key", replay.Selection{Key: "order/SO02"}, 1},
			{"by kind", replay.Selection{Kind: "shipment.departed"}, 18},
			{"by site and time", replay.Selection{Site: Site, Kind: "shipment.departed", From: At(22).AsTime(), To: At(24).AsTime()}, 6},
			{"a site that told nothing", replay.Selection{Site: "dc-west"}, 0},
			{"by target and posting", replay.Selection{Target: "erp", Posting: "goods_issue"}, 4},
			{"of a target that is told nothing", replay.Selection{Target: "crm"}, 0},
		} {
			if j := c.try(s.of); j.Keys != s.keys || j.Unchanged != s.keys || j.Phase != replay.Ready || j.Token == "" {
				t.Errorf("%s: %+v, want %d keys, all unchanged", s.what, j, s.keys)
			}
		}
		if after := c.count(`SELECT COUNT(*) FROM dirty`) + c.count(`SELECT COUNT(*) FROM posting`); after != before {
			t.Errorf("a dry run changed something: %d, %d", before, after)
		}
		if _, err := c.replay.Start(t.Context(), Tenant, "7-nothing", "ana", "why"); !errors.Is(err, replay.ErrAbsent) {
			t.Errorf("ran what nobody tried: %v", err)
		}
	})
}

// What a person has closed stays closed, so a replay neither promises nor misses it; what he closed and has become another one is opened again.
//
// Shows: S42
func TestAReplayLeavesWhatPeopleHaveClosed(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c := newCentre(t, d)
		c.orders(3)
		if open := c.count(`SELECT COUNT(*) FROM exception WHERE state = 'open' AND code = 'over_shipped'`); open != 1 {
			t.Fatalf("%d exceptions are open, want that of the one order of which more left", open)
		}
		for _, closed := range []string{"human", "waived"} {
			c.exec(`UPDATE exception SET state = 'resolved', closed = ?, closed_by = 'ben', resolved_at = ?`, closed, c.clock.UnixMicro())
			tried := c.try(replay.Selection{Site: Site})
			if tried.Changed != 0 || tried.Opened != 0 {
				t.Fatalf("closed by %s, tried: %+v", closed, tried)
			}
			j := c.start(tried.Token)
			c.through(c.replay, j)
			if j.Phase != replay.Done || j.Stale+j.Remaining != 0 {
				t.Errorf("closed by %s, came to %+v", closed, j)
			}
		}
		c.exec(`UPDATE exception SET text = 'another one'`)
		if tried := c.try(replay.Selection{Site: Site}); tried.Opened != 1 {
			t.Errorf("another one than was closed, tried: %+v", tried)
		}
	})
}

// Keys move to another version of the policy: what is held is posted, what is confirmed stays as it is. A process that dies in the middle leaves it
// to the next one.
//
// Shows: S42
func TestAReplayMovesKeysToAnotherPolicyAndGoesOnAfterACrash(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c := newCentre(t, d)
		c.orders(9)
		if n := c.count(`SELECT COUNT(*) FROM posting WHERE kind = 'goods_issue'`); n != 6 {
			t.Fatalf("%d goods issues before, want those of 6 orders", n)
		}
		changed := c.count(`SELECT COALESCE(MAX(changed_at), 0) FROM posting`)
		c.clock = c.clock.Add(time.Hour)
		p := c.policy("20")
		c.activate(p)
		tried := c.try(replay.Selection{Site: Site, Policy: p.Version})
		if tried.Changed != 3 || tried.New != 6 || tried.Differ != 0 || tried.Gone != 0 || tried.Closed != 3 || tried.Opened != 0 {
			t.Fatalf("tried: %+v", tried)
		}
		j := c.start(tried.Token)
		for range 3 {
			if err := c.replay.Step(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
		// This process is killed here: another one, with nothing but the token, goes on once the lease is over.
		other := c.process("two")
		again, err := other.Start(t.Context(), Tenant, tried.Token, "ben", "went on")
		if err != nil || again.Replayed != j.Replayed || again.By != "ana" {
			t.Fatalf("taken up as %+v, %v", again, err)
		}
		if err := other.Step(t.Context(), again); !errors.Is(err, replay.ErrBusy) {
			t.Errorf("two processes at one job: %v", err)
		}
		if err := c.replay.Release(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		c.through(other, again)
		if again.Phase != replay.Done || again.Replayed != tried.Keys || again.Stale != 0 || again.Remaining != 0 {
			t.Errorf("came to %+v", again)
		}
		if n := c.count(`SELECT COUNT(*) FROM posting WHERE kind = 'goods_issue' AND state <> 'confirmed'`); n != 3 {
			t.Errorf("%d goods issues are new, want 3", n)
		}
		if n := c.count(fmt.Sprintf(`SELECT COUNT(*) FROM posting WHERE state = 'confirmed' AND changed_at <= %d`, changed)); n != 12 {
			t.Errorf("of 12 confirmed postings %d are as they were", n)
		}
		if n := c.count(`SELECT COUNT(*) FROM state WHERE fold_key LIKE 'order/%' AND policy_version = '` + p.Version + `'`); n != 9 {
			t.Errorf("%d of 9 orders are under the new version", n)
		}
		if n := c.count(`SELECT COUNT(*) FROM audit WHERE action = 'replay.run' AND person = 'ana'`); n != 1 {
			t.Errorf("%d acts in the audit, want 1", n)
		}
		if second := c.try(replay.Selection{Site: Site, Policy: p.Version}); second.Changed != 0 {
			t.Errorf("tried again: %+v", second)
		}
	})
}

// What was told after the dry run is not run: it was not seen. A key whose state is damaged is put right.
//
// Shows: S42
func TestWhatRunsIsWhatWasSeen(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c := newCentre(t, d)
		c.orders(4)
		c.exec(`UPDATE state SET status = 'lost', hash = 'x' WHERE fold_key = 'order/SO01'`)
		tried := c.try(replay.Selection{Kind: "order.accepted"})
		if tried.Keys != 5 || tried.Changed != 1 {
			t.Fatalf("tried: %+v", tried)
		}
		c.tell(Pick(40, "late", In(L("SO02", "1", "A", "1"), "B-01", "")))
		j := c.start(tried.Token)
		c.through(c.replay, j)
		if j.Stale != 1 || j.Replayed != 4 || j.Remaining != 0 || j.Phase != replay.Done {
			t.Errorf("came to %+v", j)
		}
		if n := c.count(`SELECT COUNT(*) FROM state WHERE fold_key = 'order/SO01' AND status = 'lost'`); n != 0 {
			t.Error("the damaged state is still there")
		}
		var found []replay.Difference
		c.write(func(tx *db.Tx) (err error) { found, err = replay.Differences(t.Context(), tx, j, 10); return err })
		if len(found) != 1 || found[0].Key != "order/SO01" || !strings.Contains(found[0].Text, "status: lost -> ") {
			t.Errorf("differences: %+v", found)
		}
	})
}

// Shows: S42
func TestAReplayIsCancelledByAnybodyWhoMay(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		c := newCentre(t, d)
		c.orders(8)
		tried := c.try(replay.Selection{Site: Site})
		j := c.start(tried.Token)
		if err := c.replay.Step(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		cancelled, err := c.process("three").Cancel(t.Context(), Tenant, j.Number, "ben", "not today")
		if err != nil || cancelled.Phase != replay.Cancelled || cancelled.Replayed != 3 {
			t.Fatalf("cancelled as %+v, %v", cancelled, err)
		}
		c.through(c.replay, j)
		if j.Phase != replay.Cancelled || j.Replayed != 3 {
			t.Errorf("it went on: %+v", j)
		}
		if _, err := c.replay.Cancel(t.Context(), Tenant, j.Number, "ben", "again"); err == nil {
			t.Error("cancelled twice")
		}
		if _, err := c.replay.Start(t.Context(), Tenant, tried.Token, "ana", "now"); err == nil || !strings.Contains(err.Error(), "cancelled") {
			t.Errorf("what was cancelled is run: %v", err)
		}
		var jobs []*replay.Job
		c.write(func(tx *db.Tx) (err error) { jobs, err = replay.List(t.Context(), tx, Tenant, 10); return err })
		if len(jobs) != 1 || jobs[0].Phase != replay.Cancelled {
			t.Errorf("listed: %+v", jobs)
		}
	})
}
