package collector

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/dockline/dockline/collector/capture"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// OpenCapture opens the configured database for a command that takes documents into the event log, beside a collector at work or without one.
// The caller closes it.
func OpenCapture(ctx context.Context, c *Config) (*capture.Capture, func() error, error) {
	m := &Collector{config: c, log: newLogger(c.Log), name: fmt.Sprintf("%s command %d", Name, os.Getpid())}
	err := func() (err error) {
		if m.db, err = OpenDatabase(ctx, c); err != nil {
			return err
		}
		return m.readPolicy(ctx)
	}()
	if err != nil {
		return nil, nil, errors.Join(err, m.Close())
	}
	log := m.newLog()
	return &capture.Capture{DB: m.db, Bring: func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (int, int, []*docklinev1.Event, error) {
		b, err := log.Bring(ctx, tx, events)
		return b.Taken, b.Known, b.Differing, err
	}}, m.Close, nil
}
