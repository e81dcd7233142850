package collector

import (
	"fmt"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/proto/configfile"
)

// system is a configured connector.
type system struct {
	config    ConnectorConfig
	connector connector.Connector
}

func newSystems(c *Config) ([]*system, error) {
	systems := make([]*system, len(c.Connectors))
	for i, n := range c.Connectors {
		made, err := newConnector(c, n)
		if err != nil {
			return nil, fmt.Errorf("connectors[%d] %s (settings from line %d): %w", i, n.Name, c.ConnectorLine(i), err)
		}
		systems[i] = &system{config: n, connector: made}
	}
	return systems, nil
}

func newConnector(c *Config, n ConnectorConfig) (connector.Connector, error) {
	switch n.Kind {
	case "http":
		settings := connectorhttp.Config{Name: n.Name}
		if _, err := configfile.Decode("settings", n.Settings, &settings); err != nil {
			return nil, err
		}
		settings.Auth.PasswordFile, settings.Auth.BearerFile = c.Path(settings.Auth.PasswordFile), c.Path(settings.Auth.BearerFile)
		return connectorhttp.New(settings)
	case "tryton":
		settings, err := tryton.Decode("settings", n.Settings)
		if err != nil {
			return nil, err
		}
		settings.PasswordFile = c.Path(settings.PasswordFile)
		return tryton.New(settings)
	default:
		return nil, fmt.Errorf("kind %q is not known", n.Kind)
	}
}
