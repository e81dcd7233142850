package exception

import "github.com/dockline/dockline/collector/policy"

// Owned completes an exception that a stage has found by the rule table of policy: its class, who must act, how bad it is, and how long he
// has of whose working time. Class and severity are the finder's words, which the table may overrule.
func (d Desired) Owned(p *policy.Policy, tenant string) Desired {
	owner := p.OwnerAbout(p.Scope(tenant, d.Site, d.Customer), d.Code, d.Class, d.About)
	d.About = owner.About
	d.Class, d.Severity = owner.ClassOf(d.Class), owner.SeverityFor(d.Severity)
	d.Due, d.Calendar = owner.Due, p.Calendar(owner.Calendar)
	if d.Team == "" { // a finder that names a team knows better: the owner of what was touched
		d.Team = owner.Team
	}
	return d
}

// OwnerOf is the rule of an exception that is kept.
func OwnerOf(p *policy.Policy, e *Exception) policy.Owner {
	return p.OwnerFor(p.Scope(e.Tenant, e.Site, e.Customer), e.Code, e.Class)
}
