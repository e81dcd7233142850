// Command dockline-plugin-http connects a warehouse system through HTTP: it listens and it polls.
package main

import (
	_ "time/tzdata" // Windows has no time zones of its own

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/http/wmshttp"
)

func main() {
	p := wmshttp.New()
	plugins.Serve(plugins.Plugin{Source: p, Sink: p})
}
