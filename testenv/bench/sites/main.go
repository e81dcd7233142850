// Command dockline-bench-sites runs a share of a bench's sites on the agent's journal and uplink, as it is told on standard input.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/dockline/dockline/collector/identity"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/bench"
	"github.com/dockline/dockline/testenv/manyagents"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c := manyagents.Config{Event: func(site string, n uint64) *docklinev1.Event { return bench.PickOf(site, n) }}
	flag.StringVar(&c.Tenant, "tenant", "", "tenant of all")
	flag.IntVar(&c.First, "first", 0, "number of the first site")
	flag.IntVar(&c.N, "n", 0, "how many sites")
	flag.StringVar(&c.Broker, "broker", "", "host:port of the broker")
	flag.StringVar(&c.Dir, "dir", "", "empty folder for the journals")
	flag.DurationVar(&c.Heartbeat, "heartbeat", 0, "time between two heartbeats, 0 for the agent's")
	authority := flag.String("authority", "", "folder of the authority that signs")
	flag.Parse()
	var err error
	if c.Authority, err = identity.Open(*authority); err != nil {
		return err
	}
	a, err := manyagents.Open(ctx, c)
	if err != nil {
		return err
	}
	fmt.Println(`{}`) // ready
	err = a.Serve(ctx, os.Stdin, os.Stdout)
	if closed := a.Close(); err == nil {
		err = closed
	}
	return err
}
