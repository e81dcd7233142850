package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/enrol"
	"github.com/dockline/dockline/proto/wire"
)

type enrolCommand struct {
	Collector   string        `required:"" placeholder:"URL" help:"The collector, as https://host:port."`
	Fingerprint string        `required:"" help:"SHA-256 of the collector's authority; nobody else is given the token."`
	Token       string        `env:"DOCKLINE_TOKEN" help:"The one-time token. Other users of this machine can see it in the list of processes: prefer the variable, or --token-file."`
	TokenFile   string        `placeholder:"FILE" help:"A file that holds the token; - is the standard input."`
	Tenant      string        `help:"The tenant that the token must be for; empty takes the token's."`
	Site        string        `help:"The site that the token must be for; empty takes the token's."`
	DataDir     string        `help:"Folder for everything the agent keeps; by default beside the configuration, and for /etc/dockline/agent.yaml /var/lib/dockline-agent, or as that has it." type:"path"`
	Plugins     string        `type:"existingfile" placeholder:"FILE" help:"A file with the section plugins of a new agent.yaml; one that is there stays as it is."`
	Proxy       string        `help:"An HTTP proxy to go through by CONNECT: http://host:port, or environment."`
	Patience    time.Duration `default:"1m" help:"How long to go on trying where the collector does not answer."`
	// Installers run it at every upgrade too.
	UnlessConfigured bool `help:"Do nothing where there is a configuration."`
}

// Run fetches the site's certificate and writes what is missing of its configuration. Run again it gets the same answer.
func (c *enrolCommand) Run(all *commands) error {
	if _, err := os.Stat(all.Config); c.UnlessConfigured && err == nil {
		fmt.Printf("%s is there: nothing is done\n", all.Config)
		return nil
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	tenant, site, _, ok := wire.SplitToken(token)
	if !ok {
		return errors.New("this is no token: it is tenant.site.secret, as `dockline-collector site add` printed it; copy it whole")
	}
	if cmp.Or(c.Tenant, tenant) != tenant || cmp.Or(c.Site, site) != site {
		return fmt.Errorf("the token is for site %s of tenant %s, and this is to be %s of %s: take the token of this site", site, tenant, cmp.Or(c.Site, site), cmp.Or(c.Tenant, tenant))
	}
	identity, proxy, err := c.place(all.Config, tenant, site)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	machine := agent.ThisMachine(filepath.Dir(identity))
	centre := enrol.Centre{URL: c.Collector, Proxy: proxy, Machine: machine.GetFingerprint(), Host: machine.GetHost()}
	answer, err := c.ask(ctx, centre, identity, token)
	if err != nil {
		return err
	}
	fmt.Printf("site %s of tenant %s is enrolled: its certificate is in %s\n", site, tenant, identity)
	return c.configure(all, answer)
}

// place is the identity folder, and the proxy to go through. A configuration that is there is of this site, or an error.
func (c *enrolCommand) place(path, tenant, site string) (identity string, proxy wire.Proxy, err error) {
	proxy.URL = c.Proxy
	dataDir := c.DataDir
	if config, err := agent.LoadConfig(path); err == nil {
		if config.Site.Tenant != tenant || config.Site.ID != site {
			return "", proxy, fmt.Errorf("%s is of site %s of tenant %s, the token of %s of %s: give the right token, or another --config", path, config.Site.ID, config.Site.Tenant, site, tenant)
		}
		dataDir = cmp.Or(dataDir, config.DataDir)
		if proxy.URL == "" {
			proxy = wire.Proxy{URL: config.MQTT.Proxy, Credentials: config.Path(config.MQTT.ProxyCredentials)}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", proxy, err
	}
	if dataDir == "" {
		dataDir = defaultDataDir(path)
	}
	dataDir, err = filepath.Abs(dataDir)
	c.DataDir = dataDir
	return filepath.Join(dataDir, "identity"), proxy, err
}

// ask tries until the collector has answered, or for as long as there is patience: the same request is the same site.
func (c *enrolCommand) ask(ctx context.Context, centre enrol.Centre, identity, token string) (*wire.EnrolAnswer, error) {
	ends, wait := time.Now().Add(c.Patience), time.Second
	for {
		answer, err := centre.Enrol(ctx, identity, token, c.Fingerprint)
		if !enrol.Transient(err) || time.Now().Add(wait).After(ends) || ctx.Err() != nil {
			return answer, enrol.Advise(err)
		}
		fmt.Fprintf(os.Stderr, "%v; trying again in %s\n", err, wait)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, 15*time.Second)
	}
}

// configure writes agent.yaml where there is none, with the broker that the centre has named.
func (c *enrolCommand) configure(all *commands, answer *wire.EnrolAnswer) error {
	broker := cmp.Or(answer.Broker, "mqtts://localhost:8883")
	if _, err := writeConfig(all.Config, c.DataDir, answer.Tenant, answer.Site, broker, c.Plugins); err != nil {
		return err
	}
	config, err := agent.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	if answer.Broker != "" && config.MQTT.URL != answer.Broker {
		fmt.Printf("note: the centre names the broker %s, mqtt.url of %s says %s\n", answer.Broker, all.Config, config.MQTT.URL)
	}
	if len(config.Plugins) > 0 {
		fmt.Println("\nAn agent that runs here takes the certificate up by itself; else: dockline-agent start")
		return nil
	}
	option := ""
	if all.Config != defaultConfig() {
		option = " --config " + all.Config
	}
	fmt.Printf("\nNext: add a plugin to %s, then\n  dockline-agent config check%s\n  dockline-agent install%s\n  dockline-agent start\n", all.Config, option, option)
	return nil
}

func (c *enrolCommand) token() (string, error) {
	if c.TokenFile == "" {
		if c.Token == "" {
			return "", errors.New("give the token: --token-file FILE, --token-file - for the standard input, or the variable DOCKLINE_TOKEN")
		}
		return strings.TrimSpace(c.Token), nil
	}
	var text []byte
	var err error
	if c.TokenFile == "-" {
		text, err = io.ReadAll(io.LimitReader(os.Stdin, 4096))
	} else {
		text, err = os.ReadFile(c.TokenFile)
	}
	// Windows' shells put a mark before a text that they pass on.
	return strings.TrimSpace(strings.TrimPrefix(string(text), "\ufeff")), err
}
