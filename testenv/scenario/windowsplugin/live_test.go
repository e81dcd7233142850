package windowsplugin_test

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/plugintest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// live is a plugin that captures. Each batch is answered at once.
type live struct {
	client *plugin.Client
	send   func(*docklinev1.CaptureRequest) error
	ended  chan struct{} // closed when the capture has

	mu         sync.Mutex
	keys       map[string]int
	conditions []*docklinev1.Condition
}

// capture starts a plugin as a host does.
func capture(t *testing.T, p plugintest.Program, config, dataDir string) *live {
	t.Helper()
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.Env = p.Env
	l := &live{ended: make(chan struct{}), keys: map[string]int{}, client: plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugins.Handshake, VersionedPlugins: plugins.ClientVersions(), Cmd: cmd, AutoMTLS: true, SkipHostEnv: true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, StartTimeout: patience, Logger: hclog.NewNullLogger(),
	})}
	t.Cleanup(l.client.Kill)
	protocol, err := l.client.Client()
	if err != nil {
		t.Fatal(err)
	}
	api, err := protocol.Dispense(plugins.Name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	stream, err := api.(*plugins.Client).Source.Capture(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var sending sync.Mutex
	l.send = func(m *docklinev1.CaptureRequest) error {
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(m)
	}
	if err := l.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Start{Start: &docklinev1.CaptureStart{Config: []byte(config), Window: 8, DataDir: p.Folder(dataDir), Id: "tried"}}}); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.ended)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			l.take(m)
		}
	}()
	return l
}

func (l *live) take(m *docklinev1.CaptureResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := m.GetStatus(); s != nil {
		l.conditions = s.GetConditions()
	}
	if b := m.GetBatch(); b != nil {
		for _, e := range b.GetEvents() {
			l.keys[e.GetSourceKey()]++
		}
		_ = l.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Ack{Ack: &docklinev1.CaptureAck{Batch: b.GetBatch(), Cursor: b.GetCursor()}}}) // what breaks the line ends Recv
	}
}

// told is the text of a condition, "" where it is not in force.
func (l *live) told(code string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conditions {
		if c.GetCode() == code {
			return c.GetText()
		}
	}
	return ""
}

// count is how many events there are whose key begins with a word.
func (l *live) count(t *testing.T, prefix string) (n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, times := range l.keys {
		if _, id, _ := strings.Cut(key, "/"); !strings.HasPrefix(id, prefix) {
			continue
		}
		if n++; times != 1 {
			t.Errorf("%s was told %d times", key, times)
		}
	}
	return n
}

// drained asks it to end, which it does in order.
func (l *live) drained(t *testing.T) {
	t.Helper()
	if err := l.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Drain{Drain: &docklinev1.CaptureDrain{}}}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.ended:
	case <-time.After(patience):
		t.Fatal("the capture does not end")
	}
	l.client.Kill()
	if !l.client.Exited() {
		t.Error("the program is still there")
	}
}
