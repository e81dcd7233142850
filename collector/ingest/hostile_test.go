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

// invented is a Hello of journals that nobody has heard of.
func (w *world) invented(from, n int) wire.Message {
	h := &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: fmt.Sprintf("h%d", from)}
	for i := from; i < from+n; i++ {
		h.Epochs = append(h.Epochs, &docklinev1.EpochRange{Epoch: fmt.Sprintf("x%d", i), Ordinal: uint64(i + 10), LastSeq: 5})
	}
	return message(w.t, "dc-east", wire.Hello, h)
}

// Whoever has a site's certificate cannot fill the tables with journals that never were: there is a day's number of them, and a case. The site's own
// agent, which knows its own and opens one now and then, is heard all the same, and the case closes.
func TestJournalsThatNeverWereAreBounded(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello("s1", epochRange("e1", "", 1, 8))
		w.send(w.envelope(envelope("dc-east", "e1", 1, 8, "")))
		origin := tenant + " ingest/journals/dc-east"
		for from := 0; from < 12_000; from += 2_000 {
			w.send(w.invented(from, 2_000))
		}
		w.expect("journals that never were", 2_000, `SELECT count(*) FROM epoch WHERE epoch LIKE 'x%'`) // the second Hello would be one too many, with the first of the day
		if w.open[origin].Code != ingest.CodeManyJournals {
			t.Errorf("cases: %v", w.open)
		}
		answers := w.send(message(t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: "s2", Epochs: []*docklinev1.EpochRange{epochRange("e1", "", 1, 8), epochRange("e2", "e1", 2, 0)}}))
		if len(answers) != 1 || answers[0].GetHelloReply() == nil || w.open[origin].Code != "" {
			t.Errorf("the site's own agent: %v, cases %v", answers, w.open)
		}
		w.now = w.now.Add(24 * time.Hour)
		w.send(w.invented(20_000, 1_000))
		w.expect("journals of the next day", 3_000, `SELECT count(*) FROM epoch WHERE epoch LIKE 'x%'`)
	})
}

// An epoch in very many pieces costs everybody who shares the intake: a Hello that says so is no Hello, and pieces beyond a bound wait until what lies
// between them is there. What fills a hole is taken at once.
func TestAnEpochInPiecesIsBounded(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		pieces := &docklinev1.EpochRange{Epoch: "e1", Ordinal: 1, LastSeq: 1_000_000}
		for i := range uint64(30_000) {
			pieces.Ranges = append(pieces.Ranges, &docklinev1.SeqRange{First: 10*i + 5, Last: 10*i + 6})
		}
		w.send(message(t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: "s1", Epochs: []*docklinev1.EpochRange{pieces}}))
		w.expect("epochs", 0, `SELECT count(*) FROM epoch`)
		var messages []wire.Message
		for i := range uint64(6_000) {
			messages = append(messages, w.envelope(envelope("dc-east", "e1", 2*i+2, 2*i+2, "")))
		}
		busy := 0
		for len(messages) > 0 {
			n := min(1_000, len(messages))
			for _, a := range w.send(messages[:n]...) {
				if a.GetRefusal().GetReason() == docklinev1.RefusalReason_REFUSAL_REASON_BUSY {
					busy++
				}
			}
			messages = messages[n:]
		}
		if w.expect("pieces", 5_000, `SELECT count(*) FROM received`); busy != 1_000 {
			t.Errorf("%d were put off, want 1000", busy)
		}
		w.send(w.envelope(envelope("dc-east", "e1", 3, 3, "")))
		w.expect("pieces after a hole was filled", 4_999, `SELECT count(*) FROM received`)
		w.send(w.envelope(envelope("dc-east", "e1", 10_002, 10_002, "")))
		w.expect("pieces after one more", 5_000, `SELECT count(*) FROM received`)
	})
}
