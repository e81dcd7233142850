package wmssql

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
		Name: "wms-sql", Version: Version, ConfigSchema: schema, Rereadable: true,
		Kinds: append(mapping.Kinds(), docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED),
	}
}

// checkWithin is how long the database may take to say which columns it has while a configuration is checked.
const checkWithin = 15 * time.Second

// Check implements plugins.Described. Where the configuration is sound the database is asked for the columns. One that cannot be reached now is no fault
// of the configuration: the plugin starts, says that it cannot be reached, and looks at the columns when it can.
func (p *Plugin) Check(config []byte, _ string) []*docklinev1.ConfigFault {
	s, faults := load(config)
	if len(faults) > 0 {
		return faults
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkWithin)
	defer cancel()
	return checkWithDatabase(ctx, s, config, p.Log)
}

// Capture implements plugins.Source.
func (p *Plugin) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) (err error) {
	s, err := setupOf(start)
	if err != nil {
		return err
	}
	if len(s.streams) == 0 {
		<-ctx.Done()
		return nil
	}
	c, err := newCapture(ctx, s, start, out, p.Now, p.Log)
	if err != nil {
		return err
	}
	defer func() {
		if closed := c.close(); err == nil && ctx.Err() == nil {
			err = closed
		}
	}()
	return c.run(ctx)
}

// CursorAt implements plugins.Rewinder: everything that the database wrote since then is told again.
func (p *Plugin) CursorAt(_ context.Context, start plugins.Start, since time.Time) (cursor []byte, what string, err error) {
	s, err := setupOf(start)
	if err != nil {
		return nil, "", err
	}
	return rewind(s, start.Cursor, since)
}

// Open implements plugins.Sink.
func (p *Plugin) Open(ctx context.Context, start plugins.Start) error {
	s, err := setupOf(start)
	if err != nil {
		return err
	}
	if s.Commands.empty() {
		return plugins.ErrIdle
	}
	p.sink = &sink{setup: s, log: p.Log}
	return nil
}

// Deliver implements plugins.Sink.
func (p *Plugin) Deliver(ctx context.Context, cmd *docklinev1.Command) (*docklinev1.CommandResult, error) {
	return p.sink.deliver(ctx, cmd)
}

// Find implements plugins.Sink.
func (p *Plugin) Find(ctx context.Context, key string) (bool, uint64, error) {
	return p.sink.find(ctx, key)
}

func setupOf(start plugins.Start) (*setup, error) {
	s, faults := load(start.Config)
	if len(faults) > 0 {
		return nil, fmt.Errorf("configuration of %s: %s: %s (and %d more faults)", start.ID, faults[0].GetPath(), faults[0].GetText(), len(faults)-1)
	}
	return s, nil
}
