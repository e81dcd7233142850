package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/reconcile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Centre is what a command works on, beside a collector at work or without one.
type Centre struct {
	DB     *db.DB
	Log    *eventlog.Log
	Worker *reconcile.Worker
	// Now is the clock.
	Now func() time.Time

	m *Collector
}

// OpenCentre opens the configured database with event log and folds for a command. The caller closes it.
func OpenCentre(ctx context.Context, c *Config) (*Centre, error) {
	m, err := openForCommand(ctx, c, true)
	if err != nil {
		return nil, err
	}
	log := m.newLog()
	return &Centre{DB: m.db, Log: log, Worker: m.newWorker(log), Now: m.now, m: m}, nil
}

// Close closes the database.
func (c *Centre) Close() error { return c.m.Close() }

// Append takes facts of the centre into the event log.
func (c *Centre) Append(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
	return appending(c.Log)(ctx, tx, events)
}

// Fold folds what is due and says whether there was anything.
func (c *Centre) Fold(ctx context.Context) (bool, error) {
	n, err := c.Worker.Step(ctx)
	if err != nil {
		return false, err
	}
	large, err := c.Worker.StepLarge(ctx)
	return n+large > 0, err
}

// openForCommand opens the configured database and reads the policy in force, for a command beside a collector at work or without one; with the
// connectors where what they take decides something. The caller closes it.
func openForCommand(ctx context.Context, c *Config, systems bool) (*Collector, error) {
	m := &Collector{config: c, log: newLogger(c.Log), name: fmt.Sprintf("%s command %d", Name, os.Getpid())}
	err := func() (err error) {
		if m.db, err = OpenDatabase(ctx, c); err != nil {
			return err
		}
		if systems {
			if m.connectors, err = newSystems(ctx, c, newLogger(quiet(c.Log))); err != nil {
				return err
			}
		}
		return m.readPolicy(ctx)
	}()
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}
