package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/broker"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/proto/wire"
)

type brokerCommand struct {
	Mosquitto mosquittoCommand `cmd:"" help:"Write what a Mosquitto needs to carry the line in place of the embedded broker."`
}

type mosquittoCommand struct {
	person
	Listen    string   `placeholder:"ADDRESS:PORT" help:"Where Mosquitto listens; by default on all addresses, on the port of mqtt.url, or 8883 where there is none."`
	Hosts     []string `help:"Names and addresses by which sites and collector reach it; by default mqtt.hosts of the configuration."`
	Out       string   `default:"." type:"path" help:"Folder for mosquitto.conf, acl, and the certificates of broker and collector."`
	Collector []string `help:"Name of a collector that is to have a certificate; several by comma. By default the one of the configuration." placeholder:"NAME"`
	Renew     bool     `help:"Make new certificates and a new mosquitto.conf where there are some."`
}

// Run writes the access list anew each time, since it names every site. What else is there stays, unless it is to be renewed: an
// operator may have changed it, and a running collector uses the certificate.
func (c *mosquittoCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, config *collector.Config, f *fleet.Fleet) error {
		if len(c.Hosts) == 0 {
			c.Hosts = config.MQTT.Hosts
		}
		if c.Listen == "" {
			c.Listen = net.JoinHostPort("0.0.0.0", portOf(config.MQTT.URL))
		}
		sites, err := f.Sites(ctx, "")
		if err != nil {
			return err
		}
		if len(c.Collector) == 0 {
			c.Collector = []string{config.Name}
		}
		var identities []wire.Identity
		for _, name := range c.Collector {
			if !wire.ValidName(name) {
				return fmt.Errorf("--collector %q: use 1 to 64 letters, digits, - or _", name)
			}
			identities = append(identities, wire.Identity{Collector: name})
		}
		for _, s := range sites {
			if s.Revoked == nil {
				identities = append(identities, wire.Identity{Tenant: s.Tenant, Site: s.ID})
			}
		}
		if c.certifies() {
			if err := c.mayEverywhere(ctx, f.DB); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(c.Out, 0o750); err != nil {
			return err
		}
		acl := c.path("acl")
		if err := os.WriteFile(acl, []byte(broker.MosquittoACL(identities)), 0o600); err != nil {
			return err
		}
		fmt.Printf("wrote %s for %d sites; after each site add and site revoke, write it again and send Mosquitto a SIGHUP\n", acl, len(identities)-len(c.Collector))
		if !c.certifies() {
			fmt.Printf("%s is there and stays, with the certificates beside it\n", c.path("mosquitto.conf"))
		} else if err := c.everywhere(ctx, f.DB, "broker.certify", "mosquitto", "", func(context.Context) (map[string]any, error) {
			return map[string]any{"hosts": c.Hosts, "folder": c.Out}, c.setUp(config)
		}); err != nil {
			return err
		}
		return c.revoked(ctx, config, f)
	})
}

// portOf is the port of a broker's URL, 8883 where it names none.
func portOf(broker string) string {
	if u, err := url.Parse(broker); err == nil && u.Port() != "" {
		return u.Port()
	}
	return "8883"
}

// revoked writes the list of certificates that count no more.
func (c *mosquittoCommand) revoked(ctx context.Context, config *collector.Config, f *fleet.Fleet) error {
	authority, err := collector.OpenAuthority(config)
	if err != nil {
		return err
	}
	all, err := (&enrol.Store{DB: f.DB}).Certificates(ctx, "", "")
	if err != nil {
		return err
	}
	revoked := make(map[string]time.Time)
	for _, certificate := range all {
		if !certificate.RevokedAt.IsZero() {
			revoked[certificate.Serial] = certificate.RevokedAt
		}
	}
	list, err := authority.RevocationList(revoked)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.path("crl.pem"), list, 0o644); err != nil {
		return err
	}
	fmt.Printf("wrote %s with %d certificates that count no more\n", c.path("crl.pem"), len(revoked))
	return nil
}

func (c *mosquittoCommand) path(name string) string { return filepath.Join(c.Out, name) }

// certifies says whether broker and collector get new certificates: a person's act, unlike writing down again who is known.
func (c *mosquittoCommand) certifies() bool {
	_, err := os.Stat(c.path("mosquitto.conf"))
	return err != nil || c.Renew
}

// setUp writes certificates and configuration, the configuration last: it says that all of them are there.
func (c *mosquittoCommand) setUp(config *collector.Config) error {
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	conf, err := broker.MosquittoConfig(c.Listen, broker.MosquittoFiles{ACL: c.path("acl"), CRL: c.path("crl.pem"), CA: c.path("ca.crt"), Certificate: c.path("broker.crt"), Key: c.path("broker.key")})
	if err != nil {
		return err
	}
	authority, err := collector.OpenAuthority(config)
	if err != nil {
		return err
	}
	brokerCert, brokerKey, err := authority.IssueServer(c.Hosts)
	if err != nil {
		return err
	}
	files := []written{{"ca.crt", authority.PEM(), 0o644}, {"broker.crt", brokerCert, 0o644}, {"broker.key", brokerKey, 0o600}}
	for _, name := range c.Collector {
		certificate, key, err := authority.IssueCollector(name)
		if err != nil {
			return err
		}
		base := c.base(name)
		files = append(files, written{base + ".crt", certificate, 0o644}, written{base + ".key", key, 0o600})
	}
	for _, file := range append(files, written{"mosquitto.conf", []byte(conf), 0o644}) {
		if err := os.WriteFile(c.path(file.name), file.text, file.mode); err != nil {
			return err
		}
	}
	fmt.Printf(`wrote mosquitto.conf and certificates for %s into %s
Next: let Mosquitto's user read broker.key and acl, start mosquitto -c %s, and set in collector.yaml:
  mqtt: {url: "mqtts://%s:%s", ca: %q, certificate: %q, key: %q}
The certificates are for a year; --renew makes new ones.
`, strings.Join(c.Hosts, ", "), c.Out, c.path("mosquitto.conf"), c.Hosts[0], port, c.path("ca.crt"), c.path(c.base(c.Collector[0])+".crt"), c.path(c.base(c.Collector[0])+".key"))
	if len(c.Collector) > 1 {
		fmt.Println("Each collector has its own name in collector.yaml, its own data_dir, and its own certificate: collector-NAME.crt and collector-NAME.key.")
	}
	return nil
}

// written is a file to write.
type written struct {
	name string
	text []byte
	mode os.FileMode
}

// base is how the files of a collector's certificate are called: of several each by its name.
func (c *mosquittoCommand) base(name string) string {
	if len(c.Collector) == 1 {
		return "collector"
	}
	return wire.CollectorClientID(name)
}
