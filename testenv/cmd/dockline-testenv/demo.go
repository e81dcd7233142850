package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
)

type demoCommand struct {
	Once    bool   `env:"ONCE" help:"Run one day with faults, print a JSON report, exit 0 only if everything agrees."`
	Seed    uint64 `env:"SEED" default:"1" help:"What happens on the docks."`
	ERP     string `env:"ERP" default:"sandbox" enum:"sandbox,tryton" help:"The ERP: sandbox, or tryton, which is a real one and has to be installed (make deps)."`
	Orders  int    `default:"0" help:"How many orders; by default as counts.go says."`
	File    string `env:"ORDERS" help:"Take orders from this CSV file (.gz is unpacked) instead of making them; with the sandbox ERP."`
	Mapping string `env:"ORDERS_MAPPING" help:"What the columns of that file mean; by default known by its header (testenv/orderfile/mappings)."`
	Day     string `env:"DAY" help:"Only the lines of that file that are of this day, as the file writes it: 2010-12-01."`
	Keep    bool   `help:"Keep the folder."`
	Spoil   string `hidden:"" help:"With --once: one goods issue in the ERP is removed, doubled or changed before the check."`
	Bin     string `hidden:"" type:"existingdir" help:"Folder with the programs; by default they are built."`
}

// Run builds the programs and sets up the world; Ctrl-C ends all of it.
func (c *demoCommand) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.ERP == world.Tryton && !testenv.TrytonInstalled() {
		return testenv.ErrNoTryton
	}
	dir, err := os.MkdirTemp("", "dockline-demo-")
	if err != nil {
		return err
	}
	if c.Keep {
		fmt.Fprintln(os.Stderr, "folder", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	config := world.Config{Dir: dir, Bin: c.Bin, Seed: c.Seed, MovementsPerSecond: 1, ERP: c.ERP}
	file, err := c.orderFile(&config)
	if err != nil {
		return err
	}
	if config.Bin == "" {
		config.Bin = dir
		if err := world.Build(ctx, dir, os.Stderr); err != nil {
			return err
		}
	}
	if c.ERP == world.Tryton {
		fmt.Fprintln(os.Stderr, "starting Tryton; the first time on a machine its database is made, which takes a minute")
	}
	if c.Once {
		config.MovementsPerSecond, config.Log = 40, os.Stderr
	}
	var drill *drillServer
	if !c.Once {
		if drill, err = newDrill(); err != nil {
			return err
		}
		defer drill.close()
		config.Drill = drill.url()
	}
	w, err := world.Open(ctx, config)
	if err != nil {
		return err
	}
	if drill != nil {
		drill.world.Store(w)
	}
	working, rest := context.WithCancel(ctx)
	defer rest()
	err = file.begin(working, w, c.Once)
	switch {
	case err != nil:
	case c.Once:
		err = c.day(ctx, w, file)
	default:
		err = c.live(ctx, w, file)
	}
	rest() // the order desk goes before its systems do
	if closed := w.Close(); err == nil {
		err = closed
	}
	return err
}

// day lets one day happen with a cut line, a killed agent and an ERP that fails, and checks what it came to.
func (c *demoCommand) day(ctx context.Context, w *world.World, file *orders) error {
	n, limit := c.Orders, file.patience(6*time.Minute)
	switch {
	case c.ERP == world.Tryton: // it does about one order a second, beside being asked
		limit = 20 * time.Minute
		if n == 0 {
			n = testenv.Count("demo.tryton-orders")
		}
	case n == 0:
		n = testenv.Count("demo.orders")
	}
	w.ERP.Faults().Set(sandbox.Faults{Rate: 0.05, Modes: []sandbox.Mode{sandbox.ErrorBefore, sandbox.LostAnswer, sandbox.Busy}})
	if file != nil {
		fmt.Fprintf(os.Stderr, "%d lines of %s, seed %d\n", len(file.Rows), file.Name, c.Seed)
	} else {
		fmt.Fprintf(os.Stderr, "%d orders, seed %d\n", n, c.Seed)
		if _, err := w.Orders(ctx, n); err != nil {
			return err
		}
	}
	east, west := w.Sites["dc-east"], w.Sites["dc-west"]
	for _, fault := range []struct {
		say string
		do  func() error
	}{
		{"the line of dc-west is cut", func() error { west.Line.Cut(true); return nil }},
		{"the agent of dc-east is killed", func() error { east.Agent.Kill(); return nil }},
		{"the agent of dc-east starts again", east.Agent.Start},
		{"the line of dc-west is mended", func() error { west.Line.Cut(false); return nil }},
	} {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(4 * time.Second):
		}
		fmt.Fprintln(os.Stderr, fault.say)
		if err := fault.do(); err != nil {
			return err
		}
	}
	report, err := w.Settle(ctx, limit)
	if err == nil && c.Spoil != "" {
		report, err = spoil(ctx, w, c.Spoil)
	}
	if err != nil {
		return err
	}
	out, err := json.Marshal(report)
	if err != nil {
		return err
	}
	fmt.Println(string(out))
	if !report.OK {
		return fmt.Errorf("%d mismatches", len(report.Mismatches))
	}
	return nil
}

// live makes an order every few seconds until it is interrupted.
func (c *demoCommand) live(ctx context.Context, w *world.World, file *orders) error {
	fmt.Printf(`
The console: %s

Three things to try:
  1. Cut a site's line: open %sdrill and switch "line of dc-west" off. The orders there are picked on, and their
     events wait at the site; switch it on and they arrive, none doubled.
  2. Stop the ERP with the switch "ERP": postings wait and an exception opens; start it and both go away by themselves.
  3. Drop a file of your own into %s
     (columns as in the others in archive/): a line that cannot be read comes back in error/ with what to do.

Ctrl-C ends everything.
`, w.ConsoleURL, w.ConsoleURL, w.Sites[world.FileSite].Outbound)
	if file != nil {
		fmt.Printf("Orders come from %s (%d lines), one every few seconds.\n", file.Name, len(file.Rows))
		<-ctx.Done()
		fmt.Println("ending")
		return nil
	}
	if _, err := w.Orders(ctx, 8); err != nil {
		return err
	}
	pause := 4 * time.Second
	if c.ERP == world.Tryton { // which has its work with what is posted
		pause = 10 * time.Second
	}
	var refused error
	for i := uint64(1); ; i++ {
		select {
		case <-ctx.Done():
			fmt.Println("ending")
			return nil
		case <-time.After(pause):
		}
		w.Config.Seed = c.Seed + i
		_, err := w.Orders(ctx, 1)
		if err != nil && refused == nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "the ERP takes no orders: "+err.Error())
		}
		if err == nil && refused != nil {
			fmt.Fprintln(os.Stderr, "the ERP takes orders again")
		}
		refused = err
	}
}
