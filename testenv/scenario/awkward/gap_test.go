package awkward_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// epoch is that of the journal from which a test sends envelopes.
const epoch = "31313131313131313131313131313131"

// send has the site's journal send an envelope whose first event stands at a place, and everybody work. Its dock has told everything up to a
// second and a movement as of its last event.
func (w *world) send(seq uint64, through int, movement uint64, events ...*docklinev1.Event) {
	w.t.Helper()
	var raws [][]byte
	for _, e := range events {
		raw, err := proto.Marshal(e)
		if err != nil {
			w.t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	pack, crc, err := wire.SealPack(raws)
	if err != nil {
		w.t.Fatal(err)
	}
	envelope := &docklinev1.Envelope{Tenant: Tenant, Site: Site, Epoch: epoch, EpochOrdinal: 1, FirstSeq: seq, LastSeq: seq + uint64(len(events)) - 1, Count: uint32(len(events)),
		Crc: crc, Live: true, Pack: pack, Cursors: []*docklinev1.PluginCursor{{Plugin: WMS, Cursor: []byte{byte(seq)}, CompleteThrough: []*docklinev1.CompleteThrough{
			{Stream: "dock", Time: At(through), Movement: movement, MovesStock: true}}}}}
	payload, err := proto.Marshal(envelope)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.stages.Ingest.Handle(w.t.Context(), []wire.Message{{Topic: wire.UpTopic(Tenant, Site, wire.Events), Payload: payload}}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.stages.Filler.Step(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.work()
}

// site is how the site stands for those who look after it.
func (w *world) site() *fleet.Site {
	w.t.Helper()
	s, err := (&fleet.Fleet{DB: w.d, Now: func() time.Time { return w.clock }}).Site(w.t.Context(), Tenant, Site)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// missing is how many ranges of the site's journal are missing, as its condition says.
func (w *world) missing() int {
	w.t.Helper()
	s := w.site()
	said := slices.ContainsFunc(s.Conditions, func(c *docklinev1.Condition) bool {
		return c.GetCode() == "gap" && strings.Contains(c.GetText(), "Counts of this site wait")
	})
	if said != (len(s.Gaps) > 0) {
		w.t.Errorf("gaps %v and conditions %v of the site do not agree", s.Gaps, s.Conditions)
	}
	return len(s.Gaps)
}

// bucket is what lies in a bin.
func (w *world) bucket(item string) *docklinev1.StockState {
	w.t.Helper()
	s := &docklinev1.StockState{}
	b := state.Bucket{Site: Site, Bin: bins[item], Item: item, Status: "available"}
	w.read(`SELECT body FROM state WHERE tenant = ? AND fold_key = ?`, s, Tenant, b.Key())
	return s
}

// gapInSequence: the goods that are told behind a hole in the site's journal leave at once, in the ERP too. A count behind it waits, also when the
// site says that what is missing is lost, and past the time to wait for it; what books hold then does not open the stock anew. When the missing
// part comes after all, the count is settled with it.
func gapInSequence(w *world) {
	order := w.order(20)
	day := 7200 // after the book was opened
	w.send(1, day+5, 39, Moved(Pick(day+5, "P0", line(order, "10", "BOLT", 4)), 39))
	late := []*docklinev1.Event{Moved(Pick(day+10, "P1", line(order, "10", "BOLT", 5)), 40), Moved(Pick(day+11, "P2", line(order, "10", "BOLT", 1)), 41)}
	w.send(4, day+120, 60, Moved(Shipment(day+30, "S1", line(order, "10", "BOLT", 4)), 45), Moved(Count(day+60, "C1", In(L("", "", "BOLT", "88"), bins["BOLT"], "")), 50))
	w.expectIssued(order, "S1: 10 BOLT 4")
	w.expectStatus(order, state.PartiallyShipped)
	held := func(when string) {
		w.t.Helper()
		if got := w.adjustments(); len(got) > 0 {
			w.t.Errorf("%s: booked %q", when, got)
		}
		stock := w.bucket("BOLT")
		if len(stock.GetVariances()) != 1 || stock.GetVariances()[0].GetStanding() != state.StandingWaiting {
			w.t.Errorf("%s: the count is not provisional: %v", when, stock.GetVariances())
		}
	}
	held("seq 2 and 3 are not there yet")
	w.send(6, day+200, 62, Gap(day+150, epoch, 2, 3))
	if n := w.missing(); n != 1 {
		w.t.Errorf("the site's stream is not marked incomplete: %d ranges are missing", n)
	}
	held("the site has lost seq 2 and 3")
	books := Snapshot(day+170, In(L("", "", "BOLT", "7"), bins["BOLT"], ""))
	w.tellCentre(books)
	if s := w.bucket("BOLT"); s.GetOpening() != 100e6 || s.GetOpenedBy() == books.GetId() {
		w.t.Errorf("books that were read behind the gap open the stock anew: %v", s)
	}
	w.pass(5 * time.Hour)
	held("the time to wait is over")
	w.expectCases("count_waiting", "stream_gap")
	w.send(2, day+11, 41, late...)
	if n := w.missing(); n != 0 {
		w.t.Errorf("%d ranges are missing, and all is there", n)
	}
	if got := w.adjustments(); !slices.Equal(got, []string{"BOLT -2"}) {
		w.t.Errorf("100 in the book, 10 picked, 88 counted: booked %q", got)
	}
	w.pass(2 * time.Minute)
	w.expectCases()
}

// TestGapAccepted has a person take what is missing for gone: from then on counts behind it are settled with what there is.
//
// Shows: S58
func TestGapAccepted(t *testing.T) {
	each(t, nil, func(w *world) {
		day := 7200
		w.send(1, day, 30, Moved(Count(day-60, "C0", In(L("", "", "NUT", "100"), bins["NUT"], "")), 29))
		w.send(4, day+120, 60, Moved(Count(day+60, "C1", In(L("", "", "BOLT", "95"), bins["BOLT"], "")), 50), Gap(day+61, epoch, 2, 3))
		if got := w.adjustments(); len(got) > 0 {
			t.Errorf("booked behind a gap: %q", got)
		}
		if err := w.stages.Filler.Log.AcceptGap(t.Context(), Tenant, Site, epoch, 2); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if got := w.adjustments(); !slices.Equal(got, []string{"BOLT -5"}) {
			t.Errorf("100 in the book, 95 counted: booked %q", got)
		}
		if n := w.missing(); n != 0 {
			t.Errorf("%d ranges are missing, and a person has taken them for gone", n)
		}
	})
}

// TestCountNumberUsedAgain counts a bin twice under one number, a month apart, as a system does that numbers its counts anew: each is booked for itself.
// Rows of one count that are told apart are added up, as before.
//
// Shows: S58
func TestCountNumberUsedAgain(t *testing.T) {
	each(t, nil, func(w *world) {
		const day, month = 7200, 30 * 86400
		part := func(second int, quantity string) *docklinev1.Event {
			return Keyed(Count(second, "C1", In(L("", "", "BOLT", quantity), bins["BOLT"], "")), "row-"+quantity)
		}
		w.send(1, day+600, 0, part(day, "60"), part(day+300, "35"))
		if got := w.adjustments(); !slices.Equal(got, []string{"BOLT -5"}) {
			t.Fatalf("100 in the book, 60 and 35 counted: booked %q", got)
		}
		w.pass(month * time.Second)
		w.send(3, month+600, 0, part(month, "93"))
		if got := w.adjustments(); !slices.Equal(got, []string{"BOLT -2", "BOLT -5"}) {
			t.Errorf("95 in the book, 93 counted: booked %q", got)
		}
		if s := w.bucket("BOLT"); s.GetOnHand() != 93e6 {
			t.Errorf("%d millionths lie there", s.GetOnHand())
		}
		w.expectCases()

		// A row of the first count was stuck for a month: it is part of that one, which is corrected.
		w.send(4, month+700, 0, part(day+60, "3"))
		w.pass(time.Minute)
		if got := w.adjustments(); !slices.Equal(got, []string{"BOLT -2", "BOLT -3", "BOLT -5", "BOLT 3"}) {
			t.Errorf("60, 35 and 3 counted, then 93: booked %q", got)
		}
		if s := w.bucket("BOLT"); s.GetOnHand() != 93e6 || len(s.GetVariances()) != 2 || s.GetVariances()[0].GetVariance() != -2e6 || s.GetVariances()[1].GetVariance() != -5e6 {
			t.Errorf("60, 35 and 3, then 93: %v", s)
		}
	})
}
