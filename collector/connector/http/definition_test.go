package http

import (
	"strings"
	"testing"
	"time"
)

func TestShippedDefinitionsLoad(t *testing.T) {
	names := Shipped()
	if len(names) < 2 {
		t.Fatalf("shipped: %v", names)
	}
	start := time.Now()
	for _, name := range names {
		d, err := Load(name)
		if err != nil {
			t.Errorf("%s:\n%v", name, err)
		} else if d.System != name || len(d.kinds) == 0 && d.changes == nil {
			t.Errorf("%s: system %q, %d kinds", name, d.System, len(d.kinds))
		}
	}
	t.Logf("loaded in %s", time.Since(start))
}

// Every fault of a definition is told at once, with the line on which it stands.
func TestParseNamesLines(t *testing.T) {
	text := `system: x
probe: {path: '"/about"'}
errors:
  - status: [400]
    class: business
    code: c
    remedy: r
kinds:
  goods_issue:
    style: create-once
    find:
      path: '"/issues/" + posting.source_version'
      items: body.items
      document: {kind: issue, number: item.number}
      complete: |
        item.order == posting.goods_issue.order
          && item.site == posting.goods_issue.warehouse
    apply:
      - path: '"/issues"'
        body: '{"invoice": posting.invoice_trigger.order}'
      - path: 5 + 5
  refund:
    style: level
changes:
  path: '"/c"'
  items: body
  next: '7'
  occurred_at: '"now"'
  events:
    - {when: 'true', kind: order.lost, subject: '""', key: '""', revision: '""', payload: 'Order{}'}
    - {when: 'true', kind: invoice.posted, subject: '""', key: '""', revision: '""', payload: 'Order{}'}
`
	_, err := Parse("x.yaml", []byte(text))
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		"x.yaml:5: errors[0].class", "x.yaml:12: kinds.goods_issue.find.path", "x.yaml:17: kinds.goods_issue.find.complete", "undefined field 'warehouse'",
		"x.yaml:20: kinds.goods_issue.apply[0].body", "x.yaml:21: kinds.goods_issue.apply[1].path: the expression gives int, wanted is string",
		"x.yaml:23: kinds.refund", "x.yaml:27: changes.next", "x.yaml:28: changes.occurred_at", "x.yaml:30: changes.events[0].kind", "x.yaml:31: changes.events[1].payload",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not told: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("told:\n%v", err)
	}
	if _, err := Parse("y.yaml", []byte("system: x\nprobe: {path: '\"/\"'}\ntimout: 3s\n")); err == nil || !strings.Contains(err.Error(), "y.yaml:3: timout") {
		t.Errorf("unknown key: %v", err)
	}
}
