package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// rates is a file like others have: a value, a structure, and a map of structures.
type rates struct {
	Class string        `yaml:"class"`
	Wait  time.Duration `yaml:"wait"`
	Hours []string      `yaml:"hours"`
	Kinds map[string]struct {
		Class string `yaml:"class"`
		Rate  int    `yaml:"rate"`
	} `yaml:"kinds"`
}

const ratesFile = `default:
  class: batch
  wait: 5m
  hours: ["18:00", "20:00"]
  kinds:
    goods_issue: {class: near, rate: 10}
tenants:
  acme: {wait: 4m}
regions:
  north: {wait: 0s}
  south: {wait: 9m}
sites:
  dc-east:
    hours: ["06:00"]
    kinds:
      goods_issue: {rate: 3}
      crm_status: {rate: 1}
customers:
  C.1:
    class: near
    kinds: {goods_issue: {rate: 0}}
`

// Shows: S74
func TestEachValueSaysWhereItWasSaid(t *testing.T) {
	c := &compiler{policy: &Policy{files: map[string][]byte{"rates.yaml": []byte(ratesFile)}, regions: map[string]string{"dc-east": "north"}}}
	r := readScoped[rates](c, "rates.yaml")
	if err := c.faults.Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scope Scope
		want  string
	}{
		{Scope{}, "class=batch@2 hours=[18:00 20:00]@4 kinds.goods_issue.class=near@6 kinds.goods_issue.rate=10@6 wait=5m0s@3"},
		{Scope{Tenant: "acme", Region: "south"}, "class=batch@2 hours=[18:00 20:00]@4 kinds.goods_issue.class=near@6 kinds.goods_issue.rate=10@6 wait=9m0s@11"},
		{Scope{Tenant: "acme", Site: "dc-east"}, "class=batch@2 hours=[06:00]@14 kinds.crm_status.rate=1@17 kinds.goods_issue.class=near@6 kinds.goods_issue.rate=3@16 wait=0s@10"},
		{Scope{Site: "dc-east", Customer: "C.1"}, "class=near@20 hours=[06:00]@14 kinds.crm_status.rate=1@17 kinds.goods_issue.class=near@6 kinds.goods_issue.rate=0@21 wait=0s@10"},
	} {
		said := make(map[string]Said)
		for _, s := range r.explain(c.scope, "") {
			said[s.Key] = s
		}
		var got []string
		for _, s := range r.explain(c.scope, "") {
			got = append(got, fmt.Sprintf("%s=%v@%d", s.Key, s.Value, s.Rule.Line))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.scope, strings.Join(got, " "), c.want)
		}
		if value := r.of(c.scope, ""); value.Wait != said["wait"].Value || value.Kinds["goods_issue"].Rate != said["kinds.goods_issue.rate"].Value {
			t.Errorf("%+v: %+v", c.scope, value)
		}
	}
	if len(r.Default.Kinds) != 1 || r.Default.Kinds["goods_issue"].Rate != 10 {
		t.Errorf("the default was written to: %+v", r.Default)
	}
	if got := c.warnings.Error(); !strings.Contains(got, `rates.yaml:11: regions.south: region "south" has no sites`) || strings.Contains(got, "north") {
		t.Errorf("warnings: %s", got)
	}
}
