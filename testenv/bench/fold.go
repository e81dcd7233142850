package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// foldSizes are how many facts a key has when one more is told. The first is what the others are held against.
var foldSizes = []uint64{10, 10_000, 1_000_000}

// foldSame is how many times as long one more fact of the largest key may take as one of the smallest to count as the same.
const foldSame = 3

// fold measures what one more fact of an order costs, from its append to the state that has it, beside what it costs for an order of ten facts;
// and how long such a small one takes while the digest of the largest is made anew.
func (s *Suite) fold(ctx context.Context) error {
	postgres, err := testenv.StartPostgres(true)
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	defer postgres.Stop()
	for _, engine := range []string{"sqlite", "postgresql"} {
		if err := s.foldOn(ctx, engine, postgres); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	return nil
}

func (s *Suite) foldOn(ctx context.Context, engine string, postgres *testenv.PostgresServer) error {
	dir, err := s.folder("fold")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	url := "sqlite:" + filepath.Join(dir, "fold.db")
	if engine == "postgresql" {
		if url, err = postgres.CreateDatabase(ctx); err != nil {
			return err
		}
	}
	st, err := openStages(ctx, url)
	if err != nil {
		return err
	}
	defer st.db.Close()
	keys := st.filler.Log.Keys
	st.filler.Log.Keys = func(e *docklinev1.Event) (orders []eventlog.Touch) { // what a pick moves is folded by a key of its own, of one fact
		for _, t := range keys(e) {
			if kind, _, err := event.ParseKey(t.Key); err == nil && kind == state.KindOrder {
				orders = append(orders, t)
			}
		}
		return orders
	}
	small := reference{name: fmt.Sprintf("a key of %d facts", foldSizes[0])}
	for i, n := range foldSizes {
		s.say("%s: a key of %d facts", engine, n)
		if err := st.grow(ctx, n); err != nil {
			return err
		}
		var taken []float64
		for round := range max(3, s.Rounds) {
			took, err := st.oneMore(ctx, n, n+uint64(round))
			if err != nil {
				return err
			}
			taken = append(taken, took)
		}
		if i == 0 {
			small.value = median(taken)
			continue
		}
		s.beside(fmt.Sprintf("%s, one more fact of a key of %d", engine, n), median(taken), "ms", small, atMost(foldSame))
	}
	beside, err := st.besideLarge(ctx, foldSizes[len(foldSizes)-1])
	if err != nil {
		return err
	}
	s.beside(fmt.Sprintf("%s, one more fact of a key of %d, while all of %d are read", engine, foldSizes[0], foldSizes[len(foldSizes)-1]), beside, "ms", small, atMost(10))
	return nil
}

func manyOrder(n uint64) string { return fmt.Sprintf("MANY-%d", n) }

// manyPick is the i-th pick of the order with n facts, of one of its five lines.
func manyPick(n, i uint64) eventlog.Recorded {
	e := Pick(fmt.Sprintf("many%d", n), i)
	e.Tenant, e.Site, e.Source, e.CapturedAt = tenant, site, "wms", e.OccurredAt
	line := e.GetPick().GetLines()[0]
	line.Order, line.Item = manyOrder(n), Pick("many", i%5).GetPick().GetLines()[0].GetItem()
	event.Restore(e)
	return eventlog.Recorded{Event: e, Epoch: "0a", EpochOrdinal: 1, Seq: n*10 + i}
}

// grow makes the order and its picks, and folds them.
func (st *stages) grow(ctx context.Context, n uint64) error {
	order := &docklinev1.Order{Number: manyOrder(n), Customer: "C-1", Site: site, OrderedAt: timestamppb.New(Began)}
	for i := range uint64(5) {
		l := Pick("many", i).GetPick().GetLines()[0]
		order.Lines = append(order.Lines, &docklinev1.Line{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: &docklinev1.Quantity{Value: "100000000", Unit: "ea"}})
	}
	e := &docklinev1.Event{Tenant: tenant, Source: "erp", Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: order.Number, SourceKey: "sale/" + order.Number, SourceRevision: "1",
		OccurredAt: timestamppb.New(Began), CapturedAt: timestamppb.New(Began), Payload: &docklinev1.Event_Order{Order: order}}
	event.Restore(e)
	recorded := []eventlog.Recorded{{Event: e}}
	told := min(n, 5000) // by the event log; what is beyond has only its facts
	for i := uint64(1); i < told; i++ {
		recorded = append(recorded, manyPick(n, i))
	}
	if err := st.tell(ctx, recorded...); err != nil {
		return err
	}
	for i := told; i < n; i += 10_000 {
		if err := st.putFacts(ctx, n, i, min(n, i+10_000)); err != nil {
			return err
		}
	}
	return st.foldDue(ctx)
}

// putFacts puts in the facts of the picks from one to another, as the event log would, and marks their order.
func (st *stages) putFacts(ctx context.Context, n, from, to uint64) error {
	return st.db.Write(ctx, func(tx *db.Tx) error {
		ids, err := tx.NextIDs(ctx, "event", "log_id", int(to-from))
		if err != nil {
			return err
		}
		facts := db.Insert{Table: "fact", Columns: []string{"tenant", "fold_key", "log_id", "event_id", "epoch_ordinal", "seq", "body"}}
		key := event.OrderKey(manyOrder(n))
		for i := from; i < to; i++ {
			recorded := manyPick(n, i)
			recorded.Event.CorrelationId = event.CorrelationID(tenant, manyOrder(n))
			body, err := proto.Marshal(recorded.Event)
			if err != nil {
				return err
			}
			facts.Rows = append(facts.Rows, []any{tenant, key, ids[i-from], recorded.Event.GetId(), recorded.EpochOrdinal, recorded.Seq, body})
		}
		if err := tx.InsertAll(ctx, facts); err != nil {
			return err
		}
		return reconcile.Mark(ctx, tx, []reconcile.Key{{Tenant: tenant, Key: key}}, nil)
	})
}

func (st *stages) tell(ctx context.Context, recorded ...eventlog.Recorded) error {
	return st.db.Write(ctx, func(tx *db.Tx) error { _, err := st.filler.Log.Append(ctx, tx, recorded); return err })
}

// foldDue folds everything that is marked; a large key does not gather first.
func (st *stages) foldDue(ctx context.Context) error {
	for n := 1; n > 0; {
		var err error
		if n, err = st.worker.Step(ctx); err != nil {
			return err
		}
		if err := st.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE large_key SET due_at = 1 WHERE due_at > 0`)
			return err
		}); err != nil {
			return err
		}
		large, err := st.worker.StepLarge(ctx)
		if err != nil {
			return err
		}
		n += large
	}
	return nil
}

// oneMore tells one more fact of a key and returns after how many milliseconds its state has it.
func (st *stages) oneMore(ctx context.Context, n, i uint64) (float64, error) {
	before, err := st.foldedFacts(ctx, n)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := st.tell(ctx, manyPick(n, i)); err != nil {
		return 0, err
	}
	if err := st.foldDue(ctx); err != nil {
		return 0, err
	}
	took := time.Since(began)
	after, err := st.foldedFacts(ctx, n)
	if err == nil && (after != before+1 || after < n) {
		err = fmt.Errorf("the state of %s has %d facts, after %d and one more", manyOrder(n), after, before)
	}
	return float64(took.Microseconds()) / 1000, err
}

// foldedFacts is from how many facts the state of an order was folded.
func (st *stages) foldedFacts(ctx context.Context, n uint64) (facts uint64, err error) {
	err = st.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT fact_count FROM state WHERE tenant = ? AND fold_key = ?`, tenant, event.OrderKey(manyOrder(n))).Scan(&facts)
	})
	return facts, err
}

// besideLarge has the digest of the large key made anew in one goroutine, and meanwhile tells of the small one; it returns the median of what that took.
func (st *stages) besideLarge(ctx context.Context, n uint64) (float64, error) {
	if err := st.db.Write(ctx, func(tx *db.Tx) error {
		return reconcile.Mark(ctx, tx, []reconcile.Key{{Tenant: tenant, Key: event.OrderKey(manyOrder(n))}}, nil)
	}); err != nil {
		return 0, err
	}
	if _, err := st.worker.Step(ctx); err != nil { // sets it apart
		return 0, err
	}
	if err := st.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE large_key SET due_at = 1 WHERE due_at > 0`)
		return err
	}); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { _, err := st.worker.StepLarge(ctx); ended <- err }()
	var taken []float64
	for i := uint64(200); ; i++ {
		select {
		case err := <-ended:
			if err == nil && len(taken) == 0 {
				err = fmt.Errorf("the key of %d facts was folded before anything else was told", n)
			}
			if err != nil {
				return 0, err
			}
			return median(taken), nil
		default:
		}
		began := time.Now()
		if err := st.tell(ctx, manyPick(foldSizes[0], i)); err != nil {
			return 0, err
		}
		if _, err := st.worker.Step(ctx); err != nil {
			return 0, err
		}
		taken = append(taken, float64(time.Since(began).Microseconds())/1000)
	}
}
