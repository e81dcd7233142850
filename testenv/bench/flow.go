package bench

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/dockline/dockline/testenv"
)

// flow measures the whole way from a plugin to the event log: with SQLite and the embedded broker over TLS, and with PostgreSQL and
// Mosquitto.
func (s *Suite) flow(ctx context.Context) error {
	if err := s.flowOn(ctx, "sqlite, embedded broker", centreConfig{}); err != nil {
		return err
	}
	postgres, err := testenv.StartPostgres(true)
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	defer postgres.Stop()
	url, err := postgres.CreateDatabase(ctx)
	if err != nil {
		return err
	}
	return s.flowOn(ctx, "postgresql, mosquitto", centreConfig{Postgres: url, Mosquitto: true})
}

// flowEvents is how many events one run delivers.
const flowEvents = 20_000

func (s *Suite) flowOn(ctx context.Context, name string, config centreConfig) error {
	dir, err := s.folder("flow")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := s.openCentre(ctx, dir, config)
	if err != nil {
		return err
	}
	defer c.close()
	st, err := s.openStation(ctx, dir, c)
	if err != nil {
		return err
	}
	defer st.close()
	if err := c.start(ctx); err != nil {
		return err
	}
	v, err := s.rounds(func() ([]float64, error) {
		before, err := c.logged(ctx)
		if err != nil {
			return nil, err
		}
		results, err := st.load(ctx, 1, SourceConfig{Batch: 50, Total: flowEvents})
		if err != nil {
			return nil, err
		}
		if err := c.wantLogged(ctx, before+flowEvents); err != nil {
			return nil, err
		}
		end := time.Now()
		accepted, _, _, _ := together(results)
		limit, err := s.insertLimit(ctx, dir, c.database)
		return []float64{flowEvents / end.Sub(results[0].Begin).Seconds(), accepted, limit}, err
	})
	if err != nil {
		return err
	}
	s.beside("plugin to event log, "+name, v[0], "events/s", reference{name: "the database's INSERT ON CONFLICT, 1,000 rows a commit", value: v[2]}, atLeast(0.1))
	s.say("accepted meanwhile %.0f events/s", v[1])
	return s.wireLive(ctx, name, st, c)
}

// wantLogged waits until the event log has so many events.
func (c *centre) wantLogged(ctx context.Context, want int64) error {
	return waitFor(ctx, "the event log", 5*time.Minute, 10*time.Millisecond, func() (bool, error) {
		n, err := c.logged(ctx)
		return n >= want, err
	})
}

// wireLive counts what single events take on the line as they come, with what the client answers and says meanwhile.
func (s *Suite) wireLive(ctx context.Context, name string, st *station, c *centre) error {
	const singles = 200
	before, err := c.logged(ctx)
	if err != nil {
		return err
	}
	// Receipts of what was sent before still come down, and each is answered.
	if err := st.quiet(ctx); err != nil {
		return err
	}
	wait, err := st.begin(ctx, 1, SourceConfig{Batch: 1, OneCaller: true, Rate: 50, Total: singles})
	if err != nil {
		return err
	}
	// The agent was started anew; hello and the first heartbeat are not the events'.
	if err := waitFor(ctx, "the source to begin", time.Minute, time.Millisecond, func() (bool, error) { return time.Now().After(st.begins.Add(-100 * time.Millisecond)), nil }); err != nil {
		return err
	}
	up := st.line.BytesForth()
	if now, err := c.logged(ctx); err != nil || now != before {
		return fmt.Errorf("%d events had been sent before they were counted: %w", now-before, err)
	}
	if _, err := wait(time.Minute); err != nil {
		return err
	}
	if err := c.wantLogged(ctx, before+singles); err != nil {
		return err
	}
	s.absolute("wire an event upward, live singles, "+name, float64(st.line.BytesForth()-up)/singles, "B", atMost(320))
	return nil
}

// quiet waits until nothing has gone up the line for longer than the agent takes to answer what came down.
func (st *station) quiet(ctx context.Context) error {
	last, since := int64(0), time.Now()
	return waitFor(ctx, "a quiet line", 2*time.Minute, 20*time.Millisecond, func() (bool, error) {
		if up := st.line.BytesForth(); up != last {
			last, since = up, time.Now()
		}
		return last > 0 && time.Since(since) > 1500*time.Millisecond, nil
	})
}
