package agent

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dockline/dockline/agent/host"
	"github.com/dockline/dockline/agent/rule"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// RulesConfig is what the site looks at when it captures.
type RulesConfig struct {
	DoubleScan []DoubleScanRule `yaml:"double_scan"`
	Unknown    UnknownRules     `yaml:"unknown"`
	// CheckDigits is what is done about a GTIN or SSCC whose check digit does not fit.
	CheckDigits rule.Answer `yaml:"check_digits"`
}

// DoubleScanRule protects a step, an event kind, from a second scan within a time.
type DoubleScanRule struct {
	Step   string        `yaml:"step"`
	Within time.Duration `yaml:"within"`
}

// UnknownRules say for each kind of code what is done about one that the centre does not know: ignore, warn or refuse.
type UnknownRules struct {
	Item     rule.Answer `yaml:"item"`
	GTIN     rule.Answer `yaml:"gtin"`
	Unit     rule.Answer `yaml:"unit"`
	Bin      rule.Answer `yaml:"bin"`
	Reason   rule.Answer `yaml:"reason"`
	Customer rule.Answer `yaml:"customer"`
}

// Bounds of double_scan.within: less is no protection, more would swallow a second deed.
const minWithin, maxWithin = time.Second, 10 * time.Minute

func (u UnknownRules) answers() map[docklinev1.MasterKind]rule.Answer {
	return map[docklinev1.MasterKind]rule.Answer{
		docklinev1.MasterKind_MASTER_KIND_ITEM: u.Item, docklinev1.MasterKind_MASTER_KIND_GTIN: u.GTIN, docklinev1.MasterKind_MASTER_KIND_UNIT: u.Unit,
		docklinev1.MasterKind_MASTER_KIND_BIN: u.Bin, docklinev1.MasterKind_MASTER_KIND_REASON: u.Reason, docklinev1.MasterKind_MASTER_KIND_CUSTOMER: u.Customer,
	}
}

var answers = []rule.Answer{rule.Ignore, rule.Warn, rule.Refuse}

func (r RulesConfig) validate(bad func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for i, d := range r.DoubleScan {
		key := fmt.Sprintf("rules.double_scan[%d]", i)
		kind, known := event.ParseKind(d.Step)
		switch {
		case !known || !protectable(kind):
			bad(key+".step", "%q: give a step at which goods are scanned, like pick.confirmed, pack.confirmed or shipment.departed", d.Step)
		case seen[d.Step]:
			bad(key+".step", "%q is there twice", d.Step)
		}
		seen[d.Step] = true
		if d.Within < minWithin || d.Within > maxWithin {
			bad(key+".within", "%s: give %s to %s", d.Within, minWithin, maxWithin)
		}
	}
	if !slices.Contains(answers, r.CheckDigits) {
		bad("rules.check_digits", "%q: one of ignore, warn, refuse", string(r.CheckDigits))
	}
	byKind := r.Unknown.answers()
	for _, check := range rule.Checks {
		if a := byKind[check.Kind]; !slices.Contains(answers, a) {
			bad("rules.unknown."+check.Name, "%q: one of ignore, warn, refuse", string(a))
		}
	}
}

// unscanned are kinds, or objects of kinds, that nobody scans at a site.
var unscanned = []string{"order.", "invoice.", "credit_memo.", "quote.", "backorder.", "transport.", "inbound.", "command.", "stream.", "record.", "policy.", "exception.",
	"milestone.", "agent.", "error.", "stock.snapshot", "count.approved", "shipment.over_shipped", "return.requested", "return.authorised", "return.denied", "return.cancelled"}

// protectable says whether a kind is a scan at a site, and no word of the centre or of the machinery.
func protectable(kind docklinev1.EventKind) bool {
	name := event.KindName(kind)
	return !slices.ContainsFunc(unscanned, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// clone shares nothing with r: what the centre gives is read into it.
func (r RulesConfig) clone() RulesConfig {
	r.DoubleScan = slices.Clone(r.DoubleScan)
	return r
}

func (r RulesConfig) equal(other RulesConfig) bool {
	return r.Unknown == other.Unknown && r.CheckDigits == other.CheckDigits && slices.Equal(r.DoubleScan, other.DoubleScan)
}

// newRules makes the rules that the configuration asks for.
func newRules(c RulesConfig, known func(kind docklinev1.MasterKind, code string) bool) *rule.Rules {
	config := rule.Config{Codes: c.Unknown.answers(), CheckDigits: c.CheckDigits, Known: known}
	for _, d := range c.DoubleScan {
		kind, _ := event.ParseKind(d.Step)
		config.Doubles = append(config.Doubles, rule.Double{Step: kind, Within: d.Within})
	}
	return rule.New(config)
}

// hostRules gives host the rules in the shape that it declares.
type hostRules struct{ *rule.Rules }

func (r hostRules) Begin(now time.Time) host.RuleEntry { return r.Rules.Begin(now) }

// maxKnown bounds how many answers are remembered.
const maxKnown = 20_000

// masterData remembers what the inbox knows of codes: every line of every event is looked up.
type masterData struct {
	look func(kind docklinev1.MasterKind, code string) (known bool)

	mu      sync.Mutex
	answers map[masterCode]bool
	// changes counts the changes, so that an answer from before one is not remembered behind it.
	changes int
}

type masterCode struct {
	kind docklinev1.MasterKind
	code string
}

func (m *masterData) known(kind docklinev1.MasterKind, code string) bool {
	m.mu.Lock()
	known, asked := m.answers[masterCode{kind, code}]
	changes := m.changes
	m.mu.Unlock()
	if asked {
		return known
	}
	known = m.look(kind, code)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answers == nil || len(m.answers) >= maxKnown {
		m.answers = map[masterCode]bool{}
	}
	if m.changes == changes {
		m.answers[masterCode{kind, code}] = known
	}
	return known
}

// forget is called when the inbox has other master data.
func (m *masterData) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers = nil
	m.changes++
}
