package connector_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// silent is a system that does not answer while fault is set.
type silent struct {
	connector.Connector
	fault error
}

func (s *silent) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	if s.fault != nil {
		return connector.Changes{}, s.fault
	}
	return s.Connector.Changes(ctx, since)
}

// A system that stays silent is told once, in words that say what it means and what to do, and taken back when it answers; also by
// a process that did not tell it.
func TestSilentSystemIsTold(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		target := newTarget(d)
		system := &silent{Connector: target.Memory}
		now := time.Now()
		var told []connector.Case
		times := 0
		start := func() {
			target.intake = target.newIntake()
			target.intake.Connector = system
			target.intake.Now = func() time.Time { return now }
			target.intake.Cases = func(_ context.Context, _ *db.Tx, tenant, origin string, cases []connector.Case) error {
				if tenant != "main" || origin != "intake/erp" {
					t.Errorf("told for %s of %s", origin, tenant)
				}
				told, times = cases, times+1
				return nil
			}
		}
		start()
		step := func(wantFault bool, wantTold, wantTimes int) {
			t.Helper()
			if _, err := target.intake.Step(t.Context()); (err != nil) != wantFault {
				t.Fatalf("step: %v", err)
			}
			if len(told) != wantTold || times != wantTimes {
				t.Fatalf("told %d times, now %+v; want %d times, %d cases", times, told, wantTimes, wantTold)
			}
		}
		step(false, 1, 1) // the memory has no stock of the site
		if told[0].Code != "site_unknown" || told[0].Site != "dc-east" || !strings.Contains(told[0].Text, "dc-east") {
			t.Errorf("case: %+v", told[0])
		}
		system.fault = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "connection", Text: "no answer within 3s", Remedy: "Ask for the firewall."}
		step(true, 1, 1)
		now = now.Add(20 * time.Second)
		step(true, 1, 1)
		now = now.Add(11 * time.Second)
		step(true, 2, 2)
		if c := told[1]; c.Code != "source_unavailable" || c.Subject != "erp" || !strings.Contains(c.Text, "no answer within 3s") || !strings.Contains(c.Text, "Ask for the firewall.") {
			t.Errorf("case: %+v", c)
		}
		now = now.Add(time.Minute)
		step(true, 2, 2)
		start()
		step(true, 2, 2)
		system.fault = nil
		step(false, 1, 3)
	})
}
