package health

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Pending is what of the site's work is not yet in the ERP, for the people who do the work.
type Pending struct {
	// Orders by number of whatever they are (order, shipment, count), the oldest first.
	Orders []*Order
	// Refused is what waits for a person, the oldest first.
	Refused []Refusal
	// More events wait that were not looked at: the oldest come first.
	More uint64

	orders map[string]*Order
}

// Order is one order, shipment or count with events that are not yet in the ERP.
type Order struct {
	Subject string
	// Since is when the oldest of them happened.
	Since time.Time
	// Here are at this site, Centre are at the centre; Text is what the latter wait for, where the centre says so.
	Here, Centre int
	Text         string

	kinds map[docklinev1.EventKind]int
}

// Refusal is one event that the ERP or the centre has refused, or of which a person at the centre must decide.
type Refusal struct {
	Subject, What string
	Since         time.Time
	// Exception is the number to ask the centre for, 0 for a refusal without one.
	Exception uint64
	// Text is the reason; Origin is where the source said so: file and line.
	Text, Origin string
}

// Here adds an event that the centre does not have.
func (p *Pending) Here(e *docklinev1.Event, captured time.Time) {
	if at := e.GetOccurredAt(); at.IsValid() {
		captured = at.AsTime()
	}
	o := p.order(e.GetSubject(), e.GetKind(), captured)
	o.Here++
}

// Receipt adds what the centre's last word on an event leaves to be done.
func (p *Pending) Receipt(r *docklinev1.EventReceipt, happened time.Time) {
	if r.GetLevel() == docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED {
		o := p.order(r.GetSubject(), r.GetEventKind(), happened)
		if o.Centre++; o.Text == "" {
			o.Text = r.GetText()
		}
		return
	}
	p.Refused = append(p.Refused, Refusal{Subject: r.GetSubject(), What: KindWord(r.GetEventKind()), Since: happened,
		Exception: r.GetException(), Text: r.GetText(), Origin: r.GetOrigin()})
}

func (p *Pending) order(subject string, kind docklinev1.EventKind, at time.Time) *Order {
	if p.orders == nil {
		p.orders = map[string]*Order{}
	}
	o := p.orders[subject]
	if o == nil {
		o = &Order{Subject: subject, Since: at, kinds: map[docklinev1.EventKind]int{}}
		p.orders[subject] = o
		p.Orders = append(p.Orders, o)
	}
	if at.Before(o.Since) {
		o.Since = at
	}
	o.kinds[kind]++
	return o
}

// Sort brings all into the order in which people want it: what waits longest first.
func (p *Pending) Sort() {
	slices.SortStableFunc(p.Orders, func(a, b *Order) int { return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Subject, b.Subject)) })
	slices.SortStableFunc(p.Refused, func(a, b Refusal) int { return a.Since.Compare(b.Since) })
}

// What says in words what waits: "2 picks, 1 shipment".
func (o *Order) What() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(o.kinds)) {
		n := o.kinds[kind]
		word := KindWord(kind)
		if n > 1 {
			word += "s"
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, word))
	}
	return strings.Join(parts, ", ")
}

// kindWords are what the dock calls the kinds of events.
var kindWords = map[docklinev1.EventKind]string{
	docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED:   "new order",
	docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED:    "pick",
	docklinev1.EventKind_EVENT_KIND_PICK_SHORT:        "short pick",
	docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED:    "pack",
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED: "shipment",
	docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:    "count",
	docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED: "command answer",
	docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED:    "unreadable record",
	docklinev1.EventKind_EVENT_KIND_STREAM_GAP:        "gap",
	docklinev1.EventKind_EVENT_KIND_UNSPECIFIED:       "event",
}

// KindWord is what the dock calls a kind of event.
func KindWord(kind docklinev1.EventKind) string {
	if word, ok := kindWords[kind]; ok {
		return word
	}
	return strings.ReplaceAll(event.KindName(kind), ".", " ")
}
