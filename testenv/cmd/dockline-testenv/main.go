// Command dockline-testenv sets up the world that Dockline works in: the demo, the simulation, benchmarks, and the reports of test runs.
package main

import (
	"strings"

	"github.com/alecthomas/kong"

	"github.com/dockline/dockline/testenv/bench"
)

type commands struct {
	Demo         demoCommand         `cmd:"" help:"The whole system on this machine."`
	Sim          simCommand          `cmd:"" help:"Days of the simulated world, each checked."`
	Bench        benchCommand        `cmd:"" help:"Benchmarks: one JSON object a line."`
	Results      resultsCommand      `cmd:"" help:"Read the output of go test -json, print failures and counts."`
	Guarantees   guaranteesCommand   `cmd:"" help:"Make docs/edge-guarantees.md from the figures of full runs."`
	Capabilities capabilitiesCommand `cmd:"" help:"Hold docs/delivered.txt against the tests that ran; write docs/capabilities.md."`
}

func main() {
	var c commands
	ctx := kong.Parse(&c, kong.Name("dockline-testenv"), kong.Description("The world that Dockline works in, on this machine."), kong.UsageOnError(),
		kong.Vars{"areas": strings.Join(bench.AreaNames(), ", ")})
	ctx.FatalIfErrorf(ctx.Run())
}
