package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"time"

	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Team is who must act, and how they are told.
type Team struct {
	// Mail are addresses that notices go to. Users of the team who have an address get them besides.
	Mail []string `yaml:"mail"`
}

// Escalation is what happens when an exception is not settled in time.
type Escalation struct {
	// Acknowledged is what an acknowledgement does: "continue" changes nothing, "stop" ends the escalation, a time like "4h" lets the levels
	// wait so long, in working time, from the acknowledgement on. "" is continue.
	Acknowledged string `yaml:"acknowledged"`
	// Levels are in the order in which they come.
	Levels []Level `yaml:"levels"`

	pause time.Duration
}

// Level is one step of an escalation; each happens once.
type Level struct {
	// After is how long after the due time, in working time of the exception's calendar.
	After time.Duration `yaml:"after"`
	// Team has it from then on, Person is assigned to it; both are told. Without either the team that has it is told again.
	Team   string `yaml:"team"`
	Person string `yaml:"person"`
	// Severity is what it is at least from then on.
	Severity string `yaml:"severity"`
}

// Notices are how people are told.
type Notices struct {
	// Hold is how long a notice waits for others of its group, and Window how long the group then has no other; 0 are a minute and an hour.
	Hold   time.Duration `yaml:"hold"`
	Window time.Duration `yaml:"window"`
	// Severity is the least that people are told of when it opens; escalations are told always. "" is warning.
	Severity string `yaml:"severity"`
}

// Escalation is what happens with an exception of this owner that is late; one without levels is none.
func (p *Policy) Escalation(o Owner) Escalation { return p.escalations[o.Escalation] }

// Team is a team by its name; one that only rules name has no addresses.
func (p *Policy) Team(name string) Team { return p.teams[name] }

// Stops says whether an acknowledgement ends the escalation.
func (e Escalation) Stops() bool { return e.Acknowledged == "stop" }

// Pause is how long the levels wait from an acknowledgement on.
func (e Escalation) Pause() time.Duration { return e.pause }

// SeverityOf is the level's severity for the wire, unspecified where it says none.
func (l Level) SeverityOf() docklinev1.Severity { return severities[l.Severity] }

// Least is the least severity that people are told of when it opens.
func (n Notices) Least() docklinev1.Severity { return severities[cmp.Or(n.Severity, "warning")] }

func (c *compiler) escalating(file *configfile.File) {
	p := c.policy
	for _, name := range slices.Sorted(maps.Keys(p.escalations)) {
		key := "escalations." + name
		e := p.escalations[name]
		if name == "none" {
			c.bad(file, key, "%q is the name for no escalation; take another", name)
		}
		switch e.Acknowledged {
		case "", "continue", "stop":
		default:
			pause, err := time.ParseDuration(e.Acknowledged)
			if err != nil || pause <= 0 {
				c.bad(file, key+".acknowledged", "%q: continue, stop, or a time like 4h", e.Acknowledged)
			}
			e.pause = pause
		}
		p.escalations[name] = e
		for i, l := range e.Levels {
			c.checkLevel(file, fmt.Sprintf("%s.levels[%d]", key, i), l, e.Levels[:i])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.teams)) {
		for i, address := range p.teams[name].Mail {
			if _, err := mail.ParseAddress(address); err != nil {
				c.bad(file, fmt.Sprintf("teams.%s.mail[%d]", name, i), "%q is no address of mail", address)
			}
		}
	}
	n := &p.Notices
	if _, ok := severities[n.Severity]; !ok && n.Severity != "" {
		c.bad(file, "notices.severity", "%q: info, warning or error", n.Severity)
	}
	if n.Hold < 0 || n.Window < 0 {
		c.bad(file, "notices", "a time to wait cannot be below zero")
	}
	n.Hold, n.Window = cmp.Or(n.Hold, time.Minute), cmp.Or(n.Window, time.Hour)
}

func (c *compiler) checkLevel(file *configfile.File, key string, l Level, before []Level) {
	if l.After < 0 || len(before) > 0 && l.After <= before[len(before)-1].After {
		c.bad(file, key+".after", "%s: a level comes at or after the due time, and later than the one before", l.After)
	}
	if _, ok := severities[l.Severity]; !ok && l.Severity != "" {
		c.bad(file, key+".severity", "%q: info, warning or error", l.Severity)
	}
	if _, ok := c.policy.teams[l.Team]; !ok && l.Team != "" {
		c.policy.teams[l.Team] = Team{}
	}
}
