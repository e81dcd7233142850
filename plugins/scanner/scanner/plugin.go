package scanner

import (
	"context"
	_ "embed" // the schema
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Version is that of the plugin; a release sets it when it links.
var Version = "dev"

//go:embed schema.json
var schema string

// Plugin is Source and Trier.
type Plugin struct {
	// Now gives the time.
	Now func() time.Time
	Log *slog.Logger
}

// New makes the plugin as it runs under an agent.
func New() *Plugin { return &Plugin{Now: time.Now, Log: plugins.Log()} }

// Describe implements plugins.Described.
func (p *Plugin) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "scanner", Version: Version, ConfigSchema: schema, Kinds: mapping.Kinds()}
}

// Check implements plugins.Described. Readers are not called.
func (p *Plugin) Check(config []byte, _ string) []*docklinev1.ConfigFault {
	_, faults := load(config)
	return faults
}

// Capture implements plugins.Source. There is no cursor: what was scanned cannot be read again.
func (p *Plugin) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	s, faults := load(start.Config)
	if len(faults) > 0 {
		return fmt.Errorf("configuration of %s: %s: %s (and %d more faults)", start.ID, faults[0].GetPath(), faults[0].GetText(), len(faults)-1)
	}
	st, kept, unreadable, err := openStore(start.DataDir)
	if err != nil {
		return fmt.Errorf("open the folder for half done work: %w", err)
	}
	h := newHub(s, out, st, p.Now, p.Log)
	for _, id := range unreadable {
		h.reports.dropped(p.Now(), id, "what was half done could not be read after the restart.")
	}
	return h.serve(ctx, kept)
}

// serve runs all inputs until ctx ends. The hub ends last: readers wait for its answers.
func (h *hub) serve(ctx context.Context, kept map[string]*work) error {
	loops, ctx := errgroup.WithContext(ctx)
	var readers sync.WaitGroup
	h.revive(ctx, &readers, kept)
	loops.Go(func() error { return h.run(ctx) })
	loops.Go(func() error { return h.tell(ctx) })
	for i := range h.setup.Inputs {
		in := &h.setup.Inputs[i]
		h.reports.reached(in.ID, fmt.Errorf("it was not reached yet"))
		loops.Go(func() error { return h.runInput(ctx, &readers, in) })
	}
	err := loops.Wait()
	readers.Wait()
	h.reports.tellUntaken(h.log)
	return err
}

func (h *hub) runInput(ctx context.Context, readers *sync.WaitGroup, in *Input) error {
	switch {
	case in.TCP != nil:
		return h.runTCP(ctx, readers, in)
	case in.Serial != nil:
		return h.runSerial(ctx, readers, in)
	case in.Wedge != nil:
		return h.runWedge(ctx, readers, in)
	}
	return h.runMQTT(ctx, readers, in)
}
