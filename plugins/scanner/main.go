// Command dockline-plugin-scanner makes business events of what people scan: readers on TCP, serial lines, keyboard wedges and MQTT.
package main

import (
	_ "time/tzdata" // Windows has no time zones of its own

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/scanner/scanner"
)

func main() { plugins.Serve(plugins.Plugin{Source: scanner.New()}) }
