package giveback_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

const (
	authorised = docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED
	requested  = docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED
	denied     = docklinev1.EventKind_EVENT_KIND_RETURN_DENIED
)

// life is what may happen to two RMAs and two receipts of one order, as it comes from a seed.
type life struct{ *rand.Rand }

func (l life) of(quantity int) *docklinev1.Line {
	line := [...]string{"10", "", "10", ""}[l.IntN(4)]
	item := "BOLT"
	if l.IntN(5) == 0 {
		item, line = "NUT", ""
	}
	return In(L("", line, item, fmt.Sprint(quantity)), "B-01", "")
}

func (l life) events() []*docklinev1.Event {
	list := []*docklinev1.Event{
		Accepted("SO1", "1", L("SO1", "10", "BOLT", "10"), L("SO1", "20", "NUT", "10"), L("SO1", "30", "BOLT", "10")),
		Pick(10, "P1", In(L("SO1", "10", "BOLT", "8"), "B-01", "")), Shipment(20, "S1", L("SO1", "10", "BOLT", "8"), L("SO1", "20", "NUT", "3")),
	}
	if l.IntN(3) == 0 { // bolts leave by another line too
		list = append(list, Shipment(30, "S2", L("SO1", "30", "BOLT", "4")))
	}
	for at, number := range []string{"R1", "R2"} {
		list = append(list, l.rma(4000+at*100, number)...)
	}
	numbers := []string{"", "", "R1", "R2"}
	for at, receipt := range []string{"RC1", "RC2"} {
		number, second := numbers[l.IntN(4)], 5000+at*1000
		came := 1 + l.IntN(4)
		told := Back(received, second, "r"+receipt, number, receipt, l.of(came))
		list = append(list, told)
		if l.IntN(3) == 0 { // the site corrects how much, or whose it is
			list = append(list, Revised(Back(received, second, "r"+receipt, numbers[l.IntN(4)], receipt, l.of(1+l.IntN(4))), "2"))
		}
		for n := range l.IntN(3) {
			to := [...]string{"restock", "restock", "scrap", "quarantine"}[l.IntN(4)]
			list = append(list, Back(disposed, second+100+n, fmt.Sprintf("d%s%d", receipt, n), number, receipt, Disposed(l.of(1+l.IntN(came)), to)))
		}
		if l.IntN(2) == 0 {
			list = append(list, l.decision(second+300, state.DecidedAccept, &docklinev1.ReturnDecision{Receipt: receipt, ReceiptSite: Site, Order: "SO1"}))
		}
		if l.IntN(3) == 0 {
			d := &docklinev1.ReturnDecision{Lines: []*docklinev1.Line{{Item: "BOLT", Quantity: &docklinev1.Quantity{Value: "1"}}}}
			if d.Number = number; number == "" {
				d.Receipt, d.ReceiptSite = receipt, Site
			}
			list = append(list, l.decision(second+400, state.DecidedCredit, d))
		}
	}
	return list
}

// rma is what is said of an RMA: with lines or none, with a receipt that it names or none, and perhaps taken back.
func (l life) rma(second int, number string) (list []*docklinev1.Event) {
	if l.IntN(4) == 0 {
		return nil
	}
	kinds := [...]docklinev1.EventKind{authorised, authorised, authorised, requested}
	for revision := range 1 + l.IntN(2) {
		var lines []*docklinev1.Line
		if l.IntN(3) > 0 {
			lines = append(lines, L("SO1", "10", "BOLT", fmt.Sprint(1+l.IntN(4))))
		}
		kind := kinds[l.IntN(4)]
		if revision > 0 && l.IntN(3) == 0 {
			kind = denied
		}
		e := RMA(kind, second+revision, number, fmt.Sprint(revision+1), "SO1", lines...)
		if l.IntN(2) == 0 {
			e = Matching(e, [...]string{"RC1", "RC2"}[l.IntN(2)])
		}
		list = append(list, e)
	}
	return list
}

func (l life) decision(second int, what string, d *docklinev1.ReturnDecision) *docklinev1.Event {
	d.Decision, d.Reason = what, "promised"
	key := event.ReturnKey(d.GetNumber())
	if d.GetNumber() == "" {
		key = event.BlindReturnKey(Site, d.GetReceipt())
	}
	e := &docklinev1.Event{Tenant: Tenant, Source: "dockline", Kind: docklinev1.EventKind_EVENT_KIND_RETURN_DECIDED, Subject: key, Actor: "ines", OccurredAt: At(second),
		SourceKey: "decision/" + what + "/" + key, SourceRevision: "1", Payload: &docklinev1.Event_ReturnDecision{ReturnDecision: d}}
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	return e
}

var returnKeys = []string{event.ReturnKey("R1"), event.ReturnKey("R2"), event.BlindReturnKey(Site, "RC1"), event.BlindReturnKey(Site, "RC2")}

// sum is how much of an item the lines of documents have.
func sum(documents []*docklinev1.Document, item string) (n int64) {
	for _, d := range documents {
		for _, l := range append(d.GetReturnReceipt().GetLines(), d.GetCreditRequest().GetLines()...) {
			if q, err := event.ParseQuantity(l.GetQuantity()); err == nil && l.GetItem() == item {
				n += q
			}
		}
	}
	return n
}

// TestAnyLivesOfReturnsArePostedOnce: whatever is told of returns, blind ones and RMAs, in whatever order and portions, while the target loses answers or
// refuses: each record stands in one document at most, what stands is what is wanted where the target takes documents back, and no more
// is wanted than came back, was let come back, or was allowed by a person. Told in another order the states are the same.
//
// Shows: S13, S61
func TestAnyLivesOfReturnsArePostedOnce(t *testing.T) {
	posted, taken, matched := 0, 0, 0
	for seed := range uint64(testenv.Count("giveback.lives")) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 47))
			events := life{random}.events()
			first := lived(t, random, events, seed%2 == 0)
			second := lived(t, random, events, seed%3 == 0)
			for _, key := range returnKeys {
				if a, b := first.states[key], second.states[key]; a != b {
					t.Errorf("%s: told in another order it is\n%s\nnot\n%s", key, b, a)
				}
			}
			posted, taken, matched = posted+first.posted+second.posted, taken+first.taken+second.taken, matched+first.matched+second.matched
		})
	}
	if t.Logf("%d documents stand, %d were taken back, %d receipts were matched", posted, taken, matched); posted == 0 || taken == 0 || matched == 0 {
		t.Error("these lives show too little")
	}
}

type came struct {
	states                 map[string]string
	posted, taken, matched int
}

// lived tells the events in a random order and random portions, and checks what follows.
func lived(t *testing.T, random *rand.Rand, events []*docklinev1.Event, reversals bool) (out came) {
	t.Helper()
	c := begin(t)
	wild := true
	memory := &connectortest.Memory{Settle: 2 * time.Second, Reversals: reversals, Now: func() time.Time { return c.clock }, Fail: func(op string, _ *connector.Posting) connectortest.Failure {
		if wild && random.IntN(4) == 0 {
			return [...]connectortest.Failure{connectortest.Before, connectortest.Silent, connectortest.Lost, connectortest.Late, connectortest.Busy}[random.IntN(5)]
		}
		return connectortest.None
	}}
	c.connect(memory)
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for rest := events; len(rest) > 0; {
		n := 1 + random.IntN(min(4, len(rest)))
		c.held = random.IntN(3) == 0
		c.enter(rest[:n])
		c.some(random.IntN(12))
		rest = rest[n:]
	}
	wild, c.held = false, false
	c.rest()
	c.clock = c.clock.Add(40 * time.Minute) // what waits for others waits no longer
	c.rest()
	out.states = make(map[string]string)
	for _, key := range returnKeys {
		s := c.state(key)
		if s == nil {
			continue
		}
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		out.states[key] = fmt.Sprintf("%s %x", s, text)
		if s.GetStatus() == state.ReturnMatched {
			out.matched++
		}
	}
	c.bounded(t)
	c.once(t, memory, reversals)
	for _, kind := range []connector.Kind{connector.ReturnReceipt, connector.CreditRequest} {
		out.posted += len(memory.Standing(kind))
		out.taken += len(memory.Keys(connector.Reversals[kind]))
	}
	if t.Failed() {
		t.Logf("reversals %v\n%s", reversals, c.postings())
	}
	return out
}

// enter tells events without waiting for what follows.
func (c *centre) enter(events []*docklinev1.Event) {
	c.t.Helper()
	if err := c.db.Write(c.t.Context(), func(tx *db.Tx) error { return c.append(c.t.Context(), tx, events) }); err != nil {
		c.t.Fatal(err)
	}
}

// some lets folds and sender make so many steps.
func (c *centre) some(steps int) {
	c.t.Helper()
	for range steps {
		if _, err := c.worker.Step(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
		if !c.held {
			if _, err := c.sender.Step(c.t.Context()); err != nil {
				c.t.Fatal(err)
			}
		}
		c.clock = c.clock.Add(time.Second)
	}
}

// bounded wants no more of what is wanted than the states let: receipts of what came, and was let come back; credits of what may be credited.
func (c *centre) bounded(t *testing.T) {
	t.Helper()
	for _, key := range returnKeys {
		s := c.state(key)
		for _, item := range []string{"BOLT", "NUT"} {
			var receivedOf, authorisedOf, creditable, allowed int64
			for _, l := range s.GetLines() {
				if l.GetItem() == item {
					receivedOf, authorisedOf, creditable, allowed = receivedOf+l.GetReceived(), authorisedOf+l.GetAuthorised(), creditable+l.GetCreditable(), allowed+l.GetAllowed()
				}
			}
			var receipts, credits []*docklinev1.Document
			for _, e := range c.of(key) {
				if e.Wanted && e.State != posting.Superseded {
					receipts, credits = append(receipts, onlyKind(e, connector.ReturnReceipt)...), append(credits, onlyKind(e, connector.CreditRequest)...)
				}
			}
			if s.GetStatus() == state.ReturnMatched || s.GetStatus() == state.ReturnDenied || c.ended(s) {
				continue // what is booked stays as it was
			}
			if n := sum(receipts, item); n > receivedOf {
				t.Errorf("%s: %d of %s are to be received, %d came", key, n, item, receivedOf)
			}
			if n := sum(receipts, item); !s.GetBlind() && authorisedOf > 0 && n > authorisedOf {
				t.Errorf("%s: %d of %s are to be received, %d were let come back", key, n, item, authorisedOf)
			}
			if n := sum(credits, item); n > creditable || !s.GetBlind() && authorisedOf > 0 && n > authorisedOf+allowed {
				t.Errorf("%s: %d of %s are to be credited, %d may be, %d were let come back and %d allowed", key, n, item, creditable, authorisedOf, allowed)
			}
		}
	}
}

func (c *centre) ended(s *docklinev1.ReturnState) bool {
	return slices.ContainsFunc(s.GetSteps(), func(step *docklinev1.StatusStep) bool { return step.GetStatus() == state.ReturnDenied })
}

func onlyKind(e posting.Entry, kind connector.Kind) []*docklinev1.Document {
	if e.Kind == kind {
		return []*docklinev1.Document{e.Document}
	}
	return nil
}

// once wants each record in one standing document at most, and where the target takes documents back what stands to be what is wanted.
func (c *centre) once(t *testing.T, memory *connectortest.Memory, reversals bool) {
	t.Helper()
	byRecord := make(map[string][]string)
	wanted := make(map[connector.Kind][]string)
	for _, key := range slices.Concat(returnKeys, []string{event.OrderKey("SO1")}) {
		for _, e := range c.of(key) {
			if e.Kind != connector.ReturnReceipt && e.Kind != connector.CreditRequest {
				continue
			}
			if e.Wanted && e.State != posting.Superseded {
				wanted[e.Kind] = append(wanted[e.Kind], e.Document.String())
			}
			if reversals && e.State != posting.Confirmed && e.State != posting.Superseded && e.State != posting.Planned {
				t.Errorf("%s rests as %s: %s", e.Ref, e.State, e.Fault.Text)
			}
			if memory.Effects(e.Kind, e.Key) > 1 {
				t.Errorf("%s stands %d times", e.Ref, memory.Effects(e.Kind, e.Key))
			}
			if e.State == posting.Confirmed || e.State == posting.Diverged || e.State == posting.Correcting {
				record := string(e.Kind) + " " + e.Key[strings.LastIndexByte(e.Key, '/')+1:] // a record's own part of the key
				byRecord[record] = append(byRecord[record], e.Key)
			}
		}
	}
	for _, record := range slices.Sorted(maps.Keys(byRecord)) {
		if keys := byRecord[record]; len(keys) > 1 {
			t.Errorf("%s stands as %v", record, keys)
		}
	}
	if !reversals {
		return
	}
	for _, kind := range []connector.Kind{connector.ReturnReceipt, connector.CreditRequest} {
		var stand []string
		for _, d := range memory.Standing(kind) {
			stand = append(stand, d.String())
		}
		confirmed := 0
		for _, text := range stand {
			if slices.Contains(wanted[kind], text) {
				confirmed++
			}
		}
		if confirmed != len(stand) {
			t.Errorf("%s: %d documents stand of which %d are wanted\n%v\n%v", kind, len(stand), confirmed, stand, wanted[kind])
		}
	}
}

// state is a return as it stands, nil where nothing is known of it.
func (c *centre) state(key string) (s *docklinev1.ReturnState) {
	c.t.Helper()
	err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		found, err := tx.Lookup(c.t.Context(), db.Lookup{Table: "state", Columns: []string{"body"}, Key: []string{"tenant", "fold_key"}, Rows: [][]any{{Tenant, key}}})
		if err != nil || len(found) == 0 {
			return err
		}
		s = &docklinev1.ReturnState{}
		return proto.Unmarshal(found[0][0].([]byte), s)
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// of are the postings that the fold of a key wanted.
func (c *centre) of(key string) (list []posting.Entry) {
	c.t.Helper()
	err := c.db.Read(c.t.Context(), func(tx *db.Tx) (err error) {
		list, err = posting.Of(c.t.Context(), tx, Tenant, key)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return list
}
