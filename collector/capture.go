package collector

import (
	"context"

	"github.com/dockline/dockline/collector/capture"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// OpenCapture opens the configured database for a command that takes documents into the event log, beside a collector at work or without one.
// The caller closes it.
func OpenCapture(ctx context.Context, c *Config) (*capture.Capture, func() error, error) {
	m, err := openForCommand(ctx, c, false)
	if err != nil {
		return nil, nil, err
	}
	log := m.newLog()
	return &capture.Capture{DB: m.db, Bring: func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (int, int, []*docklinev1.Event, error) {
		b, err := log.Bring(ctx, tx, events)
		return b.Taken, b.Known, b.Differing, err
	}}, m.Close, nil
}
