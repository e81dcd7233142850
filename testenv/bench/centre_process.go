package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

// centre is a collector process with its broker and database.
type centre struct {
	suite      *Suite
	dir        string
	process    *world.Process
	mosquitto  *testenv.MosquittoServer
	brokerAddr string
	console    string
	database   string
	read       *db.DB
}

// centreConfig says what a centre works with: SQLite and the embedded broker with TLS, unless another is named.
type centreConfig struct {
	// Postgres is the URL of an empty database.
	Postgres string
	// Mosquitto carries the line, without TLS, so that its bytes compare with those of the peers.
	Mosquitto bool
}

func (s *Suite) openCentre(ctx context.Context, dir string, config centreConfig) (c *centre, err error) {
	c = &centre{suite: s, dir: filepath.Join(dir, "centre"), database: config.Postgres}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return c, err
	}
	brokerPort, err := testenv.FreePort()
	if err != nil {
		return c, err
	}
	httpPort, err := testenv.FreePort()
	if err != nil {
		return c, err
	}
	mqtt := fmt.Sprintf("listen: 127.0.0.1:%d", brokerPort)
	c.brokerAddr = fmt.Sprintf("127.0.0.1:%d", brokerPort)
	if config.Mosquitto {
		if c.mosquitto, err = testenv.StartMosquitto(testenv.MosquittoConfig{}); err != nil {
			return c, fmt.Errorf("mosquitto: %w", err)
		}
		mqtt = fmt.Sprintf("url: %q", c.mosquitto.URL())
		c.brokerAddr = fmt.Sprintf("127.0.0.1:%d", c.mosquitto.Port)
	}
	c.console = fmt.Sprintf("http://127.0.0.1:%d/", httpPort)
	if c.database == "" {
		c.database = "sqlite:" + filepath.Join(c.dir, "collector.db")
	}
	text := fmt.Sprintf("data_dir: %q\ndatabase: {url: %q}\nmqtt: {%s}\nhttp: {listen: \"127.0.0.1:%d\"}\n", c.dir, c.database, mqtt, httpPort)
	if err := os.WriteFile(c.config(), []byte(text), 0o644); err != nil {
		return c, err
	}
	c.process = world.NewProcess("collector", c.dir, filepath.Join(s.Bin, "dockline-collector"), "run", "--config", c.config())
	return c, nil
}

func (c *centre) config() string { return filepath.Join(c.dir, "collector.yaml") }

// start starts the collector and waits until it answers.
func (c *centre) start(ctx context.Context) error {
	if err := c.process.Start(); err != nil {
		return err
	}
	err := waitFor(ctx, "the collector", time.Minute, 20*time.Millisecond, func() (bool, error) {
		if !c.process.Running() {
			return false, fmt.Errorf("the collector has ended: %s", c.process.LogTail())
		}
		r, err := http.Get(c.console + "healthz")
		if err != nil {
			return false, nil
		}
		return r.StatusCode == http.StatusOK, r.Body.Close()
	})
	if err != nil {
		return err
	}
	if c.read == nil {
		c.read, err = db.Open(ctx, c.database)
	}
	return err
}

// logged is how many events of the site are in the event log.
func (c *centre) logged(ctx context.Context) (n int64, err error) {
	err = c.read.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(sum(logged), 0) FROM site_total`).Scan(&n)
	})
	return n, err
}

// close ends everything at once: what it holds is not needed any more.
func (c *centre) close() {
	if c.read != nil {
		c.read.Close()
	}
	if c.process != nil {
		c.process.Kill()
	}
	if c.mosquitto != nil {
		c.mosquitto.Remove()
	}
}

// run runs one of Dockline's programs to its end.
func (s *Suite) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, program), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", program, args, err, out)
	}
	return nil
}

// waitFor asks every so often until reached says yes, fails, or the limit has passed.
func waitFor(ctx context.Context, what string, limit, every time.Duration, reached func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for {
		yes, err := reached()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if yes {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s", what, limit)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}
