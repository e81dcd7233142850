package posting_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/posting"
)

// Of what waits for a target the urgent goes first and the low last, one call at a time; but what has waited long enough goes before what is
// urgent and new, so that a stream of urgent postings starves nobody.
// Shows: S29
func TestPriority(t *testing.T) {
	each(t, func(w *world) {
		wanted := func(order string, p posting.Priority) {
			d := goodsIssue(order, "S", 1)
			d.Priority = p
			w.put("order/"+order, d)
		}
		var order []string
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if op == "done" {
				order = append(order, p.Key)
			}
			return connectortest.None
		})
		s := w.sender("c1", func(s *posting.Sender) { s.Parallel = 1 })
		wanted("OLD", posting.LowPriority)
		w.clock.advance(31 * time.Minute)
		wanted("LOW", posting.LowPriority)
		wanted("NORMAL", posting.NormalPriority)
		wanted("HIGH", posting.HighPriority)
		wanted("URGENT", posting.UrgentPriority)
		w.quiet(s)
		if want := []string{"OLD/S", "URGENT/S", "HIGH/S", "NORMAL/S", "LOW/S"}; !slices.Equal(order, want) {
			w.t.Errorf("told in the order %v, want %v", order, want)
		}
		// Urgent postings come as fast as the target takes them: the low one has its turn after half an hour of waiting all the same.
		order = nil
		wanted("POOR", posting.LowPriority)
		for minute := range 40 {
			for n := range 20 { // more than a step takes
				wanted(fmt.Sprintf("RUSH-%d-%d", minute, n), posting.UrgentPriority)
			}
			if _, err := s.Step(t.Context()); err != nil {
				w.t.Fatal(err)
			}
			if slices.Contains(order, "POOR/S") {
				if minute < 25 {
					w.t.Errorf("a low posting went ahead of urgent ones after %d minutes", minute)
				}
				return
			}
			w.clock.advance(time.Minute)
		}
		w.t.Error("a stream of urgent postings starves a low one")
	})
}
