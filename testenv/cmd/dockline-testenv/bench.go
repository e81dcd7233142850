package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/dockline/dockline/testenv/bench"
)

type benchCommand struct {
	Area   string `env:"AREA" help:"Only these areas, with commas between: ${areas}."`
	Rounds int    `env:"ROUNDS" default:"3" help:"How often each rate and time is taken; the median counts."`
	Dir    string `env:"DIR" type:"path" help:"Folder on the disk to measure; by default that of temporary files."`
	Peers  bool   `env:"PEERS" negatable:"" default:"true" help:"Build the peers and measure beside them."`
	Sites  int    `env:"SITES" default:"10000" help:"How many sites area scale runs with."`
	Plots  string `env:"PLOTS" type:"path" help:"Folder for pictures of what area scale has measured (docs/scaling)."`
	Table  string `env:"TABLE" type:"path" help:"Write the results into this page too, in place of the table that it has."`
}

// Run prints one JSON object a line on standard output, and progress on standard error.
func (c *benchCommand) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp(c.Dir, "dockline-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var made []bench.Measure
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false) // a gate begins with <= or >=
	s := &bench.Suite{Rounds: c.Rounds, Dir: dir, Plots: c.Plots, Sites: c.Sites, Bin: filepath.Join(dir, "bin"), Progress: os.Stderr, Out: func(m bench.Measure) {
		made = append(made, m)
		_ = out.Encode(m)
	}}
	if c.Area != "" {
		s.Areas = strings.Split(c.Area, ",")
	}
	if err := bench.Build(ctx, s.Bin, os.Stderr); err != nil {
		return err
	}
	if c.Peers {
		s.Peers = filepath.Join(dir, "peers")
		if err := bench.BuildPeers(ctx, s.Peers, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err) // each line that needs one says so
		}
	}
	began := bench.Machine()
	run := s.Run(ctx)
	if c.Table != "" {
		if err := bench.WriteTable(c.Table, bench.Table(made, c.Rounds, began, bench.Machine())); err != nil {
			return err
		}
	}
	return run
}
