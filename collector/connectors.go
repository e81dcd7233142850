package collector

import (
	"context"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/connector"
)

// OpenConnector makes one connector of the configuration, for who tries it; what is wrong with others does not matter. It sends nothing.
// The caller closes it (CloseConnector).
func OpenConnector(ctx context.Context, c *Config, tenant, name string) (connector.Connector, error) {
	at := slices.IndexFunc(c.Connectors, func(n ConnectorConfig) bool { return n.Tenant == tenant && n.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("tenant %s has no connector %s", tenant, name)
	}
	made, err := newConnector(ctx, c, c.Connectors[at], newLogger(quiet(c.Log)))
	if err != nil {
		return nil, fmt.Errorf("connectors[%d] %s (settings from line %d): %w", at, name, c.ConnectorLine(at), err)
	}
	return made, nil
}
