package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// left is what left by the goods issues of an order, by order line and item; nil where the order has none, and nothing can be said.
type left map[leftLine]int64

type leftLine struct{ orderLine, item string }

// leftBy sums up the goods issues of an order that are wanted, of some shipments, or of all. Where several targets are told of them, each is told the
// same, or as much of it as it takes: the most is what left.
func leftBy(originals []posting.Entry, shipments []string) left {
	byTarget := make(map[string]left)
	for _, e := range originals {
		g := e.Document.GetGoodsIssue()
		if g == nil || !e.Wanted || e.State == posting.Superseded || len(shipments) > 0 && !slices.Contains(shipments, g.GetShipment()) {
			continue
		}
		if byTarget[e.Target] == nil {
			byTarget[e.Target] = make(left)
		}
		for _, l := range g.GetLines() {
			if n, err := event.ParseQuantity(l.GetQuantity()); err == nil {
				byTarget[e.Target][leftLine{l.GetOrderLine(), l.GetItem()}] += n
			}
		}
	}
	var all left
	for _, one := range byTarget {
		if all == nil {
			all = make(left)
		}
		for line, n := range one {
			all[line] = max(all[line], n)
		}
	}
	return all
}

// lines are those of an order by which an item left.
func (l left) lines(item string) (lines []string) {
	for line := range l {
		if line.item == item {
			lines = append(lines, line.orderLine)
		}
	}
	slices.Sort(lines)
	return lines
}

// take takes as much as there is of what is asked for: of one order line, or of any where none is named.
func (l left) take(orderLine, item string, asked int64) (n int64) {
	if l == nil {
		return asked
	}
	for _, name := range l.lines(item) {
		if orderLine != "" && name != orderLine {
			continue
		}
		part := max(0, min(asked-n, l[leftLine{name, item}]))
		l[leftLine{name, item}] -= part
		n += part
	}
	return n
}

// mayCome is how much of a line may come back, as far as its RMA says.
func (b *back) mayCome(l *docklinev1.ReturnLineState) int64 {
	if b.State.GetBlind() || b.Whole {
		return l.GetReceived()
	}
	return l.GetAuthorised()
}

// room is how much there is of each line. Where the RMA names none, that is no more than had left, and what a person allowed.
func (b *back) room(of func(*docklinev1.ReturnLineState) int64) map[*docklinev1.ReturnLineState]int64 {
	room, rest := make(map[*docklinev1.ReturnLineState]int64), maps.Clone(b.left)
	for _, l := range b.State.GetLines() {
		if room[l] = of(l); b.Whole {
			bound := rest.take(b.orderLine(l), l.GetItem(), max(0, room[l]-l.GetAllowed()))
			room[l] = min(room[l], bound+l.GetAllowed())
		}
	}
	return room
}

// infers tells whether the order's line of a return's line is to be found: the site often does not know it, and nobody else has said it.
func (b *back) infers(l *docklinev1.ReturnLineState) bool {
	return l.GetOrderLine() == "" && (b.State.GetBlind() || b.Whole)
}

// orderLine is the order's line that a return's line is of: that by which the item left, where it left by one only.
func (b *back) orderLine(l *docklinev1.ReturnLineState) string {
	if lines := b.left.lines(l.GetItem()); b.infers(l) && len(lines) == 1 {
		return lines[0]
	}
	return l.GetOrderLine()
}

// isUnclear tells whether an item left by several lines of the order, and nobody has said which of them came back.
func (b *back) isUnclear(l *docklinev1.ReturnLineState) bool {
	return b.infers(l) && len(b.left.lines(l.GetItem())) > 1
}

func (b *back) anyUnclear(deed state.ReturnDeed) bool {
	return slices.ContainsFunc(deed.Parts, func(p state.ReturnPart) bool { return b.isUnclear(p.Line) })
}

// sameButLines tells whether a target has a document as it is wanted, but for order lines that are only inferred: those stay as they were told,
// whatever has left since.
func (b *back) sameButLines(e posting.Entry, wanted *docklinev1.Document, deed state.ReturnDeed) bool {
	had := cmp.Or(e.Booked, e.Sent)
	if had == nil || slices.ContainsFunc(deed.Parts, func(p state.ReturnPart) bool { return !b.infers(p.Line) }) {
		return false
	}
	return proto.Equal(withoutLines(had), withoutLines(wanted))
}

func withoutLines(d *docklinev1.Document) *docklinev1.Document {
	d = proto.CloneOf(d)
	for _, l := range cmp.Or(d.GetReturnReceipt(), d.GetCreditRequest()).GetLines() {
		l.OrderLine = ""
	}
	return d
}

// unclear makes a case of each item of which nobody knows which line of the order it is of, and of what came back beyond what had left.
func (b *back) unclear() {
	v, s := b.view, b.State
	if !b.told {
		return
	}
	rest := maps.Clone(b.left)
	for _, l := range s.GetLines() {
		if b.isUnclear(l) && l.GetReceived() > 0 && b.wanted(l) {
			remedy := fmt.Sprintf("Name the lines in the RMA %s.", s.GetNumber())
			if s.GetBlind() {
				remedy = fmt.Sprintf("Say which one: `dockline-collector return accept %s --order %s --line %s=LINE`.", v.key, s.GetOrder(), l.GetItem())
			}
			v.returnCase(b.ReturnFold, "return_line_unclear", l.GetItem(), fmt.Sprintf("%s: which line of order %s came back is not known", b.name(), s.GetOrder()),
				fmt.Sprintf("%s: %s of item %s came back, which had left by the lines %s of order %s, and the site has not told which of them. %s Until then nothing of it is posted. This closes by itself when it is known.",
					b.name(), event.FormatQuantity(l.GetReceived()), l.GetItem(), strings.Join(b.left.lines(l.GetItem()), " and "), s.GetOrder(), remedy), l.GetEventIds())
		}
		if !b.Whole || l.GetReceived() == 0 {
			continue
		}
		over := l.GetReceived() - rest.take(b.orderLine(l), l.GetItem(), l.GetReceived())
		if over > 0 && !v.mayStillCome(s.GetSite(), b.Received[len(b.Received)-1], idsOf(b.Received)) {
			v.returnCase(b.ReturnFold, "return_over_received", strings.TrimSpace(l.GetOrder()+" "+l.GetOrderLine()+" "+l.GetItem()), fmt.Sprintf("%s: more came back than had left", b.name()),
				fmt.Sprintf("%s names no lines, so it lets come back what had left by order %s; %s more of item %s came than that. Name it in the RMA, correct the receipt at the site, or send it back to the customer. This closes by itself when the two agree.",
					b.name(), s.GetOrder(), event.FormatQuantity(over), l.GetItem()), l.GetEventIds())
		}
	}
	if b.Whole && s.GetOrder() == "" && len(b.Received) > 0 {
		v.returnCase(b.ReturnFold, "return_unauthorised", "no order", fmt.Sprintf("%s names neither lines nor an order", b.name()),
			fmt.Sprintf("%s names neither what may come back nor the order that it had left by, and the site received %s. Name one of them in the RMA. Until then nothing is posted. This closes by itself when it does.",
				b.name(), returnedText(s)), idsOf(b.Received))
	}
}

// wanted tells whether some posting of a line waits for its order line: what was posted before the item left by another one stays.
func (b *back) wanted(l *docklinev1.ReturnLineState) bool {
	for _, deed := range b.Receipts {
		if !slices.ContainsFunc(deed.Parts, func(p state.ReturnPart) bool { return p.Line == l }) {
			continue
		}
		if !slices.ContainsFunc(slices.Sorted(maps.Keys(b.receipts)), func(target string) bool {
			return slices.ContainsFunc(b.receipts[target], func(d posting.Desired) bool { return slices.Contains(d.EventIDs, deed.Event.GetId()) })
		}) {
			return true
		}
	}
	return false
}

// name is what people call the return by.
func (b *back) name() string {
	if b.State.GetBlind() {
		return "Receipt " + strings.Join(b.State.GetReceipts(), ", ")
	}
	return "Return " + b.State.GetNumber()
}

// fedBefore are, by event, the postings that its record feeds or has fed, whatever return it was told of then.
func (v *view) fedBefore(fold *state.ReturnFold) map[string][]posting.Entry {
	versions, records := make(map[string][]string), make(map[string][]string)
	for _, e := range fold.Former {
		if r := event.Record(e); r != "" {
			records[r] = append(records[r], e.GetId())
		}
	}
	var ids []string
	for _, deed := range slices.Concat(fold.Receipts, fold.Dispositions) {
		id := deed.Event.GetId()
		versions[id] = append([]string{id}, records[event.Record(deed.Event)]...)
		ids = append(ids, versions[id]...)
	}
	slices.Sort(ids)
	found := must(posting.FedBy(v.ctx, v.batch.tx, v.tenant, slices.Compact(ids)))
	before := make(map[string][]posting.Entry)
	for id, list := range versions {
		for _, version := range list {
			before[id] = append(before[id], found[version]...)
		}
	}
	return before
}

// key is that of the posting of a record: the one that it had before, under whatever return it was told then, while that stands. So goods that came
// without an RMA, were taken for an order and posted stay one document when an RMA names them.
func (b *back) key(target string, kind connector.Kind, e *docklinev1.Event, own string) string {
	key, best := own, -1
	for _, had := range b.before[e.GetId()] {
		if had.Target != target || had.Kind != kind || had.State == posting.Superseded {
			continue
		}
		rank := 0
		if isEffective(had) {
			rank = 2
		}
		if had.Key == own {
			rank++
		}
		if rank > best || rank == best && had.Key < key {
			key, best = had.Key, rank
		}
	}
	return key
}

// effective is the posting of that name where it has, or may have had, its effect, also where another return has it still.
func (b *back) effective(ref posting.Ref) (posting.Entry, bool) {
	if e, ok := b.view.entry(ref); ok {
		return e, isEffective(e)
	}
	for _, list := range b.before {
		for _, e := range list {
			if e.Ref == ref {
				return e, isEffective(e)
			}
		}
	}
	return posting.Entry{}, false
}

// rmaOf is the RMA that has a blind return: the one that names its receipt, or under whose number the site tells of it now; "" for none.
func (v *view) rmaOf(fold *state.ReturnFold) string {
	if fold.Matched != "" {
		return fold.Matched
	}
	for _, l := range v.batch.partOf[v.foldKey] {
		if kind, parts, err := event.ParseKey(l.partOf); err == nil && kind == state.KindReturn && l.inForce == 1 {
			return parts[0]
		}
	}
	return ""
}

// leaveToRMA keeps what had its effect as it is until the RMA's fold wants it: it is one document, whoever has it.
func (v *view) leaveToRMA() {
	v.entry(posting.Ref{})
	for _, ref := range sortedRefs(v.stored) {
		e, sent := v.effective(ref)
		if !sent || !e.Wanted || ref.Kind != connector.ReturnReceipt && ref.Kind != connector.CreditRequest {
			continue
		}
		v.want(posting.Desired{Target: ref.Target, Kind: ref.Kind, Key: ref.Key, SerialKey: e.SerialKey, Site: e.Site, CorrelationID: e.CorrelationID, Document: e.Document, Style: e.Style,
			Needs: must(posting.Needs(v.ctx, v.batch.tx, v.tenant, ref)), EventIDs: must(posting.EventIDs(v.ctx, v.batch.tx, v.tenant, ref))})
	}
}
