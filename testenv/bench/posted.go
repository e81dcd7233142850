package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/world"
)

// posted runs a simulated dock at 100 movements a second against the sandbox ERP and CRM: from capture to the log, and from the log
// to the goods issue that the ERP has confirmed.
func (s *Suite) posted(ctx context.Context) error {
	log, post, err := s.postedAt(ctx, 100, 400)
	if err != nil {
		return err
	}
	s.beside("100 movements/s, capture to log, p95", Quantile(log, 0.95), "ms", reference{name: "what operations are promised", value: 2000}, atMost(1))
	s.beside("100 movements/s, log to confirmed goods issue, p95", Quantile(post, 0.95), "ms", reference{name: "what operations are promised", value: 10_000}, atMost(1))
	return nil
}

// postedAt returns what each event took to the log, and each goods issue from the log to its confirmation, in milliseconds: an order is about
// five movements, the orders come all at once and the movements at their pace.
func (s *Suite) postedAt(ctx context.Context, rate float64, orders int) (log, post []float64, err error) {
	dir, err := s.folder("posted")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	w, err := world.Open(ctx, world.Config{Dir: dir, Bin: s.Bin, Seed: 1, Sites: []string{"dc-west"}, MovementsPerSecond: rate})
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	if _, err := w.Orders(ctx, orders); err != nil {
		return nil, nil, err
	}
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(dir, "collector", "collector.db"))
	if err != nil {
		return nil, nil, err
	}
	defer d.Close()
	confirmed := func() (n int64, err error) {
		err = d.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow(ctx, `SELECT count(*) FROM posting WHERE kind = ? AND state = 'confirmed'`, string(connector.GoodsIssue)).Scan(&n)
		})
		return n, err
	}
	var n int64
	if err := waitFor(ctx, "goods issues in the ERP", 5*time.Minute, 200*time.Millisecond, func() (yes bool, err error) {
		n, err = confirmed()
		return n >= int64(orders), err
	}); err != nil {
		return nil, nil, fmt.Errorf("%w: %d of %d confirmed", err, n, orders)
	}
	if log, post, err = s.postedTimes(ctx, d, time.Time{}, time.Now()); err == nil {
		s.say("%.0f a second to the ERP: %d events, %d goods issues; p50 %.0f ms to the log, %.0f ms from there", rate, len(log), len(post), Quantile(log, 0.5), Quantile(post, 0.5))
	}
	return log, post, err
}

// postedTimes are those of events that were captured, and goods issues whose last event was logged, between two moments.
func (s *Suite) postedTimes(ctx context.Context, d *db.DB, from, to time.Time) (log, post []float64, err error) {
	within := func(at int64) bool { return at >= from.UnixMicro() && at < to.UnixMicro() }
	recorded := map[string]int64{}
	err = d.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, recorded_at, body FROM event WHERE site <> '' ORDER BY log_id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			var at int64
			var body []byte
			if err := rows.Scan(&id, &at, &body); err != nil {
				return err
			}
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(body, e); err != nil {
				return err
			}
			recorded[id] = at
			if e.GetPayload() != nil && e.GetCommandResult() == nil && within(e.GetCapturedAt().AsTime().UnixMicro()) {
				log = append(log, float64(at-e.GetCapturedAt().AsTime().UnixMicro())/1000)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, nil, err
	}
	err = d.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT p.id, p.confirmed_at, e.event_id FROM posting p JOIN posting_event e
			ON e.natural_key = p.natural_key AND e.kind = p.kind AND e.target = p.target AND e.tenant = p.tenant
			WHERE p.kind = ? AND p.state = 'confirmed' ORDER BY p.id`, string(connector.GoodsIssue))
		if err != nil {
			return err
		}
		defer rows.Close()
		last, done := map[int64]int64{}, map[int64]int64{}
		for rows.Next() {
			var id, at int64
			var event string
			if err := rows.Scan(&id, &at, &event); err != nil {
				return err
			}
			last[id], done[id] = max(last[id], recorded[event]), at
		}
		for id := range done {
			if !within(last[id]) {
				continue
			}
			post = append(post, float64(done[id]-last[id])/1000)
		}
		return rows.Err()
	})
	if err != nil || len(log) == 0 || len(post) == 0 {
		return nil, nil, fmt.Errorf("%d events and %d goods issues found: %w", len(log), len(post), err)
	}
	return log, post, nil
}
