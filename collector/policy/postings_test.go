package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/policy"
)

// When a posting is told follows from customer, site and target; a batch waits for its hour, and for a working day.
//
// Shows: S20
func TestPostingRules(t *testing.T) {
	p, err := policy.Load(folder(map[string]string{
		"calendars.yaml": "calendars:\n  office: {zone: Europe/Berlin, hours: {mon-fri: \"08:00-23:00\"}}\n",
		"postings.yaml": `default:
  any: {timing: near_real_time, within: 10s}
  invoice_trigger: {timing: batch, at: "22:00", zone: Europe/Berlin, calendar: office, within: 30m}
  crm/any: {within: 1m}
sites:
  dc-east:
    goods_issue: {within: 5s}
customers:
  C-1:
    invoice_trigger: {timing: synchronous}
periods:
  erp: {closed_through: 2026-02-28, zone: Europe/Berlin, calendar: office}
`}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		site, customer, target string
		kind                   connector.Kind
		want                   string
	}{
		{"dc-west", "", "erp", connector.GoodsIssue, "near_real_time 10s"},
		{"dc-east", "", "erp", connector.GoodsIssue, "near_real_time 5s"},
		{"dc-east", "", "crm", connector.OrderStatus, "near_real_time 1m0s"},
		{"dc-east", "", "erp", connector.InvoiceTrigger, "batch 30m0s"},
		{"dc-east", "C-1", "erp", connector.InvoiceTrigger, "synchronous 30m0s"},
	} {
		r := p.Posting(p.Scope("main", c.site, c.customer), c.target, c.kind)
		if got := r.Timing + " " + r.Within.String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	batch := p.Posting(p.Scope("main", "", ""), "erp", connector.InvoiceTrigger)
	for now, want := range map[string]string{"2026-03-06T20:59:00Z": "2026-03-06T21:00:00Z", "2026-03-06T21:01:00Z": "2026-03-09T07:00:00Z"} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := batch.NotBefore(at).Format(time.RFC3339); got != want {
			t.Errorf("wanted at %s: told at %s, want %s", now, got, want)
		}
	}
	for _, c := range [][4]string{
		{"erp", "2026-03-05T23:30:00Z", "", "2026-03-06 2026-03-06"}, // it is the next day there
		{"erp", "2026-02-27T10:00:00Z", "", "2026-02-27 2026-03-02"}, // the 1st is a Sunday
		{"erp", "2026-03-03T10:00:00Z", "2026-03-07", "2026-03-03 2026-03-09"},
		{"crm", "2026-02-27T10:00:00Z", "", "2026-02-27 2026-02-27"},
	} {
		at, err := time.Parse(time.RFC3339, c[1])
		if err != nil {
			t.Fatal(err)
		}
		if day, open := p.PostingDay(c[0], at, c[2]); day+" "+open != c[3] {
			t.Errorf("%v: %s %s", c, day, open)
		}
	}
	_, err = policy.Load(folder(map[string]string{"postings.yaml": "default:\n  goods_isue: {timing: soon}\n  any: {timing: batch}\nperiods:\n  erp: {closed_through: february}\n"}))
	for _, want := range []string{"postings.yaml:2", "no kind of posting", "a batch needs its hour", "last closed day"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the faults do not say %q: %v", want, err)
		}
	}
}
