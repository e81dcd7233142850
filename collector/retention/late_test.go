package retention_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// halves are a random life of a tenant, cut in two.
func halves(i int) (tenant string, first, second []*docklinev1.Event) {
	tenant = fmt.Sprint("t", i)
	r := rand.New(rand.NewPCG(uint64(i), 211))
	events := slices.Concat(OrderLife(r), GoodsLife(r))
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for j := range events {
		events[j] = proto.CloneOf(events[j])
		events[j].Tenant = tenant
	}
	cut := len(events)/2 + r.IntN(len(events)/2)
	return tenant, events[:cut], events[cut:]
}

// Corrections, declarations, links and whatever else comes after an archive was made say the same as if there never had been one, once that is put
// back: the same facts under the same keys, and the same states.
func TestWhatComesAfterTheArchiveCountsOnceItIsPutBack(t *testing.T) {
	defer retention.AnyStatus()()
	lives := testenv.Count("retention.lives")
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		with, without := newWorld(t, d), newWorld(t, testenv.SQLite(t))
		archived := false
		for _, w := range []*world{with, without} {
			for i := range lives {
				_, first, _ := halves(i)
				w.tell(first...)
			}
			w.fold()
			w.later(2 * day)
			w.confirm()
			w.later(480 * day)
			w.write(func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), `UPDATE exception SET state = 'resolved', look_at = 0 WHERE state <> 'resolved'`)
				return err
			})
			w.tell(Accepted("SO-NEW", "1", L("SO-NEW", "1", "BOLT", "10")))
			w.fold()
			for i := range lives {
				tenant, _, second := halves(i)
				if w == with {
					done, err := w.retention().Run(t.Context(), tenant, retention.Who{By: "ana", Reason: "test"})
					if err != nil {
						t.Fatal(err)
					}
					archived = archived || len(done) > 0
				}
				w.tell(second...)
			}
			w.fold()
			w.agrees()
		}
		if !archived || with.count(`SELECT COUNT(*) FROM exception WHERE code = 'told_after_archive' AND state = 'open'`) == 0 {
			t.Error("nothing came after an archive was made")
		}
		for i := range lives {
			tenant, _, _ := halves(i)
			var manifests []string
			with.read(func(tx *db.Tx) error {
				list, err := retention.List(t.Context(), tx, tenant, 100)
				manifests = nil
				for _, a := range list {
					manifests = append(manifests, with.folder+"/"+tenant+"/"+a.Manifest)
				}
				return err
			})
			if _, err := with.retention().Restore(t.Context(), manifests, retention.Who{By: "ana", Reason: "test"}); err != nil {
				t.Fatal(err)
			}
		}
		with.fold()
		with.agrees()
		with.expect("events in archives", 0, `SELECT COUNT(*) FROM event_identity WHERE archive <> 0`)
		with.expect("open cases", 0, `SELECT COUNT(*) FROM exception WHERE code = 'told_after_archive' AND state = 'open'`)
		is, want := said(t, with), said(t, without)
		for table := range want {
			for _, row := range want[table] {
				if _, there := slices.BinarySearch(is[table], row); !there {
					t.Errorf("%s: missing %s", table, row)
				}
			}
			if len(is[table]) != len(want[table]) {
				t.Errorf("%s: %d rows, want %d", table, len(is[table]), len(want[table]))
			}
		}
	})
}

// said is what is said of every key, without where it stands in the log.
func said(t *testing.T, w *world) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for table, query := range map[string]string{
		"fact":  `SELECT tenant || ' ' || fold_key || ' ' || event_id FROM fact`,
		"state": `SELECT tenant || ' ' || fold_key || ' ' || status || ' ' || hash FROM state`,
		"link":  `SELECT tenant || ' ' || link_key || ' ' || part_of || ' ' || event_id || ' ' || CAST(in_force AS TEXT) FROM link`,
	} {
		w.read(func(tx *db.Tx) error {
			all[table] = nil
			rows, err := tx.Query(t.Context(), query)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var row string
				if err := rows.Scan(&row); err != nil {
					return err
				}
				all[table] = append(all[table], strings.Clone(row))
			}
			return rows.Err()
		})
		slices.Sort(all[table])
	}
	return all
}

// Beside collectors at work, which are told of the very orders that are being archived, nothing is lost and nothing is in an archive and in the
// database at once; a second run beside the first is refused or finds nothing.
func TestArchivingBesideCollectorsAtWork(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		const orders = 24
		w := aYear(t, d, orders)
		ctx, stop := context.WithCancel(t.Context())
		var busy sync.WaitGroup
		fail := make(chan error, 10)
		loop := func(f func() error) {
			busy.Go(func() {
				for ctx.Err() == nil {
					if err := f(); err != nil && ctx.Err() == nil {
						fail <- err
						return
					}
				}
			})
		}
		for range 2 {
			worker := &reconcile.Worker{DB: d, Policy: w.policy, Now: w.worker.Now, DigestFrom: 4}
			loop(func() error { _, err := worker.Step(ctx); return err })
		}
		tokens := make(chan int, 1000) // some late picks for each step of an archive
		late := 0
		busy.Go(func() {
			for late < 3*orders {
				select {
				case <-ctx.Done():
					return
				case <-tokens:
				}
				late++
				e := Keyed(Pick(900+late, fmt.Sprint("late", late), In(L(fmt.Sprint("SO", 1+(late*7)%orders), "1", "BOLT", "1"), "A-01", "")), fmt.Sprint("late", late))
				if err := d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := w.log.Append(t.Context(), tx, []eventlog.Recorded{{Event: proto.CloneOf(e), Epoch: "e1", EpochOrdinal: 1, Seq: uint64(10_000 + late)}})
					return err
				}); err != nil {
					fail <- err
					return
				}
			}
		})
		var pruned, skipped int64
		var runs sync.WaitGroup
		var counting sync.Mutex
		for _, holder := range []string{"one", "two"} {
			runs.Go(func() {
				r := w.retention()
				r.Holder, r.Together, r.MaxFile = holder, 2, 4
				r.Fault = func(at string) error {
					if at == "manifest" || at == "pruning" {
						for i := range 2 {
							tokens <- i
						}
					}
					return nil
				}
				done, err := r.Run(ctx, Tenant, retention.Who{By: "ana", Reason: "beside"})
				if err != nil && !errors.Is(err, retention.ErrBusy) {
					fail <- err
				}
				counting.Lock()
				defer counting.Unlock()
				for _, a := range done {
					pruned, skipped = pruned+a.Pruned, skipped+a.Skipped
				}
			})
		}
		runs.Wait()
		stop()
		busy.Wait()
		select {
		case err := <-fail:
			t.Fatal(err)
		default:
		}
		w.fold()
		w.agrees()
		t.Logf("%d orders archived, %d changed meanwhile, %d late picks", pruned, skipped, late)
		if pruned < 3 || late < 3 {
			t.Errorf("%d orders were archived beside %d late picks", pruned, late)
		}
		w.expect("orders in the database or in an archive", orders, `SELECT (SELECT COUNT(*) FROM state WHERE fold_key LIKE 'order/SO_%' AND fold_key NOT LIKE 'order/SO-%') + (SELECT COUNT(*) FROM archive_key WHERE fold_key LIKE 'order/SO%')`)
		w.expect("orders in both", 0, `SELECT COUNT(*) FROM state s JOIN archive_key k ON k.tenant = s.tenant AND k.fold_key = s.fold_key`)
		r := w.retention()
		for i := range orders {
			if _, err := r.RestoreKey(t.Context(), Tenant, fmt.Sprint("order/SO", i+1), retention.Who{By: "ana", Reason: "test"}); err != nil && !errors.Is(err, retention.ErrAbsent) {
				t.Fatal(err)
			}
		}
		w.fold()
		w.agrees()
		w.expect("facts of the orders", int64(orders*6+late), `SELECT COUNT(*) FROM fact WHERE fold_key LIKE 'order/SO_%' AND fold_key NOT LIKE 'order/SO-%'`)
	})
}
