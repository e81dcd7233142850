package state

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/ownership"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Writes is what the source of one fact may state.
type Writes struct {
	// Tell: the fact counts. Else Denied says what it claims, and whose that is.
	Tell   bool
	Denied ownership.Answer
	// Foreign are fields of the fact that are not its source's, Own those that are by rules of their own.
	Foreign, Own map[string]bool
}

// Authority says who may state what. It must answer the same for the same fact.
type Authority interface {
	Writes(e *docklinev1.Event) Writes
	// Rank is which of the owners of a field the source of a fact is: 0 is the record.
	Rank(e *docklinev1.Event, field string) int
}

// Owned is the facts of a key once everybody has said only what is his.
type Owned struct {
	// Facts is what counts. What is not its source's to say is left out of them, and an order's facts have what its owner says in its place.
	Facts []Fact
	// Claims are what others say of what is not theirs, where its owner does not say the same.
	Claims []Claim
	// Told are events that do not count themselves, by id; of some single fields were taken.
	Told map[string]*docklinev1.Event
	// Taken is how many of them gave fields.
	Taken int

	settled *settling
}

// Stated are the facts that may state a field of the order, by revision; settled is false where all that tell of the order may.
func (o *Owned) Stated(field string) (facts []Fact, settled bool) {
	if o.settled == nil {
		return nil, false
	}
	_, name, _ := strings.Cut(field, ".")
	for _, fact := range o.settled.about {
		if o.settled.mayState(fact.Event, name) {
			facts = append(facts, fact)
		}
	}
	return facts, true
}

// Claim is what one fact says of what is not its source's.
type Claim struct {
	Event *docklinev1.Event
	// Record tells it from others of the key, the same for all revisions of its record.
	Record string
	// Whole: the fact itself is not its source's to tell.
	Whole bool
	// Denied is what was claimed with it, and whose that is.
	Denied ownership.Answer
	// Differences are the fields that it says otherwise than their owner, by field and line.
	Differences []Difference
}

// Difference is one field of which two systems say two things; "" is nothing.
type Difference struct {
	// Field is its name with its object: "order.promised_at".
	Field, OrderLine string
	Said, Holds      string
}

// Own settles who says what. It is pure, and the same for any order of the same facts: what a source may state depends on the fact alone, and
// the value of a field on which facts its owners have told.
func Own(facts []Fact, a Authority) Owned {
	o := settling{authority: a, writes: make(map[*docklinev1.Event]Writes)}
	if !o.sort(facts) {
		return Owned{Facts: facts}
	}
	o.settle()
	out := Owned{settled: &o, Told: make(map[string]*docklinev1.Event)}
	for _, fact := range o.tell {
		fact.Event = o.mine(fact.Event)
		out.Facts = append(out.Facts, fact)
	}
	taken := make(map[string]bool)
	for _, fact := range o.others {
		if !event.IsElsewhere(fact.Event) && fact.Via == "" {
			out.Told[fact.Event.GetId()] = fact.Event
			taken[fact.Event.GetId()] = taken[fact.Event.GetId()] || o.gives(fact.Event)
		}
	}
	for _, gave := range taken {
		if gave {
			out.Taken++
		}
	}
	out.Claims = o.claims()
	return out
}

// settling is the work of one Own.
type settling struct {
	authority Authority
	writes    map[*docklinev1.Event]Writes
	// tell are facts that count, others those that do not, declarations of errors apart.
	tell, others, declarations []Fact
	// force is what counts of both, about an order all revisions.
	force []Fact
	about []Fact
	// order is what the system of record says of the order in the end, with what others own in it; nil where it has said nothing.
	order *docklinev1.Event
}

// sort divides facts by whether they count. It tells whether there is anything to settle.
func (o *settling) sort(facts []Fact) bool {
	plain := true
	for _, fact := range facts {
		w := o.authority.Writes(fact.Event)
		if plain = w.Tell && (len(w.Foreign) == 0 || !carries(fact.Event, w.Foreign)); !plain {
			break
		}
	}
	if plain {
		return false
	}
	for _, fact := range facts {
		switch {
		case o.of(fact.Event).Tell:
			o.tell = append(o.tell, fact)
		case fact.Event.GetErrorDeclaration() != nil:
			o.declarations = append(o.declarations, fact)
		default:
			o.others = append(o.others, fact)
		}
	}
	return true
}

// of is what the source of a fact may state.
func (o *settling) of(e *docklinev1.Event) Writes {
	w, known := o.writes[e]
	if !known {
		w = o.authority.Writes(e)
		o.writes[e] = w
	}
	return w
}

// mayState tells whether what a fact says of one field counts.
func (o *settling) mayState(e *docklinev1.Event, name string) bool {
	w := o.of(e)
	return w.Tell && !w.Foreign[name] || !w.Tell && w.Own[name]
}

// gives tells whether fields of a fact that does not count are taken: those of an order that are its source's own.
func (o *settling) gives(e *docklinev1.Event) bool {
	return isOrder(e) && carries(e, o.of(e).Own)
}

// isOrder tells whether a fact restates an order as a system of record has it.
func isOrder(e *docklinev1.Event) bool {
	return e.GetOrder() != nil && e.GetKind() != docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED
}

// settle works out what every field of an order is, by those who own it.
func (o *settling) settle() {
	writers := slices.Clone(o.tell)
	for _, fact := range o.others {
		if event.IsElsewhere(fact.Event) || o.gives(fact.Event) {
			writers = append(writers, fact)
		}
	}
	force := inForce(writers)
	o.force = force.Facts
	for _, fact := range append(slices.Clone(force.Former), force.Facts...) {
		if isOrder(fact.Event) {
			o.about = append(o.about, fact)
		}
	}
	slices.SortFunc(o.about, byRevision)
	for i := len(o.about) - 1; i >= 0 && o.order == nil; i-- {
		if e := o.about[i].Event; o.of(e).Tell {
			o.order = o.mine(e)
		}
	}
}

// mine is a fact without what is not its source's; of an order with what its owners say instead.
func (o *settling) mine(e *docklinev1.Event) *docklinev1.Event {
	foreign := o.of(e).Foreign
	if len(foreign) == 0 || event.IsElsewhere(e) || !isOrder(e) && !carries(e, foreign) {
		return e
	}
	out := proto.CloneOf(e)
	for _, name := range sortedKeys(foreign) {
		f := fieldOf(out, name)
		if !isOrder(e) {
			f.clear()
			continue
		}
		f.set(func(line string) (value, bool) { return o.value(name, line) })
	}
	return out
}

// value is what the owners of an order's field say of it, of a line where it is a line's; ok is false where none has said anything.
func (o *settling) value(name, line string) (v value, ok bool) {
	newest := make(map[string]Fact) // by source
	for _, fact := range o.about {
		if o.mayState(fact.Event, name) {
			newest[fact.Event.GetSource()] = fact
		}
	}
	var last *Fact
	var rank int
	for _, source := range sortedKeys(newest) {
		fact := newest[source]
		found := fieldOf(fact.Event, name).get(line)
		if !found.told() {
			continue
		}
		r := o.authority.Rank(fact.Event, name)
		if last == nil || r < rank || r == rank && byHappening(*last, fact) < 0 {
			last, rank, v = &fact, r, found
		}
	}
	return v, last != nil
}
