// Command dockline-connector-memory is a connector that is a program of its own, and its system too: it keeps in memory what it is told. It is for
// trying out how programs are configured, and an example to begin with (collector/connector's README).
package main

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/remote"
	"github.com/dockline/dockline/proto/wire"
)

const schema = `{"type": "object", "additionalProperties": false,
	"properties": {"settle": {"type": "string", "description": "how long an absent document may still appear after an unknown outcome"}}}`

func main() {
	remote.Serve(remote.Program{Name: "memory", Version: wire.Version, Schema: schema, Open: open})
}

func open(_ context.Context, c remote.Config) (connector.Connector, error) {
	config := struct {
		Settle time.Duration `yaml:"settle"`
	}{time.Second}
	if err := c.Decode(&config); err != nil {
		return nil, err
	}
	return &connectortest.Memory{Settle: config.Settle, Reversals: true}, nil
}
