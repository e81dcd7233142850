// Command dockline-plugin-wms-file connects a warehouse system that speaks files.
package main

import (
	_ "time/tzdata" // Windows has no time zones of its own

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/wms-file/wmsfile"
)

func main() {
	p := wmsfile.New()
	plugins.Serve(plugins.Plugin{Source: p, Sink: p})
}
