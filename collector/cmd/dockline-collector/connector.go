package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type connectorCommand struct {
	Try      connectorTryCommand      `cmd:"" help:"Ask a system what it is, what it has of a document, what it reports; show every request and answer."`
	Scaffold connectorScaffoldCommand `cmd:"" help:"Write the definition to begin with for a system that publishes its API as OpenAPI 3."`
	Shape    connectorShapeCommand    `cmd:"" help:"How a system's records are made, and what of that is otherwise than it was."`
}

type connectorTryCommand struct {
	person
	Name     string        `arg:"" help:"Name of the connector."`
	Tenant   string        `required:"" help:"Name of the tenant."`
	Document string        `type:"existingfile" help:"A document in JSON to look for, and with --apply to make: {\"goods_issue\": {\"order\": \"SO1\", ...}}."`
	Key      string        `default:"dockline-try" help:"The reference under which the document is looked for and made."`
	Revision int64         `default:"1" help:"The source version of a status or case."`
	Apply    bool          `help:"Make the document in the system. It is a real one: take one back that is not wanted."`
	Reason   string        `help:"With --apply, why, for those who ask later."`
	Changes  bool          `help:"Read the first changes that the system reports, and show what becomes of them. None is taken in."`
	Stock    string        `placeholder:"SITE" help:"Read the book of a site."`
	Timeout  time.Duration `default:"1m" help:"For each call."`
	JSON     bool          `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (connectorTryCommand) Help() string {
	return `Asks the system directly, with the connector's settings of collector.yaml, and shows for each call the requests, what was answered, what the definition
made of it, and of an error its class (technical: tried again; data, process: a person's case), code and remedy. Passwords, tokens and signatures are
hidden. Every call but --apply only reads. Nothing of it enters the collector's database but, with --apply, that you did it.

    dockline-collector connector try --tenant acme erp
    dockline-collector connector try --tenant acme erp --document issue.json --key SO1/S1
    dockline-collector connector try --tenant acme erp --document issue.json --key try-1 --apply --reason "first document"

The document's fields are those of Document in proto/dockline/v1/document.proto. --apply needs the scope posting.act where the tenant has users.

Exit code 0: every call was answered. 1: one was not, or the system refused. 2: there is no such connector, its definition has faults (each with its
line), or the document is none.`
}

// tried is what a try came to, as --json prints it.
type tried struct {
	Connector string      `json:"connector"`
	Tenant    string      `json:"tenant"`
	Calls     []triedCall `json:"calls"`
}

// triedCall is one call of the connector's contract.
type triedCall struct {
	Call     string          `json:"call"`
	Requests []triedExchange `json:"requests"`
	// Mapped is what the connector made of the answers.
	Mapped []string    `json:"mapped"`
	Fault  *triedFault `json:"fault,omitempty"`
}

type triedExchange struct {
	Purpose       string            `json:"purpose,omitempty"`
	Method        string            `json:"method"`
	URL           string            `json:"url"`
	Headers       map[string]string `json:"headers"`
	Body          string            `json:"body,omitempty"`
	Status        int               `json:"status"`
	AnswerHeaders map[string]string `json:"answer_headers"`
	Answer        string            `json:"answer,omitempty"`
	Error         string            `json:"error,omitempty"`
	Took          time.Duration     `json:"took"`
}

type triedFault struct {
	Class      string        `json:"class"`
	Code       string        `json:"code"`
	Text       string        `json:"text"`
	Remedy     string        `json:"remedy,omitempty"`
	Unknown    bool          `json:"unknown"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// Run makes the calls, one after the other, and goes on after one that failed, but makes nothing of what it could not look for.
func (c *connectorTryCommand) Run(all *commands) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	var tenants, names []string
	for _, n := range config.Connectors {
		if tenants = append(tenants, n.Tenant); n.Tenant == c.Tenant {
			names = append(names, n.Name)
		}
	}
	if len(config.Connectors) == 0 {
		return wrong("%s names no system under connectors: write an entry for %s there first", all.Config, c.Name)
	}
	if err := known("tenant", c.Tenant, tenants); err != nil {
		return err
	}
	if !slices.Contains(names, c.Name) {
		return wrong("tenant %s has no connector %s in %s; there is %v", c.Tenant, c.Name, all.Config, names)
	}
	ctx, stop := interruptible()
	defer stop()
	made, err := collector.OpenConnector(ctx, config, c.Tenant, c.Name)
	if err != nil {
		return wrongCall{err}
	}
	defer func() { _ = collector.CloseConnector(made) }()
	p, err := c.posting(made)
	if err != nil {
		return err
	}
	if c.Apply {
		if err := c.allowed(all); err != nil {
			return err
		}
	}
	return c.report(c.calls(ctx, made, p))
}

// posting is what is looked for, nil where nothing is.
func (c *connectorTryCommand) posting(made connector.Connector) (*connector.Posting, error) {
	if c.Document == "" {
		if c.Apply {
			return nil, wrong("--apply needs --document: what is to be made")
		}
		return nil, nil
	}
	text, err := os.ReadFile(c.Document)
	if err != nil {
		return nil, err
	}
	d := &docklinev1.Document{}
	if err := protojson.Unmarshal(text, d); err != nil {
		return nil, wrong("%s is no document: %v; write {\"goods_issue\": {\"order\": \"SO1\", \"lines\": [...]}}, with the fields of document.proto", c.Document, err)
	}
	kind, kinds := connector.KindOf(d), made.Kinds()
	if _, takes := kinds[kind]; !takes {
		var there []string
		for k := range kinds {
			there = append(there, string(k))
		}
		slices.Sort(there)
		return nil, wrong("%s holds a document of kind %q, and %s takes none; it takes %v", c.Document, kind, c.Name, there)
	}
	p := &connector.Posting{Tenant: c.Tenant, Kind: kind, Key: c.Key, SourceVersion: c.Revision, Document: d}
	if order := connector.ContentOf(d).Order; order != "" {
		p.CorrelationID = event.CorrelationID(c.Tenant, order)
	}
	return p, nil
}

// allowed records that the person makes a document, where he may.
func (c *connectorTryCommand) allowed(all *commands) error {
	if c.Reason == "" {
		return wrong("--apply needs --reason: a document is made in the system")
	}
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		return d.Write(ctx, func(tx *db.Tx) error {
			return people.Act(ctx, tx, people.PostingAct, audit.Act{Tenant: c.Tenant, By: c.name(), Action: "connector.try", Object: "connector/" + c.Name, Reason: c.Reason,
				Detail: map[string]any{"key": c.Key}}, time.Now())
		})
	})
}

func (c *connectorTryCommand) calls(ctx context.Context, made connector.Connector, p *connector.Posting) tried {
	out := tried{Connector: c.Name, Tenant: c.Tenant}
	call := func(name string, f func(context.Context) ([]string, error)) (answered bool) { // what went wrong stands in the call
		one := triedCall{Call: name, Requests: []triedExchange{}, Mapped: []string{}}
		ctx, end := context.WithTimeout(ctx, c.Timeout)
		defer end()
		mapped, err := f(connector.WithTrace(ctx, func(ex connector.Exchange) { one.Requests = append(one.Requests, triedExchange(ex)) }))
		one.Mapped = append(one.Mapped, mapped...)
		one.Fault = faultOf(err)
		out.Calls = append(out.Calls, one)
		return err == nil
	}
	call("probe", func(ctx context.Context) ([]string, error) {
		m, err := made.Probe(ctx)
		if err != nil {
			return nil, err
		}
		return []string{fmt.Sprintf("it is %s, version %q", m.System, m.Version)}, nil
	})
	if p != nil {
		found := call("find", func(ctx context.Context) ([]string, error) {
			documents, err := made.Find(ctx, p)
			return foundLines(documents), err
		})
		if c.Apply && found {
			call("apply", func(ctx context.Context) ([]string, error) {
				r, err := made.Apply(ctx, p)
				return appliedLines(r), err
			})
		}
	}
	if c.Changes {
		call("changes", func(ctx context.Context) ([]string, error) {
			changes, err := made.Changes(ctx, nil)
			return changeLines(changes), err
		})
	}
	if c.Stock != "" {
		call("stock", func(ctx context.Context) ([]string, error) {
			events, err := made.Snapshot(ctx, connector.Scope{Site: c.Stock})
			return stockLines(c.Stock, events), err
		})
	}
	return out
}

func faultOf(err error) *triedFault {
	if err == nil {
		return nil
	}
	f, ok := errors.AsType[*connector.Fault](err)
	if !ok {
		return &triedFault{Class: "technical", Code: "unclassified", Text: err.Error()}
	}
	text := f.Text
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return &triedFault{Class: faultClass(f.Class), Code: f.Code, Text: text, Remedy: f.Remedy, Unknown: f.Unknown, RetryAfter: f.RetryAfter}
}
