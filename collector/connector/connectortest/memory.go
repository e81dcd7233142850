package connectortest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Failure is how one call of Memory goes wrong.
type Failure int

// The failures that Memory knows.
const (
	None Failure = iota
	// Before: a technical error, certainly without effect.
	Before
	// Silent: no effect, and no answer that says so.
	Silent
	// Lost: the effect happens, its answer does not arrive.
	Lost
	// Late: no answer, and the effect happens a little later, within the settle time.
	Late
	// Stuck: no answer until the caller gives up; no effect.
	Stuck
	// Busy: the target asks to come back after two seconds.
	Busy
	// BadData and BadProcess: refused for its content, or for a business reason.
	BadData
	BadProcess
)

// Memory is a target that lives in memory: as careless as real ones (creating twice makes two documents), with failures at
// will and its own door for tests. It is safe for concurrent use; what it holds survives the senders that use it.
type Memory struct {
	// Settle is its settle time.
	Settle time.Duration
	// Reversals: it takes back goods issues, invoices, receipts of returns and their credits.
	Reversals bool
	Now       func() time.Time
	// Fail says how the next call goes wrong; op is "probe", "find", "create", "restate", or for an Advance the step "bind",
	// "pick", "done". p is nil for a probe. It is called without any lock of Memory.
	Fail func(op string, p *connector.Posting) Failure
	// Fault gives the next call a fault of its own; nil, or nil of it, is none.
	Fault func(op string, p *connector.Posting) error
	// Deny takes the account's right to do anything, to read changes too.
	Deny atomic.Bool

	mu      sync.Mutex
	numbers int
	records []*record
	late    []lateEffect
	facts   []*docklinev1.Event
	stock   map[string]map[string]string // site, item: quantity
}

// ListsNothing is a Memory that cannot list, as many systems cannot.
type ListsNothing struct{ *Memory }

// Lists no kind.
func (ListsNothing) Lists() []connector.Kind { return nil }

type record struct {
	kind     connector.Kind
	key      string
	number   string
	document *docklinev1.Document
	version  int64
	step     int // of an Advance: 1 bound, 2 picked, 3 done
	effects  int
	reversed bool
	changed  time.Time
}

type lateEffect struct {
	at     time.Time
	effect func()
}

var steps = []string{"bind", "pick", "done"}

// Kinds: a goods issue is advanced, invoices, adjustments, amendments, receipts of returns and their credits are created once, status and cases restated.
func (m *Memory) Kinds() map[connector.Kind]connector.Style {
	kinds := map[connector.Kind]connector.Style{
		connector.GoodsIssue:      connector.Advance,
		connector.InvoiceTrigger:  connector.CreateOnce,
		connector.StockAdjustment: connector.CreateOnce,
		connector.OrderAmendment:  connector.CreateOnce,
		connector.OrderCreate:     connector.CreateOnce,
		connector.ReturnReceipt:   connector.CreateOnce,
		connector.CreditRequest:   connector.CreateOnce,
		connector.OrderStatus:     connector.Level,
		connector.ServiceCase:     connector.Level,
	}
	if m.Reversals {
		for _, reversal := range connector.Reversals {
			kinds[reversal] = connector.CreateOnce
		}
	}
	return kinds
}

// SettleTime is as set.
func (m *Memory) SettleTime() time.Duration { return m.Settle }

// Probe answers unless it is made to fail.
func (m *Memory) Probe(ctx context.Context) (connector.Metadata, error) {
	if _, err := m.failure(ctx, "probe", nil); err != nil {
		return connector.Metadata{}, err
	}
	return connector.Metadata{System: "memory", Version: "1"}, nil
}

// Find returns every record with the posting's key.
func (m *Memory) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	if _, err := m.failure(ctx, "find", p); err != nil {
		return nil, err
	}
	defer m.enter()()
	found := []connector.Found{}
	for _, r := range m.records {
		if r.kind != p.Kind || r.key != p.Key {
			continue
		}
		f := connector.Found{Document: r.reference(), SourceVersion: r.version, Reversed: r.reversed}
		f.Complete = proto.Equal(r.document, p.Document) && (m.Kinds()[p.Kind] != connector.Advance || r.step == len(steps)) &&
			(m.Kinds()[p.Kind] != connector.Level || r.version >= p.SourceVersion)
		if !f.Complete {
			f.Difference = "it is not what was sent"
		}
		found = append(found, f)
	}
	return found, nil
}

// Apply creates, restates or advances.
func (m *Memory) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	var r *record
	switch m.Kinds()[p.Kind] {
	case connector.CreateOnce:
		err := m.act(ctx, "create", p, func() { r = m.add(p); r.effects = 1; m.reverse(p) })
		return result(r, err)
	case connector.Level:
		var newer int64
		err := m.act(ctx, "restate", p, func() {
			if r = m.first(p); r == nil {
				r = m.add(p)
				r.effects = 1
			}
			if p.SourceVersion > r.version {
				r.document, r.version, r.changed = proto.CloneOf(p.Document), p.SourceVersion, m.now()
			}
			if newer = 0; !proto.Equal(r.document, p.Document) {
				newer = r.version
			}
		})
		told, err := result(r, err)
		told.Newer = newer
		return told, err
	}
	for i, step := range steps {
		done := i + 1
		m.mu.Lock()
		r = m.first(p)
		passed := r != nil && r.step >= done
		m.mu.Unlock()
		if passed {
			continue
		}
		err := m.act(ctx, step, p, func() { r = m.advance(p, done) })
		if err != nil {
			return connector.Result{}, err
		}
	}
	return result(r, nil)
}

// reverse takes back what a reversal names.
func (m *Memory) reverse(p *connector.Posting) {
	d := p.Document
	v := cmp.Or(d.GetGoodsIssueReversal(), d.GetInvoiceReversal(), d.GetReturnReceiptReversal(), d.GetCreditReversal())
	for _, r := range m.records {
		if v != nil && connector.Reversals[r.kind] == p.Kind && r.number == v.GetReverses().GetNumber() {
			r.reversed, r.effects, r.changed = true, 0, m.now()
		}
	}
}

// advance takes one step, only from the step before; like an ERP, a late repetition finds the step taken.
func (m *Memory) advance(p *connector.Posting, to int) *record {
	r := m.first(p)
	if r == nil {
		r = m.add(p)
	}
	if r.step == to-1 {
		r.step = to
		if to == len(steps) {
			r.effects++
			r.document, r.changed = proto.CloneOf(p.Document), m.now()
		}
	}
	return r
}

func result(r *record, err error) (connector.Result, error) {
	if err != nil {
		return connector.Result{}, err
	}
	return connector.Result{Documents: []*docklinev1.DocumentReference{r.reference()}}, nil
}

// Changes returns the facts that tests made, two at a time.
func (m *Memory) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	if m.Deny.Load() {
		return connector.Changes{}, denied()
	}
	defer m.enter()()
	from := 0
	if since != nil {
		if err := json.Unmarshal(since, &from); err != nil {
			return connector.Changes{}, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "cursor", Text: err.Error()}
		}
	}
	to := min(from+2, len(m.facts))
	cursor, err := json.Marshal(to)
	if err != nil {
		return connector.Changes{}, err
	}
	out := connector.Changes{Cursor: cursor, More: to < len(m.facts)}
	for _, e := range m.facts[from:to] {
		out.Events = append(out.Events, proto.CloneOf(e))
	}
	return out, nil
}

// Snapshot returns the stock that tests booked.
func (m *Memory) Snapshot(ctx context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	defer m.enter()()
	var out []*docklinev1.Event
	for site, items := range m.stock {
		if scope.Site != "" && scope.Site != site {
			continue
		}
		snapshot := &docklinev1.StockSnapshot{Site: site}
		for item, quantity := range items {
			snapshot.Lines = append(snapshot.Lines, &docklinev1.Line{Item: item, Bin: "STOCK", Quantity: &docklinev1.Quantity{Value: quantity}})
		}
		out = append(out, &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT, Subject: site, SourceKey: "stock/" + site,
			SourceRevision: "1", OccurredAt: timestamppb.New(m.now()),
			Payload: &docklinev1.Event_StockSnapshot{StockSnapshot: snapshot}})
	}
	return out, nil
}

// Lists: it lists whatever it takes.
func (m *Memory) Lists() []connector.Kind { return slices.Sorted(maps.Keys(m.Kinds())) }

// List returns what there is of a kind, two at a time.
func (m *Memory) List(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	if _, err := m.failure(ctx, "list", nil); err != nil {
		return connector.ListedPage{}, err
	}
	defer m.enter()()
	after := 0
	if l.Page != "" {
		if _, err := fmt.Sscan(l.Page, &after); err != nil {
			return connector.ListedPage{}, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "page", Text: err.Error()}
		}
	}
	page := connector.ListedPage{Next: l.Page}
	for _, r := range m.records {
		d := m.listed(r)
		var number int
		_, _ = fmt.Sscanf(r.number, "M%d", &number) // made by add
		if r.kind != l.Kind || number <= after || l.Site != "" && d.Site != l.Site || r.changed.Before(l.Since) {
			continue
		}
		if len(page.Documents) == 2 {
			page.More = true
			break
		}
		page.Documents, page.Next = append(page.Documents, d), fmt.Sprint(number)
	}
	return page, nil
}

func (m *Memory) listed(r *record) connector.Listed {
	says := connector.ContentOf(r.document)
	return connector.Listed{Reference: r.key, Number: r.number, Order: says.Order, Site: says.Site, At: r.changed, Version: r.version, Reversed: r.reversed,
		Draft: r.effects == 0 && !r.reversed, Fields: says.Fields, Lines: says.Lines, Whole: true}
}

// act has an effect, or goes wrong as Fail wants it.
func (m *Memory) act(ctx context.Context, op string, p *connector.Posting, effect func()) error {
	how, err := m.failure(ctx, op, p)
	defer m.enter()()
	switch {
	case how == Lost:
		effect()
	case how == Late:
		m.late = append(m.late, lateEffect{at: m.now().Add(m.Settle / 2), effect: effect})
	case err == nil:
		effect()
	}
	return err
}

func denied() *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "not_authorised", Text: "the account may not do that", Remedy: "Give it the right."}
}

func (m *Memory) failure(ctx context.Context, op string, p *connector.Posting) (Failure, error) {
	how := None
	if m.Deny.Load() {
		return Before, denied()
	}
	if m.Fault != nil {
		if err := m.Fault(op, p); err != nil {
			return BadProcess, err
		}
	}
	if m.Fail != nil {
		how = m.Fail(op, p)
	}
	fault := &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "no_answer", Text: "the connection was cut", Unknown: true}
	switch how {
	case None:
		return how, nil
	case Before:
		fault.Code, fault.Text, fault.Unknown = "unreachable", "connection refused", false
	case Stuck:
		<-ctx.Done()
		fault.Code, fault.Text, fault.Err = "timeout", "no answer in time", ctx.Err()
	case Busy:
		fault.Code, fault.Text, fault.Unknown, fault.RetryAfter = "busy", "too many requests", false, 2*time.Second
	case BadData:
		fault = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "item_unknown", Text: "there is no such item", Remedy: "Add the item."}
	case BadProcess:
		fault = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "period_closed", Text: "the period is closed", Remedy: "Open the period."}
	}
	return how, fault
}

// enter locks and lets happen what is due by now; the caller unlocks with what it returns.
func (m *Memory) enter() func() {
	m.mu.Lock()
	now := m.now()
	var left []lateEffect
	for _, l := range m.late {
		if l.at.After(now) {
			left = append(left, l)
			continue
		}
		l.effect()
	}
	m.late = left
	return m.mu.Unlock
}

func (m *Memory) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

func (m *Memory) add(p *connector.Posting) *record {
	m.numbers++
	r := &record{kind: p.Kind, key: p.Key, number: fmt.Sprintf("M%05d", m.numbers), document: proto.CloneOf(p.Document), version: p.SourceVersion, changed: m.now()}
	m.records = append(m.records, r)
	return r
}

func (m *Memory) first(p *connector.Posting) *record {
	for _, r := range m.records {
		if r.kind == p.Kind && r.key == p.Key {
			return r
		}
	}
	return nil
}

func (r *record) reference() *docklinev1.DocumentReference {
	return &docklinev1.DocumentReference{System: "memory", Kind: string(r.kind), Number: r.number}
}

// Effects is how many documents carry the key, or how often an Advance was done.
func (m *Memory) Effects(kind connector.Kind, key string) int {
	defer m.enter()()
	n := 0
	for _, r := range m.records {
		if r.kind == kind && r.key == key {
			n += r.effects
		}
	}
	return n
}

// Keys are those of all documents of a kind, one for each document.
func (m *Memory) Keys(kind connector.Kind) []string {
	defer m.enter()()
	var out []string
	for _, r := range m.records {
		if r.kind == kind {
			out = append(out, r.key)
		}
	}
	return out
}

// Standing are the documents of a kind that nothing has taken back.
func (m *Memory) Standing(kind connector.Kind) (list []*docklinev1.Document) {
	defer m.enter()()
	for _, r := range m.records {
		if r.kind == kind && !r.reversed {
			list = append(list, proto.CloneOf(r.document))
		}
	}
	return list
}

// Document is what the first document of that key says; nil when there is none.
func (m *Memory) Document(kind connector.Kind, key string) *docklinev1.Document {
	defer m.enter()()
	if r := m.first(&connector.Posting{Kind: kind, Key: key}); r != nil {
		return proto.CloneOf(r.document)
	}
	return nil
}

// Edit does by hand what a person in the target does: change every document of that key, or with nil delete the last one.
func (m *Memory) Edit(kind connector.Kind, key string, document *docklinev1.Document) {
	defer m.enter()()
	last := -1
	for i, r := range m.records {
		if r.kind != kind || r.key != key {
			continue
		}
		last = i
		if document != nil {
			r.document, r.changed = proto.CloneOf(document), m.now()
		}
	}
	if document == nil && last >= 0 {
		m.records = append(m.records[:last], m.records[last+1:]...)
	}
}

// Double adds a second document of the posting's key, as a person who enters it by hand does.
func (m *Memory) Double(p *connector.Posting) {
	defer m.enter()()
	r := m.add(p)
	r.effects, r.step = 1, len(steps)
}

// Happen adds a fact for Changes to report.
func (m *Memory) Happen(e *docklinev1.Event) {
	defer m.enter()()
	m.facts = append(m.facts, e)
}

// Book sets what Snapshot reports of an item.
func (m *Memory) Book(site, item, quantity string) {
	defer m.enter()()
	if m.stock == nil {
		m.stock = map[string]map[string]string{}
	}
	if m.stock[site] == nil {
		m.stock[site] = map[string]string{}
	}
	m.stock[site][item] = quantity
}
