package eventlog_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// benchDatabases runs a benchmark on SQLite and on a PostgreSQL whose commits are durable.
func benchDatabases(b *testing.B, run func(b *testing.B, d *db.DB)) {
	b.Run("sqlite", func(b *testing.B) { run(b, testenv.SQLite(b)) })
	b.Run("postgresql", func(b *testing.B) { run(b, syncedPostgres(b)) })
}

func syncedPostgres(b *testing.B) *db.DB {
	server, err := testenv.StartPostgres(true)
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(func() { server.Stop() })
	url, err := server.CreateDatabase(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	d, err := db.Open(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	if err := d.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return d
}

const packSize = 100

// envelopes are n envelopes of packSize events each, from two sites.
func envelopes(b *testing.B, n int) [][]wire.Message {
	var batches [][]wire.Message
	for i := 0; i < n; {
		var batch []wire.Message
		for ; len(batch) < 32 && i < n; i++ {
			site := []string{"dc-east", "dc-west"}[i%2]
			seq := uint64(i/2*packSize + 1)
			var list []*docklinev1.Event
			for k := range packSize {
				list = append(list, pick(site, fmt.Sprint("SO", (i*packSize+k)/5), fmt.Sprint("k", i*packSize+k), 1))
			}
			batch = append(batch, events(b, withCursor(envelope(b, site, 1, seq, list...), fmt.Sprint(i), began.Add(time.Duration(i)*time.Second), true))...)
		}
		batches = append(batches, batch)
	}
	return batches
}

func perSecond(b *testing.B, events int) {
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkInbox: envelopes of 100 events, durable and answered. Op: one envelope.
func BenchmarkInbox(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		w := newWorld(b, d)
		batches := envelopes(b, b.N)
		b.ResetTimer()
		for _, batch := range batches {
			if _, err := w.ingest.Handle(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b, b.N*packSize)
	})
}

// BenchmarkFill: from the inbox into the log with dedup, one fact, its dirty mark and receipt each, and their numbers. Op: one
// envelope of 100 events.
func BenchmarkFill(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		w := newWorld(b, d)
		for _, batch := range envelopes(b, b.N) {
			if _, err := w.ingest.Handle(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		b.ResetTimer()
		w.fill()
		b.ReportMetric(float64(b.N*packSize)/b.Elapsed().Seconds(), "filled/s")
		for w.place() > 0 {
		}
		perSecond(b, b.N*packSize)
	})
}

// BenchmarkDuplicates: events that are all there, sent again by a site under a new epoch. Op: one envelope of 100 events.
func BenchmarkDuplicates(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		w := newWorld(b, d)
		send := func(ordinal uint64) {
			for _, batch := range envelopes(b, b.N) {
				for i := range batch {
					batch[i] = again(b, batch[i], ordinal)
				}
				if _, err := w.ingest.Handle(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
		}
		send(1)
		w.fill()
		send(2)
		b.ResetTimer()
		if got := w.fill(); got.Duplicates != b.N*packSize {
			b.Fatalf("fill = %+v", got)
		}
		perSecond(b, b.N*packSize)
	})
}

// BenchmarkLimits is what the same databases do at best with rows like those of the log: one table, a unique id, 400 bytes.
func BenchmarkLimits(b *testing.B) {
	rows := func(n int) [][]any {
		out := make([][]any, n)
		for i := range out {
			out[i] = []any{fmt.Sprintf("%064x", i*2654435761), make([]byte, 400)}
		}
		return out
	}
	const table = `CREATE TABLE bench (id TEXT PRIMARY KEY, body BYTEA)`
	b.Run("sqlite 1000 rows a commit", func(b *testing.B) {
		d := testenv.SQLite(b)
		w := newWorld(b, d)
		w.write(func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, table); return err })
		all := rows(b.N)
		b.ResetTimer()
		for len(all) > 0 {
			n := min(1000, len(all))
			w.write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.InsertAbsent(ctx, db.Insert{Table: "bench", Columns: []string{"id", "body"}, Conflict: []string{"id"}, Rows: all[:n]})
				return err
			})
			all = all[n:]
		}
		perSecond(b, b.N)
	})
	b.Run("postgresql insert on conflict", func(b *testing.B) {
		d := syncedPostgres(b)
		w := newWorld(b, d)
		w.write(func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, table); return err })
		all := rows(b.N)
		b.ResetTimer()
		for len(all) > 0 {
			n := min(1000, len(all))
			w.write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.InsertAbsent(ctx, db.Insert{Table: "bench", Columns: []string{"id", "body"}, Conflict: []string{"id"}, Rows: all[:n], Returning: []string{"id"}})
				return err
			})
			all = all[n:]
		}
		perSecond(b, b.N)
	})
}

func again(b *testing.B, m wire.Message, ordinal uint64) wire.Message {
	env := &docklinev1.Envelope{}
	if err := proto.Unmarshal(m.Payload, env); err != nil {
		b.Fatal(err)
	}
	env.Epoch, env.EpochOrdinal = epochName(ordinal), ordinal
	return message(b, env.GetSite(), wire.Events, env)
}
