package connector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// gauge is what the system sees of all collectors together: when each request came, and how many calls were under way at once.
type gauge struct {
	*connectortest.Memory
	mu          sync.Mutex
	came        []time.Time
	under, most int
	by          map[string]int
}

// asked is the system as one collector reaches it: each call is one request and takes 300 ms.
type asked struct {
	*gauge
	collector string
}

func (a asked) Probe(ctx context.Context) (connector.Metadata, error) {
	a.mu.Lock()
	a.under++
	a.most = max(a.most, a.under)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.under--
	}()
	if err := connector.Pace(ctx); err != nil {
		return connector.Metadata{}, err
	}
	a.mu.Lock()
	a.came = append(a.came, time.Now())
	a.by[a.collector]++
	a.mu.Unlock()
	time.Sleep(300 * time.Millisecond)
	return connector.Metadata{}, nil
}

// collectors are several processes on one database that use one account.
func collectors(t *testing.T, url string, limits connector.Limits, names ...string) map[string]*connector.Account {
	t.Helper()
	out := make(map[string]*connector.Account)
	for i, name := range names {
		d, err := db.Open(t.Context(), url)
		if err == nil && i == 0 {
			err = d.Migrate(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		d.Now = time.Now // the clock of the bubble
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		out[name] = &connector.Account{Name: "erp", Limits: limits, Share: &connector.Share{DB: d, Account: "erp", Collector: name}}
	}
	return out
}

// inBubble runs on a PostgreSQL whose server is no part of the bubble: several collectors are never on one SQLite.
func inBubble(t *testing.T, run func(t *testing.T, url string)) {
	url := testenv.PostgreSQL(t)
	synctest.Test(t, func(t *testing.T) { run(t, url) })
}

// TestCollectorsShareAnAccount has three collectors ask one system as fast as they may. Whatever comes and goes, a collector that joins, one that dies
// and one that has nothing to do, the system never sees more than the account's limits, by a clock that only the test moves; and the limits are
// used.
//
// Shows: A2, S31
func TestCollectorsShareAnAccount(t *testing.T) {
	limits := connector.Limits{Calls: 20, Per: 10 * time.Second, Parallel: 4}
	inBubble(t, func(t *testing.T, url string) {
		all := collectors(t, url, limits, "c1", "c2", "c3")
		g := &gauge{Memory: &connectortest.Memory{}, by: map[string]int{}}
		ask := func(ctx context.Context, name string) {
			for range 3 {
				go func() {
					for ctx.Err() == nil {
						call, end := context.WithTimeout(ctx, 30*time.Second)
						_, _ = connector.Govern(asked{g, name}, all[name]).Probe(call) // one whose time is over asks again
						end()
						time.Sleep(time.Millisecond)
					}
				}()
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		dies, kill := context.WithCancel(ctx)
		ask(ctx, "c1")
		time.Sleep(30 * time.Second)
		alone := g.by["c1"]
		ask(dies, "c2")
		time.Sleep(time.Minute)
		ask(ctx, "c3")
		time.Sleep(time.Minute)
		three := map[string]int{"c1": g.by["c1"], "c2": g.by["c2"], "c3": g.by["c3"]}
		kill() // without giving anything back
		time.Sleep(2 * time.Minute)
		stop()
		synctest.Wait()
		time.Sleep(time.Minute)

		if g.most > limits.Parallel {
			t.Errorf("%d calls under way at once, the account allows %d", g.most, limits.Parallel)
		}
		if most := within(g.came, limits.Per); most > limits.Calls {
			t.Errorf("%d requests within %s, the account allows %d", most, limits.Per, limits.Calls)
		}
		if alone < 55 {
			t.Errorf("a collector alone made %d requests in 30 s, 60 are allowed", alone)
		}
		if three["c2"] < 20 || three["c3"] < 15 {
			t.Errorf("requests while all three ask: %v", three)
		}
		if total := len(g.came); total < 450 { // 540 in four and a half minutes, less what nobody may use for a while after a death
			t.Errorf("%d requests in all", total)
		}
		t.Logf("%d requests: %v; at most %d calls at once", len(g.came), g.by, g.most)
	})
}

// within is the most that came within any time so long.
func within(came []time.Time, per time.Duration) (most int) {
	slices.SortFunc(came, time.Time.Compare)
	for i := range came {
		n := 0
		for _, c := range came[i:] {
			if c.Sub(came[i]) < per {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// One that only looks now and then leaves nearly all to the one that has much to tell; one that ends gives its part back at once.
//
// Shows: A2
func TestWhoWantsLittleLeavesTheRest(t *testing.T) {
	limits := connector.Limits{Calls: 100, Per: 10 * time.Second}
	inBubble(t, func(t *testing.T, url string) {
		all := collectors(t, url, limits, "c1", "c2")
		g := &gauge{Memory: &connectortest.Memory{}, by: map[string]int{}}
		ctx, stop := context.WithCancel(t.Context())
		for range 8 {
			go func() {
				for ctx.Err() == nil {
					_, _ = connector.Govern(asked{g, "c1"}, all["c1"]).Probe(ctx)
					time.Sleep(time.Millisecond)
				}
			}()
		}
		for range 24 {
			if _, err := connector.Govern(asked{g, "c2"}, all["c2"]).Probe(ctx); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Second)
		}
		before := g.by["c1"]
		time.Sleep(30 * time.Second)
		if n := g.by["c1"] - before; n < 250 {
			t.Errorf("beside one that looks every five seconds the other made %d requests in 30 s, 300 are allowed in all", n)
		}
		stop()
		synctest.Wait()
		time.Sleep(time.Second)
		if err := all["c1"].Share.GiveUp(t.Context(), all["c1"]); err != nil {
			t.Error(err)
		}
		time.Sleep(limits.Per)
		began := time.Now()
		for range 50 {
			if _, err := connector.Govern(asked{g, "c2"}, all["c2"]).Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 40*time.Second {
			t.Errorf("50 requests took %s when the other had ended", took)
		}
		if most := within(g.came, limits.Per); most > limits.Calls {
			t.Errorf("%d requests within %s, the account allows %d", most, limits.Per, limits.Calls)
		}
	})
}

// What one collector hears of the system all know within a second: that it asks for patience, that it does not answer, and that it answers again.
//
// Shows: A2, A3, S31
func TestCollectorsHearForEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T, url string) {
		all := collectors(t, url, connector.Limits{}, "c1", "c2")
		one, two := all["c1"], all["c2"]
		meet := func() {
			t.Helper()
			for _, a := range []*connector.Account{one, two} {
				if err := a.Meet(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		allowed := func(want connector.Verdict, when string) {
			t.Helper()
			time.Sleep(time.Second)
			meet()
			if got := two.Allow(); got != want {
				t.Errorf("%s: the other collector may ask %v, want %v", when, got, want)
			}
		}
		meet()
		one.Heard(&connector.Fault{Class: 1, Code: "busy", RetryAfter: 30 * time.Second})
		meet()
		allowed(connector.Refused, "the system asked for patience")
		two.Heard(&connector.Fault{Class: 1, Code: "busy", RetryAfter: 5 * time.Second}) // a call that was under way
		meet()
		time.Sleep(10 * time.Second)
		allowed(connector.Refused, "the longer of two times holds")
		time.Sleep(30 * time.Second)
		two.Heard(nil)
		one.Heard(nil)
		allowed(connector.Everything, "the time is over")
		for range 3 {
			one.Heard(errors.New("connection refused"))
		}
		meet()
		allowed(connector.Probing, "the system does not answer one collector, for a second")
		for i := range 3 {
			one.Heard(fmt.Errorf("connection refused, %d", i))
		}
		meet()
		allowed(connector.Refused, "it goes on not answering")
		one.Heard(nil)
		meet()
		allowed(connector.Everything, "it answers one of them")
	})
}
