// Package http is the connector to any system that speaks REST and JSON: a definition in YAML says, with CEL expressions, how its
// documents are found, made and read. Definitions for the sandbox ERP and CRM come with it.
package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Config is one account at one system. Secrets are files, read at each request, so that they can be exchanged.
type Config struct {
	// Name of the system in document references; empty is the definition's.
	Name string `yaml:"name"`
	// URL is the base address; the definition's paths are appended to it.
	URL string `yaml:"url"`
	// Definition is the name of a shipped definition, or the path of a file.
	Definition string `yaml:"definition"`
	Auth       Auth   `yaml:"auth"`
	// Timeout ends one request, SettleTime is how long an effect may stay unseen, Rate limits requests; zero values leave the
	// definition's.
	Timeout    time.Duration `yaml:"timeout"`
	SettleTime time.Duration `yaml:"settle_time"`
	Rate       Rate          `yaml:"rate"`
	// Now is the clock; nil is time.Now.
	Now func() time.Time `yaml:"-"`
}

// Validate returns everything that is wrong with a configuration, joined.
func (c Config) Validate() error {
	var faults []error
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		faults = append(faults, fmt.Errorf("url: %q is not an address such as https://erp.example/base", c.URL))
	}
	if c.Definition == "" {
		faults = append(faults, errors.New("definition: is missing; name a shipped one or a file"))
	}
	if err := c.Auth.validate(); err != nil {
		faults = append(faults, err)
	}
	if c.Timeout < 0 || c.SettleTime < 0 || c.Rate.PerSecond < 0 || c.Rate.Burst < 0 {
		faults = append(faults, errors.New("timeout, settle_time and rate must not be negative"))
	}
	return errors.Join(faults...)
}

// Connector is a connector.Connector by a definition. It keeps nothing but open connections, its rate, the session that it has at the system, and
// where it has been in the feeds that it is reading.
type Connector struct {
	definition *Definition
	system     string
	base       string
	auth       Auth
	timeout    time.Duration
	settle     time.Duration
	now        func() time.Time
	client     *nethttp.Client
	limiter    *limiter
	sessions   sessions
	hidden     hidden
	chains     chains
}

var _ connector.Connector = (*Connector)(nil)

// New loads the definition and checks the configuration. It sends nothing.
func New(c Config) (*Connector, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d, err := Load(c.Definition)
	if err != nil {
		return nil, err
	}
	return NewWith(c, d)
}

// NewWith is New with a definition that was parsed before; c.Definition is not looked at.
func NewWith(c Config, d *Definition) (*Connector, error) {
	if c.Definition == "" {
		c.Definition = d.System
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := c.Auth.fit(d); err != nil {
		return nil, err
	}
	con := &Connector{definition: d, system: first(c.Name, d.System), base: trimSlash(c.URL), auth: c.Auth, timeout: first(c.Timeout, d.timeout),
		settle: first(c.SettleTime, d.settle), now: c.Now}
	if con.now == nil {
		con.now = time.Now
	}
	con.sessions.place = make(chan struct{}, 1)
	rate := d.rate
	if c.Rate.PerSecond > 0 {
		rate = c.Rate
	}
	con.limiter = newLimiter(rate, con.now)
	transport := nethttp.DefaultTransport.(*nethttp.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	con.client = &nethttp.Client{Transport: transport,
		// A redirect would send a document to an address that nobody configured, perhaps twice.
		CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }}
	return con, nil
}

func first[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}

func trimSlash(s string) string {
	for len(s) > 0 && s[len(s)-1] == '/' {
		s = s[:len(s)-1]
	}
	return s
}

// Close closes idle connections.
func (c *Connector) Close() { c.client.CloseIdleConnections() }

// Kinds says which postings the definition describes.
func (c *Connector) Kinds() map[connector.Kind]connector.Style {
	kinds := map[connector.Kind]connector.Style{}
	for name, k := range c.definition.kinds {
		kinds[name] = k.style
	}
	return kinds
}

// SettleTime is the configuration's, or the definition's.
func (c *Connector) SettleTime() time.Duration { return c.settle }

type probe struct {
	request         *request
	expect, version *expression
}

// Probe asks the system what it is.
func (c *Connector) Probe(ctx context.Context) (connector.Metadata, error) {
	p := c.definition.probe
	got, err := c.do(ctx, p.request, values{}, "")
	if err != nil {
		return connector.Metadata{}, err
	}
	vars := got.read()
	fits, err := p.expect.bool(ctx, vars, true)
	if err != nil {
		return connector.Metadata{}, err
	}
	if !fits {
		return connector.Metadata{}, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "other_system",
			Text: fmt.Sprintf("%s answers, but is not %s", c.base, first(c.definition.Title, c.definition.System)), Remedy: "check the connector's url and definition"}
	}
	version, err := p.version.string(ctx, vars)
	return connector.Metadata{System: c.system, Version: version}, err
}
