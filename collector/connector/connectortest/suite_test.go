package connectortest_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

var numbers atomic.Int64

func fresh(kind connector.Kind) *connector.Posting {
	n := numbers.Add(1)
	p := &connector.Posting{Tenant: "test", Kind: kind, Key: fmt.Sprintf("K%d", n), SourceVersion: 10}
	order := fmt.Sprintf("SO%d", n)
	switch kind {
	case connector.GoodsIssue:
		p.Document = &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: order}}}
	case connector.InvoiceTrigger:
		p.Document = &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: order}}}
	case connector.StockAdjustment:
		p.Document = &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{Count: order, Delta: "2"}}}
	case connector.OrderAmendment:
		p.Document = &docklinev1.Document{Document: &docklinev1.Document_OrderAmendment{OrderAmendment: &docklinev1.OrderAmendment{Order: order, Action: "cancel"}}}
	case connector.OrderCreate:
		p.Document = &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{OrderCreate: &docklinev1.Order{Number: order}}}
	case connector.ServiceCase:
		p.Document = &docklinev1.Document{Document: &docklinev1.Document_ServiceCase{ServiceCase: &docklinev1.ServiceCase{Order: order}}}
	default:
		p.Document = &docklinev1.Document{Document: &docklinev1.Document_OrderStatus{OrderStatus: &docklinev1.OrderStatus{Order: order}}}
	}
	return p
}

func restate(p *connector.Posting, version int64) *connector.Posting {
	q := *p
	q.SourceVersion, q.Document = version, proto.CloneOf(p.Document)
	if s := q.Document.GetOrderStatus(); s != nil {
		s.Status = fmt.Sprint("status ", version)
	} else {
		q.Document.GetServiceCase().Text = fmt.Sprint("text ", version)
	}
	return &q
}

// injector makes the nth write of a Memory go wrong.
type injector struct {
	what  connectortest.Injection
	nth   int
	on    bool
	count int
}

func (i *injector) fail(op string, _ *connector.Posting) connectortest.Failure {
	if !i.on {
		return connectortest.None
	}
	if i.what == connectortest.Unreachable {
		return connectortest.Before
	}
	if op == "find" || op == "probe" {
		return connectortest.None
	}
	if i.count++; i.count != i.nth {
		return connectortest.None
	}
	return map[connectortest.Injection]connectortest.Failure{connectortest.LoseAnswer: connectortest.Lost,
		connectortest.ServerError: connectortest.Silent, connectortest.Hang: connectortest.Stuck, connectortest.Throttle: connectortest.Busy}[i.what]
}

func harness(k *connectortest.Keeper, c connector.Connector) connectortest.Harness {
	m, in := k.Memory, &injector{}
	var between func()
	var mu sync.Mutex
	refuse := connectortest.None
	ahead := time.Duration(0)
	m.Fail = func(op string, p *connector.Posting) connectortest.Failure {
		if p != nil && strings.HasPrefix(p.Key, "refused/") {
			return refuse
		}
		if op != "find" && op != "probe" && op != "list" {
			mu.Lock()
			do := between
			between = nil
			mu.Unlock()
			if do != nil {
				do()
			}
		}
		return in.fail(op, p)
	}
	refused := func(how connectortest.Failure) func(*testing.T, connector.Kind) *connector.Posting {
		return func(_ *testing.T, kind connector.Kind) *connector.Posting {
			refuse = how
			p := fresh(kind)
			p.Key = "refused/" + p.Key
			return p
		}
	}
	return connectortest.Harness{
		Connector: c,
		Posting:   func(_ *testing.T, kind connector.Kind) *connector.Posting { return fresh(kind) },
		Restate: func(_ *testing.T, p *connector.Posting, version int64) *connector.Posting {
			return restate(p, version)
		},
		Effects:     func(_ *testing.T, p *connector.Posting) int { return m.Effects(p.Kind, p.Key) },
		UnknownItem: refused(connectortest.BadData),
		Closed:      refused(connectortest.BadProcess),
		Duplicate:   func(_ *testing.T, p *connector.Posting) bool { m.Double(p); return true },
		Inject: func(_ *testing.T, what connectortest.Injection, nth int) func() bool {
			*in = injector{what: what, nth: nth, on: true}
			return func() bool {
				in.on = false
				return in.count >= in.nth
			}
		},
		Second: c,
		// It is as careless as many targets are.
		Careless: func(kind connector.Kind) bool { return m.Kinds()[kind] == connector.CreateOnce },
		Between: func(_ *testing.T, do func()) func() bool {
			between = do
			return func() bool {
				mu.Lock()
				defer mu.Unlock()
				done := between == nil
				between = nil
				return done
			}
		},
		Record: func(*testing.T, connector.Kind) connector.Listed {
			d := connector.Listed{Number: fmt.Sprintf("C%d", numbers.Add(1)), At: time.Now(), Fields: map[string]string{"price_list": "retail"}}
			k.Keep(d)
			return d
		},
		Forbid: func(*testing.T) func() {
			m.Deny.Store(true)
			return func() { m.Deny.Store(false) }
		},
		Reshape: func(*testing.T) func() {
			m.Fault = func(op string, _ *connector.Posting) error {
				if op != "find" {
					return nil
				}
				return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "mapping", Text: "no such key: items", Remedy: "Correct the definition."}
			}
			return func() { m.Fault = nil }
		},
		Meddle: func(_ *testing.T, p *connector.Posting) bool {
			m.Edit(p.Kind, p.Key, fresh(p.Kind).Document)
			return true
		},
		Skew: func(_ *testing.T, by time.Duration) func() {
			ahead = by
			return func() { ahead = 0 }
		},
		Happen: func(_ *testing.T, n int) []string {
			var subjects []string
			for range n {
				number := fmt.Sprintf("SO%d", numbers.Add(1))
				subjects = append(subjects, number)
				m.Happen(&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: number,
					SourceKey: "sale/" + number, SourceRevision: "1", OccurredAt: timestamppb.New(time.Now().Add(ahead)),
					Payload: &docklinev1.Event_Order{Order: &docklinev1.Order{Number: number, Site: "dc-east", Lines: []*docklinev1.Line{
						{Order: number, OrderLine: "1", Item: "BOLT", Quantity: &docklinev1.Quantity{Value: "1"}}}}}})
			}
			return subjects
		},
		Book: func(*testing.T) (string, string, string) {
			m.Book("dc-east", "BOLT", "12.5")
			m.Book("dc-west", "BOLT", "7")
			return "dc-east", "BOLT", "12.5"
		},
		HangTimeout: 20 * time.Millisecond,
		MaxWrites:   4,
	}
}

// TestMemory holds the target in memory, which other packages try senders on, against the suite.
func TestMemory(t *testing.T) {
	k := &connectortest.Keeper{Memory: &connectortest.Memory{Settle: 200 * time.Millisecond}}
	connectortest.Run(t, harness(k, k))
}

// defects are connectors that break one promise each, and the test that must find it.
var defects = []struct {
	name, finds string
	connector   func(k *connectortest.Keeper) connector.Connector
}{
	{"not unknown", "lost_answer", func(k *connectortest.Keeper) connector.Connector { return sure{k.Memory} }},
	{"first match only", "all_matches_are_found", func(k *connectortest.Keeper) connector.Connector { return firstOnly{k.Memory} }},
	{"any version", "an_older_version_is_ignored", func(k *connectortest.Keeper) connector.Connector { return anyVersion{k.Memory} }},
	{"cursor ahead", "changes", func(k *connectortest.Keeper) connector.Connector { return cursorAhead{k.Memory} }},
	{"guilty of nothing", "right_taken_away", func(k *connectortest.Keeper) connector.Connector { return unclassed{k.Memory} }},
	{"absent by another shape", "another_shape", func(k *connectortest.Keeper) connector.Connector { return absentAnyway{k.Memory} }},
	{"complete anyway", "changed_by_hand", func(k *connectortest.Keeper) connector.Connector { return completeAnyway{k.Memory} }},
	{"pages by count", "under_change", func(k *connectortest.Keeper) connector.Connector { return newestFirst{k.Memory} }},
	{"nothing without a right", "changes_without_the_right", func(k *connectortest.Keeper) connector.Connector { return silentFeed{k.Memory} }},
	{"by the clock", "clock_ahead", func(k *connectortest.Keeper) connector.Connector { return &byClock{Memory: k.Memory} }},
	{"not all records", "records_of_customer", func(k *connectortest.Keeper) connector.Connector { return forgetful{k} }},
	{"records by count", "records_of_customer", func(k *connectortest.Keeper) connector.Connector { return newestRecords{k} }},
	{"records in a circle", "records_of_customer", func(k *connectortest.Keeper) connector.Connector { return circling{k} }},
	{"looks and then makes", "two_writers_at_once", func(k *connectortest.Keeper) connector.Connector { return racing{k.Memory} }},
	{"gives way", "a_person_between", func(k *connectortest.Keeper) connector.Connector { return yielding{k.Memory} }},
	{"hides what others entered", "a_person_between", func(k *connectortest.Keeper) connector.Connector { return hiding{k.Memory} }},
	{"all sites", "snapshot", func(k *connectortest.Keeper) connector.Connector { return allSites{k.Memory} }},
}

// TestSuiteCanFail runs the suite on each defect in a process of its own and looks for the failure.
func TestSuiteCanFail(t *testing.T) {
	if name := os.Getenv("CONNECTORTEST_DEFECT"); name != "" {
		for _, d := range defects {
			if d.name == name {
				k := &connectortest.Keeper{Memory: &connectortest.Memory{Settle: 20 * time.Millisecond}}
				connectortest.Run(t, harness(k, d.connector(k)))
			}
		}
		return
	}
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteCanFail$", "-test.v")
			cmd.Env = append(os.Environ(), "CONNECTORTEST_DEFECT="+d.name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite passed it")
			}
			found := false
			for line := range strings.Lines(string(out)) {
				found = found || strings.Contains(line, "--- FAIL") && strings.Contains(line, d.finds)
			}
			if !found {
				t.Errorf("no failure of %s:\n%s", d.finds, out)
			}
		})
	}
}
