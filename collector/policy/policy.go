// Package policy reads what the business decides as data: a folder of YAML files with CEL expressions, checked when it is loaded.
package policy

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dockline/dockline/collector/calendar"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

//go:embed default/*.yaml
var builtIn embed.FS

// Policy is one version of the rules. It does not change and is safe for concurrent use.
type Policy struct {
	// Version is 16 hex digits of the hash of all files.
	Version string
	Targets []Target
	// Retention is how long what has ended stays in the database.
	Retention Retention
	// Mapping resolves items and units where no tenant is asked for; it is what package state folds with.
	Mapping *Mapping
	// Ownership is who owns what where nothing else is said; OwnershipIn knows places too.
	Ownership *ownership.Registry
	// Notices are how people are told of exceptions.
	Notices Notices

	calendars   map[string]*calendar.Calendar
	regions     map[string]string // by site
	fulfilment  *scoped[Fulfilment]
	limits      *scoped[Limits]
	timing      *scoped[Timing]
	stock       *scoped[Stock]
	owned       owned
	milestones  *milestones
	routing     *routing
	releases    []Release
	owners      *scoped[OwnerRules]
	teams       map[string]Team
	escalations map[string]Escalation
	approvals   approvals
	explainers  map[string]func(Scope, string) []Said // of files with sections, by name
	places      sync.Map                              // files that were asked where something stands, by name
	files       map[string][]byte
	warnings    configfile.Faults
	scopes      []Named
	postings    *postings
	own         []string // the files that the folder had, sorted
}

// Target is a system that is told things, by the name of its connector.
type Target struct {
	Name string         `yaml:"name"`
	Role ownership.Role `yaml:"role"`
}

// OverShip is what becomes of the goods issue of a shipment that took too much.
type OverShip string

const (
	// Hold posts nothing until the order covers the shipment.
	Hold OverShip = "hold"
	// Post posts it as it left.
	Post OverShip = "post"
)

// Limits are how much the business tolerates.
type Limits struct {
	// OverShipTolerance is in percent of the line's ordered quantity, decimal.
	OverShipTolerance string   `yaml:"over_ship_tolerance"`
	OverShip          OverShip `yaml:"over_ship"`
}

// Timing is how long facts wait for others; default/timing.yaml says what each is.
type Timing struct {
	OrphanWait       time.Duration `yaml:"orphan_wait"`
	SubmitWait       time.Duration `yaml:"submit_wait"`
	CountWait        time.Duration `yaml:"count_wait"`
	PickWait         time.Duration `yaml:"pick_wait"`
	RemainderWait    time.Duration `yaml:"remainder_wait"`
	ReceiptWait      time.Duration `yaml:"receipt_wait"`
	ClockUncertainty time.Duration `yaml:"clock_uncertainty"`
}

// Timing is how long facts wait for a scope.
func (p *Policy) Timing(of Scope) Timing {
	t := p.timing.of(of, "")
	if t.ReceiptWait == 0 { // a folder from before there was such a time
		t.ReceiptWait = 24 * time.Hour
	}
	return t
}

// Stock is what may be promised of an item for a scope.
func (p *Policy) Stock(of Scope, item string) Stock { return p.stock.of(of, item) }

// Default is the built-in policy.
func Default() *Policy {
	p, err := compile(nil, false)
	if err != nil {
		panic("policy: the built-in policy does not load: " + err.Error())
	}
	return p
}

// Load reads a policy folder. The error is configfile.Faults, every fault with its file and line.
func Load(folder fs.FS) (*Policy, error) { return load(folder, 0) }

// Warnings are what is not wrong but most likely not meant.
func (p *Policy) Warnings() configfile.Faults { return p.warnings }

// WithTargets is p with other targets, for a collector without a policy folder whose connectors are the targets.
func (p *Policy) WithTargets(targets []Target) (*Policy, error) {
	var b strings.Builder
	b.WriteString("targets:\n")
	for _, t := range targets {
		fmt.Fprintf(&b, "  - {name: %q, role: %q}\n", t.Name, t.Role)
	}
	if len(targets) == 0 {
		b.Reset()
		b.WriteString("targets: []\n")
	}
	files := maps.Clone(p.files)
	files["targets.yaml"] = []byte(b.String())
	made, err := compile(files, false)
	if err == nil {
		made.own = p.own
	}
	return made, err
}

// Body is the whole policy in one piece, to be kept beside what was decided by it.
func (p *Policy) Body() []byte {
	body, err := json.Marshal(p.files)
	if err != nil {
		panic("policy: " + err.Error()) // a map of strings and bytes always marshals
	}
	return body
}

// FromBody is the policy that gave this Body, with the same version.
func FromBody(body []byte) (*Policy, error) {
	files := make(map[string][]byte)
	if err := json.Unmarshal(body, &files); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	p, err := compile(files, true)
	if err == nil {
		p.Version = version(files) // of a body that was kept before there was some file, what it was then
	}
	return p, err
}

// compile checks files, those that are missing being the built-in ones. What was kept of a version may say what a folder may not say any more.
func compile(files map[string][]byte, kept bool) (*Policy, error) {
	files = maps.Clone(files)
	if files == nil {
		files = make(map[string][]byte)
	}
	for _, name := range fileNames() {
		if _, ok := files[name]; !ok {
			text, err := builtIn.ReadFile("default/" + name)
			if err != nil {
				return nil, fmt.Errorf("built-in policy: %w", err)
			}
			files[name] = text
		}
	}
	p := &Policy{files: files, Version: version(files)}
	c := &compiler{policy: p, kept: kept}
	for _, part := range parts {
		part.read(c)
	}
	slices.SortFunc(c.scopes, func(a, b Named) int {
		return cmp.Or(cmp.Compare(a.Rule.File, b.Rule.File), cmp.Compare(a.Rule.Line, b.Rule.Line), cmp.Compare(a.Name, b.Name))
	})
	p.warnings, p.scopes = c.warnings, c.scopes
	if err := c.faults.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

func version(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %d\n", name, len(files[name]))
		h.Write(files[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// RoleOf is the part that the source of an event plays.
func (p *Policy) RoleOf(e *docklinev1.Event) ownership.Role {
	switch {
	case e.GetSite() != "":
		return ownership.Site
	case e.GetSource() == Self:
		return ownership.Dockline
	}
	for _, t := range p.Targets {
		if t.Name == e.GetSource() {
			return t.Role
		}
	}
	if name, _, _ := strings.Cut(e.GetSource(), "/"); name == API {
		return ownership.API
	}
	return ownership.Stranger
}

// API is the source of what is handed in at the centre, by itself or with the name of a channel behind it: "api/shop".
const API = "api"

// Self is the source of the centre's own facts.
const Self = "dockline"

// OfRole names the targets with a role.
func (p *Policy) OfRole(role ownership.Role) []string {
	var names []string
	for _, t := range p.Targets {
		if t.Role == role {
			names = append(names, t.Name)
		}
	}
	return names
}

const amendment = connector.OrderAmendment

// kinds are the postings that a route can name.
var kinds = []connector.Kind{connector.GoodsIssue, connector.InvoiceTrigger, connector.StockAdjustment, connector.OrderStatus, connector.ServiceCase,
	connector.OrderAmendment, connector.OrderCreate, connector.ReturnReceipt, connector.CreditRequest}
