package ingest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/ingest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// The epochs of one Hello follow each other by ordinal, also where their rows are written in another order and time goes on meanwhile:
// else the newest one would not be the last, and the site's streams would stand still for good.
func TestEpochsOfOneHelloFollowEachOtherByOrdinal(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, func(c *ingest.Config) {
			clock := c.Now()
			c.Now = func() time.Time { clock = clock.Add(time.Millisecond); return clock }
		})
		w.send(message(t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: "s1", Epochs: []*docklinev1.EpochRange{
			{Epoch: "c", Ordinal: 1, LastSeq: 1}, {Epoch: "b", Ordinal: 2, Predecessor: "c", PredecessorLastSeq: 1, LastSeq: 1}, {Epoch: "a", Ordinal: 3, Predecessor: "b", PredecessorLastSeq: 1}}}))
		w.expect("the last epoch's ordinal", 3, `SELECT ordinal FROM epoch ORDER BY seen_at DESC, ordinal DESC LIMIT 1`)
		w.expect("the first epoch's ordinal", 1, `SELECT ordinal FROM epoch ORDER BY seen_at, ordinal LIMIT 1`)
	})
}

// A Hello that another collector answers late says nothing of what the site has given since: what lies between is on its way, not lost.
func TestALateHelloLosesNothing(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello("s1", epochRange("e1", "", 1, 8))
		w.send(w.envelope(envelope("dc-east", "e1", 1, 8, "")), w.envelope(envelope("dc-east", "e1", 10, 10, "")))
		late := epochRange("e1", "", 1, 8)
		late.Ranges = nil // all of it was acknowledged
		w.hello("s1", late)
		w.expect("lost ranges", 0, `SELECT count(*) FROM gap`)
		answers := w.send(w.envelope(envelope("dc-east", "e1", 9, 9, "")))
		if len(answers) != 1 || answers[0].GetAck().GetWatermark() != 10 {
			t.Errorf("answers %v", answers)
		}
		w.expect("received ranges", 1, `SELECT count(*) FROM received`)
	})
}

// A Hello comes late: since it was said the site has begun an epoch, and of that an envelope is here already, not the first. What lies before is
// on its way. Where nobody names the epoch for an hour although the site is there, its journal is gone, and what it held is declared.
func TestALateHelloKnowsNothingOfANewEpoch(t *testing.T) {
	for _, gone := range []bool{false, true} {
		testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
			w := newWorld(t, d)
			w.hello("s1", epochRange("e1", "", 1, 8))
			w.send(w.envelope(envelope("dc-east", "e1", 1, 8, "")), w.envelope(envelope("dc-east", "e2", 5, 6, "")))
			w.hello("s1", epochRange("e1", "", 1, 8))
			w.beat("s1", "e1")
			w.expect("lost ranges", 0, `SELECT count(*) FROM gap`)
			if gone {
				w.now = w.now.Add(61 * time.Minute)
				w.beat("s1", "e1")
				w.expect("what the lost journal had", 1, `SELECT count(*) FROM gap WHERE epoch = 'e2' AND lo = 1 AND hi = 4`)
				w.beat("s1", "e1")
				w.expect("all losses", 1, `SELECT count(*) FROM gap`)
				return
			}
			if answers := w.send(w.envelope(envelope("dc-east", "e2", 1, 4, ""))); len(answers) != 1 || answers[0].GetAck().GetWatermark() != 6 {
				t.Errorf("answers %v", answers)
			}
			w.now = w.now.Add(61 * time.Minute)
			w.beat("s1", "e2")
			w.expect("lost ranges", 0, `SELECT count(*) FROM gap`)
		})
	}
}

// What ended long ago is known from the newest epoch's word only. A database that was put back to before an epoch had come to its end declares what
// it lacks of it; one that has all of it declares nothing.
func TestWhatEndedBeforeIsDeclared(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello("s1", epochRange("e1", "", 1, 1))
		w.send(w.envelope(envelope("dc-east", "e1", 1, 1, "")))
		newest := epochRange("e3", "e2", 3, 0)
		newest.Before = []*docklinev1.EpochRange{{Epoch: "e1", Ordinal: 1, LastSeq: 1}}
		w.hello("s2", newest)
		w.expect("losses where all is here", 0, `SELECT count(*) FROM gap`)
		newest.Before[0].LastSeq = 5
		w.hello("s3", newest)
		w.expect("what the database lacks", 1, `SELECT count(*) FROM gap WHERE epoch = 'e1' AND lo = 2 AND hi = 5`)
		w.hello("s4", newest)
		w.expect("all losses", 1, `SELECT count(*) FROM gap`)
	})
}

// A disk was put back to a copy: the epoch that it had been writing ends earlier than was said once, and another one follows it. What was said
// beyond that end and is not here went with the disk.
func TestAnEpochEndsWhereTheNextBegins(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello("s1", epochRange("e1", "", 1, 15))
		w.hello("s2", epochRange("e1", "", 1, 5), epochRange("e2", "e1", 2, 0))
		w.expect("what went with the disk", 1, `SELECT count(*) FROM gap WHERE epoch = 'e1' AND lo = 6 AND hi = 15`)
		w.send(w.envelope(envelope("dc-east", "e1", 1, 5, "")))
		w.expect("all losses", 1, `SELECT count(*) FROM gap`)
	})
}

// What a site says of epochs before is bounded: it may not make the centre take in more names than any agent keeps, names within names, or losses that no
// journal can have had.
func TestWhatASiteSaysOfEpochsBeforeIsBounded(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		many := make([]*docklinev1.EpochRange, 257)
		for i := range many {
			many[i] = &docklinev1.EpochRange{Epoch: fmt.Sprint("e", i), LastSeq: 1}
		}
		for what, before := range map[string][]*docklinev1.EpochRange{
			"too many":       many,
			"within another": {{Epoch: "e1", LastSeq: 1, Before: []*docklinev1.EpochRange{{Epoch: "e2"}}}},
			"too far":        {{Epoch: "e1", LastSeq: 1<<48 + 1}},
		} {
			newest := epochRange("n", "", 2, 0)
			newest.Before = before
			if answers := w.send(message(t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: "s1", Epochs: []*docklinev1.EpochRange{newest}})); len(answers) != 1 || answers[0].GetRefusal() == nil {
				t.Errorf("%s: %v", what, answers)
			}
		}
		w.expect("epochs", 0, `SELECT count(*) FROM epoch`)
		w.expect("lost ranges", 0, `SELECT count(*) FROM gap`)
	})
}
