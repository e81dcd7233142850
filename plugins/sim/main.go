// Command dockline-plugin-sim is a simulated warehouse: it takes orders as a Sink and reports picks, packs, shipments and counts as a
// Source, from a seed, at a chosen rate. It writes its own ledger before it hands anything over.
package main

import "github.com/dockline/dockline/plugins"

func main() {
	s := newSim()
	plugins.Serve(plugins.Plugin{Source: s, Sink: s})
}
