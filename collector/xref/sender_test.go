package xref_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/xref"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A posting with a code that the system has not been given becomes a case that names it; when a person has entered the code and says again, it is
// posted under the system's own. Others are not held up.
//
// Shows: S41, S64
func TestAPostingWaitsForItsCode(t *testing.T) {
	d := open(t)
	take(t, d, "erp", "domain,ours,theirs\nitem,BOLT,4711-08\n", false)
	erp := &connectortest.Memory{}
	var mu sync.Mutex
	open := make(map[string]posting.Case)
	s := &posting.Sender{DB: d, Target: "erp", Holder: "1", RetryFirst: time.Millisecond, RetryLongest: 10 * time.Millisecond,
		Connector: xref.Translate(erp, xref.Table{DB: d, Tenant: tenant, System: "erp", Demands: map[xref.Domain]xref.Demand{xref.Item: xref.Required}}),
		Cases: func(_ context.Context, _ *db.Tx, _, origin string, cases []posting.Case) ([]string, error) {
			mu.Lock()
			defer mu.Unlock()
			delete(open, origin)
			if len(cases) > 0 {
				open[origin] = cases[0]
			}
			return nil, nil
		},
		Receipts: func(context.Context, *db.Tx, string, []string, time.Time) error { return nil }}
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(3 * time.Minute); !is(); {
			if time.Now().After(deadline) {
				t.Fatalf("not within 3 minutes: %s; %+v; open: %+v", what, s.Stats(), open)
			}
			n, err := s.Step(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				<-time.After(5 * time.Millisecond)
			}
		}
	}
	var desired []posting.Desired
	for key, item := range map[string]string{"SO1/S1": "NUT", "SO2/S1": "BOLT"} {
		p := issue(key, item)
		desired = append(desired, posting.Desired{Target: "erp", Kind: p.Kind, Key: key, SerialKey: key, Document: p.Document, SourceVersion: 1, Style: connector.Advance})
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		return posting.Put(t.Context(), tx, tenant, "order/all", "v1", desired, time.Now())
	}); err != nil {
		t.Fatal(err)
	}
	until("the one is confirmed, the other a case", func() bool { return s.Stats().Confirmed == 1 && len(open) == 1 })
	for _, c := range open {
		if c.Code != xref.CodeMissing || c.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || !strings.Contains(c.Text, "item NUT") || !strings.Contains(c.Text, "xref import") {
			t.Errorf("the case is %+v", c)
		}
	}
	if keys := erp.Keys(connector.GoodsIssue); !slices.Equal(keys, []string{"SO2/S1"}) {
		t.Errorf("the ERP has %v", keys)
	}
	take(t, d, "erp", "domain,ours,theirs\nitem,NUT,4711-09\n", false)
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := posting.Start(t.Context(), tx, posting.Say{Tenant: tenant, By: "ines", Reason: "the code is there"}, posting.Again{Target: "erp", Code: xref.CodeMissing}, time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	until("it is confirmed, and no case any longer", func() bool { return s.Stats().Confirmed == 2 && len(open) == 0 })
	if got := erp.Document(connector.GoodsIssue, "SO1/S1").GetGoodsIssue().GetLines()[0].GetItem(); got != "4711-09" {
		t.Errorf("the ERP was told the item %q", got)
	}
}
