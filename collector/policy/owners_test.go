package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const classesOnly = `classes:
  technical: {team: it, severity: error, due: 1h}
  data: {team: data-desk}
  process: {team: operations, due: 2h, escalation: late, calendar: dock}
`

// Shows: S21, S64
func TestWhoseAnExceptionIs(t *testing.T) {
	p := load(t, map[string]string{
		"calendars.yaml": "calendars: {dock: {zone: Europe/Berlin, hours: {mon-fri: \"06:00-22:00\"}}}\n",
		"regions.yaml":   "regions: {north: {sites: [dc-east]}}\n",
		"owners.yaml": classesOnly + `escalations: {late: {acknowledged: 2h, levels: [{after: 0s}, {after: 1h, team: managers, severity: error}]}}
teams: {operations: {mail: [dock@example.com]}}
codes:
  short_pick: {class: process, due: 30m}
patterns:
  - {match: "sap_*", class: data, team: sap-desk, severity: info}
  - {match: "sap_lock*", team: nobody}
tenants: {acme: {classes: {process: {team: acme-operations}}}}
regions: {north: {codes: {short_pick: {team: north}}}}
sites: {dc-east: {codes: {short_pick: {severity: error}}}}
customers: {C-9: {codes: {short_pick: {team: key-accounts, due: 10m}}}}
`})
	process, technical := docklinev1.FaultClass_FAULT_CLASS_PROCESS, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL
	for _, c := range []struct {
		of       policy.Scope
		code     string
		class    docklinev1.FaultClass
		want     string
		due      time.Duration
		severity docklinev1.Severity
	}{
		{policy.Scope{}, "short_pick", process, "process operations", 30 * time.Minute, 1},
		{policy.Scope{}, "short_pick", technical, "process operations", 30 * time.Minute, 1},
		{policy.Scope{Tenant: "acme"}, "short_pick", 0, "process acme-operations", 30 * time.Minute, 1},
		{policy.Scope{Tenant: "acme", Site: "dc-east"}, "short_pick", 0, "process north", 30 * time.Minute, 3},
		{policy.Scope{Tenant: "acme", Site: "dc-east", Customer: "C-9"}, "short_pick", 0, "process key-accounts", 10 * time.Minute, 3},
		{policy.Scope{}, "sap_locked", technical, "data sap-desk", 4 * time.Hour, 1},
		{policy.Scope{}, "from_a_plugin", technical, "technical it", time.Hour, 1},
		{policy.Scope{}, "from_a_plugin", 0, "technical it", time.Hour, 1},
	} {
		o := p.OwnerFor(c.of, c.code, c.class)
		severity := o.SeverityFor(docklinev1.Severity_SEVERITY_INFO)
		if o.Class+" "+o.Team != c.want || o.Due != c.due || severity != c.severity {
			t.Errorf("%+v %s: %+v, severity %s", c.of, c.code, o, severity)
		}
	}
	o := p.Owner("short_pick", 0)
	if e := p.Escalation(o); o.Calendar != "dock" || e.Pause() != 2*time.Hour || e.Stops() || len(e.Levels) != 2 || p.Calendar(o.Calendar) == nil {
		t.Errorf("escalation %+v of %+v", e, o)
	}
	if got := p.Owner("x", technical).SeverityFor(0); got != docklinev1.Severity_SEVERITY_ERROR {
		t.Errorf("the class's severity is %s", got)
	}
	if got := strings.Join(p.Teams(), " "); got != "acme-operations data-desk it key-accounts managers nobody north operations sap-desk" {
		t.Errorf("teams: %s", got)
	}
}

func TestFaultsOfOwners(t *testing.T) {
	for text, want := range map[string]string{
		"classes: {technical: {team: it}, data: {team: d}}":                                               "classes.process",
		classesOnly + "codes: {a: {calendar: moon}}":                                                      "owners.yaml:5: codes.a.calendar",
		classesOnly + "codes: {a: {class: sport}}":                                                        "codes.a.class",
		classesOnly + "codes: {a: {escalation: rocket}}":                                                  "codes.a.escalation",
		classesOnly + "sites: {dc-east: {codes: {a: {class: data}}}}":                                     "sites.dc-east.codes.a.class",
		classesOnly + "items: {A: {codes: {a: {team: x}}}}":                                               "items.A",
		classesOnly + "patterns: [{match: \"[\"}]":                                                        "patterns[0].match",
		classesOnly + "teams: {x: {mail: [nobody]}}":                                                      "teams.x.mail[0]",
		classesOnly + "escalations: {e: {acknowledged: sometimes, levels: []}}":                           "escalations.e.acknowledged",
		classesOnly + "escalations: {e: {levels: [{after: 1h}, {after: 1h}]}}":                            "escalations.e.levels[1].after",
		classesOnly + "default: {classes: {}}":                                                            "default",
		classesOnly + "codes: {a: {team: x}}\ncodes: {a: {team: y}}":                                      "owners.yaml:6",
		"classes: {technical: {team: it}, data: {team: d}, process: {team: p}}\nnotices: {hold: -1m}":     "notices",
		"classes: {technical: {team: it}, data: {team: d}, process: {team: p}}\ncodes: {a: {waive: may}}": "codes.a.waive",
	} {
		text = strings.ReplaceAll(text, "escalation: late, calendar: dock", "severity: info")
		if _, err := policy.Load(folder(map[string]string{"owners.yaml": text})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
