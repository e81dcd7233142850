package reconcile

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// defaultDigestFrom is the number of facts from which an order has a digest: folding fewer takes no longer than to keep one.
const defaultDigestFrom = 500

// digest is what the facts of an order with very many come to: groups of those that mean the same to its fold, and the others, which stay
// apart. To stand apart is always right; a fact may be in a group only while no other of the key names its record or its event.
type digest struct {
	foldKey
	id    int64
	ready bool
	// through is how far one that is not ready has come; folded the count of facts in the key's state, as it was last written.
	through, folded int64
	groups          []*digestGroup
	// places are those of the groups, by what their facts have in common.
	places map[string]int
	// named are the ids that facts apart name: what they double, or declare an error.
	named map[string]bool
	// apart are the facts apart, where they are loaded; apartCount how many there are.
	apart      []factRow
	apartCount int64

	// members are facts that came in, with their groups, and left those that were taken out of one; short: a group does not know its newest facts any more.
	members [][]any
	left    []int64
	short   bool
}

// digestGroup is one group of a digest.
type digestGroup struct {
	part    int64
	alike   []byte
	event   *docklinev1.Event
	tally   tally
	changed bool
}

// tally is what a group counts, as its row has it.
type tally struct {
	Quantities map[string]int64 `json:"quantities"`
	First      []happened       `json:"first"`
	Oldest     []happened       `json:"oldest"`
	Newest     []happened       `json:"newest"`
}

// happened is when a fact of a group happened.
type happened struct {
	Seconds  int64  `json:"s"`
	Nanos    int64  `json:"n,omitempty"`
	Movement uint64 `json:"m,omitempty"`
	ID       string `json:"id"`
}

// A group keeps more of its first, oldest and newest facts than it needs, since some may be taken out again.
const (
	keptNewest = 2 * state.MostNewest
	keptOldest = 8
)

func (n happened) happening() state.Happening {
	return state.Happening{At: time.Unix(n.Seconds, n.Nanos).UTC(), Movement: n.Movement, ID: n.ID}
}

func happenedOf(e *docklinev1.Event) happened {
	h := state.HappeningOf(e)
	return happened{h.At.Unix(), int64(h.At.Nanosecond()), h.Movement, h.ID}
}

func compareHappened(a, b happened) int { return a.happening().Compare(b.happening()) }

func compareFirst(a, b happened) int { return a.happening().CompareFirst(b.happening()) }

func (t *tally) count() int64 { return (&state.Group{Quantities: t.Quantities}).Count() }

// add counts one fact more.
func (t *tally) add(e *docklinev1.Event, quantity string) {
	had, n := t.count(), happenedOf(e)
	t.Quantities[quantity]++
	// Beyond those that are kept it is not known what lies between them and another one.
	if at, _ := slices.BinarySearchFunc(t.Newest, n, compareHappened); at > 0 || int64(len(t.Newest)) == had {
		t.Newest = slices.Insert(t.Newest, at, n)
		t.Newest = t.Newest[max(0, len(t.Newest)-keptNewest):]
	}
	t.Oldest, t.First = amongFirst(t.Oldest, n, had, compareHappened), amongFirst(t.First, n, had, compareFirst)
}

// amongFirst adds one to the first of so many, where it is one of them.
func amongFirst(list []happened, n happened, had int64, compare func(a, b happened) int) []happened {
	if at, _ := slices.BinarySearchFunc(list, n, compare); at < len(list) || int64(len(list)) == had {
		list = slices.Insert(list, at, n)
	}
	return list[:min(len(list), keptOldest)]
}

// remove counts one fact less. ok is false where the group would not know its newest facts any more, or never had this one.
func (t *tally) remove(e *docklinev1.Event, quantity string) (ok bool) {
	if t.Quantities[quantity] == 0 {
		return false
	}
	if t.Quantities[quantity]--; t.Quantities[quantity] == 0 {
		delete(t.Quantities, quantity)
	}
	isIt := func(n happened) bool { return n.ID == e.GetId() }
	t.Newest, t.Oldest, t.First = slices.DeleteFunc(t.Newest, isIt), slices.DeleteFunc(t.Oldest, isIt), slices.DeleteFunc(t.First, isIt)
	return t.known()
}

// known tells whether a group knows as many of its first, oldest and newest facts as a fold may ask for.
func (t *tally) known() bool {
	return int64(len(t.Newest)) >= min(t.count(), state.MostNewest) && int64(min(len(t.Oldest), len(t.First))) >= min(t.count(), 1)
}

// fact is what stands for a group in a fold; ok is false where there is nothing in it.
func (g *digestGroup) fact() (fact state.Fact, ok bool) {
	if len(g.tally.Quantities) == 0 {
		return fact, false
	}
	group := &state.Group{Quantities: g.tally.Quantities, First: g.tally.First[0].happening()}
	for _, n := range g.tally.Newest {
		group.Newest = append(group.Newest, n.happening())
	}
	first := g.tally.Oldest[0].happening()
	g.event.Id, g.event.OccurredAt, g.event.Movement = first.ID, timestamppb.New(first.At), first.Movement
	return state.Fact{Event: g.event, Group: group}, true
}

// count is how many facts the key has.
func (d *digest) count() int64 {
	n := d.apartCount
	for _, g := range d.groups {
		n += g.tally.count()
	}
	return n
}

// appendGroups adds what stands for the groups.
func (d *digest) appendGroups(facts []state.Fact) []state.Fact {
	for _, g := range d.groups {
		if fact, ok := g.fact(); ok {
			facts = append(facts, fact)
		}
	}
	return facts
}

// copy is a digest that can be changed apart from this one.
func (d *digest) copy() *digest {
	c := *d
	c.members, c.left, c.apart = nil, nil, slices.Clone(d.apart)
	c.places, c.named = maps.Clone(d.places), maps.Clone(d.named)
	c.groups = make([]*digestGroup, len(d.groups))
	for i, g := range d.groups {
		copied := *g
		copied.tally = tally{maps.Clone(g.tally.Quantities), slices.Clone(g.tally.First), slices.Clone(g.tally.Oldest), slices.Clone(g.tally.Newest)}
		copied.changed = false
		c.groups[i] = &copied
	}
	return &c
}

// groupOf finds the group of facts like one, and makes it where there is none.
func (d *digest) groupOf(like *docklinev1.Event) (*digestGroup, error) {
	alike, err := proto.MarshalOptions{Deterministic: true}.Marshal(like)
	if err != nil {
		return nil, err
	}
	if at, ok := d.places[string(alike)]; ok {
		return d.groups[at], nil
	}
	g := &digestGroup{part: int64(len(d.groups)) + 1, alike: alike, tally: tally{Quantities: make(map[string]int64)}, changed: true}
	return g, d.addGroup(g)
}

func (d *digest) addGroup(g *digestGroup) error {
	if err := g.read(); err != nil {
		return err
	}
	if d.places == nil {
		d.places = make(map[string]int)
	}
	d.places[string(g.alike)] = len(d.groups)
	d.groups = append(d.groups, g)
	return nil
}

// read makes the event that stands for the group. It has no record.
func (g *digestGroup) read() error {
	g.event = &docklinev1.Event{}
	return proto.Unmarshal(g.alike, g.event)
}
