package connector_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dockline/dockline/collector/connector"
)

// Each way in which a system's records may have changed is told, and whether it can break what was sent until now.
func TestShapesAreCompared(t *testing.T) {
	was := connector.Shape{
		"sale.number": {Type: "char", Required: true}, "sale.note": {Type: "text"}, "sale.state": {Type: "selection", Values: []string{"done", "draft"}},
		"sale.total": {Type: "numeric"}, "sale.kind": {Type: "char"}, "sale.same": {Type: "char", Required: true, Values: []string{"a"}}, "sale.loose": {Type: "char", Required: true},
		"sale.free": {Type: "selection", Values: []string{"a"}},
	}
	now := connector.Shape{
		"sale.note": {Type: "text", Required: true}, "sale.state": {Type: "selection", Values: []string{"draft", "held"}}, "sale.total": {Type: "float"},
		"sale.kind": {Type: "char", Values: []string{"b2b"}}, "sale.same": {Type: "char", Required: true, Values: []string{"a"}}, "sale.loose": {Type: "char"},
		"sale.extra": {Type: "char"}, "sale.must": {Type: "char", Required: true}, "sale.free": {Type: "selection"},
	}
	var got []string
	for _, c := range now.Since(was) {
		got = append(got, fmt.Sprintf("%s %s (%t)", c.Field, c.Text, c.Breaks))
	}
	want := []string{
		"sale.extra is new (false)", "sale.kind takes nothing now but b2b (true)", "sale.loose need no longer be given (false)", "sale.must is new, and must be given (true)",
		"sale.note must be given now (true)", "sale.number is gone (true)", "sale.state no longer takes done (true)", "sale.state also holds held (false)",
		"sale.total was of type numeric and is of type float (true)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if again := now.Since(now); len(again) != 0 {
		t.Errorf("a shape differs from itself: %v", again)
	}
}
