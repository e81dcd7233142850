package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sim"
)

type simCommand struct {
	Seeds int      `env:"SEEDS" help:"How many days; without it 200, and 2000 with FULL=1."`
	First uint64   `env:"FIRST" default:"1" help:"The seed of the first of them."`
	Seed  uint64   `env:"SEED" help:"One day alone, with every line of its trace on standard output, twice: both must be the same."`
	Open  []uint64 `env:"OPEN" help:"Seeds of days that are known not to hold: they are run and told, and do not count as failed; one that holds by now does."`
	Plant string   `env:"PLANT" help:"Give every day a mistake that must be found: trim-on-puback, no-dedup, blind-retry, ignore-revisions, forgetful-worker, silent-loss or old-versions."`
}

// Run simulates that many days, each with a seed of its own.
func (c *simCommand) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.Seed != 0 {
		return c.one(ctx)
	}
	s, err := sim.Many(ctx, c.day(c.First, nil), cmp.Or(c.Seeds, testenv.Count("sim.seeds")), os.Stdout)
	if err != nil {
		return err
	}
	fmt.Println(s)
	var news []*sim.Result
	for _, r := range s.Failed {
		if !slices.Contains(c.Open, r.Seed) {
			news = append(news, r)
		}
	}
	for _, seed := range c.Open {
		if seed >= c.First && seed < c.First+uint64(s.Days) && !slices.ContainsFunc(s.Failed, func(r *sim.Result) bool { return r.Seed == seed }) {
			return fmt.Errorf("the day of seed %d holds now: take it out of OPEN", seed)
		}
	}
	if open := len(s.Failed) - len(news); open > 0 {
		fmt.Printf("%d of the days that failed are known and open\n", open)
	}
	if s.Failed = news; len(s.Failed) > 0 {
		return fmt.Errorf("%d of %d days failed; the first again: make sim SEED=%d", len(s.Failed), s.Days, s.Failed[0].Seed)
	}
	return nil
}

func (c *simCommand) day(seed uint64, trace io.Writer) sim.Config {
	return sim.Config{Seed: seed, Plant: sim.Plant(c.Plant), Trace: trace}
}

// one shows a day, and that it is the same day again.
func (c *simCommand) one(ctx context.Context) error {
	first, err := sim.Run(ctx, c.day(c.Seed, os.Stdout))
	if err != nil {
		return err
	}
	second, err := sim.Run(ctx, c.day(c.Seed, nil))
	if err != nil {
		return err
	}
	fmt.Printf("seed %d: %d steps, trace %s\n", c.Seed, first.Steps, first.Hash)
	switch {
	case second.Hash != first.Hash:
		return fmt.Errorf("seed %d is not the same day twice: trace %s, then %s", c.Seed, first.Hash, second.Hash)
	case len(first.Broken) > 0:
		fmt.Print(first.Report())
		return fmt.Errorf("seed %d: %s", c.Seed, first.Broken[0])
	}
	return nil
}
