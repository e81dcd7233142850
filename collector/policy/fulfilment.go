package policy

import (
	"cmp"
	"fmt"
	"maps"
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

	tolerance int64
}

// Tolerated is how much more than ordered may leave; all are millionths.
func (f Fulfilment) Tolerated(ordered int64) int64 {
	return mulDiv(max(0, ordered), f.tolerance, 100_000_000)
}

// ProofRequired: an order is closed only when its delivery is proved.
func (f Fulfilment) ProofRequired() bool { return f.ProofOfDelivery == "required" }

// fulfilments are the rules by scope.
type fulfilments struct {
	Default   Fulfilment            `yaml:"default"`
	Sites     map[string]Fulfilment `yaml:"sites"`
	Items     map[string]Fulfilment `yaml:"items"`
	Customers map[string]Fulfilment `yaml:"customers"`
}

// Fulfilment is what holds for an item of a customer's order at a site; an empty name is none.
func (p *Policy) Fulfilment(customer, item, site string) Fulfilment {
	f := p.fulfilment.Customers[customer]
	for _, next := range []Fulfilment{p.fulfilment.Items[item], p.fulfilment.Sites[site], p.fulfilment.Default} {
		f.Remainder, f.Substitution = cmp.Or(f.Remainder, next.Remainder), cmp.Or(f.Substitution, next.Substitution)
		f.OverShip, f.Invoice = cmp.Or(f.OverShip, next.OverShip), cmp.Or(f.Invoice, next.Invoice)
		f.ProofOfDelivery = cmp.Or(f.ProofOfDelivery, next.ProofOfDelivery)
		if f.OverShipTolerance == "" {
			f.OverShipTolerance, f.tolerance = next.OverShipTolerance, next.tolerance
		}
	}
	return f
}

func (c *compiler) fulfilment() {
	content := fulfilments{}
	file := c.read("fulfilment.yaml", &content)
	if file == nil {
		return
	}
	limits := c.policy.Limits
	content.Default = c.checkFulfilment(file, "default", content.Default)
	d := &content.Default
	d.Remainder, d.Substitution = cmp.Or(d.Remainder, RemainderNone), cmp.Or(d.Substitution, SubstitutionApproval)
	d.Invoice, d.OverShip = cmp.Or(d.Invoice, InvoiceShipped), cmp.Or(d.OverShip, limits.OverShip)
	if d.OverShipTolerance == "" {
		d.OverShipTolerance, d.tolerance = cmp.Or(limits.OverShipTolerance, "0"), limits.tolerance
	}
	for _, scope := range []struct {
		name  string
		rules map[string]Fulfilment
	}{{"sites", content.Sites}, {"items", content.Items}, {"customers", content.Customers}} {
		for _, name := range slices.Sorted(maps.Keys(scope.rules)) {
			key := scope.name + "." + name
			rule := c.checkFulfilment(file, key, scope.rules[name])
			if scope.name == "items" && rule.Remainder != "" {
				c.bad(file, key+".remainder", "what becomes of a remainder is said by customer or site, not by item")
			}
			if scope.name != "customers" && rule.ProofOfDelivery != "" {
				c.bad(file, key+".proof_of_delivery", "proof of delivery is asked for by customer, or by default")
			}
			scope.rules[name] = rule
		}
	}
	c.policy.fulfilment = content
}

func (c *compiler) checkFulfilment(file *configfile.File, key string, f Fulfilment) Fulfilment {
	check := func(field, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			c.bad(file, key+"."+field, "%q: one of %v", value, allowed)
		}
	}
	check("remainder", string(f.Remainder), "none", "keep", "cancel", "split", "ask")
	check("substitution", string(f.Substitution), "allow", "approval", "forbid")
	check("over_ship", string(f.OverShip), string(Hold), string(Post))
	check("invoice", f.Invoice, InvoiceShipped, InvoiceTolerance, InvoiceOrdered)
	check("proof_of_delivery", f.ProofOfDelivery, "none", "required")
	if f.OverShipTolerance != "" {
		tolerance, err := event.ParseQuantity(f.OverShipTolerance)
		if err != nil || tolerance < 0 {
			c.bad(file, key+".over_ship_tolerance", "%q: give percent as a decimal number, like \"2.5\"", f.OverShipTolerance)
		}
		f.tolerance = tolerance
	}
	return f
}

// Unsupported names the routes that send an order amendment, by name, to a target that takes none: what it is there for would never be told.
func (p *Policy) Unsupported(takes func(target string) bool) []string {
	var texts []string
	for i, r := range p.routes {
		if r.kind != amendment || !r.named {
			continue
		}
		for _, name := range r.targets {
			if !takes(name) {
				texts = append(texts, fmt.Sprintf("routing.yaml, route %d: %s takes no %s: not supported; leave the route out, and a person enters what changes", i+1, name, amendment))
			}
		}
	}
	return texts
}
