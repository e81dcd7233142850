// Package plugintest is the conformance suite that every plugin passes: in process over real gRPC with Run, and as the binary
// that is shipped with RunBinary.
package plugintest

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// startWithin is how long a binary may take until it answers.
const startWithin = time.Minute

// World is what a plugin is tried on: a new one for every test, whose source holds the same records each time.
type World struct {
	// Plugin makes the plugin as a new process would; only Run needs it.
	Plugin func() plugins.Plugin
	// Config is a config section without a fault.
	Config []byte
	// Events is how many events the source reports when it is read from the beginning; 0: it is not a source. The suite kills
	// between batches, so several of them make it sharper.
	Events int
	// Keyless says that the source has no keys and cannot be read again; its resume is not tried.
	Keyless bool
	// Command makes a command of one and the same key, in a version; nil: it is not a sink.
	Command func(version uint64) *docklinev1.Command
	// Patience is how long the plugin may take for one thing; 0: 20 s.
	Patience time.Duration
	// Prepare fills the plugin's data folder before its first life; nil leaves it empty.
	Prepare func(t *testing.T, dataDir string)
	// Effects counts what the commands have done to the world; nil where that cannot be seen.
	Effects func(t *testing.T) int
}

// Run tries a plugin in process.
func Run(t *testing.T, world func(t *testing.T) World) {
	suite(t, world, func(name string) string { return name }, func(t *testing.T, w World) *life { return inProcess(t, w.Plugin()) })
}

// RunBinary tries the executable at path, the way that a host runs it.
func RunBinary(t *testing.T, path string, world func(t *testing.T) World) {
	RunProgram(t, Program{Argv: []string{path}}, world)
}

// Program is an executable and how it is started: by itself, or by what plays its system on this machine.
type Program struct {
	// Argv is the command.
	Argv []string
	// Env is what the command needs beside what every plugin gets.
	Env []string
	// Folder is how the program names a folder of this machine; nil: by the same name.
	Folder func(path string) string
}

// RunProgram tries an executable that is not started by its path alone.
func RunProgram(t *testing.T, p Program, world func(t *testing.T) World) {
	if p.Folder == nil {
		p.Folder = func(path string) string { return path }
	}
	suite(t, world, p.Folder, func(t *testing.T, _ World) *life { return asProcess(t, p) })
}

// life is one life of a plugin's process. kill ends it without warning.
type life struct {
	*plugins.Client
	kill func()
}

func inProcess(t *testing.T, p plugins.Plugin) *life {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.WaitForHandlers(true)) // two lives must not overlap
	plugins.Register(server, p)
	go server.Serve(listener)
	conn, err := grpc.NewClient("passthrough:plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	kill := func() {
		conn.Close()
		server.Stop()
	}
	t.Cleanup(kill)
	return &life{plugins.NewClient(conn), kill}
}

func asProcess(t *testing.T, p Program) *life {
	t.Helper()
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	// A process that is killed leaves its socket; t.TempDir is too long a path for one.
	sockets, err := os.MkdirTemp("", "plugintest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	cmd.Env = append([]string{plugin.EnvUnixSocketDir + "=" + sockets, "PATH=" + os.Getenv("PATH")}, p.Env...)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugins.Handshake, VersionedPlugins: plugins.ClientVersions(), Cmd: cmd, AutoMTLS: true, SkipHostEnv: true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, StartTimeout: startWithin, Logger: hclog.NewNullLogger(),
	})
	t.Cleanup(client.Kill)
	protocol, err := client.Client()
	if err != nil {
		t.Fatalf("start %s: %v", strings.Join(p.Argv, " "), err)
	}
	api, err := protocol.Dispense(plugins.Name)
	if err != nil {
		t.Fatal(err)
	}
	return &life{api.(*plugins.Client), func() {
		cmd.Process.Kill()
		client.Kill()
	}}
}

// suite runs every test that concerns the plugin.
func suite(t *testing.T, world func(t *testing.T) World, folder func(string) string, start func(*testing.T, World) *life) {
	t.Helper()
	tests := []struct {
		name string
		of   func(World) bool
		run  func(*bench)
	}{
		{"describe", always, (*bench).describe},
		{"check refuses a bad configuration", always, (*bench).check},
		{"reports everything once", isSource, (*bench).everything},
		{"events are valid and keyed", isSource, (*bench).valid},
		{"resumes after a kill", rereadable, (*bench).resume},
		{"resumes after a kill when the answer was lost", rereadable, (*bench).resumeAfterLostAck},
		{"respects the window", isSource, (*bench).window},
		{"drain ends it", isSource, (*bench).drain},
		{"drain while answers are due", isSource, (*bench).drainUnanswered},
		{"refused events are not sent again", rereadable, (*bench).refused},
		{"delivers a version once", isSink, (*bench).deliverOnce},
		{"delivers once over a kill", isSink, (*bench).deliverOverKill},
		{"a lower version is superseded", isSink, (*bench).superseded},
		{"finds what was applied", isSink, (*bench).find},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := world(t)
			if !test.of(w) {
				t.Skip("not of this plugin: " + test.name)
			}
			if w.Patience == 0 {
				w.Patience = 20 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), startWithin+3*w.Patience)
			defer cancel()
			dataDir := t.TempDir()
			if w.Prepare != nil {
				w.Prepare(t, dataDir)
			}
			test.run(&bench{T: t, World: w, ctx: ctx, dataDir: folder(dataDir), life: func() *life { return start(t, w) }})
		})
	}
}

func always(World) bool       { return true }
func isSource(w World) bool   { return w.Events > 0 }
func rereadable(w World) bool { return w.Events > 0 && !w.Keyless }
func isSink(w World) bool     { return w.Command != nil }

// bench is one test of the suite.
type bench struct {
	*testing.T
	World
	ctx     context.Context
	dataDir string
	// life starts the plugin anew, over the same world and data folder.
	life func() *life
}

// Whose plugin it is in the suite, and its configured id.
const tenant, site, id = "tenant", "site", "tested"

func (b *bench) describe() {
	l := b.life()
	d, err := l.Source.Describe(b.ctx, &docklinev1.DescribeRequest{})
	if err != nil {
		b.Fatal(err)
	}
	if d.GetName() == "" || d.GetVersion() == "" {
		b.Errorf("name %q and version %q: both are needed", d.GetName(), d.GetVersion())
	}
	if d.GetSource() != (b.Events > 0) || d.GetSink() != (b.Command != nil) {
		b.Errorf("source %v and sink %v, the world says %v and %v", d.GetSource(), d.GetSink(), b.Events > 0, b.Command != nil)
	}
	if d.GetSource() && len(d.GetKinds()) == 0 {
		b.Error("a source names the kinds that it reports")
	}
	for _, kind := range d.GetKinds() {
		if event.KindName(kind) == "" {
			b.Errorf("kind %v is not known", kind)
		}
	}
	var schema map[string]any
	if err := json.Unmarshal([]byte(d.GetConfigSchema()), &schema); err != nil {
		b.Errorf("config_schema is not a JSON Schema: %v", err)
	}
}

func (b *bench) check() {
	l := b.life()
	faults := func(config string) []*docklinev1.ConfigFault {
		b.Helper()
		reply, err := l.Source.Check(b.ctx, &docklinev1.CheckRequest{Config: []byte(config), Id: id})
		if err != nil {
			b.Fatalf("check of %q: %v", config, err)
		}
		for _, f := range reply.GetFaults() {
			if f.GetText() == "" {
				b.Errorf("a fault at %q says nothing", f.GetPath())
			}
		}
		return reply.GetFaults()
	}
	if f := faults(string(b.Config)); len(f) != 0 {
		b.Errorf("the world's configuration has faults: %v", f)
	}
	good := strings.TrimRight(string(b.Config), "\n")
	if good == "{}" {
		good = ""
	}
	if f := faults(strings.TrimLeft(good+"\nno_such_key: 1\n", "\n")); len(f) == 0 {
		b.Error("an unknown key is not refused")
	} else if f[0].GetLine() == 0 {
		b.Errorf("the fault has no line: %v", f[0])
	}
	if f := faults("a: [1,\n"); len(f) == 0 {
		b.Error("broken YAML is not refused")
	}
}
