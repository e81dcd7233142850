package policy

import (
	"maps"
	"slices"

	"github.com/dockline/dockline/collector/calendar"
)

// Calendar is the working time of this name in calendars.yaml; nil, which is round the clock, for "" and for a name that is not there.
func (p *Policy) Calendar(name string) *calendar.Calendar { return p.calendars[name] }

// Always is the calendar that everybody has: round the clock.
const Always = "always"

// hasCalendar says whether a file may name this calendar.
func (p *Policy) hasCalendar(name string) bool {
	_, ok := p.calendars[name]
	return ok || name == "" || name == Always
}

func (c *compiler) calendars() {
	var content struct {
		Calendars map[string]calendar.Spec `yaml:"calendars"`
	}
	file := c.read("calendars.yaml", &content)
	if file == nil {
		return
	}
	c.policy.calendars = make(map[string]*calendar.Calendar)
	for _, name := range slices.Sorted(maps.Keys(content.Calendars)) {
		key := "calendars." + name
		if name == Always || name == "" {
			c.bad(file, key, "%q is the name for round the clock; take another", name)
		}
		made, faults := content.Calendars[name].Compile()
		for _, f := range faults {
			c.bad(file, key+"."+f.Key, "%s", f.Text)
		}
		c.policy.calendars[name] = made
	}
}
