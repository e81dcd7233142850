package wmsfile

import (
	"context"
	_ "embed" // the schema
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Version is that of the plugin; a release sets it when it links.
var Version = "dev"

//go:embed schema.json
var schema string

// Plugin is Source, Sink and Trier in one.
type Plugin struct {
	// Now gives the time.
	Now func() time.Time
	Log *slog.Logger

	sink *sink

	mu      sync.Mutex
	partner *partner
	mounts  *mounts
}

// New makes the plugin as it runs under an agent.
func New() *Plugin { return &Plugin{Now: time.Now, Log: plugins.Log()} }

// Describe implements plugins.Described.
func (p *Plugin) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{
		Name: "wms-file", Version: Version, ConfigSchema: schema, Rereadable: true,
		Kinds: append(mapping.Kinds(), docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED),
	}
}

// Check implements plugins.Described.
func (p *Plugin) Check(config []byte, _ string) []*docklinev1.ConfigFault {
	_, faults := load(config)
	return faults
}

// Capture implements plugins.Source.
func (p *Plugin) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	s, err := p.setup(start)
	if err != nil {
		return err
	}
	if len(s.streams) == 0 {
		<-ctx.Done()
		return nil
	}
	with, err := p.exchange(start.DataDir)
	if err != nil {
		return err
	}
	var remote *outbox
	shares := p.shares(start.DataDir, s)
	in := inbox(onShare{localInbox(s.Inbound), s.Inbound, shares})
	if s.SFTP != nil {
		at := &server{SFTP: *s.SFTP}
		defer at.close()
		in = remoteInbox{at, s.Inbound}
		if remote, err = s.remote(start, at); err != nil {
			return err
		}
	}
	c, err := newCapture(s, start, with, in, remote, out, p.Now, p.Log)
	if err != nil {
		return err
	}
	c.mounts = shares
	return c.run(ctx)
}

// shares is what source and sink both know of the shares that the folders lie on.
func (p *Plugin) shares(dataDir string, s *setup) *mounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mounts == nil || filepath.Dir(p.mounts.path) != filepath.Clean(dataDir) || p.mounts.mustHold != s.MustHold {
		p.mounts = openMounts(dataDir, s.MustHold)
	}
	return p.mounts
}

// CursorAt implements plugins.Rewinder: of the files that were put away, those taken since then come again.
func (p *Plugin) CursorAt(_ context.Context, start plugins.Start, since time.Time) (cursor []byte, what string, err error) {
	s, err := p.setup(start)
	if err != nil {
		return nil, "", err
	}
	in := store(localStore{})
	if s.SFTP != nil {
		at := &server{SFTP: *s.SFTP}
		defer at.close()
		in = remoteStore{at}
	}
	return rewind(in, s, start.Cursor, since)
}

// Open implements plugins.Sink.
func (p *Plugin) Open(_ context.Context, start plugins.Start) error {
	s, err := p.setup(start)
	if err != nil {
		return err
	}
	if s.Commands.empty() {
		return plugins.ErrIdle
	}
	with, err := p.exchange(start.DataDir)
	if err != nil {
		return err
	}
	in := inbox(onShare{localInbox(s.Inbound), s.Inbound, p.shares(start.DataDir, s)})
	if s.SFTP != nil {
		in = remoteInbox{&server{SFTP: *s.SFTP}, s.Inbound}
	}
	p.sink, err = newSink(s, start.DataDir, with, in)
	return err
}

// exchange is what source and sink both know of the partner.
func (p *Plugin) exchange(dataDir string) (*partner, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.partner != nil && p.partner.dir == dataDir {
		return p.partner, nil
	}
	var err error
	p.partner, err = openPartner(dataDir, p.Now)
	return p.partner, err
}

// Deliver implements plugins.Sink.
func (p *Plugin) Deliver(ctx context.Context, cmd *docklinev1.Command) (*docklinev1.CommandResult, error) {
	return p.sink.deliver(ctx, cmd)
}

// Find implements plugins.Sink.
func (p *Plugin) Find(_ context.Context, key string) (bool, uint64, error) {
	found, version := p.sink.find(key)
	return found, version, nil
}

func (p *Plugin) setup(start plugins.Start) (*setup, error) {
	s, faults := load(start.Config)
	if len(faults) > 0 {
		return nil, fmt.Errorf("configuration of %s: %s: %s (and %d more faults)", start.ID, faults[0].GetPath(), faults[0].GetText(), len(faults)-1)
	}
	return s, nil
}
