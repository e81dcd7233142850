package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/rebuild"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// refold: the same facts give the same state. Every event of the log is told to an empty centre, in another order, some twice, a few at a
// time; in the end each key has the state that it has here, and the same documents are wanted.
func (w *world) refold(ctx context.Context) error {
	facts, err := w.recorded(ctx)
	if err != nil {
		return err
	}
	r := stream(w.config.Seed, "refold")
	for range len(facts) / 4 {
		facts = append(facts, facts[r.IntN(len(facts))])
	}
	r.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	other, err := openDatabase(ctx, filepath.Join(w.dir, "refold.db"))
	if err != nil {
		return err
	}
	err = w.foldInto(ctx, other, facts, func(most int) int { return 1 + r.IntN(most) })
	if err == nil {
		err = w.compare(ctx, other)
	}
	return errors.Join(err, other.Close())
}

// recorded is every event in force of the log with its place.
func (w *world) recorded(ctx context.Context) (all []eventlog.Recorded, err error) {
	err = w.centre.quietly(func() error {
		return w.centre.db.Read(ctx, func(tx *db.Tx) error {
			rows, err := tx.Query(ctx, `SELECT epoch, epoch_ordinal, seq, body FROM event ORDER BY log_id`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				rec := eventlog.Recorded{Event: &docklinev1.Event{}}
				var ordinal, seq int64
				var body []byte
				if err := rows.Scan(&rec.Epoch, &ordinal, &seq, &body); err != nil {
					return err
				}
				if err := proto.Unmarshal(body, rec.Event); err != nil {
					return err
				}
				rec.EpochOrdinal, rec.Seq = uint64(ordinal), uint64(seq)
				all = append(all, rec)
			}
			return rows.Err()
		})
	})
	return all, err
}

func (w *world) foldInto(ctx context.Context, other *db.DB, facts []eventlog.Recorded, some func(int) int) error {
	other.Now, other.Random = w.clock, ids(w.config.Seed, "refold")
	stages, err := collector.NewStages(ctx, collector.Surroundings{DB: other, Tenant: tenant, Policy: w.policy, Up: func() bool { return true }, Now: w.clock,
		Random: func() float64 { return 0.5 }, Publish: func(context.Context, wire.Message) error { return nil },
		Systems: []collector.SurroundingSystem{{Name: w.erp.name, Role: ownership.SystemOfRecord, Connector: w.erp}, {Name: w.crm.name, Role: ownership.CRM, Connector: w.crm}}})
	if err != nil {
		return err
	}
	stages.Worker.Append = nil // what was released to sites is among the facts
	if err := w.copyStreams(ctx, other); err != nil {
		return err
	}
	fold := func(most int) error {
		for range most {
			if n, err := stages.Worker.Step(ctx); n == 0 || err != nil {
				return err
			}
		}
		return nil
	}
	for len(facts) > 0 {
		n := some(min(len(facts), 25))
		if err := other.Write(ctx, func(tx *db.Tx) error { _, err := stages.Filler.Log.Append(ctx, tx, facts[:n]); return err }); err != nil {
			return fmt.Errorf("tell facts again: %w", err)
		}
		facts = facts[n:]
		if some(3) == 1 {
			if err := fold(1); err != nil {
				return err
			}
		}
	}
	return fold(1000)
}

// copyStreams takes over how far each stream has told everything, which is no fact, and what follows from absence hangs on it.
func (w *world) copyStreams(ctx context.Context, other *db.DB) error {
	in := db.Insert{Table: "stream", Columns: []string{"tenant", "site", "plugin", "stream", "moves_stock", "through_at", "movement"}}
	err := w.centre.quietly(func() error {
		return w.centre.db.Read(ctx, func(tx *db.Tx) error {
			rows, err := tx.Query(ctx, `SELECT tenant, site, plugin, stream, moves_stock, through_at, movement FROM stream`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var tenant, site, plugin, stream string
				var moves, at, movement int64
				if err := rows.Scan(&tenant, &site, &plugin, &stream, &moves, &at, &movement); err != nil {
					return err
				}
				in.Rows = append(in.Rows, []any{tenant, site, plugin, stream, moves, at, movement})
			}
			return rows.Err()
		})
	})
	if err != nil {
		return err
	}
	return other.Write(ctx, func(tx *db.Tx) error { return tx.InsertAll(ctx, in) })
}

// folded is what a key was folded into, or a document that is wanted.
type folded struct {
	hash string
	body []byte
}

// states are those of all keys, by key, and the documents that are wanted, by posting. A key of which no fact is left, because the event that
// touched it gave way to another one under its id, has the state of nothing: whether it has a row says only what came first.
func states(ctx context.Context, d *db.DB) (map[string]folded, error) {
	all := map[string]folded{}
	err := d.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT fold_key, hash, body FROM state WHERE fact_count > 0 UNION ALL SELECT 'posting ' || target || ' ' || kind || ' ' || natural_key, document_hash, document FROM posting
			WHERE wanted = 1 AND state <> 'superseded' AND chain_number = 1 AND kind = 'crm_status'`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			var f folded
			if err := rows.Scan(&key, &f.hash, &f.body); err != nil {
				return err
			}
			all[key] = f
		}
		return rows.Err()
	})
	return all, err
}

func (w *world) compare(ctx context.Context, other *db.DB) error {
	var live map[string]folded
	err := w.centre.quietly(func() (err error) { live, err = states(ctx, w.centre.db); return err })
	if err != nil {
		return err
	}
	again, err := states(ctx, other)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(live)) {
		if again[key].hash != live[key].hash {
			w.breaks("same facts, same state: %s folded again from the same facts in another order is not what it was:%s", key, difference(key, live[key].body, again[key].body))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(again)) {
		if _, known := live[key]; !known {
			w.breaks("same facts, same state: %s comes up only when the facts are folded again:%s", key, difference(key, nil, again[key].body))
		}
	}
	return nil
}

// rebuild: the product's own check, which holds every fact and state against the event log, agrees.
func (w *world) rebuild(ctx context.Context) error {
	return w.centre.quietly(func() error {
		b := w.centre.members[0].stages.Rebuild
		run, err := b.Begin(ctx, rebuild.Check, rebuild.Key{})
		if err != nil {
			return err
		}
		for !run.Done() {
			if err := b.Step(ctx, run); err != nil {
				return err
			}
		}
		found, err := b.Differences(ctx, run, 5)
		for _, d := range found {
			w.breaks("rebuild equals live: %s %s: %s", d.Key.Key, d.What, d.Text)
		}
		return err
	})
}
