package rebuild_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/rebuild"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// spoils are what a bad disk, a person with a database shell or a fault of ours does to what is derived, each with the key and the words by which
// it is to be found.
var spoils = []struct{ name, key, what, words, query string }{
	{"a fact deleted", "order/SO1", "missing_fact", "is not there", `DELETE FROM fact WHERE fold_key = 'order/SO1' AND event_id = (SELECT event_id FROM fact WHERE fold_key = 'shipment/dc-east/S1')`},
	{"a fact changed", "order/SO1", "other_fact", "something else", `UPDATE fact SET body = (SELECT body FROM fact WHERE fold_key = 'order/SO2' ORDER BY log_id LIMIT 1) WHERE fold_key = 'order/SO1' AND log_id = (SELECT max(log_id) FROM fact WHERE fold_key = 'order/SO1')`},
	{"a fact doubled", "order/SO1", "extra_fact", "no event says", `INSERT INTO fact (tenant, fold_key, log_id, event_id, epoch_ordinal, seq, body) SELECT tenant, fold_key, log_id + 500, event_id || 'x', epoch_ordinal, seq, body FROM fact WHERE fold_key = 'order/SO1' AND log_id = (SELECT max(log_id) FROM fact WHERE fold_key = 'order/SO1')`},
	{"a fact of another key", "order/SO3", "extra_fact", "no event says", `INSERT INTO fact (tenant, fold_key, log_id, event_id, epoch_ordinal, seq, body) SELECT tenant, 'order/SO3', log_id, event_id, epoch_ordinal, seq, body FROM fact WHERE fold_key = 'shipment/dc-east/S1'`},
	{"a fact at another place of the journal", "shipment/dc-east/S1", "other_fact", "something else", `UPDATE fact SET seq = seq + 1 WHERE fold_key = 'shipment/dc-east/S1'`},
	{"what a correction tells the former order", "order/SO2", "missing_fact", "is not there", `DELETE FROM fact WHERE fold_key = 'order/SO2' AND log_id = (SELECT max(log_id) FROM fact WHERE fold_key = 'order/SO3')`},
	{"a state changed", "order/SO1", "state", "not what its hash says: ", `UPDATE state SET body = (SELECT body FROM state WHERE fold_key = 'order/SO2') WHERE fold_key = 'order/SO1'`},
	{"a state that cannot be read", "stock/dc-east/A-01/BOLT//available", "unreadable_state", "cannot be read", "UPDATE state SET body = {{ff}} WHERE fold_key = 'stock/dc-east/A-01/BOLT//available'"},
	{"a hash changed", "stock/dc-east/A-01/BOLT//available", "state", "the state is another", `UPDATE state SET hash = 'x' WHERE fold_key = 'stock/dc-east/A-01/BOLT//available'`},
	{"a state deleted", "count/dc-east/C1", "state", "there is no state", `DELETE FROM state WHERE fold_key = 'count/dc-east/C1'`},
	{"a status changed", "order/SO1", "state", `status is "picking"`, `UPDATE state SET status = 'picking' WHERE fold_key = 'order/SO1'`},
	{"a customer changed", "order/SO3", "state", `customer is "C-9"`, `UPDATE state SET customer = 'C-9' WHERE fold_key = 'order/SO3'`},
	{"a posting deleted", "order/SO1", "state", "is wanted and not there", `DELETE FROM posting WHERE kind = 'goods_issue' AND natural_key = 'SO1/S1'`},
	{"a link deleted", "shipment/dc-east/S1", "link_fact", "is part of it", `DELETE FROM link WHERE part_of = 'shipment/dc-east/S1'`},
	{"a reason deleted", "order/SO2", "state", "reads otherwise", `DELETE FROM no_document WHERE fold_key = 'order/SO2'`},
	{"a digest without a fact", "order/SO4", "state", "its digest lacks event", `DELETE FROM digest_fact WHERE log_id = (SELECT max(log_id) FROM digest_fact WHERE part > 0)`},
	{"a digest with a fact that is none", "order/SO4", "state", "its digest has", `INSERT INTO digest_fact (digest, log_id, part) SELECT digest, log_id + 1000, part FROM digest_fact WHERE part > 0 AND log_id = (SELECT max(log_id) FROM digest_fact WHERE part > 0)`},
	{"a fact taken out of its group", "order/SO4", "state", "its digest counts other facts", `UPDATE digest_fact SET part = 0 WHERE log_id = (SELECT max(log_id) FROM digest_fact WHERE part > 0)`},
	{"a group deleted", "order/SO4", "state", "its digest has event", `DELETE FROM digest_group WHERE digest = (SELECT id FROM digest WHERE fold_key = 'order/SO4')`},
	{"a digest of other facts", "order/SO4", "state", "its digest was last folded from", `UPDATE digest SET folded = folded - 1 WHERE fold_key = 'order/SO4'`},
}

// TestTheCheckCanFail spoils one row at a time: the check names the key and how it differs, the night makes an exception of it with what to do, and
// the switch puts it right, to the byte.
//
// Shows: S62
func TestTheCheckCanFail(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.morning()
		before := w.dump()
		if r, found := w.run(w.rebuild("a"), rebuild.Check, rebuild.Key{}); r.Events < 17 || r.Facts < 25 || r.Keys < 10 || len(found) > 0 || r.Pending > 0 {
			t.Fatalf("before anything was spoilt: %+v %+v", r, found)
		}
		for _, spoil := range spoils {
			t.Run(spoil.name, func(t *testing.T) {
				w.t = t
				bytes := "x'ff'"
				if d.Engine() == "postgres" {
					bytes = `'\xff'::bytea`
				}
				w.exec(strings.ReplaceAll(spoil.query, "{{ff}}", bytes))
				for _, kind := range []string{rebuild.Check, rebuild.Nightly} {
					r, found := w.run(w.rebuild("a"), kind, rebuild.Key{})
					told := false
					for _, f := range found {
						told = told || f.Key.Key == spoil.key && f.What == spoil.what && strings.Contains(f.Text, spoil.words)
					}
					if !told || r.Differing == 0 {
						t.Errorf("%s does not say that %s has %s with %q: %+v", kind, spoil.key, spoil.what, spoil.words, found)
					}
				}
				if got := strings.Join(w.open(), " "); !strings.Contains(got, spoil.key) {
					t.Errorf("exceptions are open for %q, and not for %s", got, spoil.key)
				}
				scope := rebuild.Key{Tenant: Tenant, Key: spoil.key}
				if spoil.what == "unreadable_state" || spoil.name == "a state changed" {
					scope.Key = "" // the fold of a count, or of a shipment, looks at it too
				}
				r, found := w.run(w.folding(w.rebuild("a")), rebuild.Switch, scope)
				if r.Differing != 1 && scope.Key != "" || r.Remaining != 0 || len(found) == 0 || found[0].Settled != "put right" {
					t.Errorf("the switch: %+v %+v", r, found)
				}
				if after := w.dump(); after != before {
					t.Errorf("it is not as before:\n%s", firstDifference(before, after))
				}
				if got := w.open(); len(got) > 0 {
					t.Errorf("exceptions stay open for %v", got)
				}
			})
		}
	})
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return "was " + x[i] + "\nis  " + y[i]
		}
	}
	return "one is longer"
}

// TestARunGoesOnWhereItWas ends the process after every step: the next one goes on, and in the end everything is as it was.
func TestARunGoesOnWhereItWas(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.morning()
		before := w.dump()
		w.exec(`DELETE FROM fact WHERE fold_key LIKE 'order/%'`)
		w.exec(`UPDATE state SET hash = 'x'`)
		steps, number := 0, int64(0)
		for ended := false; !ended; steps++ {
			b := w.folding(w.rebuild("a"))
			b.EventPage, b.KeyPage = 3, 2
			r, err := b.Begin(t.Context(), rebuild.Switch, rebuild.Key{})
			if err != nil {
				t.Fatal(err)
			}
			if steps > 0 && r.Number != number {
				t.Fatalf("after step %d another run began", steps)
			}
			number = r.Number
			if err := b.Step(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if ended = r.Done(); ended && (r.Differing == 0 || r.Remaining > 0) {
				t.Errorf("%+v", r)
			}
		}
		if steps < 15 {
			t.Errorf("%d steps: it was not in pages", steps)
		}
		if after := w.dump(); after != before {
			t.Errorf("it is not as before:\n%s", firstDifference(before, after))
		}
		// Another process waits for the lease of one that was not ended.
		b := w.rebuild("a")
		if _, err := b.Begin(t.Context(), rebuild.Switch, rebuild.Key{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.rebuild("b").Begin(t.Context(), rebuild.Switch, rebuild.Key{}); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("a second process is let in: %v", err)
		}
	})
}

// TestTrafficGoesOnBesideARun tells events between the steps: what is not folded yet is not judged, nothing is found that is not wrong, and what is
// wrong is put right.
func TestTrafficGoesOnBesideARun(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.morning()
		w.worker.LargeFrom = 3 // some keys are folded apart
		w.exec(`DELETE FROM fact WHERE fold_key = 'order/SO1' AND log_id = (SELECT max(log_id) FROM fact WHERE fold_key = 'order/SO1')`)
		b := w.rebuild("a")
		b.EventPage, b.KeyPage = 4, 2
		r, err := b.Begin(t.Context(), rebuild.Switch, rebuild.Key{})
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; !r.Done(); i++ {
			if i < 80 {
				order := fmt.Sprintf("LIVE%d", i%5)
				w.tell(Accepted(order, "1", L(order, "1", "BOLT", "1")), Pick(100+i, fmt.Sprintf("LIVE-%d", i), In(L("SO3", "1", "BOLT", "1"), "A-01", "")))
			}
			if i%2 == 1 || i > 80 {
				w.fold()
				w.clock = w.clock.Add(time.Minute)
			}
			if err := b.Step(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		found, err := b.Differences(t.Context(), r, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Key.Key != "order/SO1" || f.Settled != "put right" {
				t.Errorf("found beside live traffic: %+v", f)
			}
		}
		if len(found) == 0 || r.Pending == 0 {
			t.Errorf("%d differences, %d keys pending: nothing went on beside it", len(found), r.Pending)
		}
	})
}
