package collector

import (
	"cmp"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/proto/configfile"
)

// system is a configured connector.
type system struct {
	config    ConnectorConfig
	connector connector.Connector
	// governed is the connector within the limits of its account, which others may share.
	governed connector.Connector
	account  *connector.Account
}

func newSystems(c *Config, now func() time.Time) ([]*system, error) {
	systems := make([]*system, len(c.Connectors))
	for i, n := range c.Connectors {
		made, err := newConnector(c, n)
		if err != nil {
			return nil, fmt.Errorf("connectors[%d] %s (settings from line %d): %w", i, n.Name, c.ConnectorLine(i), err)
		}
		systems[i] = &system{config: n, connector: made}
	}
	govern(systems, now)
	return systems, nil
}

// govern puts every system within the limits of its account.
func govern(systems []*system, now func() time.Time) {
	accounts := make(map[string]*connector.Account)
	for _, s := range systems {
		name := cmp.Or(s.config.Account, s.config.Name)
		key := name
		if s.config.Account == "" {
			key = "of " + name // no other connector shares it by bearing its name
		}
		a := accounts[key]
		if a == nil {
			a = &connector.Account{Name: name, Now: now}
			accounts[key] = a
		}
		if l := s.config.Limits; l != (LimitsConfig{}) {
			a.Limits = connector.Limits{Calls: l.Calls, Per: l.Per, Parallel: l.Parallel}
		}
		s.account, s.governed = a, connector.Govern(s.connector, a)
	}
}

// usualParallel is how many postings are under way at once to a system of a kind whose limits say nothing; of others it is one. A Tryton answers
// two users that touch the same stock with a conflict for one of them.
var usualParallel = map[string]int{"http": 4}

// abreast is how many postings to the system are under way at once.
func (s *system) abreast() int {
	return cmp.Or(s.account.Limits.Parallel, usualParallel[s.config.Kind])
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
