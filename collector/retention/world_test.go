package retention_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/retention"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const day = 24 * time.Hour

// world is a database with log, worker and archives, and a clock that stands still until it is moved.
type world struct {
	t      *testing.T
	d      *db.DB
	log    *eventlog.Log
	worker *reconcile.Worker
	policy *policy.Policy
	folder string
	clock  time.Time
	seq    uint64
}

var files = map[string]string{
	"targets.yaml":   "targets:\n  - {name: erp, role: system_of_record}\n  - {name: carrier, role: carrier}\n",
	"retention.yaml": "keep: {orders: 400d, returns: 400d, inbound: 400d, movements: 400d, records: 400d, events: 400d}\ntenants: {}\n",
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{t: t, d: d, clock: Morning.Add(time.Hour), folder: t.TempDir()}
	now := func() time.Time { return w.clock }
	d.Now = now // of leases
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	var err error
	if w.policy, err = policy.Load(folder); err != nil {
		t.Fatal(err)
	}
	w.log = &eventlog.Log{DB: d, Now: now, Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
		for _, t := range state.Keys(e, w.policy.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}, Links: func(e *docklinev1.Event) (links []eventlog.Link) {
		for _, l := range state.Links(e) {
			links = append(links, eventlog.Link(l))
		}
		return links
	}}
	w.log.Report = func(ctx context.Context, tx *db.Tx, tenant, origin string, found []eventlog.Exception) error {
		var desired []exception.Desired
		for _, f := range found {
			desired = append(desired, exception.Desired{Code: f.Code, Subject: f.Subject, Title: f.Title, Text: f.Text, Class: f.Class})
		}
		_, err := exception.Sync(ctx, tx, tenant, origin, desired, w.clock)
		return err
	}
	w.worker = &reconcile.Worker{DB: d, Policy: w.policy, Now: now, DigestFrom: 4}
	return w
}

// tell appends events as they arrive, and returns what became of them.
func (w *world) tell(events ...*docklinev1.Event) (result eventlog.AppendResult) {
	w.t.Helper()
	w.write(func(tx *db.Tx) (err error) {
		var recorded []eventlog.Recorded
		for i, e := range events {
			r := eventlog.Recorded{Event: proto.CloneOf(e)}
			if e.GetSite() != "" {
				r.Epoch, r.EpochOrdinal, r.Seq = "e1", 1, w.seq+uint64(i)+1
			}
			recorded = append(recorded, r)
		}
		result, err = w.log.Append(w.t.Context(), tx, recorded)
		return err
	})
	w.seq += uint64(len(events))
	return result
}

// fold folds everything and numbers the log.
func (w *world) fold() {
	w.t.Helper()
	sequencer := &eventlog.Sequencer{DB: w.d, Holder: "test", Now: func() time.Time { return w.clock }}
	for n := 1; n > 0; {
		placed, err := sequencer.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		folded, err := w.worker.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		n = placed + folded
	}
}

func (w *world) write(f func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.d.Write(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(f func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.d.Read(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// confirm has every posting be known to its target.
func (w *world) confirm() {
	w.t.Helper()
	w.write(func(tx *db.Tx) error {
		_, err := tx.Exec(w.t.Context(), `UPDATE posting SET state = 'confirmed', confirmed_hash = document_hash, confirmed_document = document, confirmed_version = source_version, confirmed_at = 1 WHERE state <> 'superseded'`)
		return err
	})
}

// later moves the clock.
func (w *world) later(by time.Duration) {
	w.clock = w.clock.Add(by)
	w.fold()
}

func (w *world) retention() *retention.Retention {
	r := collector.NewRetention(w.d, w.log, func() *policy.Policy { return w.policy }, w.folder, "test")
	r.Now = func() time.Time { return w.clock }
	return r
}

func (w *world) run(r *retention.Retention) []*retention.Archive {
	w.t.Helper()
	done, err := r.Run(w.t.Context(), Tenant, retention.Who{By: "ana", Reason: "yearly"})
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

// count is the number that a query gives.
func (w *world) count(query string, args ...any) (n int64) {
	w.t.Helper()
	w.read(func(tx *db.Tx) error { return tx.QueryRow(w.t.Context(), query, args...).Scan(&n) })
	return n
}

func (w *world) expect(what string, want int64, query string, args ...any) {
	w.t.Helper()
	if got := w.count(query, args...); got != want {
		w.t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// agrees compares everything that is kept with the event log.
func (w *world) agrees() {
	w.t.Helper()
	b := collector.NewRebuild(w.d, w.log, w.worker, "check")
	b.Now = func() time.Time { return w.clock }
	r, err := b.Begin(w.t.Context(), rebuild.Nightly, rebuild.Key{})
	for err == nil && !r.Done() {
		err = b.Step(w.t.Context(), r)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	found, err := b.Differences(w.t.Context(), r, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range found {
		w.t.Errorf("%s: %s %s", d.Key.Key, d.What, d.Text)
	}
	if r.Keys == 0 {
		w.t.Error("nothing was compared")
	}
	if err := b.End(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
}

// dump is all rows of the tables that are archived, and of the ledger of stock, as text. Of event_identity the archive is left out.
func (w *world) dump(t *testing.T, d *db.DB) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for table, columns := range map[string]string{
		"event":          "tenant, id, log_offset, log_id, epoch, epoch_ordinal, seq, occurred_at, recorded_at, body",
		"event_identity": "tenant, id, log_id, epoch_ordinal, seq, body_hash",
		"fact":           "fold_key, log_id, event_id, epoch_ordinal, seq, body",
		"link":           "link_key, part_of, event_id, name, in_force",
		"state":          "fold_key, hash, status, site, customer, fact_count, policy_version, first_at, body",
		"posting":        "id, target, kind, natural_key, fold_key, state, document_hash, confirmed_hash, source_version",
		"posting_event":  "event_id, target, kind, natural_key",
		"milestone":      "fold_key, name, standing",
		"receipt":        "site, event_id, version, level, body",
		"ledger":         "record, event_id, item, from_account, to_account, quantity",
		"ledger_account": "account, moved, balance",
		"exception":      "number, origin, code, subject, state",
		"record_first":   "record, log_id",
		"no_document":    "event_id, fold_key, reason",
	} {
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			all[table] = nil
			rows, err := tx.Query(t.Context(), `SELECT `+columns+` FROM `+table)
			if err != nil {
				return err
			}
			defer rows.Close()
			n := len(strings.Split(columns, ", "))
			for rows.Next() {
				values, to := make([]any, n), make([]any, n)
				for i := range values {
					to[i] = &values[i]
				}
				if err := rows.Scan(to...); err != nil {
					return err
				}
				all[table] = append(all[table], fmt.Sprintf("%v", values))
			}
			slices.Sort(all[table])
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func same(t *testing.T, what string, is, want map[string][]string) {
	t.Helper()
	for table := range want {
		if !slices.Equal(is[table], want[table]) {
			t.Errorf("%s: %s differs:\n is   %s\n want %s", what, table, strings.Join(is[table], "\n      "), strings.Join(want[table], "\n      "))
		}
	}
}

// ended is an order from its acceptance to its invoice.
func ended(number string, at int) []*docklinev1.Event {
	shipped := Shipment(at+30, "S-"+number, L(number, "1", "BOLT", "10"))
	return []*docklinev1.Event{
		Accepted(number, "1", L(number, "1", "BOLT", "10")),
		Keyed(Pick(at+10, "P-"+number, In(L(number, "1", "BOLT", "10"), "A-01", "")), "P-"+number),
		Pack(at+20, "K-"+number, "LPN-"+number, L(number, "1", "BOLT", "10")),
		shipped,
		Delivery(at+40, "T-S-"+number, L(number, "1", "BOLT", "10")),
		Invoice("I-"+number, number, "S-"+number),
	}
}
