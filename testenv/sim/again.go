package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// onlyTransport are the tables in which a redelivery may leave a trace, each with the reason: nothing that a person reads of goods, and
// nothing that a posting is made of, stands in them.
var onlyTransport = map[string]string{
	"epoch":            "which journals a site has had: a redelivery may come under a new one",
	"epoch_moved":      "the same",
	"received":         "which envelopes of a journal have come",
	"site_total":       "how many events came, and how many of them were known",
	"site_point":       "the same by the hour",
	"site_session":     "connections of the line",
	"presence":         "when a site was last heard of",
	"connector_cursor": "how far a system was read, and when",
	"listener":         "which collectors listen",
	"lease":            "who does what at the moment",
	"stream":           "how far a stream is complete: the latest word, with when it came",
	"meta":             "counters",
	"goose_db_version": "the schema",
	"sqlite_sequence":  "the next number of a table, which a refused insert uses up",
	"sqlite_stat1":     "what the database knows of its own indexes",
	"sqlite_stat4":     "the same",
}

// again tells a settled day once more, as often as the configuration wants: every envelope as it came, all events in envelopes of another
// journal as after a disk was put back, and everything that the systems had to tell since the beginning. Nothing may come of it.
func (w *world) again(ctx context.Context) error {
	before, err := w.dump(ctx)
	if err != nil {
		return err
	}
	effects := w.effects()
	for n := range w.config.Again {
		if err := w.retell(ctx, n); err != nil {
			return err
		}
		after, err := w.dump(ctx)
		if err != nil {
			return err
		}
		for _, table := range slices.Sorted(maps.Keys(after)) {
			if digest(before[table]) != digest(after[table]) {
				w.breaks("the same again changes nothing: the day told for the %d. time has changed table %s: %s", n+2, table, firstDifference(before[table], after[table]))
			}
		}
		if now := w.effects(); !slices.Equal(now, effects) {
			w.breaks("the same again changes nothing: the day told for the %d. time has reached a system: %s", n+2, firstDifference(effects, now))
		}
		if err := w.verdict(); err != nil {
			return err
		}
	}
	return nil
}

// retell is one redelivery of the whole day, brought to rest.
func (w *world) retell(ctx context.Context, n int) error {
	r := stream(w.config.Seed, fmt.Sprint("again ", n))
	all := slices.Clone(w.arrived)
	more, err := w.underNewJournals(ctx, n)
	if err != nil {
		return err
	}
	all = append(all, more...)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if err := w.centre.quietly(func() error {
		return w.centre.db.Write(ctx, func(tx *db.Tx) error {
			if w.config.Plant == Unlearned {
				if _, err := tx.Exec(ctx, `DELETE FROM event_identity`); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, `DELETE FROM connector_cursor`)
			return err
		})
	}); err != nil {
		return err
	}
	for _, m := range all {
		w.centre.hear(m)
	}
	w.erp.read, w.crm.read = false, false
	for range rounds {
		w.pass(time.Second) // a system is asked again after a while only
		for _, m := range w.centre.members {
			for _, step := range m.steps {
				for more := true; more; {
					if more, err = w.centre.run(ctx, m, step); err != nil {
						return err
					}
				}
			}
		}
		for w.deliver() {
		}
		waits, err := w.centre.count(ctx, `SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM event WHERE log_offset IS NULL) +
			(SELECT count(*) FROM posting WHERE state IN ('ready', 'sending', 'unknown')) + (SELECT count(*) FROM dirty WHERE due_at <= ?)`, w.now.UnixMicro())
		if err != nil {
			return err
		}
		if waits == 0 && !w.offered() && w.erp.read && w.crm.read {
			return nil
		}
	}
	return &broken{"a day that is told again does not come to rest"}
}

func (w *world) offered() bool {
	return slices.ContainsFunc(w.centre.members, func(m *member) bool { return len(m.offered) > 0 })
}

// underNewJournals are all events of sites, as they are in the log, in envelopes of a journal that nobody has heard of.
func (w *world) underNewJournals(ctx context.Context, n int) ([]wire.Message, error) {
	facts, err := w.recorded(ctx)
	if err != nil {
		return nil, err
	}
	bySite := map[string][][]byte{}
	for _, f := range facts {
		if f.Event.GetSite() == "" {
			continue
		}
		body, err := proto.Marshal(f.Event)
		if err != nil {
			return nil, err
		}
		bySite[f.Event.GetSite()] = append(bySite[f.Event.GetSite()], body)
	}
	var out []wire.Message
	for _, site := range slices.Sorted(maps.Keys(bySite)) {
		name := sha256.Sum256(fmt.Appendf(nil, "%s %d", site, n))
		epoch, seq := hex.EncodeToString(name[:16]), uint64(1)
		for part := range slices.Chunk(bySite[site], 40) {
			pack, crc, err := wire.SealPack(part)
			if err != nil {
				return nil, err
			}
			last := seq + uint64(len(part)) - 1
			body, err := proto.Marshal(&docklinev1.Envelope{Tenant: tenant, Site: site, Epoch: epoch, EpochOrdinal: uint64(1_000 + n), FirstSeq: seq, LastSeq: last, Count: uint32(len(part)), Crc: crc,
				Pack: pack, Live: n%2 == 0})
			if err != nil {
				return nil, err
			}
			out = append(out, wire.Message{Topic: wire.UpTopic(tenant, site, wire.Events), Payload: body})
			seq = last + 1
		}
	}
	return out, nil
}

// effects are what the systems have done, by kind and key.
func (w *world) effects() (all []string) {
	for _, s := range []*system{w.erp, w.crm} {
		for kind := range s.Kinds() {
			for _, key := range s.Keys(kind) {
				all = append(all, fmt.Sprintf("%s %s %s %d times: %v", s.name, kind, key, s.Effects(connector.Kind(kind), key), s.Document(kind, key)))
			}
		}
	}
	slices.Sort(all)
	return all
}

// dump is every row of every table but those of the transport, by table.
func (w *world) dump(ctx context.Context) (map[string][]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if w.config.Database != "" {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	}
	names, err := w.centre.texts(ctx, query)
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, name := range names {
		if onlyTransport[name] != "" {
			continue
		}
		if err := w.centre.quietly(func() error { return w.centre.rows(ctx, name, all) }); err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
	}
	return all, nil
}

func (c *centre) rows(ctx context.Context, table string, into map[string][]string) error {
	return c.db.Read(ctx, func(tx *db.Tx) error {
		into[table] = nil
		rows, err := tx.Query(ctx, `SELECT * FROM `+table)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			cells := make([]any, len(columns))
			where := make([]any, len(columns))
			for i := range cells {
				where[i] = &cells[i]
			}
			if err := rows.Scan(where...); err != nil {
				return err
			}
			var b strings.Builder
			for i, cell := range cells {
				fmt.Fprintf(&b, "%s=%x ", columns[i], cell)
			}
			into[table] = append(into[table], b.String())
		}
		slices.Sort(into[table])
		return rows.Err()
	})
}

func digest(rows []string) [32]byte { return sha256.Sum256([]byte(strings.Join(rows, "\n"))) }

// firstDifference names a line that only one of two has.
func firstDifference(before, after []string) string {
	for _, line := range after {
		if _, known := slices.BinarySearch(before, line); !known {
			return fmt.Sprintf("%d rows became %d; new is %s", len(before), len(after), line)
		}
	}
	for _, line := range before {
		if _, known := slices.BinarySearch(after, line); !known {
			return fmt.Sprintf("%d rows became %d; gone is %s", len(before), len(after), line)
		}
	}
	return fmt.Sprintf("%d rows became %d", len(before), len(after))
}
