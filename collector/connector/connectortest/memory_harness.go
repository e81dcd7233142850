package connectortest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// numbers make the orders and keys of postings.
var numbers atomic.Int64

// fresh is a posting of a kind that nobody has applied.
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

// restate is the posting with other content.
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
	mu    sync.Mutex // the target is asked from wherever the connector runs
	what  Injection
	nth   int
	on    bool
	count int
}

func (i *injector) fail(op string, _ *connector.Posting) Failure {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.on {
		return None
	}
	if i.what == Unreachable {
		return Before
	}
	if op == "find" || op == "probe" {
		return None
	}
	if i.count++; i.count != i.nth {
		return None
	}
	return map[Injection]Failure{LoseAnswer: Lost,
		ServerError: Silent, Hang: Stuck, Throttle: Busy}[i.what]
}

func (i *injector) set(what Injection, nth int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.what, i.nth, i.count, i.on = what, nth, 0, true
}

func (i *injector) clear() (struck bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.on = false
	return i.count >= i.nth
}

// MemoryHarness is for a connector whose target is a Memory, whatever lies between the two. It takes the Memory's Fail and Fault for itself.
func MemoryHarness(k *Keeper, c connector.Connector) Harness {
	m, in := k.Memory, &injector{}
	var between func()
	var mu sync.Mutex
	refuse := None
	ahead := time.Duration(0)
	m.Fail = func(op string, p *connector.Posting) Failure {
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
	refused := func(how Failure) func(*testing.T, connector.Kind) *connector.Posting {
		return func(_ *testing.T, kind connector.Kind) *connector.Posting {
			refuse = how
			p := fresh(kind)
			p.Key = "refused/" + p.Key
			return p
		}
	}
	return Harness{
		Connector: c,
		Posting:   func(_ *testing.T, kind connector.Kind) *connector.Posting { return fresh(kind) },
		Restate: func(_ *testing.T, p *connector.Posting, version int64) *connector.Posting {
			return restate(p, version)
		},
		Effects:     func(_ *testing.T, p *connector.Posting) int { return m.Effects(p.Kind, p.Key) },
		UnknownItem: refused(BadData),
		Closed:      refused(BadProcess),
		Duplicate:   func(_ *testing.T, p *connector.Posting) bool { m.Double(p); return true },
		Inject: func(_ *testing.T, what Injection, nth int) func() bool {
			in.set(what, nth)
			return in.clear
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
