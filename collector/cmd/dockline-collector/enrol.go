package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/collector/install"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/proto/wire"
)

// oneSite names a site, as TENANT/SITE or by flags.
type oneSite struct {
	Name   string `arg:"" optional:"" placeholder:"TENANT/SITE" help:"The site, in the place of --tenant and --site."`
	Tenant string `help:"Name of the tenant."`
	Site   string `help:"Name of the site within it."`
}

func (o *oneSite) names() (wire.Identity, error) {
	who := wire.Identity{Tenant: o.Tenant, Site: o.Site}
	if o.Name != "" {
		tenant, site, both := strings.Cut(o.Name, "/")
		if !both || o.Tenant != "" || o.Site != "" {
			return who, wrong("%q: name the site as TENANT/SITE, or by --tenant and --site", o.Name)
		}
		who = wire.Identity{Tenant: tenant, Site: site}
	}
	if !wire.ValidName(who.Tenant) || !wire.ValidName(who.Site) {
		return who, wrong("name the site as TENANT/SITE: 1 to 64 letters, digits, - or _ each")
	}
	return who, nil
}

// siteArgument names the site that a command is about, as TENANT/SITE or with --tenant.
type siteArgument struct {
	Tenant string `help:"Name of the tenant, where SITE does not name it."`
	Site   string `arg:"" help:"The site: TENANT/SITE, or its name with --tenant."`
}

// AfterApply splits TENANT/SITE; called again it changes nothing.
func (s *siteArgument) AfterApply() (err error) {
	s.Tenant, s.Site, err = splitSite(s.Tenant, s.Site)
	if err == nil && s.Tenant == "" {
		return wrong("%q: name the site as TENANT/SITE, or give --tenant", s.Site)
	}
	return err
}

// splitSite takes TENANT/SITE apart; a name without a tenant stays as it is.
func splitSite(tenant, site string) (string, string, error) {
	before, after, both := strings.Cut(site, "/")
	if !both {
		return tenant, site, nil
	}
	if tenant != "" && tenant != before || before == "" || after == "" {
		return tenant, site, wrong("%q: name the site as TENANT/SITE, or by its name and --tenant", site)
	}
	return before, after, nil
}

// person says who gives the command, for those who ask later.
type person struct {
	By string `help:"Who does this, for those who ask later; by default the user of this machine."`
}

func (p person) name() string {
	if p.By != "" {
		return p.By
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// record puts what the person does to a site into the audit trail, where the person may do it.
func (p person) record(ctx context.Context, tx *db.Tx, action, tenant, site, reason string, detail any) error {
	return people.Act(ctx, tx, people.SiteAct, audit.Act{Tenant: tenant, By: p.name(), Action: action, Object: "site/" + site, Reason: reason, Detail: detail}, time.Now())
}

// may is nil where the person may do something to a tenant's sites.
func (p person) may(ctx context.Context, tx *db.Tx, tenant string) error {
	return people.Allow(ctx, tx, tenant, p.name(), people.SiteAct)
}

// mayEverywhere is nil where the person may do what concerns every tenant.
func (p person) mayEverywhere(ctx context.Context, d *db.DB) error {
	return d.Read(ctx, func(tx *db.Tx) error { return people.AllowEverywhere(ctx, tx, p.name(), people.SystemAct) })
}

// everywhere does what concerns the whole machine and is not one transaction, where the person may do so for every tenant.
func (p person) everywhere(ctx context.Context, d *db.DB, action, object, reason string, do func(context.Context) (map[string]any, error)) error {
	return people.InSteps(ctx, d, people.SystemAct, audit.Act{Tenant: audit.Everywhere, By: p.name(), Action: action, Object: object, Reason: reason}, do)
}

type siteAddCommand struct {
	oneSite
	person
	Title    string        `help:"What people call it."`
	Region   string        `help:"Region, for reports."`
	CSR      string        `name:"csr" type:"existingfile" help:"Sign the request that dockline-agent init wrote, in the place of a token."`
	Out      string        `default:"." type:"path" help:"With --csr, the folder for site.crt and ca.crt."`
	NoToken  bool          `help:"Only make the site known."`
	Plugins  string        `type:"existingfile" placeholder:"FILE" help:"A file with the section plugins of the site's agent.yaml; the printed command takes it along."`
	TokenFor time.Duration `help:"How long the token holds; by default identity.token."`
	JSON     bool          `name:"json" help:"Print token, address and fingerprint, for scripts."`
}

// Run signs first: a site that is known has a certificate, or a token for one.
func (c *siteAddCommand) Run(all *commands) error {
	who, err := c.names()
	if err != nil {
		return err
	}
	return withFleet(all, func(ctx context.Context, config *collector.Config, f *fleet.Fleet) error {
		store := &enrol.Store{DB: f.DB}
		added := false
		add := func(tx *db.Tx) (err error) {
			added, err = f.AddSiteIn(ctx, tx, fleet.Registration{Tenant: who.Tenant, ID: who.Site, Title: c.Title, Region: c.Region})
			return err
		}
		said := func() {
			if !c.JSON {
				fmt.Printf("site %s of tenant %s %s\n", who.Site, who.Tenant, map[bool]string{true: "is known", false: "was known and is up to date"}[added])
			}
		}
		if c.CSR != "" {
			act := audit.Act{Tenant: who.Tenant, By: c.name(), Action: "site.add", Object: "site/" + who.Site, Detail: map[string]any{"by": "request"}}
			return people.InSteps(ctx, f.DB, people.SiteAct, act, func(ctx context.Context) (map[string]any, error) {
				signed, err := c.sign(config, who)
				if err != nil {
					return nil, err
				}
				defer said()
				return nil, f.DB.Write(ctx, func(tx *db.Tx) error {
					if err := add(tx); err != nil {
						return err
					}
					_, err := store.Record(ctx, tx, who, signed, enrol.ViaRequest, "", "")
					return err
				})
			})
		}
		err := f.DB.Write(ctx, func(tx *db.Tx) error {
			if err := c.may(ctx, tx, who.Tenant); err != nil {
				return err
			}
			if err := add(tx); err != nil {
				return err
			}
			return c.record(ctx, tx, "site.add", who.Tenant, who.Site, "", nil)
		})
		if err != nil {
			return err
		}
		said()
		switch {
		case c.NoToken:
			return nil
		case config.EnrolURL() == "":
			fmt.Println("There is no token: the broker is another one (mqtt.url), and identity.listen gives sites no address to enrol at.")
			return nil
		}
		return c.invite(ctx, config, store, who)
	})
}

func (c *siteAddCommand) sign(config *collector.Config, who wire.Identity) ([]byte, error) {
	request, err := os.ReadFile(c.CSR)
	if err != nil {
		return nil, err
	}
	authority, err := collector.OpenAuthority(config)
	if err != nil {
		return nil, err
	}
	signed, err := authority.SignSite(request, who.Tenant, who.Site)
	if err != nil {
		return nil, err
	}
	certificate, err := identity.ParseCertificate(signed)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Out, 0o750); err != nil {
		return nil, err
	}
	err = errors.Join(os.WriteFile(filepath.Join(c.Out, "site.crt"), signed, 0o644), os.WriteFile(filepath.Join(c.Out, "ca.crt"), authority.PEM(), 0o644))
	if err == nil {
		fmt.Printf("wrote site.crt (until %s) and ca.crt into %s: put both into the site's identity folder\n", certificate.NotAfter.Format("2006-01-02"), c.Out)
	}
	return signed, err
}

// Invitation is what a site needs to enrol; Linux and Windows are the commands to run there.
type Invitation struct {
	Tenant      string    `json:"tenant"`
	Site        string    `json:"site"`
	Token       string    `json:"token"`
	ExpiresAt   time.Time `json:"expires_at"`
	Collector   string    `json:"collector"`
	Fingerprint string    `json:"fingerprint"`
	Broker      string    `json:"broker"`
	Linux       string    `json:"linux"`
	Windows     string    `json:"windows"`
	// Installs says that the commands install the agent too, from the collector; else it is there already.
	Installs bool `json:"installs"`
}

// plugins is the section of the site's agent.yaml that the command takes along. What is in it the agent checks.
func (c *siteAddCommand) plugins() ([]byte, error) {
	if c.Plugins == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.Plugins)
	if err != nil {
		return nil, err
	}
	var section map[string][]any
	if err := yaml.Unmarshal(text, &section); err != nil || len(section) != 1 || len(section["plugins"]) == 0 {
		return nil, wrong("%s: it must hold the section plugins alone: plugins: and a list with id, path and config of each, as in agent.yaml", c.Plugins)
	}
	return text, nil
}

// invite makes a token and prints the commands. The token goes through the standard input: arguments stand in the list of processes.
func (c *siteAddCommand) invite(ctx context.Context, config *collector.Config, store *enrol.Store, who wire.Identity) error {
	authority, err := collector.OpenAuthority(config)
	if err != nil {
		return err
	}
	plugins, err := c.plugins()
	if err != nil {
		return err
	}
	life := config.Identity.Token
	if c.TokenFor > 0 {
		life = c.TokenFor
	}
	token, err := store.NewToken(ctx, who.Tenant, who.Site, c.name(), life)
	if err != nil {
		return err
	}
	i := Invitation{Tenant: who.Tenant, Site: who.Site, Token: token, ExpiresAt: time.Now().Add(life).UTC().Truncate(time.Second), Collector: config.EnrolURL(), Fingerprint: authority.Fingerprint(),
		Broker: config.BrokerURL()}
	arguments := fmt.Sprintf("enrol --collector %s --fingerprint %s --token-file -", i.Collector, i.Fingerprint)
	i.Linux = fmt.Sprintf("echo '%s' | sudo dockline-agent %s", token, arguments)
	i.Windows = fmt.Sprintf(`'%s' | & "$env:ProgramFiles\Dockline\dockline-agent.exe" %s`, token, arguments)
	offer := collector.NewOffer(config, authority, slog.Default())
	if offer.HasWindows() {
		i.Windows = install.WindowsCommand(i.Collector, i.Fingerprint, token, plugins)
	}
	if i.Installs = offer.Has(); i.Installs {
		i.Linux = install.Command(i.Collector, i.Fingerprint, token, plugins)
	} else if len(plugins) > 0 {
		return wrong("--plugins: this collector hands out no agent (install.packages): put %s into the site's agent.yaml", c.Plugins)
	}
	if c.JSON {
		return printJSON(i)
	}
	if !i.Installs {
		fmt.Printf("\nThis collector has no packages of its version (install.packages), so the agent must be there before: it is in the release's archives and packages.\n")
	}
	if config.LocalOnly() {
		fmt.Printf("\nNote: only this machine reaches %s. For sites elsewhere set mqtt.listen and mqtt.hosts in the configuration, start the collector again, and run this once more.\n", i.Collector)
	}
	if offer.HasWindows() && install.Unnamed(i.Collector) {
		fmt.Printf("\nNote: the curl.exe of many a Windows knows no server by a number such as that of %s: put a name for it first in mqtt.hosts (or set identity.url), start the collector again, and run this once more.\n", i.Collector)
	}
	fmt.Printf("\nRun this on the site's machine until %s, once:\n\n  Linux:    %s\n\n  Windows (PowerShell as administrator):\n            %s\n\nThe token is for this site alone and stands nowhere else; whoever has it first is the site.\n",
		i.ExpiresAt.Format("2006-01-02 15:04 MST"), i.Linux, i.Windows)
	return nil
}

type siteRevokeCommand struct {
	oneSite
	person
	Reason string `required:"" help:"Why, for those who ask later."`
}

// Run revokes; the collector cuts the connection within a second or two.
func (c *siteRevokeCommand) Run(all *commands) error {
	who, err := c.names()
	if err != nil {
		return err
	}
	return withFleet(all, func(ctx context.Context, config *collector.Config, f *fleet.Fleet) error {
		if err := (&enrol.Store{DB: f.DB}).Revoke(ctx, who.Tenant, who.Site, c.name(), c.Reason); err != nil {
			return err
		}
		fmt.Printf("site %s of tenant %s is shut out. Its agent keeps what it captures; `dockline-collector site add %s/%s` makes a token with which it may come back.\n", who.Site, who.Tenant, who.Tenant, who.Site)
		if config.MQTT.URL != "" {
			fmt.Println("The broker is another one: run `dockline-collector broker mosquitto` and send it a SIGHUP; until then it lets the site in.")
		}
		return nil
	})
}

type siteAllowCommand struct {
	oneSite
	person
	For time.Duration `default:"168h" help:"For how long."`
}

// Run lets a site in whose certificate is older than the grace period.
func (c *siteAllowCommand) Run(all *commands) error {
	who, err := c.names()
	if err != nil {
		return err
	}
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		until := time.Now().Add(c.For)
		if err := (&enrol.Store{DB: f.DB}).Allow(ctx, who.Tenant, who.Site, c.name(), until); err != nil {
			return err
		}
		fmt.Printf("site %s of tenant %s may renew its certificate until %s, however old that is\n", who.Site, who.Tenant, until.UTC().Format("2006-01-02 15:04 MST"))
		return nil
	})
}

type siteCertificatesCommand struct {
	oneSite
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run lists those of one site, or of all.
func (c *siteCertificatesCommand) Run(all *commands) error {
	who := wire.Identity{}
	if c.Name != "" || c.Site != "" {
		var err error
		if who, err = c.names(); err != nil {
			return err
		}
	}
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		found, err := (&enrol.Store{DB: f.DB}).Certificates(ctx, who.Tenant, who.Site)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(found)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TENANT\tSITE\tISSUED\tVIA\tFROM\tUNTIL\tAUTHORITY\tREVOKED")
		for _, s := range found {
			revoked := ""
			if !s.RevokedAt.IsZero() {
				revoked = s.RevokedAt.Format("2006-01-02 15:04")
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s %s\t%s\t%.12s\t%s\n", s.Tenant, s.Site, s.IssuedAt.Format("2006-01-02 15:04"), s.Via, s.Address, s.Host, s.NotAfter.Format(time.DateOnly), s.Issuer, revoked)
		}
		return w.Flush()
	})
}
