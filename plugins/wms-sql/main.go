// Command dockline-plugin-wms-sql connects a warehouse system through its database.
package main

import (
	_ "time/tzdata" // Windows has no time zones of its own

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/wms-sql/wmssql"
)

func main() {
	p := wmssql.New()
	plugins.Serve(plugins.Plugin{Source: p, Sink: p})
}
