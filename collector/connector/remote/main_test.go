package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/remote"
)

// programVariable has this test binary be a connector's program, of the kind that it says.
const programVariable = "DOCKLINE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(programVariable) {
	case "":
		os.Exit(m.Run())
	case "target":
		remote.Serve(program("1.2.0"))
	case "parent":
		remote.Serve(parent())
	case "garbage":
		fmt.Println("Hello, this is a program that says good day first.")
		<-time.After(time.Minute)
	case "silent":
		<-time.After(time.Hour)
	case "stranger": // as a site's plugin is
		fmt.Fprintln(os.Stderr, "This binary is a plugin of something else.")
		os.Exit(1)
	case "version":
		plugin.Serve(&plugin.ServeConfig{HandshakeConfig: remote.Handshake, GRPCServer: plugin.DefaultGRPCServer,
			VersionedPlugins: map[int]plugin.PluginSet{99: {remote.Name: &nothing{}}}})
	case "panic":
		panic("the licence has run out")
	case "bare":
		bare()
	case "collector":
		beACollector()
	}
}

// bare is a program as the README describes one in another language: no library but gRPC, no health, no other service of go-plugin's.
func bare() {
	if os.Getenv(remote.Handshake.MagicCookieKey) != remote.Handshake.MagicCookieValue {
		os.Exit(1)
	}
	path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "connector")
	door, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer()
	remote.Register(server, program("0.1"))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		fmt.Fprintln(os.Stderr, "the collector has gone")
		server.Stop()
	}()
	fmt.Printf("1|%d|unix|%s|grpc\n", remote.ProtocolVersion, path)
	fmt.Fprintln(os.Stderr, "a line in no form at all")
	if err := server.Serve(door); err != nil {
		panic(err)
	}
}

// childVariable names the file in which a parent says who its child is.
const childVariable = "DOCKLINE_TEST_CHILD"

// parent is a program that starts another one, which knows nothing of a collector, as drivers and interpreters do.
func parent() remote.Program {
	p := program("1.2.0")
	open := p.Open
	p.Open = func(ctx context.Context, c remote.Config) (connector.Connector, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		child := exec.Command(self)
		child.Env = append(os.Environ(), programVariable+"=silent")
		if err := child.Start(); err != nil {
			return nil, err
		}
		if err := os.WriteFile(os.Getenv(childVariable), []byte(strconv.Itoa(child.Process.Pid)), 0o600); err != nil {
			return nil, err
		}
		return open(ctx, c)
	}
	return p
}

type nothing struct{ plugin.NetRPCUnsupportedPlugin }

func (*nothing) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (*nothing) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

const programSchema = `{"type": "object", "required": ["target"], "additionalProperties": false, "properties": {
	"target": {"type": "string"}, "settle": {"type": "string"}, "kinds": {"type": "array", "items": {"type": "string"}}, "noise": {"type": "integer", "minimum": 0}}}`

// programConfig is the section of the program of these tests.
type programConfig struct {
	// Target is the address of the memory that it reaches.
	Target string        `yaml:"target"`
	Settle time.Duration `yaml:"settle"`
	// Kinds limits what it takes; Noise is how many bytes it writes where only the handshake may be written.
	Kinds []string `yaml:"kinds"`
	Noise int      `yaml:"noise"`
}

// program reaches a target that outlives it, as an ERP outlives whoever posts to it.
func program(version string) remote.Program {
	return remote.Program{Name: "memory-erp", Version: version, Schema: programSchema, Open: func(_ context.Context, c remote.Config) (connector.Connector, error) {
		var config programConfig
		if err := c.Decode(&config); err != nil {
			return nil, err
		}
		if strings.HasSuffix(config.Target, ":0") {
			return nil, fmt.Errorf("target: nobody listens on port 0")
		}
		if config.Noise > 0 {
			stdout := os.NewFile(1, "stdout")
			if _, err := stdout.Write(append(bytes.Repeat([]byte("x"), config.Noise), '\n')); err != nil {
				return nil, err
			}
		}
		conn, err := grpc.NewClient(config.Target, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
		if err != nil {
			return nil, err
		}
		remote.Log().Info("the memory ERP is configured", "connector", c.Name, "secret bytes", len(c.Secrets["password"]))
		like := &connectortest.Memory{Settle: config.Settle}
		client := remote.NewTargetClient(conn, like)
		if kinds := c.Secrets["kinds"]; kinds != "" { // another program than at its first start
			config.Kinds = strings.Fields(kinds)
		}
		if len(config.Kinds) > 0 {
			return some{client, config.Kinds}, nil
		}
		return client, nil
	}}
}

// some takes a part of the kinds.
type some struct {
	remote.TargetClient
	only []string
}

func (s some) Kinds() map[connector.Kind]connector.Style {
	kinds := maps.Clone(s.TargetClient.Kinds())
	maps.DeleteFunc(kinds, func(k connector.Kind, _ connector.Style) bool { return !slices.Contains(s.only, string(k)) })
	if slices.Contains(s.only, "telegram") {
		kinds["telegram"] = connector.CreateOnce
	}
	return kinds
}

func (s some) Lists() []connector.Kind {
	return slices.DeleteFunc(s.TargetClient.Lists(), func(k connector.Kind) bool { return !slices.Contains(s.only, string(k)) })
}

// world is a target and the connector that reaches it through a program.
type world struct {
	*remote.Connector
	t      *testing.T
	memory *connectortest.Memory
	log    *logBook
}

// listen serves a memory, and says where.
func listen(t *testing.T, m *connectortest.Memory) string {
	t.Helper()
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxSendMsgSize(64 << 20))
	remote.NewTarget(server, m)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(door)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return door.Addr().String()
}

// settings are for this test binary as a program of some kind.
func settings(t *testing.T, kind, more string) (remote.Settings, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("command: %s\nenv: {%s: %s}\nstart_timeout: 2m\n%s", self, programVariable, kind, more)
	s, err := remote.Decode("settings", []byte(text), func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(t.TempDir(), path)
	})
	s.Name, s.Tenant = "erp", "acme"
	s.BackoffFirst, s.BackoffLongest = 10*time.Millisecond, 50*time.Millisecond
	return s, err
}

// open starts a program that reaches a new memory; kinds as a list in YAML, "[]" for all.
func open(t *testing.T, kinds, more string) *world {
	t.Helper()
	return openWith(t, "target", kinds, more, "")
}

// openWith also says which program it is, and what stands beside its own section.
func openWith(t *testing.T, kind, kinds, more, beside string) *world {
	t.Helper()
	w := &world{t: t, memory: &connectortest.Memory{Settle: 200 * time.Millisecond}, log: &logBook{}}
	s, err := settings(t, kind, fmt.Sprintf("%s\nconfig: {target: %q, settle: 200ms, kinds: %s%s}", beside, listen(t, w.memory), kinds, more))
	if err != nil {
		t.Fatal(err)
	}
	if w.Connector, err = remote.New(t.Context(), s, slog.New(slog.NewTextHandler(w.log, nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// eventually waits for a state.
func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !is(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within 3 minutes: %s\n%+v\nlog:\n%s", what, w.Stats(), w.log)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// answers waits until the program answers again.
func (w *world) answers() {
	w.t.Helper()
	w.eventually("the program answers again", func() bool {
		_, err := w.Probe(w.t.Context())
		return err == nil
	})
}

// logBook collects a log.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
