package remote_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector/connectortest"
)

// The whole suite that every connector passes, over a program of its own: one kind of each style, every failure at every writing request.
//
// Shows: S1, S69
func TestAProgramPassesTheSuite(t *testing.T) {
	w := open(t, "[goods_issue, invoice_trigger, crm_status]", "")
	h := connectortest.MemoryHarness(&connectortest.Keeper{Memory: w.memory}, w.Connector)
	h.CallTimeout, h.HangTimeout = 3*time.Minute, 3*time.Second
	connectortest.Run(t, h)
	if s := w.Stats(); s.Starts != 1 || s.Pid == 0 {
		t.Errorf("the program did not go through it in one piece: %+v\n%s", s, w.log)
	}
}
