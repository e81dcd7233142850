package uplink_test

import (
	"context"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

const patience = 30 * time.Second

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", patience, what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// With a real broker between: events arrive, also those captured while the broker was down, and also when it comes back without
// anything that it had stored.
// Shows: S52
func TestRealBrokerThatForgets(t *testing.T) {
	mosquitto := testenv.Mosquitto(t, testenv.MosquittoConfig{Persistent: true})
	c := newCentre(t)
	arrived := make(chan wire.Message, 1000)
	collector, err := wire.Dial(context.Background(), wire.Config{
		URL: mosquitto.URL(), ClientID: wire.CollectorClientID("1"), Subscribe: []string{wire.SharedUp}, OnMessage: func(m wire.Message) { arrived <- m },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.answer = func(m wire.Message) {
		// An answer that is lost because the line falls is asked for again.
		if err := collector.Publish(ctx, m); err != nil {
			t.Logf("answer: %v", err)
		}
	}
	ended := make(chan error, 2)
	go func() {
		for {
			select {
			case m := <-arrived:
				c.take(m)
			case <-ctx.Done():
				ended <- collector.Close(context.Background())
				return
			}
		}
	}()
	eventually(t, "the collector is linked", collector.Connected)
	j := openJournal(t)
	capture(t, j, 0, 3000)
	u := uplink.New(uplink.Config{Tenant: tenant, Site: site, Line: wire.Config{URL: mosquitto.URL(), MaxBackoff: time.Second}, Journal: store{j}})
	go func() { ended <- u.Run(ctx) }()
	defer func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}()
	all := func(n int) func() bool {
		return func() bool { return c.count() == n && j.Stats().Events == 0 }
	}
	eventually(t, "the backlog has arrived and is trimmed", all(3000))
	capture(t, j, 3000, 10)
	eventually(t, "what was captured since has arrived", all(3010))

	mosquitto.Stop()
	eventually(t, "the uplink sees that the broker is gone", func() bool { return !u.Stats().Connected })
	capture(t, j, 3010, 500)
	if err := mosquitto.Wipe(); err != nil {
		t.Fatal(err)
	}
	if err := mosquitto.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all has arrived after the broker came back empty", all(3510))
	if s := u.Stats(); s.Forks != 0 || s.Refusals != 0 {
		t.Errorf("stats %+v", s)
	}
}
