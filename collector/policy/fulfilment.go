package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dockline/dockline/proto/configfile"
	"github.com/dockline/dockline/proto/event"
)

// Remainder is what becomes of the rest of a line that a site could not bring.
type Remainder string

// The remainder rules; default/fulfilment.yaml says what each does.
const (
	RemainderNone   Remainder = "none"
	RemainderKeep   Remainder = "keep"
	RemainderCancel Remainder = "cancel"
	RemainderSplit  Remainder = "split"
	RemainderAsk    Remainder = "ask"
)

// Substitution is whether a site may pick another item.
type Substitution string

// The rules for substitution.
const (
	SubstitutionAllowed   Substitution = "allow"
	SubstitutionApproval  Substitution = "approval"
	SubstitutionForbidden Substitution = "forbid"
)

// What of a shipment beyond the order may be invoiced.
const (
	InvoiceShipped   = "shipped"
	InvoiceTolerance = "tolerance"
	InvoiceOrdered   = "ordered"
)

// Fulfilment is what holds for one customer, item or site; an empty field leaves it to the next.
type Fulfilment struct {
	Remainder         Remainder    `yaml:"remainder"`
	Substitution      Substitution `yaml:"substitution"`
	OverShipTolerance string       `yaml:"over_ship_tolerance"`
	OverShip          OverShip     `yaml:"over_ship"`
	Invoice           string       `yaml:"invoice"`
	ProofOfDelivery   string       `yaml:"proof_of_delivery"`
	// Substitutes are the items, by their codes in the system of record, that a person may send for this one when it is missing.
	Substitutes []string `yaml:"substitutes"`
	// Credit are the dispositions of returned goods that are credited.
	Credit []string `yaml:"credit"`
}

// Tolerated is how much more than ordered may leave; all are millionths.
func (f Fulfilment) Tolerated(ordered int64) int64 {
	tolerance, err := event.ParseQuantity(f.OverShipTolerance)
	if err != nil {
		return 0 // nothing is said; what is said was checked
	}
	return mulDiv(max(0, ordered), tolerance, 100_000_000)
}

// ProofRequired: an order is closed only when its delivery is proved.
func (f Fulfilment) ProofRequired() bool { return f.ProofOfDelivery == "required" }

// Credits tells whether goods that came back are credited once this was done with them.
func (f Fulfilment) Credits(disposition string) bool { return slices.Contains(f.Credit, disposition) }

// dispositions are what a site does with goods that came back.
var dispositions = []string{"restock", "refurbish", "quarantine", "scrap", "to_vendor"}

// Fulfilment is what holds for a scope and an item of an order; an empty name is none.
func (p *Policy) Fulfilment(of Scope, item string) Fulfilment {
	f := p.fulfilment.of(of, item)
	if f.OverShip == "" || f.OverShipTolerance == "" {
		limits := p.limits.of(of, item)
		f.OverShip, f.OverShipTolerance = cmp.Or(f.OverShip, limits.OverShip), cmp.Or(f.OverShipTolerance, limits.OverShipTolerance, "0")
	}
	return f
}

// explainFulfilment is what holds for a scope and an item, with the limits where fulfilment.yaml says none.
func (p *Policy) explainFulfilment(of Scope, item string) []Said {
	said := p.fulfilment.explain(of, item)
	for _, limit := range p.limits.explain(of, item) {
		if !slices.ContainsFunc(said, func(s Said) bool { return s.Key == limit.Key }) {
			said = append(said, limit)
		}
	}
	slices.SortFunc(said, func(a, b Said) int { return cmp.Compare(a.Key, b.Key) })
	return said
}

func (c *compiler) fulfilment() {
	rules := readScoped[Fulfilment](c, "fulfilment.yaml")
	if rules == nil {
		return
	}
	rules.each(func(section, key string, f *Fulfilment) {
		c.checkFulfilment(rules.file, key, *f)
		if section == "items" && f.Remainder != "" {
			c.bad(rules.file, key+".remainder", "what becomes of a remainder is said by customer or site, not by item")
		}
		if (section == "sites" || section == "items") && f.ProofOfDelivery != "" {
			c.bad(rules.file, key+".proof_of_delivery", "proof of delivery is asked for by customer, by tenant or by default")
		}
	})
	d := &rules.Default
	rules.fallback = make(map[string]Said)
	for _, key := range []string{"remainder", "substitution", "invoice", "credit"} {
		rules.fallback[key] = Said{Key: key, Rule: c.policy.ruleAt("fulfilment.yaml", key)}
	}
	d.Remainder, d.Substitution, d.Invoice = cmp.Or(d.Remainder, RemainderNone), cmp.Or(d.Substitution, SubstitutionApproval), cmp.Or(d.Invoice, InvoiceShipped)
	if d.Credit == nil {
		d.Credit = []string{"restock", "refurbish", "scrap", "to_vendor"}
	}
	c.policy.fulfilment = rules
	c.policy.explainers[rules.file.Name] = c.policy.explainFulfilment
}

func (c *compiler) checkFulfilment(file *configfile.File, key string, f Fulfilment) {
	check := func(field, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			c.bad(file, key+"."+field, "%q: one of %v", value, allowed)
		}
	}
	check("remainder", string(f.Remainder), "none", "keep", "cancel", "split", "ask")
	check("substitution", string(f.Substitution), "allow", "approval", "forbid")
	check("over_ship", string(f.OverShip), string(Hold), string(Post))
	check("invoice", f.Invoice, InvoiceShipped, InvoiceTolerance, InvoiceOrdered)
	for _, disposition := range f.Credit {
		check("credit", disposition, dispositions...)
	}
	check("proof_of_delivery", f.ProofOfDelivery, "none", "required")
	for i, item := range f.Substitutes {
		if item == "" || slices.Contains(f.Substitutes[:i], item) {
			c.bad(file, fmt.Sprintf("%s.substitutes[%d]", key, i), "%q: name each item once, by its code in the system of record", item)
		}
	}
	if f.OverShipTolerance != "" {
		tolerance, err := event.ParseQuantity(f.OverShipTolerance)
		if err != nil || tolerance < 0 {
			c.bad(file, key+".over_ship_tolerance", "%q: give percent as a decimal number, like \"2.5\"", f.OverShipTolerance)
		}
	}
}

// Unsupported names the routes that send an order amendment, by name, to a target that takes none: what it is there for would never be told.
func (p *Policy) Unsupported(takes func(target string) bool) []string {
	var texts []string
	for _, r := range p.routing.all() {
		if r.kind != amendment || !r.named {
			continue
		}
		for _, name := range r.targets {
			if !takes(name) {
				texts = append(texts, fmt.Sprintf("routing.yaml, line %d (%s): %s takes no %s: not supported; leave the route out, and a person enters what changes", r.rule.Line, r.rule.Key, name, amendment))
			}
		}
	}
	return texts
}
