package posting_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A service case that is closed in its target may stay when nobody wants it any longer; an open one is a person's, who closes it there.
func TestAClosedServiceCaseBothersNobody(t *testing.T) {
	for _, closed := range []bool{true, false} {
		each(t, func(w *world) {
			want := posting.Desired{Target: "erp", Kind: connector.ServiceCase, Key: "SO1/10/short_pick", SourceVersion: 1, Style: connector.Level,
				Document: &docklinev1.Document{Document: &docklinev1.Document_ServiceCase{ServiceCase: &docklinev1.ServiceCase{Order: "SO1", OrderLine: "10", Cause: "short_pick", Closed: closed}}}}
			s := w.sender("c1")
			w.put(fold, want)
			w.pass(s, time.Second)
			w.expect(want.Key, posting.Confirmed)
			w.put(fold)
			w.pass(s, time.Minute)
			if got := len(w.exceptions()); (got == 0) != closed {
				t.Errorf("closed %t: exceptions %v", closed, w.exceptions())
			}
			w.put(fold, want)
			w.pass(s, time.Minute)
			w.expect(want.Key, posting.Confirmed)
			if got := w.exceptions(); len(got) != 0 {
				t.Errorf("wanted again: exceptions %v", got)
			}
		})
	}
}
