package bench

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/ingest"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// centre measures the stages of the centre in process, on both databases.
func (s *Suite) centre(ctx context.Context) error {
	postgres, err := testenv.StartPostgres(true)
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	defer postgres.Stop()
	for _, engine := range []string{"sqlite", "postgresql"} {
		runs := map[string][]float64{}
		for range s.Rounds {
			if err := s.centreRound(ctx, engine, postgres, runs); err != nil {
				return fmt.Errorf("%s: %w", engine, err)
			}
		}
		s.centreMeasures(engine, runs)
	}
	return nil
}

func (s *Suite) centreRound(ctx context.Context, engine string, postgres *testenv.PostgresServer, runs map[string][]float64) error {
	dir, err := s.folder("centre")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	url := "sqlite:" + filepath.Join(dir, "centre.db")
	if engine == "postgresql" {
		if url, err = postgres.CreateDatabase(ctx); err != nil {
			return err
		}
	}
	note := func(name string, f func() (float64, error)) func() error {
		return func() error {
			v, err := f()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			runs[name] = append(runs[name], v)
			return nil
		}
	}
	st, err := openStages(ctx, url)
	if err != nil {
		return err
	}
	defer st.db.Close()
	for _, step := range []func() error{
		note("append", func() (float64, error) { return appendsPerSecond(dir, 64<<10) }),
		note("insert", func() (float64, error) { return s.insertLimit(ctx, dir, url) }),
		note("copy", func() (float64, error) { return copyLimit(ctx, url) }),
		note("inbox", func() (float64, error) { return st.takeIn(ctx, 1) }),
		note("log", func() (float64, error) { return st.fill(ctx) }),
		func() error { return st.accept(ctx) },
		note("read", func() (float64, error) { return st.readFacts(ctx) }),
		note("fold", func() (float64, error) { return st.fold(ctx, "order/") }),
		note("movements", func() (float64, error) { return st.fold(ctx, "movement/") }),
		note("again", func() (float64, error) { return st.takeIn(ctx, 2) }),
		note("duplicates", func() (float64, error) { return st.fill(ctx) }),
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Suite) centreMeasures(engine string, runs map[string][]float64) {
	v := func(name string) float64 { return median(runs[name]) }
	limit := reference{name: "INSERT ON CONFLICT, 1,000 rows a commit", value: v("insert")}
	s.beside(engine+", inbox: envelopes of 100, durable and answered", v("inbox"), "events/s",
		reference{name: "64 KiB appends, synced, of 100 events each", value: v("append") * 100}, atLeast(0.2))
	s.beside(engine+", event log: rows with dedup, facts, marks and receipts", v("log"), "events/s", limit, atLeast(map[string]float64{"sqlite": 0.3, "postgresql": 0.8}[engine]))
	if engine == "postgresql" {
		s.beside(engine+", event log, and COPY", v("log"), "events/s", reference{name: "COPY, 5,000 rows a commit", value: v("copy")}, atLeast(0.25))
	}
	s.beside(engine+", fold of 5-event orders", v("fold"), "orders/s", reference{name: "bare read of the same facts", value: v("read")}, atLeast(0.1))
	s.say("%s: %.0f stock movements a second", engine, v("movements"))
	s.beside(engine+", refused duplicates", v("duplicates"), "events/s", limit, atLeast(1))
}

const (
	centreEnvelopes = limitRows / packSize
	packSize        = 100
	centreEvents    = centreEnvelopes * packSize
)

// stages are the centre's on one database.
type stages struct {
	db     *db.DB
	ingest *ingest.Ingest
	filler *eventlog.Filler
	worker *reconcile.Worker
}

func openStages(ctx context.Context, url string) (*stages, error) {
	d, err := db.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(ctx); err != nil {
		return nil, err
	}
	p := policy.Default()
	log := &eventlog.Log{DB: d, Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
		for _, t := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}, Links: func(e *docklinev1.Event) (links []eventlog.Link) {
		for _, l := range state.Links(e) {
			links = append(links, eventlog.Link(l))
		}
		return links
	}}
	in, err := ingest.New(ctx, ingest.Config{DB: d, Log: log})
	if err != nil {
		return nil, err
	}
	appendFacts := func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
		recorded := make([]eventlog.Recorded, len(events))
		for i, e := range events {
			recorded[i] = eventlog.Recorded{Event: e}
		}
		_, err := log.Append(ctx, tx, recorded)
		return err
	}
	st := &stages{db: d, ingest: in, filler: &eventlog.Filler{Log: log}, worker: &reconcile.Worker{DB: d, Policy: p, Append: appendFacts}}
	return st, d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.InsertAbsent(ctx, db.Insert{Table: "site", Columns: []string{"tenant", "id", "created_at"}, Conflict: []string{"tenant", "id"}, Rows: [][]any{{tenant, site, 1}}})
		return err
	})
}

// takeIn hands ingest the same events in envelopes of the ordinal's epoch, and returns events a second.
func (st *stages) takeIn(ctx context.Context, ordinal uint64) (float64, error) {
	var all [][]wire.Message
	for n := uint64(0); n < centreEnvelopes; {
		var batch []wire.Message
		for ; len(batch) < 32 && n < centreEnvelopes; n++ {
			m, err := envelopeOf(ordinal, n)
			if err != nil {
				return 0, err
			}
			batch = append(batch, m)
		}
		all = append(all, batch)
	}
	began := time.Now()
	for _, batch := range all {
		if _, err := st.ingest.Handle(ctx, batch); err != nil {
			return 0, err
		}
	}
	took := time.Since(began)
	if n := st.ingest.Stats().Envelopes; n != int64(ordinal*centreEnvelopes) {
		return 0, fmt.Errorf("%d envelopes in the inbox, want %d", n, ordinal*centreEnvelopes)
	}
	return centreEvents / took.Seconds(), nil
}

func envelopeOf(ordinal, n uint64) (wire.Message, error) {
	raws := make([][]byte, packSize)
	for i := range raws {
		var err error
		if raws[i], err = proto.Marshal(Stamped("wms", n*packSize+uint64(i))); err != nil {
			return wire.Message{}, err
		}
	}
	pack, crc, err := wire.SealPack(raws)
	if err != nil {
		return wire.Message{}, err
	}
	first := n*packSize + 1
	payload, err := proto.Marshal(&docklinev1.Envelope{Tenant: tenant, Site: site, Epoch: hex.EncodeToString(fmt.Appendf(nil, "%016d", ordinal)), EpochOrdinal: ordinal, FirstSeq: first,
		LastSeq: first + packSize - 1, Count: packSize, Crc: crc, Live: true, Pack: pack,
		Cursors: []*docklinev1.PluginCursor{{Plugin: "wms", Cursor: fmt.Append(nil, first), CompleteThrough: []*docklinev1.CompleteThrough{{Stream: "picks", Time: timestamppb.New(Began), Movement: first, MovesStock: true}}}}})
	return wire.Message{Topic: wire.UpTopic(tenant, site, wire.Events), Payload: payload}, err
}

// fill moves the inbox into the log, and returns events a second.
func (st *stages) fill(ctx context.Context) (float64, error) {
	began, total := time.Now(), 0
	for {
		filled, err := st.filler.Step(ctx)
		if err != nil {
			return 0, err
		}
		if filled.Envelopes == 0 {
			break
		}
		total += filled.Logged + filled.Duplicates
	}
	took := time.Since(began)
	if total != centreEvents {
		return 0, fmt.Errorf("%d events came out of the inbox, want %d", total, centreEvents)
	}
	return centreEvents / took.Seconds(), nil
}

// ordersOfFive is how many orders the events make.
const ordersOfFive = centreEvents / 5

// readFacts reads what a fold of the orders has to read, and returns orders a second.
func (st *stages) readFacts(ctx context.Context) (float64, error) {
	began, n := time.Now(), 0
	err := st.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT fold_key, log_id, epoch_ordinal, seq, body FROM fact WHERE tenant = ? AND fold_key LIKE 'order/%' ORDER BY fold_key, log_id`, tenant)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			var a, b, c int64
			var body []byte
			if err := rows.Scan(&key, &a, &b, &c, &body); err != nil {
				return err
			}
			if err := proto.Unmarshal(body, &docklinev1.Event{}); err != nil {
				return err
			}
			n++
		}
		return rows.Err()
	})
	if err == nil && n != centreEvents+ordersOfFive {
		err = fmt.Errorf("%d facts of orders, want %d", n, centreEvents+ordersOfFive)
	}
	return ordersOfFive / time.Since(began).Seconds(), err
}

// accept has the ERP say what was ordered, as it does before anybody picks.
func (st *stages) accept(ctx context.Context) error {
	for at := uint64(0); at < ordersOfFive; {
		var recorded []eventlog.Recorded
		for ; len(recorded) < 1000 && at < ordersOfFive; at++ {
			order := &docklinev1.Order{Customer: "C-1", Site: site, OrderedAt: timestamppb.New(Began)}
			for n := at * 5; n < at*5+5; n++ {
				l := Pick("wms", n).GetPick().GetLines()[0]
				order.Number = l.GetOrder()
				order.Lines = append(order.Lines, &docklinev1.Line{Order: l.GetOrder(), OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: l.GetQuantity()})
			}
			e := &docklinev1.Event{Tenant: tenant, Source: "erp", Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: order.Number, SourceKey: "sale/" + order.Number, SourceRevision: "1",
				OccurredAt: timestamppb.New(Began), CapturedAt: timestamppb.New(Began), Payload: &docklinev1.Event_Order{Order: order}}
			event.Restore(e)
			recorded = append(recorded, eventlog.Recorded{Event: e})
		}
		if err := st.db.Write(ctx, func(tx *db.Tx) error { _, err := st.filler.Log.Append(ctx, tx, recorded); return err }); err != nil {
			return err
		}
	}
	return nil
}

// fold folds the dirty keys of one kind, and returns how many a second. The marks of others wait.
func (st *stages) fold(ctx context.Context, kind string) (float64, error) {
	const later = int64(1) << 60
	if err := st.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE dirty SET due_at = CASE WHEN fold_key LIKE ? THEN 0 ELSE CAST(? AS BIGINT) END`, kind+"%", later)
		return err
	}); err != nil {
		return 0, err
	}
	before, began := st.worker.Stats(), time.Now()
	for {
		n, err := st.worker.Step(ctx)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
	}
	took, after := time.Since(began), st.worker.Stats()
	folded := after.Folded - before.Folded
	if after.Failed > 0 || folded < ordersOfFive {
		return 0, fmt.Errorf("%d keys of %s folded, %d failed, want %d at least", folded, kind, after.Failed, ordersOfFive)
	}
	return float64(folded) / took.Seconds(), nil
}
