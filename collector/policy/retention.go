package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/proto/configfile"
)

// What has a term in retention.yaml, each with what hangs together with it.
const (
	KeepOrders    = "orders"
	KeepReturns   = "returns"
	KeepInbound   = "inbound"
	KeepMovements = "movements"
	KeepRecords   = "records"
	KeepEvents    = "events"
)

// keptClasses are all of them.
var keptClasses = []string{KeepOrders, KeepReturns, KeepInbound, KeepMovements, KeepRecords, KeepEvents}

// Retention is how long what has ended stays in the database; default/retention.yaml says what each is.
type Retention struct {
	Keep    map[string]string            `yaml:"keep"`
	Tenants map[string]map[string]string `yaml:"tenants"`

	terms map[string]map[string]time.Duration // by tenant, "" for all
}

// Term is how long what has ended of a class stays with a tenant, from its last event on; 0 is for ever.
func (r Retention) Term(tenant, class string) time.Duration {
	if term, ok := r.terms[tenant][class]; ok {
		return term
	}
	return r.terms[""][class]
}

// leastTerm: what is younger may be told late, or be asked for every day.
const leastTerm = 30 * 24 * time.Hour

func (c *compiler) retention() {
	var content Retention
	file := c.read("retention.yaml", &content)
	if file == nil {
		return
	}
	content.terms = map[string]map[string]time.Duration{"": c.terms(file, "keep", content.Keep)}
	for _, tenant := range slices.Sorted(maps.Keys(content.Tenants)) {
		content.terms[tenant] = c.terms(file, "tenants."+tenant, content.Tenants[tenant])
	}
	c.policy.Retention = content
}

func (c *compiler) terms(file *configfile.File, at string, said map[string]string) map[string]time.Duration {
	terms := make(map[string]time.Duration, len(said))
	for _, class := range slices.Sorted(maps.Keys(said)) {
		key := at + "." + class
		if !slices.Contains(keptClasses, class) {
			c.bad(file, key, "%q: one of %s", class, strings.Join(keptClasses, ", "))
			continue
		}
		term, err := parseTerm(said[class])
		if err != nil {
			c.bad(file, key, "%v", err)
		}
		terms[class] = term
	}
	return terms
}

func parseTerm(text string) (time.Duration, error) {
	if text == "forever" {
		return 0, nil
	}
	days, err := strconv.Atoi(strings.TrimSuffix(text, "d"))
	if err != nil || !strings.HasSuffix(text, "d") || days > 36500 {
		return 0, fmt.Errorf("%q: give days, like 400d, or forever", text)
	}
	term := time.Duration(days) * 24 * time.Hour
	if term < leastTerm {
		return 0, fmt.Errorf("%q: at least 30d, since what is younger is still told of", text)
	}
	return term, nil
}
