package reconcile

import (
	"context"
	"fmt"
	"math/big"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// view is what a decision about one key may look at: its facts, the policy, and, read when asked for, how far others have come. A
// fault of the database is raised as a panic of type viewFault and given back by decide.
type view struct {
	foldKey
	ctx    context.Context
	batch  *batch
	now    time.Time
	policy *policy.Policy
	facts  []state.Fact
	// own is how many facts the key itself has, count how many there are with those that come through links.
	own, count int
	// size is that of all of them.
	size state.Size
	had  *stateRow
	// whole: some facts stand for many, and what follows asks for each. alike: it would not.
	whole, alike bool

	stored map[posting.Ref]posting.Entry
	// acts are what people told the clocks of its milestones.
	acts []milestone.Act
	// words are what people decided about its exceptions, in the order of time.
	words   []*docklinev1.Event
	outcome outcome
	// owned is the facts once everybody has said only what is his; claims are what others say, as far as this key tells of it.
	owned  state.Owned
	claims []state.Claim
	// routes are those that were looked at.
	routes []asked
	// priorities are those of the documents that were last asked about.
	priorities map[priorityOf]posting.Priority
}

// viewFault is a fault met while a decision looked something up.
type viewFault struct{ err error }

// outcome is what follows from the facts of one key.
type outcome struct {
	state proto.Message
	// gone: without a state, the one that there was goes too. frozen: what followed from it stays as it is.
	gone, frozen           bool
	status, site, customer string
	postings               []posting.Desired
	exceptions             []exception.Desired
	commands               []command
	// results are those of the key's commands that have come back.
	results []*docklinev1.Event
	// reasons say by event id why it leads to no document.
	reasons map[string]string
	// waits are the sites of which a stream must go on before something can be decided.
	waits map[string]bool
	// clocks are those of its milestones, breaches the cases that follow from them, and clockWaits the sites that they wait for.
	clocks     []milestone.Entry
	breaches   []exception.Desired
	clockWaits map[string]bool
	// letter is the refused record that the key is of.
	letter *letter
	// wakeAt is when to fold again without a new fact, zero for never.
	wakeAt time.Time
	// demand is what the key says of stock that lies in no bucket; demands: it is a key that says such things.
	demand  []state.Demand
	demands bool
	// also are other keys that must be folded again.
	also []string
	// told is what a name holds, where those that have it are told: 0 where nobody is.
	told int64
	// links are those that hold otherwise than they did.
	links []linkRow
	// names are what an order is called elsewhere.
	names map[name]string
	// ruled is what rules of the policy decided.
	ruled []ruled
}

// decide folds the key and says what follows. Whatever goes wrong within lies in this key and must not hold up others.
func (v *view) decide() (out *outcome, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case viewFault:
			err = r.err
		default:
			err = fmt.Errorf("fold panicked: %v\n%s", r, debug.Stack())
		}
	}()
	v.outcome.reasons, v.outcome.waits, v.outcome.clockWaits = make(map[string]string), make(map[string]bool), make(map[string]bool)
	kind, parts, err := event.ParseKey(v.key)
	if err != nil {
		return nil, err
	}
	if v.size.Lines > v.batch.worker.mostLines() {
		v.tooLarge(kind, parts)
		return &v.outcome, nil
	}
	v.count = countFacts(v.facts)
	v.disown(kind)
	v.acts, v.words = v.takeActs(), v.takeDecisions()
	switch {
	case len(v.facts) == 0 && v.own == 0 && isBusiness(kind):
		v.outcome.gone = true // nobody has told of it: it was only asked for
	case kind == state.KindOrder:
		v.order(parts[0])
	case kind == state.KindShipment:
		v.shipment(parts[0], parts[1])
	case kind == state.KindReturn:
		v.returned(parts[0])
	case kind == state.KindBlindReturn:
		v.blindReturn(parts[0], parts[1])
	case kind == state.KindInbound:
		v.inbound(parts[0], parts[1])
	case kind == state.KindCount:
		v.counted(parts[0], parts[1])
	case kind == state.KindStock:
		v.stock()
	case kind == state.KindMovement:
		v.movement()
	case kind == state.KindAllocation:
		v.allocation(parts[0])
	case kind == state.KindOpening:
		v.opening(parts[0])
	case kind == state.KindSubmission:
		v.submission(parts[0])
	case kind == state.KindRecord:
		v.record()
	case kind == state.KindReference:
		v.reference(parts[0], parts[1])
	case kind == state.KindDeclaration:
		v.declaration(parts[0])
	default:
		return nil, fmt.Errorf("nothing is known about keys of kind %q", kind)
	}
	v.strangers()
	v.reasonsOfDeclared()
	v.demand()
	v.tellWholes(kind)
	v.holdLinks()
	return &v.outcome, nil
}

// isBusiness tells keys of orders and goods, of which nothing is kept before something was told of them.
func isBusiness(kind string) bool {
	switch kind {
	case state.KindOrder, state.KindShipment, state.KindReturn, state.KindBlindReturn, state.KindInbound, state.KindCount:
		return true
	}
	return false
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(viewFault{err})
	}
	return value
}

const (
	technical = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL
	data      = docklinev1.FaultClass_FAULT_CLASS_DATA
	process   = docklinev1.FaultClass_FAULT_CLASS_PROCESS
)

// scope is whom a rule of the policy is asked for.
func (v *view) scope(site, customer string) policy.Scope {
	return v.policy.Scope(v.tenant, site, customer)
}

// waits is how long facts wait for others at a site.
func (v *view) waits(site string) policy.Timing {
	return v.policy.Timing(v.scope(site, v.outcome.customer))
}

// mapping is what codes mean for the tenant.
func (v *view) mapping() *policy.Mapping { return v.policy.MappingOf(v.tenant) }

// raise adds an exception; whose it is the policy says: that in force now, whatever version the key is folded under, for people are where they are.
func (v *view) raise(d exception.Desired) {
	p := v.batch.inForce()
	if v.batch.under != nil {
		p = v.batch.under
	}
	v.outcome.exceptions = append(v.outcome.exceptions, d.Owned(p, v.tenant))
}

// mostFindings is beyond how many findings of one code a key has one case of all of them: nobody works through more, one by one.
const mostFindings = 1000

// raiseFindings adds what the fold itself found.
func (v *view) raiseFindings(found []state.Finding, order, customer string) {
	for _, f := range v.together(found) {
		v.raise(exception.Desired{Code: f.Code, Class: f.Class, Subject: f.Subject, Title: f.Title, Text: f.Text, Site: f.Site, Order: order, Customer: customer, EventIDs: f.EventIDs})
	}
}

// together makes one of findings of a code where they are very many.
func (v *view) together(found []state.Finding) []state.Finding {
	if len(found) <= mostFindings {
		return found
	}
	byCode := make(map[string][]state.Finding)
	for _, f := range found {
		byCode[f.Code] = append(byCode[f.Code], f)
	}
	var list []state.Finding
	for _, code := range sortedNames(byCode) {
		of := byCode[code]
		if len(of) <= mostFindings {
			list = append(list, of...)
			continue
		}
		ids := make(map[string]bool)
		for _, f := range of {
			for _, id := range f.EventIDs {
				ids[id] = true
			}
		}
		one := of[0]
		one.Subject, one.EventIDs = v.key, sortedNames(ids)
		one.Title = fmt.Sprintf("%d times: %s", len(of), one.Title)
		one.Text = fmt.Sprintf("This was found %d times in %s, so it is told as one case. The first of them: %s", len(of), v.key, one.Text)
		list = append(list, one)
	}
	return list
}

// wake asks to be folded again at a time, the earliest asked for.
func (v *view) wake(at time.Time) {
	if v.outcome.wakeAt.IsZero() || at.Before(v.outcome.wakeAt) {
		v.outcome.wakeAt = at
	}
}

// firstLook is how soon a key that begins to wait for streams looks again: one may have moved just then.
const firstLook = 2 * time.Second

// waitFor waits until a stream of the site goes on, or the time is over.
func (v *view) waitFor(site string, until time.Time) {
	v.outcome.waits[site] = true
	v.wake(until)
	if !v.batch.waits[v.foldKey][site] {
		v.wake(v.now.Add(firstLook))
	}
}

// since is when the first and the last of these events entered the log.
func (v *view) since(ids []string) (first, last time.Time) {
	first, last, err := v.batch.recorded(v.ctx, v.tenant, ids)
	if err != nil {
		panic(viewFault{err})
	}
	return first, last
}

// lagging names the streams of a site that have not told everything up to a moment, neither by the site's movement numbers nor by time:
// a stream in which nothing moves any more reaches no higher number. A site without any such stream lags too.
func (v *view) lagging(site string, at time.Time, movement uint64) []string {
	streams := must(v.batch.streamsOf(v.ctx, siteKey{v.tenant, site}))
	if len(streams) == 0 {
		return []string{"no stream of the site says how far it has told everything"}
	}
	var names []string
	for _, s := range streams {
		through := time.UnixMicro(s.through).UTC()
		switch {
		case movement > 0 && uint64(s.movement) >= movement, !through.Before(at):
		case movement > 0 && s.movement > 0:
			names = append(names, fmt.Sprintf("%s (told through movement %d and %s, needed %d or %s)", s.name, s.movement, through.Format(time.RFC3339), movement, at.Format(time.RFC3339)))
		default:
			names = append(names, fmt.Sprintf("%s (told through %s, needed %s)", s.name, through.Format(time.RFC3339), at.Format(time.RFC3339)))
		}
	}
	return names
}

// entry is the posting of that name as it stands now, if this key wanted it before.
func (v *view) entry(ref posting.Ref) (posting.Entry, bool) {
	if v.stored == nil {
		v.stored = make(map[posting.Ref]posting.Entry)
		for _, e := range v.batch.postings.Of(v.posting()) {
			v.stored[e.Ref] = e
		}
	}
	e, ok := v.stored[ref]
	return e, ok
}

// effective is the posting of that name where it has, or may have had, its effect.
func (v *view) effective(ref posting.Ref) (posting.Entry, bool) {
	e, ok := v.entry(ref)
	return e, ok && isEffective(e)
}

func isEffective(e posting.Entry) bool {
	switch e.State {
	case posting.Planned, posting.Ready, posting.Rejected, posting.Superseded:
		return false
	}
	return true
}

// priorityOf names what a priority is of.
type priorityOf struct {
	target string
	kind   connector.Kind
}

// targets are those to be told of a document, each with how it takes the kind.
func (v *view) targets(kind connector.Kind, site string, order *docklinev1.OrderState, d *docklinev1.Document, p *policy.Policy) map[string]connector.Style {
	styles := make(map[string]connector.Style)
	routes := must(p.Routes(p.Scope(v.tenant, site, order.GetCustomer()), kind, order, d))
	v.notTaken(kind, site, d, routes)
	for _, name := range policy.TargetsOf(routes) {
		priority, _ := policy.PriorityOf(routes, name)
		if v.priorities == nil {
			v.priorities = make(map[priorityOf]posting.Priority)
		}
		v.priorities[priorityOf{name, kind}] = posting.ParsePriority(string(priority))
		if style, ok := v.batch.worker.style(v.tenant, name, kind); ok {
			styles[name] = style
		}
	}
	return styles
}

// want adds a posting.
func (v *view) want(d posting.Desired) {
	d.SourceVersion = max(d.SourceVersion, int64(countFacts(v.facts)))
	rule := v.policy.Posting(v.policy.Scope(v.tenant, d.Site, v.outcome.customer), d.Target, d.Kind)
	d.Priority = v.priorities[priorityOf{d.Target, d.Kind}]
	d.Timing, d.Within, d.NotBefore = posting.Timing(rule.Timing), rule.Within, rule.NotBefore(v.now)
	v.outcome.postings = append(v.outcome.postings, d)
}

// siteEvents are the ids of those events that a site gets receipts for.
func siteEvents(events []*docklinev1.Event) []string {
	var ids []string
	for _, e := range events {
		if e.GetSite() != "" {
			ids = append(ids, e.GetId())
		}
	}
	return ids
}

// naturalKey joins parts into a posting's key, each escaped.
func naturalKey(parts ...string) string {
	return strings.TrimPrefix(event.Key("", parts...), "/")
}

// worth is a quantity at a price for one unit, as money with two decimals; "" where there is no price.
func worth(millionths int64, price string) string {
	each, err := event.ParseQuantity(price)
	if err != nil || each == 0 {
		return ""
	}
	const cent = event.Scale / 100
	product := new(big.Int).Mul(big.NewInt(millionths), big.NewInt(each))
	cents := product.Add(product, big.NewInt(event.Scale*cent/2)).Quo(product, big.NewInt(event.Scale*cent))
	if !cents.IsInt64() {
		return ""
	}
	return fmt.Sprintf("%d.%02d", cents.Int64()/100, cents.Int64()%100)
}
