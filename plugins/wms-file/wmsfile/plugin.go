package wmsfile

import (
	"context"
	_ "embed" // the schema
	"fmt"
	"log/slog"
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
}

// New makes the plugin as it runs under an agent.
func New() *Plugin { return &Plugin{Now: time.Now, Log: plugins.Log()} }

// Describe implements plugins.Described.
func (p *Plugin) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{
		Name: "wms-file", Version: Version, ConfigSchema: schema, Rereadable: true,
		Kinds: append(mapping.Kinds(), docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED),
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
	c, err := newCapture(s, start, out, p.Now, p.Log)
	if err != nil {
		return err
	}
	return c.run(ctx)
}

// CursorAt implements plugins.Rewinder: of the files that were put away, those taken since then come again.
func (p *Plugin) CursorAt(_ context.Context, start plugins.Start, since time.Time) (cursor []byte, what string, err error) {
	s, err := p.setup(start)
	if err != nil {
		return nil, "", err
	}
	return rewind(s, start.Cursor, since)
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
	p.sink, err = newSink(s, start.DataDir)
	return err
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
