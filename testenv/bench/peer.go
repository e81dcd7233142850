package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

// peerSet has the programs of the peers.
type peerSet struct {
	dir    string // "": none
	events string // file with an event a line, made once
}

// peerKind is a peer with its configuration.
type peerKind string

const (
	// natsAlways is a nats-server leaf with JetStream that syncs each write; its hub sources the leaf's stream. nats is the same with
	// its default, a sync every two minutes.
	natsAlways peerKind = "nats-always"
	natsPeer   peerKind = "nats"
	// otelcolFsync is the OpenTelemetry Collector's sending queue on file_storage with fsync; otelcol is the same without, its default.
	otelcolFsync peerKind = "otelcol-fsync"
	otelcolPeer  peerKind = "otelcol"
	// mosquittoPeer is a Mosquitto of the site with a bridge of QoS 1 to one at the centre; it keeps the queue in memory.
	mosquittoPeer peerKind = "mosquitto bridge"
)

// peer is one at work: its site's process, and its centre's.
type peer struct {
	set    *peerSet
	kind   peerKind
	dir    string
	site   *world.Process
	centre *world.Process // nil where the centre is the sink itself
	line   *testenv.Line
	sink   *counter
	// door is where callers put events, far where the sink is.
	door, far string
}

// driverKind is what the driver calls the peer's protocol.
func (p *peer) driverKind() string {
	switch p.kind {
	case natsAlways, natsPeer:
		return "nats"
	case mosquittoPeer:
		return "mqtt"
	}
	return "otlp"
}

// need says why the peers cannot be used, if so.
func (ps *peerSet) need() error {
	if ps.dir == "" {
		return errors.New("the peers were not asked for")
	}
	if _, err := os.Stat(filepath.Join(ps.dir, "driver")); err != nil {
		return errors.New("the peers could not be built here")
	}
	return nil
}

// eventsFile has 20,000 picks in JSON.
func (ps *peerSet) eventsFile() (string, error) {
	if ps.events != "" {
		return ps.events, nil
	}
	path := filepath.Join(ps.dir, "events.jsonl")
	var b strings.Builder
	for n := range uint64(20_000) {
		b.Write(JSON("wms0", n))
		b.WriteByte('\n')
	}
	ps.events = path
	return path, os.WriteFile(path, []byte(b.String()), 0o644)
}

// open starts a peer whose line to its centre is cut. The centre is there.
func (ps *peerSet) open(ctx context.Context, dir string, kind peerKind) (p *peer, err error) {
	if err := ps.need(); err != nil {
		return nil, err
	}
	ports := make([]string, 4)
	for i := range ports {
		port, err := testenv.FreePort()
		if err != nil {
			return nil, err
		}
		ports[i] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	p = &peer{set: ps, kind: kind, dir: filepath.Join(dir, strings.ReplaceAll(string(kind), " ", "-")), door: ports[0], far: ports[1]}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return p, err
	}
	switch p.driverKind() {
	case "nats":
		err = p.configureNATS(ports[2])
	case "otlp":
		err = p.configureOTLP()
	case "mqtt":
		err = p.configureMosquitto()
	}
	if err != nil {
		return p, err
	}
	p.line.Cut(true)
	if p.centre != nil {
		if err := p.centre.Start(); err != nil {
			return p, err
		}
		if err := listening(ctx, p.centre, p.far); err != nil {
			return p, err
		}
	}
	return p, p.start(ctx)
}

// start starts the peer at the site, and waits until it takes events.
func (p *peer) start(ctx context.Context) error {
	if err := p.site.Start(); err != nil {
		return err
	}
	return listening(ctx, p.site, p.door)
}

func (p *peer) write(name, text string) (string, error) {
	path := filepath.Join(p.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func (p *peer) configureNATS(leafs string) (err error) {
	sync := ""
	if p.kind == natsAlways {
		sync = ", sync_interval: always"
	}
	hub, err := p.write("hub.conf", fmt.Sprintf("listen: %q\nserver_name: hub\njetstream {store_dir: %q, domain: hub}\nleafnodes {listen: %q, no_advertise: true}\n", p.far, filepath.Join(p.dir, "hub"), leafs))
	if err != nil {
		return err
	}
	if p.line, err = testenv.OpenLine(leafs); err != nil {
		return err
	}
	leaf, err := p.write("leaf.conf", fmt.Sprintf("listen: %q\nserver_name: leaf\njetstream {store_dir: %q, domain: leaf%s}\nleafnodes {reconnect: 1, remotes: [{url: \"nats-leaf://%s\"}]}\n",
		p.door, filepath.Join(p.dir, "leaf"), sync, p.line.Addr()))
	if err != nil {
		return err
	}
	server := filepath.Join(p.set.dir, "nats-server")
	p.centre = world.NewProcess("hub", p.dir, server, "-c", hub)
	p.site = world.NewProcess("leaf", p.dir, server, "-c", leaf)
	return nil
}

// The queue holds a million singles; its consumers and the exporter's retry are as fast as the configuration allows.
const otelConfig = `extensions:
  file_storage/q: {directory: %q, fsync: %t, create_directory: true}
receivers:
  otlp: {protocols: {grpc: {endpoint: %q}}}
exporters:
  otlp:
    endpoint: %q
    tls: {insecure: true}
    retry_on_failure: {enabled: true, initial_interval: 200ms, max_interval: 1s, max_elapsed_time: 0}
    sending_queue: {enabled: true, storage: file_storage/q, queue_size: 2000000, num_consumers: 10}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  extensions: [file_storage/q]
  pipelines: {logs: {receivers: [otlp], exporters: [otlp]}}
`

func (p *peer) configureOTLP() (err error) {
	if p.line, err = testenv.OpenLine(p.far); err != nil {
		return err
	}
	config, err := p.write("otelcol.yaml", fmt.Sprintf(otelConfig, filepath.Join(p.dir, "queue"), p.kind == otelcolFsync, p.door, p.line.Addr()))
	if err != nil {
		return err
	}
	p.site = world.NewProcess("otelcol", p.dir, filepath.Join(p.set.dir, "otelcol"), "--config", "file:"+config)
	return nil
}

func (p *peer) configureMosquitto() (err error) {
	program, err := exec.LookPath("/usr/sbin/mosquitto")
	if err != nil {
		return fmt.Errorf("mosquitto is not installed: %w", err)
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root\n"
	}
	host, port, _ := strings.Cut(p.far, ":")
	far, err := p.write("far.conf", fmt.Sprintf("%slistener %s %s\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type error\n", user, port, host))
	if err != nil {
		return err
	}
	if p.line, err = testenv.OpenLine(p.far); err != nil {
		return err
	}
	host, port, _ = strings.Cut(p.door, ":")
	near, err := p.write("near.conf", fmt.Sprintf("%slistener %s %s\nallow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 0\npersistence true\npersistence_location %s/\nautosave_interval 10\nlog_type error\n"+
		"connection up\naddress %s\ntopic site/# out 1\nbridge_protocol_version mqttv50\ncleansession false\nrestart_timeout 1\nnotifications false\n", user, port, host, p.dir, p.line.Addr()))
	if err != nil {
		return err
	}
	p.centre = world.NewProcess("far", p.dir, program, "-c", far)
	p.site = world.NewProcess("near", p.dir, program, "-c", near)
	return nil
}

// putResult is what the driver prints after putting events.
type putResult struct {
	Events             int64
	Seconds, P50, P99  float64
	ProcessorPer100000 float64
}

// put lets callers put events at the door; args are the driver's.
func (p *peer) put(ctx context.Context, args ...string) (r putResult, err error) {
	file, err := p.set.eventsFile()
	if err != nil {
		return r, err
	}
	before, err := processorTime(p.site.PID())
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.set.dir, "driver"), append([]string{"put", p.driverKind(), "-addr", p.door, "-events", file}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s; its log ends: %s", err, exit.Stderr, p.site.LogTail())
		}
		return r, fmt.Errorf("%s: put: %w", p.kind, err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, err
	}
	after, err := processorTime(p.site.PID())
	r.ProcessorPer100000 = (after - before).Seconds() / float64(r.Events) * 1e5
	return r, err
}

// close ends all of it.
func (p *peer) close() {
	if p.sink != nil {
		p.sink.close()
	}
	for _, process := range []*world.Process{p.site, p.centre} {
		if process != nil {
			process.Kill()
		}
	}
	if p.line != nil {
		p.line.Close()
	}
}

// counter is the driver as the centre's end.
type counter struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	once sync.Once
	done chan struct{}

	mu   sync.Mutex
	seen arrivals
}

// arrivals is what the driver has seen arrive.
type arrivals struct {
	Events      int64
	First, Last int64 // Unix nanoseconds
	P50, P99    float64
}

// count starts counting at the centre.
func (p *peer) count(args ...string) error {
	c := &counter{done: make(chan struct{})}
	c.cmd = exec.Command(filepath.Join(p.set.dir, "driver"), append([]string{"sink", p.driverKind(), "-addr", p.far}, args...)...)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	p.sink = c
	go func() {
		defer close(c.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var a arrivals
			if json.Unmarshal(lines.Bytes(), &a) == nil {
				c.mu.Lock()
				c.seen = a
				c.mu.Unlock()
			}
		}
		_ = c.cmd.Wait() // what it has seen counts
	}()
	return nil
}

func (c *counter) now() arrivals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// close ends the count, after which now has the times too.
func (c *counter) close() {
	c.once.Do(func() { _ = c.in.Close() }) // the driver ends when its input does
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}
