package collector

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/carrier"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// CarrierConfig is a carrier that sends what becomes of goods by itself, as signed messages or in files.
type CarrierConfig struct {
	Name   string `yaml:"name"`
	Tenant string `yaml:"tenant"`
	// SecretFile has the key with which it signs; NextSecretFile that which takes its place, "" for none.
	SecretFile     string `yaml:"secret_file"`
	NextSecretFile string `yaml:"next_secret_file"`
	// TimeZone is where a time is local that names no zone.
	TimeZone string `yaml:"time_zone"`
}

func (c *Config) validateCarriers(bad func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for _, n := range c.Connectors {
		seen[n.Name] = true
	}
	for i, n := range c.Carriers {
		key := fmt.Sprintf("carriers[%d]", i)
		if !wire.ValidName(n.Name) {
			bad(key+".name", "%q: use 1 to 64 letters, digits, - or _; it is part of its facts' ids, so never change it", n.Name)
		}
		if seen[n.Name] {
			bad(key+".name", "%q is there twice, or is a connector", n.Name)
		}
		seen[n.Name] = true
		if !wire.ValidName(n.Tenant) {
			bad(key+".tenant", "%q: name the tenant whose goods it carries", n.Tenant)
		}
		if n.SecretFile == "" && n.NextSecretFile != "" {
			bad(key+".secret_file", "is missing: next_secret_file only takes its place")
		}
		if _, err := time.LoadLocation(n.TimeZone); err != nil {
			bad(key+".time_zone", "%q is not known; write one like Europe/Berlin", n.TimeZone)
		}
	}
}

// CarrierReader reads what a carrier has sent in a file. A carrier that is not configured is none.
func (c *Config) CarrierReader(tenant, name string, received time.Time) (*carrier.Reader, error) {
	at := slices.IndexFunc(c.Carriers, func(n CarrierConfig) bool { return n.Name == name && n.Tenant == tenant })
	if at < 0 {
		return nil, fmt.Errorf("%q is no carrier of tenant %s; add it under carriers in collector.yaml", name, tenant)
	}
	zone, err := time.LoadLocation(c.Carriers[at].TimeZone)
	return &carrier.Reader{Tenant: tenant, Source: name, Zone: zone, Received: received.UTC().Truncate(time.Microsecond)}, err
}

// newHooks takes the signed messages of the configured carriers. One without a secret sends files only.
func (m *Collector) newHooks(r *road) *carrier.Hooks {
	h := &carrier.Hooks{DB: m.db, Taken: r.wake, Now: m.now, Log: m.log.With("part", "carrier")}
	log := m.newLog()
	h.Bring = func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (int, error) {
		b, err := log.Bring(ctx, tx, events)
		return b.Taken, err
	}
	for _, n := range m.config.Carriers {
		if n.SecretFile == "" {
			continue
		}
		zone, err := time.LoadLocation(n.TimeZone)
		if err != nil {
			zone = time.UTC // the configuration was checked
		}
		h.Senders = append(h.Senders, carrier.Sender{Name: n.Name, Tenant: n.Tenant, Zone: zone, Secrets: func() ([]string, error) { return m.secrets(n) }})
	}
	return h
}

// secrets are read anew each time: they may be changed without a restart.
func (m *Collector) secrets(n CarrierConfig) (all []string, err error) {
	for _, file := range []string{n.SecretFile, n.NextSecretFile} {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(m.config.Path(file))
		if err != nil {
			return nil, err
		}
		all = append(all, strings.TrimSpace(string(text)))
	}
	return all, nil
}
