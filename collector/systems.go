package collector

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/connector/remote"
	"github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/proto/configfile"
)

// kindProcess is a connector that is a program of its own.
const kindProcess = "process"

// system is a configured connector.
type system struct {
	config    ConnectorConfig
	connector connector.Connector
	// governed is the connector within the limits of its account, which others may share.
	governed connector.Connector
	account  *connector.Account
}

// newSystems makes the connectors of the configuration; the caller closes them, also where one cannot be made.
func newSystems(ctx context.Context, c *Config, log *slog.Logger) ([]*system, error) {
	var systems []*system
	for i, n := range c.Connectors {
		made, err := newConnector(ctx, c, n, log)
		if err != nil {
			return systems, fmt.Errorf("connectors[%d] %s (settings from line %d): %w", i, n.Name, c.ConnectorLine(i), err)
		}
		systems = append(systems, &system{config: n, connector: made})
	}
	return systems, nil
}

// CloseConnector ends what a connector runs on, where there is something: a program of its own.
func CloseConnector(c connector.Connector) error {
	if closer, ok := c.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// share is this collector's part of an account, where several collectors may work on one database.
func (m *Collector) share(account string) *connector.Share {
	if m.db.Engine() != "postgres" {
		return nil
	}
	return &connector.Share{DB: m.db, Account: account, Collector: m.name + "/" + uuid.NewString()}
}

// giveUpShares gives back what this collector has of its accounts, so that others need not wait for its end.
func (m *Collector) giveUpShares(ctx context.Context) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer end()
	given := make(map[*connector.Account]bool)
	for _, s := range m.connectors {
		if given[s.account] {
			continue
		}
		given[s.account] = true
		if err := s.account.Share.GiveUp(ctx, s.account); err != nil {
			m.log.Warn("other collectors wait until this one's part of an account runs out", "err", err)
		}
	}
}

// govern puts every system within the limits of its account.
func govern(systems []*system, now func() time.Time, share func(account string) *connector.Share) {
	accounts := make(map[string]*connector.Account)
	for _, s := range systems {
		name := cmp.Or(s.config.Account, s.config.Name)
		key := name
		if s.config.Account == "" {
			key = "of " + name // no other connector shares it by bearing its name
		}
		a := accounts[key]
		if a == nil {
			a = &connector.Account{Name: name, Now: now, Share: share(key)}
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

func newConnector(ctx context.Context, c *Config, n ConnectorConfig, log *slog.Logger) (connector.Connector, error) {
	switch n.Kind {
	case kindProcess:
		settings, err := remote.Decode("settings", n.Settings, c.Path)
		if err != nil {
			return nil, err
		}
		settings.Name, settings.Tenant = n.Name, n.Tenant
		return remote.New(ctx, settings, log)
	case "http":
		settings := connectorhttp.Config{Name: n.Name}
		if _, err := configfile.Decode("settings", n.Settings, &settings); err != nil {
			return nil, err
		}
		settings.Auth.Resolve(c.Path)
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
