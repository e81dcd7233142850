package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

// station is an agent process with its line to a broker.
type station struct {
	suite   *Suite
	dir     string
	process *world.Process
	line    *testenv.Line
	plain   bool
	runs    int
	// begins is when the sources of the last load were told to begin.
	begins time.Time
}

// openStation makes a site of the centre c known; where c is nil, its broker is a port at which nobody listens.
func (s *Suite) openStation(ctx context.Context, dir string, c *centre) (*station, error) {
	st := &station{suite: s, dir: filepath.Join(dir, "site")}
	target := ""
	if c == nil {
		port, err := testenv.FreePort()
		if err != nil {
			return nil, err
		}
		target, st.plain = fmt.Sprintf("127.0.0.1:%d", port), true
	} else {
		target, st.plain = c.brokerAddr, c.mosquitto != nil
	}
	var err error
	if st.line, err = testenv.OpenLine(target); err != nil {
		return nil, err
	}
	st.process = world.NewProcess("agent", dir, filepath.Join(s.Bin, "dockline-agent"), "run", "--config", st.config())
	return st, st.introduce(ctx, c)
}

// introduce makes key and certificate as a person would.
func (st *station) introduce(ctx context.Context, c *centre) error {
	if err := st.suite.run(ctx, "dockline-agent", "init", "--config", st.config(), "--data-dir", st.dataDir(), "--tenant", tenant, "--site", site); err != nil || c == nil {
		return err
	}
	identity := filepath.Join(st.dataDir(), "identity")
	add := []string{"site", "add", "--config", c.config(), "--tenant", tenant, "--site", site}
	if !st.plain {
		add = append(add, "--csr", filepath.Join(identity, "site.csr"), "--out", identity)
	}
	return st.suite.run(ctx, "dockline-collector", add...)
}

func (st *station) config() string  { return filepath.Join(st.dir, "agent.yaml") }
func (st *station) dataDir() string { return filepath.Join(st.dir, "data") }

// plugin is one that the agent is to run.
type plugin struct {
	id, program string
	config      any
	// unlimited lifts the rate that the host holds a plugin to in the long run.
	unlimited bool
}

// configure writes agent.yaml.
func (st *station) configure(plugins ...plugin) error {
	scheme, tls := "mqtts", ""
	if st.plain {
		scheme, tls = "mqtt", `, ca: "", certificate: "", key: ""`
	}
	var b strings.Builder
	fmt.Fprintf(&b, "site: {tenant: %s, id: %s}\ndata_dir: %q\nmqtt: {url: %q%s}\nhealth: {listen: \"127.0.0.1:0\"}\nplugins:\n", tenant, site, st.dataDir(), scheme+"://"+st.line.Addr(), tls)
	for _, p := range plugins {
		text, err := yaml.Marshal(p.config)
		if err != nil {
			return err
		}
		if fmt.Fprintf(&b, "  - id: %s\n    path: %q\n", p.id, filepath.Join(st.suite.Bin, p.program)); p.unlimited {
			b.WriteString("    event_rate: 0\n")
		}
		fmt.Fprintf(&b, "    config:\n      %s\n", strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n      "))
	}
	if len(plugins) == 0 {
		b.WriteString("  []\n")
	}
	return os.WriteFile(st.config(), []byte(b.String()), 0o644)
}

// status asks the agent itself.
func (st *station) status(ctx context.Context) (*docklinev1.Heartbeat, error) {
	return health.Ask(ctx, st.dataDir())
}

// start starts the agent and waits until it answers.
func (st *station) start(ctx context.Context) error {
	if err := st.process.Start(); err != nil {
		return err
	}
	return waitFor(ctx, "the agent", time.Minute, 5*time.Millisecond, func() (bool, error) {
		if !st.process.Running() {
			return false, fmt.Errorf("it has ended: %s", st.process.LogTail())
		}
		_, err := st.status(ctx)
		return err == nil, nil
	})
}

// close kills the agent and ends its line.
func (st *station) close() {
	st.process.Kill()
	st.line.Close()
}

// load runs sources side by side, each with its part of the total or for the same time, in an agent that is started for it and goes on
// running. It returns what they wrote down.
func (st *station) load(ctx context.Context, sources int, c SourceConfig) ([]SourceResult, error) {
	results, err := st.begin(ctx, sources, c)
	if err != nil {
		return nil, err
	}
	return results(10 * time.Minute)
}

// begin is load without waiting: the function that it returns waits.
func (st *station) begin(ctx context.Context, sources int, c SourceConfig) (wait func(limit time.Duration) ([]SourceResult, error), err error) {
	st.runs++
	c.Run = fmt.Sprint("r", st.runs)
	st.begins = time.Now().Add(1500 * time.Millisecond)
	c.StartAt = st.begins.UnixMilli()
	var plugins []plugin
	for n := range sources {
		plugins = append(plugins, plugin{id: fmt.Sprint("wms", n), program: sourceProgram, config: c})
	}
	st.process.Stop()
	if err := st.configure(plugins...); err != nil {
		return nil, err
	}
	if err := st.start(ctx); err != nil {
		return nil, err
	}
	return func(limit time.Duration) ([]SourceResult, error) {
		var out []SourceResult
		for n := range sources {
			path := filepath.Join(st.dataDir(), "plugins", fmt.Sprint("wms", n), "result"+c.Run+".json")
			var r SourceResult
			err := waitFor(ctx, "the bench source", limit, 10*time.Millisecond, func() (bool, error) {
				if !st.process.Running() {
					return false, fmt.Errorf("the agent has ended: %s", st.process.LogTail())
				}
				text, err := os.ReadFile(path)
				if errors.Is(err, os.ErrNotExist) {
					return false, nil
				}
				if err != nil {
					return false, err
				}
				return true, json.Unmarshal(text, &r)
			})
			if err != nil {
				return nil, fmt.Errorf("%w; the agent's log ends: %s", err, st.process.LogTail())
			}
			out = append(out, r)
		}
		return out, nil
	}, nil
}

// together is what several sources came to: events a second from the first begin to the last answer, and the worst of their times.
func together(results []SourceResult) (perSecond, p50, p99 float64, events int64) {
	begin, last := results[0].Begin, results[0].Last
	for _, r := range results {
		if r.Begin.Before(begin) {
			begin = r.Begin
		}
		if r.Last.After(last) {
			last = r.Last
		}
		events += r.Events
		p50, p99 = max(p50, r.P50), max(p99, r.P99)
	}
	return float64(events) / last.Sub(begin).Seconds(), p50, p99, events
}

// emptied waits until the collector has acknowledged everything, and says when the first and the last of it was.
func (st *station) emptied(ctx context.Context, limit time.Duration) (first, last time.Time, err error) {
	var most uint64
	err = waitFor(ctx, "the drain", limit, 15*time.Millisecond, func() (bool, error) {
		h, err := st.status(ctx)
		if err != nil {
			return false, err
		}
		waiting := h.GetJournalEvents()
		if most == 0 {
			most = waiting
		}
		if waiting < most && first.IsZero() {
			first = time.Now()
		}
		last = time.Now()
		return waiting == 0, nil
	})
	return first, last, err
}

// journalBytes is what the journal's folder takes on disk.
func (st *station) journalBytes() (float64, error) {
	return folderBytes(filepath.Join(st.dataDir(), "journal"))
}

// folderBytes is what the files of a folder and below take on disk: blocks, since files may have holes.
func folderBytes(dir string) (total float64, err error) {
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && info.Mode().IsRegular() {
			total += float64(diskBytes(info))
		}
		return err
	})
	return total, err
}
