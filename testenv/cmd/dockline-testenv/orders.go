package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/dockline/dockline/testenv/orderfile"
	"github.com/dockline/dockline/testenv/world"
)

// orders is an order file at work in a world; nil where orders are made.
type orders struct {
	*orderfile.File
	folder string
}

// orderFile reads the file that was asked for, if any, and prepares the world for it.
func (c *demoCommand) orderFile(config *world.Config) (*orders, error) {
	if c.File == "" {
		return nil, nil
	}
	if c.ERP != world.Sandbox {
		return nil, errors.New("ORDERS works with the sandbox ERP: leave ERP out")
	}
	file, err := orderfile.Read(c.File, c.Mapping, c.Day)
	if err != nil {
		return nil, err
	}
	folder, err := file.Prepare(config)
	return &orders{file, folder}, err
}

// begin drops the file and opens the order desk: at once for a day, at a pace that one can follow else.
func (o *orders) begin(ctx context.Context, w *world.World, once bool) error {
	if o == nil {
		return nil
	}
	desk := &orderfile.Desk{World: w, Log: os.Stderr}
	if !once {
		desk.Pause = 3 * time.Second
	}
	go desk.Run(ctx)
	return o.Drop(o.folder)
}

func (o *orders) patience(made time.Duration) time.Duration {
	if o == nil {
		return made
	}
	return o.Patience()
}
