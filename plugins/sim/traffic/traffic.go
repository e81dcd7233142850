package traffic

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/gs1"
)

// Config says how much traffic there is and what is wrong with it.
type Config struct {
	Seed    uint64
	Site    string
	Profile Profile
	// OrdersPerDay, and Peak, by which the curve is sharpened: 1 leaves it, 2 squares it.
	OrdersPerDay int
	Peak         float64
	// Awkward is how many of a hundred orders each case happens to.
	Awkward map[string]float64
	// Began is when the traffic began.
	Began time.Time
}

// Told is an event and when the site tells it.
type Told struct {
	At    time.Time
	Order int
	Step  int
	Event *docklinev1.Event
}

// delay puts off the telling, not the deed.
func (t *Told) delay(by time.Duration) { t.At = t.At.Add(by) }

// Place is where a reader of the traffic is: what comes behind it was not told yet.
type Place struct {
	At    time.Time
	Order int
	Step  int
}

func (p Place) compare(t *Told) int {
	return cmp.Or(p.At.Compare(t.At), cmp.Compare(p.Order, t.Order), cmp.Compare(p.Step, t.Step))
}

// longest is how long after its order begins the last of its events may be told.
const longest = 48 * time.Hour

// Traffic gives what is told, in its order.
type Traffic struct {
	c     Config
	share [25]float64 // of a day's orders that are in before an hour
	names []string
}

// New makes the traffic of a configuration.
func New(c Config) *Traffic {
	t := &Traffic{c: c}
	sum := 0.0
	for hour, weight := range c.Profile.Curve {
		sum += power(weight, c.Peak)
		t.share[hour+1] = sum
	}
	for hour := range t.share {
		t.share[hour] /= sum
	}
	t.names, _ = Cases()
	return t
}

// power is a weight to the power of the peak, by whole and half steps: exact on every machine.
func power(weight, peak float64) float64 {
	out := 1.0
	for range int(peak) {
		out *= weight
	}
	if peak != float64(int(peak)) {
		out *= 1 + (weight-1)*(peak-float64(int(peak)))
	}
	return max(out, 0)
}

// arrival is when an order comes: the orders of a day are spread by the curve. Order 0 is the first of the day on which the traffic began.
func (t *Traffic) arrival(order int) time.Time {
	midnight := t.c.Began.UTC().Truncate(24 * time.Hour)
	day, n := order/t.c.OrdersPerDay, order%t.c.OrdersPerDay
	quantile := (float64(n) + 0.5) / float64(t.c.OrdersPerDay)
	hour := 0
	for hour < 23 && t.share[hour+1] <= quantile {
		hour++
	}
	part := (quantile - t.share[hour]) / (t.share[hour+1] - t.share[hour])
	return midnight.AddDate(0, 0, day).Add(time.Duration((float64(hour) + part) * float64(time.Hour)).Truncate(time.Microsecond))
}

// first is the number of the first order that comes at a time or later, and not before the traffic began.
func (t *Traffic) first(at time.Time) int {
	if at.Before(t.c.Began) {
		at = t.c.Began
	}
	days := int(at.Sub(t.c.Began.UTC().Truncate(24*time.Hour)) / (24 * time.Hour))
	n := days * t.c.OrdersPerDay
	for t.arrival(n).Before(at) {
		n++
	}
	return n
}

// Between gives at most so many events that are told behind a place and not after a time.
func (t *Traffic) Between(from Place, until time.Time, most int) []*Told {
	var all []*Told
	enough := 4 * most
	for order := t.first(from.At.Add(-longest)); !t.arrival(order).After(until); order++ {
		for _, told := range t.Order(order) {
			if from.compare(told) < 0 && !told.At.After(until) {
				all = append(all, told)
			}
		}
		if len(all) <= enough {
			continue
		}
		// Nothing of a later order is told before that order comes: what is told before this one is whole.
		limit := t.arrival(order)
		behind := func(told *Told) bool { return !told.At.Before(limit) }
		if whole := slices.DeleteFunc(slices.Clone(all), behind); len(whole) >= most {
			all = whole
			break
		}
		enough *= 2
	}
	slices.SortFunc(all, func(a, b *Told) int { return Place{a.At, a.Order, a.Step}.compare(b) })
	return all[:min(most, len(all))]
}

// story is one order, and what is told of it.
type story struct {
	number  int
	order   string
	profile Profile
	random  *rand.Rand
	began   time.Time
	told    []*Told
}

// Order is all that is told of one order, in no order.
func (t *Traffic) Order(number int) []*Told {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%d", t.c.Site, number)
	s := &story{number: number, order: fmt.Sprintf("SO-%s-%07d", t.c.Site, number), profile: t.c.Profile, random: rand.New(rand.NewPCG(t.c.Seed, h.Sum64())), began: t.arrival(number)}
	s.normal(t.c.Site)
	for _, name := range t.names {
		// A number is drawn for each case, so that the rate of one changes nothing of another.
		if draw := s.random.Float64() * 100; draw < t.c.Awkward[name] {
			cases[name].do(s)
		}
	}
	return s.told
}

func (s *story) percent(p int) bool { return s.random.IntN(100) < p }

// few is a number from 1 to most, small ones more often.
func (s *story) few(most int) int {
	return 1 + min(s.random.IntN(most), s.random.IntN(most))
}

// add tells an event.
func (s *story) add(at time.Time, e *docklinev1.Event) {
	s.told = append(s.told, &Told{At: at, Order: s.number, Step: len(s.told), Event: e})
}

// tell makes an event and tells it when it happens.
func (s *story) tell(at time.Time, key, subject string, kind docklinev1.EventKind, payload any) *docklinev1.Event {
	e := &docklinev1.Event{Kind: kind, Subject: subject, SourceKey: key, SourceRevision: "1", OccurredAt: timestamppb.New(at), Actor: fmt.Sprintf("op-%02d", 1+s.random.IntN(30))}
	set(e, payload)
	s.add(at, e)
	return e
}

// set fills the payload's one field.
func set(e *docklinev1.Event, payload any) {
	switch p := payload.(type) {
	case *docklinev1.Event_Pick:
		e.Payload = p
	case *docklinev1.Event_Pack:
		e.Payload = p
	case *docklinev1.Event_Shipment:
		e.Payload = p
	case *docklinev1.Event_ShipmentVoid:
		e.Payload = p
	case *docklinev1.Event_CancelRequest:
		e.Payload = p
	case *docklinev1.Event_Delivery:
		e.Payload = p
	case *docklinev1.Event_Return:
		e.Payload = p
	case *docklinev1.Event_Count:
		e.Payload = p
	case *docklinev1.Event_DeadLetter:
		e.Payload = p
	default:
		panic(fmt.Sprintf("traffic: no payload %T", payload))
	}
}

// any is one of the order's events.
func (s *story) any() *Told { return s.told[s.random.IntN(len(s.told))] }

// first is the first event of a kind; nil where there is none.
func (s *story) first(kind docklinev1.EventKind) *Told {
	for _, t := range s.told {
		if t.Event.GetKind() == kind {
			return t
		}
	}
	return nil
}

// line is the first line of the first event, which is a pick.
func (s *story) line() *docklinev1.Line { return s.told[0].Event.GetPick().GetLines()[0] }

// ended is when the last event is told.
func (s *story) ended() time.Time {
	return slices.MaxFunc(s.told, func(a, b *Told) int { return a.At.Compare(b.At) }).At
}

// normal is an order on a good day: picks, cartons, one or two shipments, and now and then something that comes back.
func (s *story) normal(site string) {
	at := s.began
	partial := s.percent(s.profile.PartialPercent)
	urgent := s.percent(s.profile.UrgentPercent)
	var packed []*docklinev1.Line
	for n := range s.few(s.profile.LinesMost) {
		at = at.Add(time.Duration(20+s.random.IntN(90)) * time.Second)
		l := s.newLine(n + 1)
		kind := docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED
		if s.percent(s.profile.ShortPercent) {
			kind = docklinev1.EventKind_EVENT_KIND_PICK_SHORT
			l.Ordered, l.Reason = proto.CloneOf(l.Quantity), "bin empty"
			l.Quantity.Value = "0"
			l.Serials = nil
		}
		task := fmt.Sprintf("PK-%s-%d", s.order, n+1)
		e := s.tell(at, "pick/"+task, s.order, kind, &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: task, Lines: []*docklinev1.Line{l}}})
		e.Urgent = urgent
		if kind == docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED {
			packed = append(packed, l)
		}
	}
	parts := [][]*docklinev1.Line{packed}
	if partial && len(packed) > 1 {
		parts = [][]*docklinev1.Line{packed[:1], packed[1:]}
	}
	for n, lines := range parts {
		if len(lines) > 0 {
			at = s.leave(at.Add(time.Duration(5+s.random.IntN(30))*time.Minute), site, n, lines)
		}
	}
	if len(packed) > 0 && s.percent(s.profile.ReturnPercent) {
		s.comeBack(at.Add(5*time.Hour), packed[0])
	}
}

func (s *story) newLine(n int) *docklinev1.Line {
	item := 1 + min(s.random.IntN(s.profile.Items), s.random.IntN(s.profile.Items)) // some items are ordered far more often
	digits := fmt.Sprintf("0401234%06d", item)
	quantity := s.few(s.profile.PiecesMost)
	l := &docklinev1.Line{Order: s.order, OrderLine: fmt.Sprint(n), Item: fmt.Sprintf("IT-%05d", item), Gtin: digits + string(gs1.CheckDigit(digits)),
		Quantity: &docklinev1.Quantity{Value: fmt.Sprint(quantity), Unit: s.profile.Unit}, Bin: fmt.Sprintf("A-%02d-%02d", item%40, item%17)}
	if s.profile.Lots {
		l.Lot = fmt.Sprintf("L%04d", s.random.IntN(3)+item)
		l.ExpiresAt = timestamppb.New(s.began.Truncate(24*time.Hour).AddDate(0, 0, 20+item%200))
	}
	if s.profile.Serials && item%5 == 0 {
		for piece := range quantity {
			l.Serials = append(l.Serials, fmt.Sprintf("SN%d-%d-%d", s.number, n, piece))
		}
	}
	return l
}

// leave packs lines into a carton and ships it; it gives when it left.
func (s *story) leave(at time.Time, site string, part int, lines []*docklinev1.Line) time.Time {
	digits := fmt.Sprintf("34012345%09d", (s.number*2+part)%1_000_000_000)
	unit := digits + string(gs1.CheckDigit(digits))
	inside := func() (all []*docklinev1.Line) {
		for _, l := range lines {
			c := proto.CloneOf(l)
			c.Bin, c.HandlingUnit = "", unit
			all = append(all, c)
		}
		return all
	}
	s.tell(at, "pack/"+unit, s.order, docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED, &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: unit,
		WeightKg: fmt.Sprintf("%d.%d", 1+s.random.IntN(20), s.random.IntN(10)), Lines: inside()}})
	at = at.Add(time.Duration(10+s.random.IntN(120)) * time.Minute)
	number := fmt.Sprintf("SHP-%s-%d", strings.TrimPrefix(s.order, "SO-"), part+1)
	s.tell(at, "ship/"+number, number, docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: number,
		Carrier: []string{"DHL", "UPS", "DPD"}[s.random.IntN(3)], Tracking: fmt.Sprintf("1Z%s%09d%d", strings.ToUpper(site), s.number, part), Lines: inside()}})
	return at
}

// comeBack is a return with its number.
func (s *story) comeBack(at time.Time, line *docklinev1.Line) {
	l := proto.CloneOf(line)
	l.Bin, l.Condition = "", []string{"good", "opened", "damaged"}[s.random.IntN(3)]
	number := "RMA-" + s.order
	s.tell(at, "return/"+number, number, docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED,
		&docklinev1.Event_Return{Return: &docklinev1.Return{Number: number, Receipt: "RC-" + s.order, Order: s.order, Lines: []*docklinev1.Line{l}}})
}
